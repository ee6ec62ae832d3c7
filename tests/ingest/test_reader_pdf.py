"""PDF: pages, paragraphs, headings, tables, furniture and hyphens; encrypted, damaged and scanned files."""

from pathlib import Path

import pytest
from files import PROSE, bare_pdf, columns, form, pdf, scanned_pdf, write

from assistant.errors import ReadError
from assistant.types import Document
from ingest.readers import Limits, read
from ingest.readers.pdf.layout import join_lines, words_of
from ingest.readers.pdf.textlines import POOR, PdfLine, contents, defects, furniture, score

BODY = [
    "The insurer pays for damage caused by fire, lightning and explosion",
    "and for the cost of clearing up.",
]


def outline(document: Document) -> list[tuple[str, str, int | None]]:
    return [(block.kind, block.text, block.page) for block in document.blocks]


def test_blocks_know_their_page_and_headings_their_place(tmp_path: Path) -> None:
    pages = [["# 1 Cover", *BODY, "", "Second paragraph here."], ["# 1.1 Claims", *BODY]]
    document = read(write(tmp_path, "p.pdf", pdf(pages, title="Household terms")))
    assert (document.title, document.pages, document.date) == ("Household terms", 2, "2000-01-01")
    assert outline(document) == [
        ("heading", "1 Cover", 1),
        ("paragraph", " ".join(BODY), 1),
        ("paragraph", "Second paragraph here.", 1),
        ("heading", "1.1 Claims", 2),
        ("paragraph", " ".join(BODY), 2),
    ]
    assert document.blocks[-1].heading_path == ("1 Cover", "1.1 Claims")


@pytest.mark.parametrize(
    ("foot", "head", "passages"),
    [
        ("Frame locks are not", "enough for it. Others are.", {"Frame locks are not enough for it. Others are."}),
        ("We insure washing ma-", "chines and dryers.", {"We insure washing machines and dryers."}),
        ("It ends here.", "small letters begin anew.", {"It ends here.", "small letters begin anew."}),
        ("Frame locks are not", "Germany has other rules.", {"Frame locks are not", "Germany has other rules."}),
    ],
)
def test_a_sentence_that_a_page_has_parted_is_whole_and_knows_both_pages(
    tmp_path: Path, foot: str, head: str, passages: set[str]
) -> None:
    pages = [[*BODY, "", foot], [head, "", *BODY, "", "A dryer dries all washing."]]
    document = read(write(tmp_path, "p.pdf", pdf(pages)))
    assert passages < {block.text for block in document.blocks}
    assert document.page_starts == ((0, 1), (document.text.index(head), 2))


def test_table_rows_stay_one_line_with_their_label(tmp_path: Path) -> None:
    rows = [
        "\t2019\t2018",
        "Net revenue\t1,234\t1,100",
        "Cost of claims\t(12)\t(11)",
        "Total\t$ 1,222\t$ 1,089",
    ]
    document = read(write(tmp_path, "p.pdf", pdf([[*BODY, "", *rows, "", *BODY]])))
    table = next(block for block in document.blocks if block.kind == "table")
    assert table.text.split("\n") == [
        "|  | 2019 | 2018 |",
        "| Net revenue | 1,234 | 1,100 |",
        "| Cost of claims | (12) | (11) |",
        "| Total | $ 1,222 | $ 1,089 |",
    ]
    assert table.header_lines == 1
    assert [block.kind for block in document.blocks] == ["paragraph", "table", "paragraph"]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned_pages_are_read_as_they_are_seen(tmp_path: Path, turn: int) -> None:
    lines = ["# 1 Cover", *BODY, "", "Second paragraph here.", "", "Wind\t1,234\tAll", "Hail\t11\tNone"]
    upright = read(write(tmp_path, "a.pdf", pdf([lines])))
    assert [block.kind for block in upright.blocks] == ["heading", "paragraph", "paragraph", "table"]
    assert read(write(tmp_path, "b.pdf", pdf([lines], turn=turn))).blocks == upright.blocks


