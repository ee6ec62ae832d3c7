"""HTML and Markdown to blocks: what a person sees on the page is what is stored."""

from pathlib import Path

import pytest
from files import PROSE, write

from assistant.types import Document
from ingest.readers import read


def html(folder: Path, body: str, head: str = "") -> Document:
    return read(write(folder, "p.html", f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"))


def markdown(folder: Path, text: str) -> Document:
    return read(write(folder, "p.md", text))


def outline(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in document.blocks]


def test_html_head_gives_title_date_language_and_description(tmp_path: Path) -> None:
    head = (
        "<title>Fire &amp; water</title><meta name='dcterms.date' content='2023-02-01T10:00:00Z'>"
        "<meta name=description content='About cover'>"
    )
    document = read(
        write(tmp_path, "p.html", f"<html lang='en-GB'><head>{head}</head><body><p>{PROSE}</p></body></html>")
    )
    assert (document.title, document.date, document.language) == ("Fire & water", "2023-02-01", "en")
    assert document.metadata == {"description": "About cover"}


def plain(folder: Path, text: str) -> list[tuple[str, str]]:
    return [(kind, body) for kind, body in outline(read(write(folder, "p.txt", text))) if body != PROSE]


def test_a_numbered_line_that_ends_early_heads_the_text_below_it(tmp_path: Path) -> None:
    below = "If a garage repairs the damage, the deductible is halved and nothing has to be paid in advance."
    assert plain(tmp_path, f"{PROSE}\n\n2. Deductible\n{below}\n") == [
        ("heading", "2. Deductible"),
        ("paragraph", below),
    ]
    assert plain(tmp_path, f"{PROSE}\n\n4. WHAT WE NEED\n- the number of the policy\n- a photo\n") == [
        ("heading", "4. WHAT WE NEED"),
        ("list", "- the number of the policy\n- a photo"),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        "1. Apples\n2. Pears and bananas",
        "1. Call us when the damage is greater than\nthe deductible, and send us a photo of it.",
        "1. Rufen Sie bei einem Einbruch sofort die\nPolizei und danach uns an.",
        "Deductible\nIf a garage repairs the damage, the deductible is halved.",
        "§ 8 Nummer 2 gemäß, Absatz 3\nist zu zahlen.",
    ],
)
def test_a_line_that_goes_on_is_no_heading(tmp_path: Path, lines: str) -> None:
    assert [kind for kind, _ in plain(tmp_path, f"{PROSE}\n\n{lines}\n")] != ["heading", "paragraph"]


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>bad()</script>",
        "<style>.bad{}</style>",
        "<template>bad</template>",
        "<nav>bad</nav>",
        "<p hidden>bad</p>",
        "<p style='display: none'>bad</p>",
        "<!-- bad -->",
        "<noscript>bad</noscript>",
        "<select><option>bad</option></select>",
        "<svg><text>bad</text></svg>",
        "<div role=navigation>bad</div>",
    ],
)
def test_what_nobody_reads_on_a_page_is_left_out(tmp_path: Path, hidden: str) -> None:
    assert outline(html(tmp_path, f"<p>before</p>{hidden}<p>after</p>")) == [
        ("paragraph", "before"),
        ("paragraph", "after"),
    ]


def test_a_panel_that_a_button_opens_is_text_under_the_button(tmp_path: Path) -> None:
    document = html(
        tmp_path,
        "<h2>Life insurance</h2><ul class=accordion>"
        "<li><button aria-controls=p1 class=usa-accordion-button>Who is covered?</button>"
        "<div id=p1 hidden><p>Veterans.</p><h3>Others</h3><p>Spouses.</p></div></li>"
        "<li><button aria-controls=p2 class=usa-accordion-button>What does it cost?</button>"
        "<div id=p2 hidden><ul><li>7 dollars</li></ul></div></li></ul>",
    )
    paths = [(block.text, block.heading_path[1:]) for block in document.blocks[1:]]
    who, cost = "Who is covered?", "What does it cost?"
    assert paths == [
        (who, (who,)),
        ("Veterans.", (who,)),
        ("Others", (who, "Others")),
        ("Spouses.", (who, "Others")),
        (cost, (cost,)),
        ("- 7 dollars", (cost,)),
    ]


def test_inline_markup_leaves_its_text_and_breaks_stay(tmp_path: Path) -> None:
    body = "<p>Call <a href=x>us</a> <b>now</b>:<br>it  costs\n 10<sup>6</sup> &euro; <img alt='a form'></p>"
    assert outline(html(tmp_path, body)) == [("paragraph", "Call us now:\nit costs 10^6 € a form")]


def test_nested_lists_are_indented_and_ordered_ones_keep_their_numbers(tmp_path: Path) -> None:
    body = "<ol start=3><li>three<ul><li>a</li><li>b<br>c</li></ul></li><li>four</li></ol>"
    assert outline(html(tmp_path, body)) == [("list", "3. three\n  - a\n  - b\n    c\n4. four")]


def test_a_table_has_a_line_a_row_and_spans_are_filled(tmp_path: Path) -> None:
    document = html(
        tmp_path,
        "<table><caption>Rates</caption><thead><tr><th>Class<th>Age<th>Rate</tr></thead>"
        "<tr><td rowspan=2>A<td>20<td>1.0</tr><tr><td>30<td>1.5<br>2.0</tr>"
        "<tr><td colspan=2>B<td>3.0</tr></table>",
    )
    assert outline(document) == [
        ("paragraph", "Rates"),
        ("table", "| Class | Age | Rate |\n| A | 20 | 1.0 |\n| A | 30 | 1.5 2.0 |\n| B |  | 3.0 |"),
    ]
    assert document.blocks[1].header_lines == 1


