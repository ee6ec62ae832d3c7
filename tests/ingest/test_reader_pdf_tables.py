"""Tables of words in PDFs: their rows and columns, what wraps in them, what ends them, and what is none."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from files import columns, pdf, table_pdf, write

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


def test_figures_set_flush_right_stay_under_their_header(tmp_path: Path) -> None:
    rows = [["Fire", "€1,250 a year", "Yes"], ["Theft", "€80 a year", "No"], ["Hail", "€9 a year", "No"]]
    (table,) = read_table(tmp_path, HEAD, *rows, flush_right=[1], head="Helvetica").blocks[-1:]
    assert table.text.endswith(markdown(*rows))


@pytest.mark.parametrize("heading", ["# § 22 Emergency contacts", "§ 22 Emergency contacts", "# Contacts"])
def test_a_heading_ends_a_table(tmp_path: Path, heading: str) -> None:
    calls = "(1) Medical emergency centre: +49 40 66969 333. Claims that are not urgent: +49 40 66969 200."
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


def test_two_tables_under_each_other_stay_two(tmp_path: Path) -> None:
    other = ["Product", "Price", "Term"]
    lines = ["\t".join(row) for row in ROWS]
    text = ["Above them.", "", *lines, "# " + "\t".join(other), *lines]
    first, second = tables(read(write(tmp_path, "p.pdf", pdf([text]))))
    assert (first.text, second.text) == (markdown(*ROWS), markdown(other, *ROWS))


def test_prose_in_two_columns_is_no_table(tmp_path: Path) -> None:
    left = ["Der Versicherer leistet Ersatz für Schäden", "an versicherten Sachen, die durch einen", "Brand entstehen"]
    right = ["Er leistet nicht, wenn der Schaden durch", "den Krieg oder durch innere Unruhen", "verursacht ist"]
    assert not tables(read(write(tmp_path, "a.pdf", columns(left * 3, right * 3))))
    # Line by line, as some producers write it.
    lines = [f"{one}\t{other}" for one, other in zip(left * 3, right * 3, strict=True)]
    assert not tables(read(write(tmp_path, "b.pdf", pdf([lines]))))


def test_items_and_numbered_headings_are_no_table(tmp_path: Path) -> None:
    items = ["(a)\tfire and lightning", "(b)\ttheft and burglary", "(c)\thail and storm"]
    assert not tables(read(write(tmp_path, "a.pdf", pdf([items]))))
    headings = ["# 1\tScope of the contract", "# 1.1\tPurpose", "What is said there."]
    assert not tables(read(write(tmp_path, "b.pdf", pdf([headings]))))


def test_columns_of_a_page_full_of_lines_take_no_quadratic_time(tmp_path: Path) -> None:
    content = pdf([[f"and so goes it on {n}\tas it has begun" for n in range(3_000)]], leading=0.2)
    started = time.monotonic()
    read(write(tmp_path, "p.pdf", content))
    assert time.monotonic() - started < 6


@pytest.mark.parametrize("name", ["p.pdf", "p.txt"])
def test_a_subsection_that_is_cited_over_a_line_end_is_no_item(tmp_path: Path, name: str) -> None:
    lines = ["(1) The premium falls as is said in § 11", "(2) of the General Terms.", "(3) It may rise."]
    content = pdf([lines]) if name == "p.pdf" else "\n".join(lines)
    (block,) = read(write(tmp_path, name, content)).blocks
    assert block.text.split("\n") == [" ".join(lines[:2]), lines[2]]