def test_a_header_set_in_narrow_columns_becomes_one_line_of_cells(tmp_path: Path) -> None:
    canvas_lines = [
        *BODY,
        "",
        "\tTotal\tAverage",
        "\tShares\tPrice",
        "October\t2,650\t$172.13",
        "November\t3,164\t$198.20",
    ]
    document = read(write(tmp_path, "p.pdf", pdf([canvas_lines])))
    table = next(block for block in document.blocks if block.kind == "table")
    assert table.text.split("\n")[-1] == "November  3,164  $198.20"
    assert 1 <= table.header_lines <= 2


def test_a_sentence_goes_on_in_the_next_column(tmp_path: Path) -> None:
    left = [
        "Der Versicherer ist von der Leistung frei, wenn der",
        "Versicherungsnehmer die Anzeige unterlässt und der",
    ]
    right = [
        "Versicherer nicht auf andere Weise davon erfährt.",
        "Ein neuer Satz steht hier in der zweiten Spalte.",
    ]
    document = read(write(tmp_path, "p.pdf", columns(left, right)))
    assert document.blocks[0].text.startswith(" ".join([*left, right[0]]))


def test_what_was_filled_into_a_form_is_text(tmp_path: Path) -> None:
    assert "Policy 4711" in read(write(tmp_path, "p.pdf", form("Policy 4711"))).text


def test_lines_that_only_start_like_an_item_are_no_list(tmp_path: Path) -> None:
    lines = [
        "Die Frist beginnt nach der Richtlinie vom",
        "20. Januar 2016 und endet auf andere Weise,",
        "z. B. durch einen Brief.",
    ]
    document = read(write(tmp_path, "p.pdf", pdf([lines])))
    assert outline(document) == [("paragraph", " ".join(lines), 1)]


def test_list_items_keep_their_lines_and_numbers(tmp_path: Path) -> None:
    lines = [
        "Covered are",
        "",
        "1. fire and lightning, also where the",
        "cause lies elsewhere;",
        "2. theft.",
        "",
        "• glass",
    ]
    document = read(write(tmp_path, "p.pdf", pdf([lines])))
    text = "1. fire and lightning, also where the cause lies elsewhere;\n2. theft.\n- glass"
    assert outline(document)[1] == ("list", text, 1)


@pytest.mark.parametrize(
    ("stated", "title"),
    [
        ("Terms 2020/2021", "Terms 2020/2021"),
        ("C:\\Users\\x\\terms.docx", "my terms"),
        ("Microsoft Word - terms", "my terms"),
        ("untitled", "my terms"),
        ("", "my terms"),
    ],
)
def test_a_title_that_says_nothing_gives_way_to_the_name(tmp_path: Path, stated: str, title: str) -> None:
    assert read(write(tmp_path, "my_terms.pdf", pdf([BODY], title=stated))).title == title


def test_a_page_read_badly_is_read_again_by_pypdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    glued = [PdfLine("T h e i n s u r e r p a y s f o r a l l")]
    monkeypatch.setattr("ingest.readers.pdf.page_lines", lambda *_: (glued, 0))
    assert read(write(tmp_path, "p.pdf", pdf([BODY]))).text == " ".join(BODY)


def test_thousands_of_rows_on_a_page_take_no_quadratic_time(tmp_path: Path) -> None:
    import time

    content = pdf([[f"Row {n}\t{n},123\t{n}.5" for n in range(3_000)]], leading=0.2)
    started = time.process_time()
    read(write(tmp_path, "p.pdf", content))
    assert time.process_time() - started < 6


def test_bookmarks_give_headings_and_their_depth(tmp_path: Path) -> None:
    pages = [["Scope of cover", *BODY, "", "What is not covered", *BODY]]
    bookmarks = [("Scope of cover", 1, 0), ("What is not covered", 1, 1)]
    document = read(write(tmp_path, "p.pdf", pdf(pages, bookmarks=bookmarks)))
    assert document.blocks[-1].heading_path == ("Scope of cover", "What is not covered")


