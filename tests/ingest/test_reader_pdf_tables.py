"""Tables of words in PDFs: their rows and columns, what wraps in them, what ends them, and what is none."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from files import columns, pdf, table_pdf, write
from reportlab.lib.enums import TA_CENTER, TA_RIGHT

from assistant.types import Block, Document
from ingest.readers import read

HEAD = ["Benefit", "Limit", "Condition"]
ROWS = [
    ["Roadside repair", "€200 per event", "from your front door"],
    ["Towing", "€300 per event", "not repaired on the spot"],
    ["Recovery", "unlimited", "none"],
]


def markdown(*rows: Sequence[str]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def read_table(folder: Path, *rows: Sequence[str], **more: object) -> Document:
    return read(write(folder, "p.pdf", table_pdf(rows, **more)))  # type: ignore[arg-type]


def tables(document: Document) -> list[Block]:
    return [block for block in document.blocks if block.kind == "table"]


def test_cells_of_words_stay_in_their_columns_under_their_header(tmp_path: Path) -> None:
    (table,) = read_table(tmp_path, HEAD, *ROWS).blocks
    assert (table.kind, table.text, table.header_lines) == ("table", markdown(HEAD, *ROWS), 1)


@pytest.mark.parametrize("wrapping", [0, 1, 2])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_cell_that_wraps_is_one_cell(tmp_path: Path, wrapping: int, place: int) -> None:
    rows = [list(row) for row in ROWS]
    rows[place][wrapping] = "up to the Replacement Value of your vehicle on the day of the loss"
    (table,) = read_table(tmp_path, HEAD, *rows).blocks
    assert table.text == markdown(HEAD, *rows)


@pytest.mark.parametrize("wrapping", [0, 1, 2])
def test_cells_may_be_centred_in_their_row(tmp_path: Path, wrapping: int) -> None:
    rows = [list(row) for row in ROWS]
    rows[1][wrapping] = "Towing of cars to the next garage"
    (table,) = read_table(tmp_path, HEAD, *rows, upright="MIDDLE").blocks
    assert table.text == markdown(HEAD, *rows)


@pytest.mark.parametrize("wrapping", [0, 1, 2])
def test_the_header_may_wrap(tmp_path: Path, wrapping: int) -> None:
    head = list(HEAD)
    head[wrapping] = "Benefit for each insured vehicle"
    (table,) = read_table(tmp_path, head, *ROWS).blocks
    assert (table.text, table.header_lines) == (markdown(head, *ROWS), 1)


def test_all_cells_of_a_row_may_wrap(tmp_path: Path) -> None:
    wide = ["Transport of the vehicle home and its load", "€10,000 a year for all of your vehicles", "X" + " why" * 15]
    (table,) = read_table(tmp_path, HEAD, ROWS[0], wide, ROWS[1]).blocks
    assert table.text == markdown(HEAD, ROWS[0], wide, ROWS[1])


def test_an_empty_cell_leaves_the_others_in_their_columns(tmp_path: Path) -> None:
    rows = [ROWS[0], ["Towing", "", "not repaired on the spot"], ROWS[2]]
    (table,) = read_table(tmp_path, HEAD, *rows).blocks
    assert table.text == markdown(HEAD, *rows)


def test_one_row_under_a_bold_header_is_a_table(tmp_path: Path) -> None:
    (table,) = read_table(tmp_path, HEAD, ROWS[0]).blocks
    assert (table.text, table.header_lines) == (markdown(HEAD, ROWS[0]), 1)


def test_a_header_set_like_its_rows_is_told_by_the_figures_under_it(tmp_path: Path) -> None:
    plain = read_table(tmp_path, HEAD, *ROWS, head="Helvetica")
    assert [table.header_lines for table in plain.blocks] == [1]
    names = [["Chair", "Ada Blank", "Hamburg"], ["Clerk", "Bo Crank", "Bremen"], ["Host", "Cy Drank", "Kiel"]]
    assert [table.header_lines for table in read_table(tmp_path, *names, head="Helvetica").blocks] == [0]


def test_years_over_words_are_a_row(tmp_path: Path) -> None:
    (table,) = read_table(tmp_path, ["Hamburg", "2011"], ["Bremen", "2012"], ["Kiel", "2014"], head="Helvetica").blocks
    assert table.header_lines == 0


@pytest.mark.parametrize("flush", [TA_RIGHT, TA_CENTER])
def test_cells_flush_right_or_centred_stay_in_their_column(tmp_path: Path, flush: int) -> None:
    rows = [["Fire", "€1,250 a year", "Yes"], ["Theft", "€80 a year", "No"], ["Hail", "€9 for all", "No"]]
    (table,) = read_table(tmp_path, HEAD, *rows, flush={1: flush, 2: flush}).blocks
    assert (table.text, table.header_lines) == (markdown(HEAD, *rows), 1)


def test_a_label_without_cells_is_a_row_of_its_own(tmp_path: Path) -> None:
    lines = ["\t".join(row) for row in (HEAD, *ROWS)]
    lines.insert(2, "Optional")
    (table,) = read(write(tmp_path, "p.pdf", pdf([lines]))).blocks
    assert table.text == markdown(HEAD, ROWS[0], ["Optional", "", ""], *ROWS[1:])


def test_figures_without_a_label_are_a_row_of_their_own(tmp_path: Path) -> None:
    lines = ["Fire\t1,250 €\tYes", "\t80 €", "Hail\t9 €\tNo", "Theft\t70 €\tNo"]
    (table,) = read(write(tmp_path, "p.pdf", pdf([lines]))).blocks
    rows = [["Fire", "1,250 €", "Yes"], ["", "80 €", ""], ["Hail", "9 €", "No"], ["Theft", "70 €", "No"]]
    assert table.text == markdown(*rows)


def test_a_sign_apart_from_its_figure_is_no_column(tmp_path: Path) -> None:
    lines = ["Fire and lightning\t$\t1,800", "Hail and storm\t$\t2,000", "Theft\t$\t70"]
    assert "|" not in read(write(tmp_path, "p.pdf", pdf([lines]))).text


@pytest.mark.parametrize("heading", ["# § 22 Emergency contacts", "§ 22 Emergency contacts", "# Contacts"])
def test_a_heading_ends_a_table(tmp_path: Path, heading: str) -> None:
    calls = "(1) Medical emergency centre: +49 40 66969 333. Claims that are not urgent: +49 40 66969 200"
    table, title, *rest = read_table(tmp_path, HEAD, *ROWS, after=[heading, calls]).blocks
    assert table.text == markdown(HEAD, *ROWS)
    assert title.text == heading.removeprefix("# ")
    assert "table" not in {block.kind for block in rest} and " ".join(block.text for block in rest) == calls


def test_a_section_ends_a_table_of_figures(tmp_path: Path) -> None:
    lines = [
        "Fire and lightning $ 1,800 $ 200",
        "Hail and storm 12 2,000",
        "§ 22 Contacts",
        "Call 40 669 333 or 40 669 200",
    ]
    table, section = read(write(tmp_path, "p.pdf", pdf([lines]))).blocks
    assert (table.kind, table.text.split("\n")) == ("table", lines[:2])
    assert section.text.startswith("§ 22 Contacts")


def test_what_stands_flush_under_a_table_is_not_of_it(tmp_path: Path) -> None:
    lines = ["\t".join(row) for row in ROWS]
    table, note = read(write(tmp_path, "p.pdf", pdf([[*lines, "See also § 3."]]))).blocks
    assert (table.text, note.text) == (markdown(*ROWS), "See also § 3.")


def test_two_tables_under_each_other_stay_two(tmp_path: Path) -> None:
    other = ["Product", "Price", "Term"]
    bold = [f"<b>{head}</b>" for head in other]
    first, second = read_table(tmp_path, HEAD, *ROWS, bold, *ROWS).blocks
    assert [table.text for table in (first, second)] == [markdown(HEAD, *ROWS), markdown(other, *ROWS)]
    lines = ["\t".join(row) for row in ROWS]
    for between in ("# " + "\t".join(other), "§ 22 Fees"):
        found = tables(read(write(tmp_path, "p.pdf", pdf([[*lines, between, *lines]]))))
        assert [table.text.endswith(markdown(*ROWS)) for table in found] == [True, True]


def test_prose_in_two_columns_is_no_table(tmp_path: Path) -> None:
    left = ["Der Versicherer leistet Ersatz für Schäden", "an versicherten Sachen, die durch einen", "Brand entstehen"]
    right = ["Er leistet nicht, wenn der Schaden durch", "den Krieg oder durch innere Unruhen", "verursacht ist"]
    assert not tables(read(write(tmp_path, "a.pdf", columns(left * 3, right * 3))))
    # Line by line, as some producers write it.
    lines = [f"{one}\t{other}" for one, other in zip(left * 3, right * 3, strict=True)]
    assert not tables(read(write(tmp_path, "b.pdf", pdf([lines]))))
    long = "Illicit till in Illinois" * 3
    assert not tables(read(write(tmp_path, "c.pdf", pdf([[f"{long}\t{long}"] * 4]))))


def test_items_and_numbered_headings_are_no_table(tmp_path: Path) -> None:
    items = ["(a)\tfire and lightning", "(b)\ttheft and burglary", "(c)\thail and storm"]
    assert not tables(read(write(tmp_path, "a.pdf", pdf([items]))))
    headings = ["# 1\tScope of the contract", "# 1.1\tPurpose", "What is said there."]
    assert not tables(read(write(tmp_path, "b.pdf", pdf([headings]))))


def test_columns_of_a_page_full_of_lines_take_no_quadratic_time(tmp_path: Path) -> None:
    content = pdf([[f"and so goes it on {n}\tas it has begun" for n in range(3_000)]], leading=0.2)
    started = time.process_time()
    read(write(tmp_path, "p.pdf", content))
    assert time.process_time() - started < 6


@pytest.mark.parametrize("name", ["p.pdf", "p.txt"])
def test_a_subsection_that_is_cited_over_a_line_end_is_no_item(tmp_path: Path, name: str) -> None:
    lines = ["(1) The premium falls as is said in § 11", "(2) of the General Terms.", "(3) It may rise."]
    content = pdf([lines]) if name == "p.pdf" else "\n".join(lines)
    (block,) = read(write(tmp_path, name, content)).blocks
    assert block.text.split("\n") == [" ".join(lines[:2]), lines[2]]
