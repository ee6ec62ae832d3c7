"""Each format's happy path: the text, its structure, and where it came from."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from files import PROSE, PROSE_DE, docx, epub, mail, pdf, pptx, write, xlsx

from assistant.types import Block, Document
from ingest.readers import SUFFIXES, Limits, read


def blocks(document: Document, kind: str) -> list[Block]:
    return [block for block in document.blocks if block.kind == kind]


def test_the_package_exports_what_the_pipeline_needs() -> None:
    import ingest.readers as package

    assert sorted(package.__all__) == ["Limits", "READ_SUFFIXES", "SUFFIXES", "read"]
    assert {".pdf", ".docx", ".pptx", ".xlsx", ".csv", ".html", ".md", ".txt", ".epub", ".eml"} <= SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)


def test_importing_the_readers_loads_no_heavy_library() -> None:
    import subprocess
    import sys

    heavy = "{'torch', 'transformers', 'pandas', 'openpyxl', 'pptx', 'mammoth', 'numpy', 'PIL'}"
    code = f"import sys, ingest.readers; print(sorted({heavy} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"


def test_docx_keeps_headings_lists_and_tables(tmp_path: Path) -> None:
    document = read(write(tmp_path, "p.docx", docx(title="Household terms")))
    assert (document.title, document.format, document.language) == ("Household terms", "docx", "en")
    assert document.metadata["author"] == "A. Actuary"
    assert [block.heading_path for block in blocks(document, "heading")] == [
        ("Household policy",),
        ("Household policy", "Cover"),
    ]
    assert blocks(document, "list")[0].text == "- Fire\n- Theft"
    table = blocks(document, "table")[0]
    assert table.text == "| Peril | Limit |\n| Fire | 10,000 |\n| Theft | 5,000 |"
    assert (table.header_lines, table.heading_path) == (1, ("Household policy", "Cover"))


def test_pptx_knows_the_slide_of_every_block(tmp_path: Path) -> None:
    document = read(write(tmp_path, "t.pptx", pptx()))
    assert (document.pages, document.title) == (2, "Tariff 1")
    assert {(block.page, block.place) for block in document.blocks} == {(1, "slide 1"), (2, "slide 2")}
    assert blocks(document, "paragraph")[0].text == "First point of 1\nSecond point of 1"
    assert blocks(document, "table")[0].text == "| Class | Rate |\n| A | 1.25 |"
    assert "Ask the actuary." in document.text


def slides(*fill: Callable[[Any], object]) -> bytes:
    """A presentation with an empty slide for each of ``fill``, which puts something on it."""
    from pptx import Presentation

    show = Presentation()
    for change in fill:
        change(show.slides.add_slide(show.slide_layouts[6]))
    buffer = io.BytesIO()
    show.save(buffer)
    return buffer.getvalue()


def say(text: str, left: int = 0, top: int = 0) -> Callable[[Any], object]:
    return lambda slide: setattr(slide.shapes.add_textbox(left, top, 99, 99).text_frame, "text", text)


def test_a_hidden_slide_is_skipped_and_the_report_says_so(tmp_path: Path) -> None:
    hidden = slides(say("Shown."), lambda slide: (say("Secret.")(slide), slide.element.set("show", "0")), say("Last."))
    document = read(write(tmp_path, "t.pptx", hidden))
    assert [(block.page, block.text) for block in document.blocks] == [(1, "Shown."), (3, "Last.")]
    assert (document.pages, document.warnings) == (3, ("hidden slides were skipped: 2",))


def test_a_slide_is_read_from_top_to_bottom_a_box_a_paragraph(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        say("third", 9, 9)(slide)
        say("second", 0, 9)(slide)
        group = slide.shapes.add_group_shape()
        for text, top in (("low", 8), ("high", 7)):
            group.shapes.add_textbox(0, top, 9, 1).text_frame.text = f"{text} in the group"
        say("first\nand its second line")(slide)

    document = read(write(tmp_path, "t.pptx", slides(fill)))
    texts = ["first\nand its second line", "high in the group", "low in the group", "second", "third"]
    assert [block.text for block in blocks(document, "paragraph")] == texts


def test_what_is_typed_on_a_slide_is_no_markup(tmp_path: Path) -> None:
    typed = "# 5 & <b>bold</b>\n{% tag %} **stars** [a](b)\n| a |"
    document = read(write(tmp_path, "t.pptx", slides(say(typed))))
    assert [(block.kind, block.text) for block in document.blocks] == [("paragraph", typed)]


def test_cells_that_were_merged_say_their_text_in_each_row(tmp_path: Path) -> None:
    def fill(slide: Any) -> None:
        table = slide.shapes.add_table(3, 2, 0, 0, 99, 99).table
        for at, text in enumerate(("Class", "Rate", "A", "1", "", "2")):
            table.cell(at // 2, at % 2).text = text
        table.cell(1, 0).merge(table.cell(2, 0))

    document = read(write(tmp_path, "t.pptx", slides(fill)))
    assert document.text == "| Class | Rate |\n| A | 1 |\n| A | 2 |"


def test_a_chart_says_its_figures_however_many_it_claims_to_have(tmp_path: Path) -> None:
    import pptx.chart.data
    from pptx.enum.chart import XL_CHART_TYPE

    def fill(slide: Any) -> None:
        data: Any = pptx.chart.data
        bars, points = data.CategoryChartData(), data.XyChartData()
        bars.categories = ["East", "West"]
        bars.add_series("First", (1.5, None))
        bars.add_series("Second", (3, 4))
        points.add_series("Points").add_data_point(7, 8)
        chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, 99, 99, bars).chart
        chart.chart_title.text_frame.text = "Premiums"
        for count in chart.element.xpath(".//c:ptCount"):
            count.set("val", "2000000000")
        slide.shapes.add_chart(XL_CHART_TYPE.XY_SCATTER, 0, 200, 99, 99, points)

    document = read(write(tmp_path, "t.pptx", slides(fill)))
    assert [block.text for block in document.blocks] == [
        "Chart: Premiums",
        "| Category | First | Second |\n| East | 1.5 | 3 |\n| West |  | 4 |",
        "Chart",
        "| Category | Points |\n| 7 | 8 |",
    ]


def test_xlsx_knows_sheet_and_row_and_shows_values_as_read(tmp_path: Path) -> None:
    document = read(write(tmp_path, "p.xlsx", xlsx()))
    note, table = document.blocks
    assert (note.text, note.place, note.row) == ("Premiums by class", "sheet Premiums", 1)
    assert (table.place, table.row, table.header_lines) == ("sheet Premiums", 4, 1)
    assert table.text.split("\n")[1] == "| A | 1200 | 5% | 2024-01-31 |"
    assert "do not read" not in document.text
    assert document.warnings == ("sheet 'Secret' is hidden and was skipped",)


def test_formulas_that_were_never_computed_are_told(tmp_path: Path) -> None:
    import io

    from openpyxl import Workbook

    book = Workbook()
    for row in (["Class", "Premium"], ["A", 10], ["Sum", "=SUM(B2:B2)"]):
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    document = read(write(tmp_path, "p.xlsx", buffer.getvalue()))
    assert document.warnings == ("1 formulas have no stored value; open the file in Excel and save it",)


def test_epub_reads_chapters_in_spine_order(tmp_path: Path) -> None:
    book = epub(f"<h1>One</h1><p>{PROSE}</p>", "<h1>Two</h1><p>Second&#160;chapter</p>")
    document = read(write(tmp_path, "b.epub", book))
    assert (document.title, document.date, document.language) == ("Guide to cover", "2021-05-04", "en")
    assert [block.text for block in document.blocks] == ["One", PROSE, "Two", "Second chapter"]


def test_mail_has_its_head_body_and_named_attachments(tmp_path: Path) -> None:
    document = read(write(tmp_path, "m.eml", mail()))
    assert (document.title, document.date) == ("Claim 4711: Wasserschaden", "2024-03-05")
    assert document.blocks[0].text.startswith("Subject: Claim 4711: Wasserschaden\nFrom: Customer")
    assert document.blocks[0].kind == "fields"
    assert [block.text for block in document.blocks[1:]] == [PROSE, "- pictures\n- invoice"]
    assert document.warnings == ("attachments were not read (1): invoice.pdf",)


def test_html_mail_is_read_through_the_same_structure(tmp_path: Path) -> None:
    document = read(write(tmp_path, "m.eml", mail(html_only=True)))
    assert [block.text for block in blocks(document, "heading")] == ["Report"]
    assert "steal" not in document.text


def test_mail_that_names_no_encoding_or_a_wrong_one_is_decoded_as_it_looks(tmp_path: Path) -> None:
    for head in ("", "Content-Type: text/plain; charset=us-ascii\n"):
        raw = f"Subject: x\n{head}\n{PROSE_DE}\n".encode("latin-1")
        assert PROSE_DE in read(write(tmp_path, "m.eml", raw)).text


@pytest.mark.parametrize(
    ("charset", "text"),
    [("euc-kr", "보험 약관은 화재로 인한 손해를 보상합니다."), ("shift_jis", "火災保険は損害を補償します。")],
)
def test_a_broken_byte_in_a_mail_costs_only_itself(tmp_path: Path, charset: str, text: str) -> None:
    raw = (
        f"Subject: x\nContent-Type: text/plain; charset={charset}\n\n".encode()
        + text.encode(charset) * 5
        + b" \xff end"
    )
    document = read(write(tmp_path, "m.eml", raw))
    assert text * 5 in document.text and document.text.endswith("end")


def test_mail_in_an_unknown_encoding_is_decoded_as_it_looks(tmp_path: Path) -> None:
    raw = b"Subject: x\nContent-Type: text/plain; charset=x-unheard-of\n\n" + PROSE_DE.encode()
    assert PROSE_DE in read(write(tmp_path, "m.eml", raw)).text


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_delimiter_is_found_and_the_header_is_one_line(tmp_path: Path, delimiter: str) -> None:
    rows = [["class", "premium"], ["A", "10.5"], ["B", "20"]]
    document = read(write(tmp_path, "t.csv", "\n".join(delimiter.join(row) for row in rows)))
    (table,) = document.blocks
    assert table.text == "| class | premium |\n| A | 10.5 |\n| B | 20 |"
    assert (table.header_lines, table.row) == (1, 2)


def test_csv_with_ragged_rows_and_line_ends_in_quotes_is_read_with_a_warning(tmp_path: Path) -> None:
    document = read(write(tmp_path, "t.csv", 'a,b,c\n"line\none",2,3\n4,5\n6,7,8,9\n'))
    assert document.blocks[0].text.split("\n") == [
        "| a | b | c |  |",
        "| line one | 2 | 3 |  |",
        "| 4 | 5 |  |  |",
        "| 6 | 7 | 8 | 9 |",
    ]
    assert document.warnings == ("2 rows have other than 3 cells",)


def test_plain_text_headings_lists_and_paragraphs(tmp_path: Path) -> None:
    text = "Terms\n=====\n\nA text\nwraps.\n\n§ 3 Leistung\nDer Versicherer zahlt.\n\n- one\n- two\n  goes on\n"
    document = read(write(tmp_path, "t.txt", text))
    assert document.title == "Terms"
    assert [(block.kind, block.text, block.heading_path) for block in document.blocks] == [
        ("heading", "Terms", ("Terms",)),
        ("paragraph", "A text wraps.", ("Terms",)),
        ("heading", "§ 3 Leistung", ("Terms", "§ 3 Leistung")),
        ("paragraph", "Der Versicherer zahlt.", ("Terms", "§ 3 Leistung")),
        ("list", "- one\n- two goes on", ("Terms", "§ 3 Leistung")),
    ]


def test_columns_in_plain_text_stay_lines_of_a_table(tmp_path: Path) -> None:
    document = read(
        write(
            tmp_path,
            "t.txt",
            "Some words.\n\nClass     Rate    Since\nA         1.25    2024\nB         1.50    2023\n",
        )
    )
    assert document.blocks[1].kind == "table"
    assert document.blocks[1].text == "Class  Rate  Since\nA  1.25  2024\nB  1.50  2023"


@pytest.mark.parametrize(
    ("encoding", "warned"),
    [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-16-le", "utf-16-le"), ("cp1252", "cp1252")],
)
def test_text_is_decoded_and_a_guess_is_told(tmp_path: Path, encoding: str, warned: str) -> None:
    text = f"{PROSE_DE} Größe, Straße und Maß."
    document = read(write(tmp_path, "t.txt", text.encode(encoding)))
    assert document.text == text
    assert document.language == "de"
    assert document.warnings == ((f"decoded as {warned} (guessed)",) if warned else ())


RUSSIAN = "Страховщик возмещает ущерб от пожара, удара молнии и взрыва."
UKRAINIAN = "Страховик відшкодовує шкоду від пожежі, удару блискавки та вибуху."
GREEK = "Ο ασφαλιστής αποζημιώνει τις ζημιές από πυρκαγιά, κεραυνό και έκρηξη."
HEBREW = "המבטח משלם עבור נזקים שנגרמו משריפה, ברק ופיצוץ. המבוטח חייב לדווח על כל נזק."
HEBREW_SUM = "סכום ההשתתפות העצמית הוא מאה שקלים לכל נזק, והוא מנוכה מן התשלום של המבטח."
CZECH = "Spoluúčast činí sto korun za každou škodu. Pojišťovna hradí škody způsobené požárem a vichřicí."
ARABIC = "تدفع شركة التأمين مقابل الأضرار الناجمة عن الحريق والصواعق والانفجار."


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [RUSSIAN, UKRAINIAN, GREEK, HEBREW, ARABIC, PROSE_DE])
def test_utf_16_without_a_mark_is_known_by_its_alphabet(tmp_path: Path, text: str, encoding: str) -> None:
    assert read(write(tmp_path, "t.txt", text.encode(encoding))).text == text


@pytest.mark.parametrize(
    ("text", "encodings"),
    [
        (RUSSIAN, ["cp1251", "koi8_r", "cp866", "iso8859_5"]),
        (RUSSIAN[:28], ["cp1251", "koi8_r"]),
        (UKRAINIAN, ["cp1251"]),
        (GREEK, ["cp1253", "iso8859_7"]),
        (HEBREW, ["cp1255"]),
        (HEBREW_SUM, ["cp1255"]),
        (CZECH, ["cp1250"]),
        (ARABIC, ["cp1256"]),
    ],
)
def test_a_few_words_in_an_older_encoding_of_their_alphabet_are_read(
    tmp_path: Path, text: str, encodings: list[str]
) -> None:
    for encoding in encodings:
        assert read(write(tmp_path, "t.txt", text.encode(encoding))).text == text.strip(), encoding


def test_the_euro_of_iso_8859_15_is_no_other_currency(tmp_path: Path) -> None:
    text = "Der Beitrag beträgt 50 € im Jahr, für Kinder 25 €."
    document = read(write(tmp_path, "t.txt", text.encode("iso8859_15")))
    assert document.text == text and document.warnings == ("decoded as iso8859_15 (guessed)",)


def test_a_few_bytes_of_invalid_utf8_cost_only_themselves(tmp_path: Path) -> None:
    document = read(write(tmp_path, "t.txt", PROSE_DE.encode() + b" \xff\xfe end"))
    assert document.text.startswith(PROSE_DE)
    assert document.warnings == ("2 bytes are not UTF-8 and were replaced",)


def test_stored_text_is_normalised_and_holds_nothing_invisible(tmp_path: Path) -> None:
    document = read(
        write(tmp_path, "t.txt", "Pra\u0308mie ver\u00adtrag \u202eevil\u202c a\u200bb \U000e0041x\x07 end")
    )
    assert document.text == "Prämie vertrag evil ab x end"


@pytest.mark.parametrize("language", ["en", "de"])
def test_language_is_detected_and_short_text_has_none(tmp_path: Path, language: str) -> None:
    text = {"en": PROSE, "de": PROSE_DE}[language]
    assert read(write(tmp_path, "a.txt", text)).language == language
    assert read(write(tmp_path, "b.txt", "OK 42")).language == ""


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.txt", pdf([["Premiums rise in spring."]]), "x.txt is a PDF"),
        ("x.pdf", docx(), "x.pdf is a DOCX"),
        ("x.csv", xlsx(), "x.csv is an XLSX"),
        ("x.docx", f"<!doctype html><html><body><p>{PROSE}</p></body></html>".encode(), "x.docx is HTML"),
        ("x.pdf", PROSE.encode(), "x.pdf is plain text"),
    ],
)
def test_a_wrong_suffix_is_read_by_content_and_told(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    document = read(write(tmp_path, name, content))
    assert document.text
    assert told in document.warnings


@pytest.mark.parametrize("name", ["a\nb.txt", "\u202egnp.txt", "ü" * 120 + ".txt", "x" * 250 + ".txt"])
def test_odd_names_are_read_and_titles_stay_one_short_line(tmp_path: Path, name: str) -> None:
    document = read(write(tmp_path, name, PROSE))
    assert document.text == PROSE
    assert "\n" not in document.title
    assert "\u202e" not in document.title
    assert len(document.title) <= 120


def test_reading_twice_gives_the_same_document(tmp_path: Path) -> None:
    path = write(tmp_path, "p.docx", docx())
    assert read(path, Limits()) == read(path, Limits())