def test_repeated_headers_footers_and_page_numbers_are_dropped(tmp_path: Path) -> None:
    pages = [
        [
            "ACME Insurance Annual Report",
            "",
            f"Chapter text number {'abcdef'[n]} says this.",
            *BODY,
            "",
            f"{n + 1}",
        ]
        for n in range(6)
    ]
    text = read(write(tmp_path, "p.pdf", pdf(pages))).text
    assert "ACME" not in text
    assert not any(line.strip().isdigit() for line in text.split("\n"))
    assert text.count("Chapter text") == 6


SECTIONS = ["1 Purpose", "2 Cover", "2.1 Fire", "2.2 Theft", "3 Claims", "§ 4 Deadlines"]
SECTION_PAGES = [[heading, "What is said there.", "And more."] for heading in SECTIONS]


def test_a_table_of_contents_is_left_out_with_its_heading_and_its_broken_lines() -> None:
    entries = [f"{heading} ..... {page}" for page, heading in enumerate(SECTIONS, start=2)]
    entries.insert(3, "2.2 Theft and what a thief")
    assert contents([["Terms", "Contents", *entries, "Printed in 2026"], *SECTION_PAGES]) == [
        set(range(1, 9)), *([set()] * len(SECTION_PAGES)),
    ]  # fmt: skip


def test_rows_of_figures_are_no_table_of_contents() -> None:
    figures = [f"{label} {number}" for number, label in enumerate(["Fire", "Theft", "Hail", "Water", "Glass"], start=3)]
    ticks = ["0.00", "0.10", "0.20", "0.30", "0.40", "0.50"]
    assert contents([figures, ticks, *SECTION_PAGES]) == [set()] * (2 + len(SECTION_PAGES))


def test_entries_whose_pages_fall_are_no_table_of_contents() -> None:
    entries = [f"{heading} {9 - number}" for number, heading in enumerate(SECTIONS)]
    assert contents([entries, *SECTION_PAGES]) == [set()] * (1 + len(SECTION_PAGES))


def test_three_pages_are_too_few_to_call_a_line_furniture() -> None:
    assert furniture([["Same head", "a b", "c d"]] * 3) == [set(), set(), set()]


def test_alternating_headers_are_furniture() -> None:
    pages = [[("Left", "Right")[n % 2], f"text {'abcdefgh'[n]}", "x", "y", f"more {'abcdefgh'[n]}"] for n in range(8)]
    assert all(0 in dropped for dropped in furniture(pages))


def test_the_header_of_a_chapter_is_kept_where_it_first_stands() -> None:
    pages = [[f"{c} one", "b", "c", "d", "e", "f", f"{c} end"] for c in "abcdefghijklmnopqrst"]
    for number in range(5, 11):
        pages[number][0] = "Notes to the accounts"
    dropped = furniture(pages)
    assert [0 in lines for lines in dropped[4:12]] == [False, False, *[True] * 5, False]


@pytest.mark.parametrize(
    ("lines", "language", "joined"),
    [
        (["die Versiche-", "rung zahlt"], "de", "die Versicherung zahlt"),
        (["Kranken-", "und Pflegeversicherung"], "de", "Kranken- und Pflegeversicherung"),
        (["Frau Müller-", "Lüdenscheidt"], "de", "Frau Müller-Lüdenscheidt"),
        (["imple-", "mentation of"], "en", "implementation of"),
        (["the COVID-", "19 clause"], "en", "the COVID-19 clause"),
        (["from 10 -", "20 units"], "en", "from 10 -20 units"),
    ],
)
def test_words_parted_at_a_line_end_are_joined(lines: list[str], language: str, joined: str) -> None:
    assert join_lines(lines, frozenset(), language) == joined


def test_the_document_decides_whether_a_hyphen_belongs_to_the_word() -> None:
    words = words_of(["a fixed-rate loan", "of long-", "term debt", "co-", "operation and cooperation"])
    assert join_lines(["fixed-", "rate"], words, "en") == "fixed-rate"
    assert join_lines(["co-", "operation"], words, "en") == "cooperation"
    assert "term" not in words


def test_an_owner_password_alone_does_not_lock_the_text(tmp_path: Path) -> None:
    assert "fire" in read(write(tmp_path, "p.pdf", pdf([BODY], password=""))).text