def test_tables_that_lay_out_a_page_are_read_as_text(tmp_path: Path) -> None:
    inner = "<table><tr><td>a<td>1</table>"
    body = f"<table><tr><td><h2>Claims</h2><p>Report it.</p></td><td>{inner}</td></tr></table>"
    assert outline(html(tmp_path, body)) == [
        ("heading", "Claims"),
        ("paragraph", "Report it."),
        ("table", "| a | 1 |"),
    ]


def test_definition_lists_join_term_and_definition(tmp_path: Path) -> None:
    body = "<dl><dt>Date<dd>1976-08-31<dt>Place<dd>BGBl I<dt>What is it?<dd>A law.</dl>"
    assert outline(html(tmp_path, body)) == [
        ("list", "Date: 1976-08-31\nPlace: BGBl I"),
        ("heading", "What is it?"),
        ("paragraph", "A law."),
    ]


def test_links_back_from_footnotes_are_no_text(tmp_path: Path) -> None:
    body = "<p>See<sup><a href=#1>[1]</a></sup></p><ol><li id=1><p>The note <a href=#r>↑</a></p></li></ol>"
    assert outline(html(tmp_path, body)) == [("paragraph", "See[1]"), ("list", "1. The note")]


def test_code_keeps_its_lines(tmp_path: Path) -> None:
    assert outline(markdown(tmp_path, "Run:\n\n```\na  = 1\n  b = 2\n```\n")) == [
        ("paragraph", "Run:"),
        ("code", "a  = 1\n  b = 2"),
    ]


def test_markdown_leaves_no_markers(tmp_path: Path) -> None:
    text = "# Title\n\nSome **bold** and *soft* [link](http://x.example/a_(b)) `code` ~~old~~ ![alt](i.png)\n"
    assert outline(markdown(tmp_path, text)) == [
        ("heading", "Title"),
        ("paragraph", "Some bold and soft link code alt"),
    ]


def test_markdown_inside_html_blocks_is_markdown(tmp_path: Path) -> None:
    text = (
        "<div class='x'>\n ## Heading\n\nText with **bold**\n- [one](a)\n- two\n</div>\n"
        "<h4>Mail</h4>\nWrite to [us](mailto:a@b.example).<br>\nThanks.\n\n    ### Deep\n"
    )
    assert outline(markdown(tmp_path, text)) == [
        ("heading", "Heading"),
        ("paragraph", "Text with bold"),
        ("list", "- one\n- two"),
        ("heading", "Mail"),
        ("paragraph", "Write to us.\nThanks."),
        ("heading", "Deep"),
    ]


def test_front_matter_is_metadata_and_not_text(tmp_path: Path) -> None:
    text = "---\ntitle: Cover\ndate: 2022-03-04\ndescription: About\nkeywords: [a, b]\n---\n\nBody text.\n"
    document = markdown(tmp_path, text)
    assert (document.title, document.date, document.text) == ("Cover", "2022-03-04", "Body text.")
    assert document.metadata == {"description": "About", "keywords": "a, b"}


@pytest.mark.parametrize("front", ["a: [1", "- just\n- a list", "x: !!python/object:os.system {}"])
def test_broken_front_matter_is_a_warning(tmp_path: Path, front: str) -> None:
    document = markdown(tmp_path, f"---\n{front}\n---\n\nBody text.\n")
    assert "Body text." in document.text
    assert len(document.warnings) == 1


def test_template_tags_go_and_their_plain_arguments_stay(tmp_path: Path) -> None:
    text = (
        '{% comment %}gone{% endcomment %}Ask in {% slack_channel "people-ops" %} or {{ site.name }}'
        ' [here]({% page "/x/" %}).{: .note}\n'
    )
    assert markdown(tmp_path, text).text == "Ask in people-ops or here."


def test_german_statutes_keep_their_sections_and_numbers(tmp_path: Path) -> None:
    text = (
        "# Gesetz\n\nFundstelle\n:   BGBl I: 1976\n\n### § 1 Steuerpflicht\n\n(1) Steuerpflichtig sind\n\n"
        "1.  Gesellschaften;\n\n\n2.  Vereine, soweit\n\n    a)  die einen,\n\n    b)  die anderen.\n\n"
    )
    document = markdown(tmp_path, text)
    assert outline(document) == [
        ("heading", "Gesetz"),
        ("list", "Fundstelle: BGBl I: 1976"),
        ("heading", "§ 1 Steuerpflicht"),
        ("paragraph", "(1) Steuerpflichtig sind"),
        ("list", "1. Gesellschaften;\n2. Vereine, soweit\n  a) die einen,\n  b) die anderen."),
    ]
    assert document.blocks[-1].heading_path == ("Gesetz", "§ 1 Steuerpflicht")


def test_only_the_main_part_of_a_page_is_read(tmp_path: Path) -> None:
    document = html(tmp_path, f"<div>Menu Login</div><main><p>{PROSE}</p></main><div>Imprint</div>")
    assert document.text == PROSE