def test_a_user_password_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"^locked\.pdf is encrypted .*without a password"):
        read(write(tmp_path, "locked.pdf", pdf([BODY], password="secret")))


def test_a_file_cut_off_gives_what_is_left_with_a_warning(tmp_path: Path) -> None:
    whole = pdf([[f"Page {'abcdefghij'[n]} of the terms.", *BODY] for n in range(10)])
    document = read(write(tmp_path, "p.pdf", whole[: len(whole) * 2 // 3]))
    assert "Page a of the terms." in document.text
    assert any("cut off" in warning for warning in document.warnings)


@pytest.mark.parametrize("content", [b"%PDF-1.7\n", b"%PDF-1.4\n%%EOF", b"%PDF-1.7\n" + b"\x00\xff" * 500])
def test_nothing_left_of_a_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ReadError, match=r"p\.pdf is damaged"):
        read(write(tmp_path, "p.pdf", content))


def test_too_many_pages_name_count_limit_and_setting(tmp_path: Path) -> None:
    path = write(tmp_path, "p.pdf", pdf([BODY] * 6))
    with pytest.raises(ReadError, match=r"6 pages, over the limit of 5.*ingest\.max_pages"):
        read(path, Limits(max_pages=5))


def test_too_many_characters_name_count_limit_and_setting(tmp_path: Path) -> None:
    path = write(tmp_path, "p.pdf", pdf([[PROSE] * 5]))
    with pytest.raises(ReadError, match=r"characters, over the limit of 100.*ingest\.max_characters"):
        read(path, Limits(max_characters=100))


def test_a_page_tree_that_repeats_itself_is_refused_quickly(tmp_path: Path) -> None:
    """Nine levels of ten times the same kid: a billion pages in a few hundred bytes."""
    levels = [f"<</Type/Pages/Count {10 ** (9 - n)}/Kids[{f'{n + 3} 0 R ' * 10}]>>" for n in range(9)]
    bomb = bare_pdf("<</Type/Catalog/Pages 2 0 R>>", *levels, "<</Type/Page/MediaBox[0 0 9 9]>>")
    with pytest.raises(ReadError):
        read(write(tmp_path, "p.pdf", bomb))


@pytest.mark.parametrize("nest", ["[" * 50_000, "<</A" * 50_000, "[" * 5_000 + "]" * 5_000])
def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path, nest: str) -> None:
    bomb = bare_pdf("<</Type/Catalog/Pages 2 0 R>>", nest)
    with pytest.raises(ReadError):
        read(write(tmp_path, "p.pdf", bomb))


def test_a_page_tree_in_a_circle_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReadError):
        read(
            write(
                tmp_path,
                "p.pdf",
                bare_pdf("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 5/Kids[2 0 R]>>"),
            )
        )


def test_a_scan_without_ocr_names_the_page_and_the_extra(tmp_path: Path) -> None:
    path = write(tmp_path, "p.pdf", scanned_pdf())
    with pytest.raises(ReadError, match="page 1 is scanned: no text"):
        read(path, Limits(ocr=False))


@pytest.mark.slow
def test_a_scanned_page_is_read_with_ocr(tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="the ocr extra is not installed")
    document = read(write(tmp_path, "p.pdf", scanned_pdf()))
    assert "PREMIUM NOTICE 2024" in document.text
    assert document.warnings == ("page 1 is scanned and read by OCR",)


@pytest.mark.parametrize(
    ("text", "poor"),
    [
        (PROSE, False),
        ("Donaudampfschifffahrtsgesellschaft zahlt die Prämie an den Versicherer.", False),
        ("Theinsurerpaysfordamagecausedbyfire lightningandexplosionthepolicyholdermust report", True),
        ("T h e i n s u r e r p a y s", True),
        ("\ue001\ue002\ue003 \ufffd\ufffd abc", True),
        ("", True),
    ],
)
def test_poor_text_is_told_from_good(text: str, poor: bool) -> None:
    assert (defects(text) > POOR) is poor
    assert score(text) <= score(PROSE)
