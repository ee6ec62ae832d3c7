"""Prove that the evaluation questions of the sample domain stand on its documents.

    python data/sample/check.py

Every gold quote must occur exactly once in its document (in a PDF: on the page it names), ids must be unique,
histories must alternate and end with the assistant, and the mix of questions must be as rich as the README
says. The tone examples must keep the house rules. Prints the counts; exits with 1 and names the failing rows
when something is wrong. Needs pypdf, python-docx, python-pptx, openpyxl, lxml and PyYAML.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from email import message_from_bytes, policy
from functools import cache
from pathlib import Path
from typing import Any

import docx
import lxml.html
import openpyxl
import yaml
from docx.table import Table
from pptx import Presentation
from pypdf import PdfReader

HERE = Path(__file__).resolve().parent
DOCS = HERE / "docs"
KINDS = {"fact", "procedure", "condition", "comparison", "definition", "search", "near-miss", "other-domain"}
SHORTEST_QUOTE = 12
Row = dict[str, Any]


def fold(text: str) -> str:
    """Fold white space, so that line breaks of the layout do not matter."""
    return re.sub(r"\s+", " ", text).strip()


def read_docx(path: Path) -> list[str]:
    """Paragraphs and table rows in the order of the document, as one page."""
    parts: list[str] = []
    for block in docx.Document(str(path)).iter_inner_content():
        if isinstance(block, Table):
            parts += [" | ".join(cell.text for cell in row.cells) for row in block.rows]
        else:
            parts.append(block.text)
    return ["\n".join(parts)]


def read_xlsx(path: Path) -> list[str]:
    """All sheets, one row a line, as one page."""
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    rows = [row for sheet in book for row in sheet.iter_rows(values_only=True)]
    return ["\n".join(" | ".join(str(value) for value in row if value is not None) for row in rows)]


def read_pptx(path: Path) -> list[str]:
    """The text and the speaker notes of all slides, as one page."""
    parts: list[str] = []
    for slide in Presentation(str(path)).slides:
        parts += [shape.text_frame.text for shape in slide.shapes if shape.has_text_frame]
        parts += [slide.notes_slide.notes_text_frame.text] if slide.has_notes_slide else []
    return ["\n".join(parts)]


def read_html(path: Path) -> list[str]:
    """The text of the body, as one page."""
    body = lxml.html.fromstring(path.read_bytes()).find("body")
    return ["\n".join(body.itertext())]


def read_mail(path: Path) -> list[str]:
    """Subject and body of a message, as one page."""
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    return [f"{message['subject']}\n{message.get_content()}"]


def read_pdf(path: Path) -> list[str]:
    """The text of each page."""
    return [page.extract_text() for page in PdfReader(path).pages]


READERS: dict[str, Callable[[Path], list[str]]] = {
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".xlsx": read_xlsx,
    ".pptx": read_pptx,
    ".html": read_html,
    ".eml": read_mail,
}


@cache
def read_document(path: Path) -> list[str]:
    """The folded text of a document, one string a page; formats without pages are one page."""
    reader = READERS.get(path.suffix)
    pages = reader(path) if reader else [path.read_text(encoding="utf-8")]
    return [fold(page) for page in pages]


def quote_problem(gold: Row) -> str | None:
    """What is wrong with one gold quote, or None."""
    path, quote = DOCS / gold["document"], fold(gold["quote"])
    if not path.is_file():
        return f"no document {gold['document']}"
    if len(quote) < SHORTEST_QUOTE:
        return f"quote too short: {quote}"
    pages = read_document(path)
    found = [number for number, page in enumerate(pages, 1) for _ in range(page.count(quote))]
    if len(found) != 1:
        return f"quote found {len(found)} times in {gold['document']}: {quote}"
    expected = found[0] if path.suffix == ".pdf" else None
    return None if gold.get("page") == expected else f"page is {expected}, not {gold.get('page')}: {quote}"


def history_problem(row: Row) -> str | None:
    """What is wrong with the conversation before a follow-up, or None."""
    history = row.get("history")
    if history is None:
        return "standalone_question without history" if "standalone_question" in row else None
    roles = [turn["role"] for turn in history]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        return f"history does not alternate and end with the assistant: {roles}"
    return None if row.get("standalone_question") else "follow-up without standalone_question"


def row_problems(row: Row) -> Iterator[str]:
    """Everything that is wrong with one row."""
    if row["kind"] not in KINDS or row["language"] not in {"en", "de"}:
        yield f"unknown kind or language: {row['kind']}, {row['language']}"
    if row["unanswerable"] == bool(row["gold"] or row["answers"]):
        yield "answerable rows have answers and gold, unanswerable rows have neither"
    if row["unanswerable"] != (row["kind"] in {"near-miss", "other-domain"}):
        yield f"kind {row['kind']} does not fit unanswerable={row['unanswerable']}"
    if not all(row["gold"]):
        yield "empty group in gold"
    yield from filter(None, (quote_problem(gold) for group in row["gold"] for gold in group))
    if problem := history_problem(row):
        yield problem


def needs_two_documents(row: Row) -> bool:
    """Whether no single document can serve every group of the gold."""
    groups = [{gold["document"] for gold in group} for group in row["gold"]]
    return len(groups) > 1 and not set.intersection(*groups)


def counts(rows: list[Row]) -> dict[str, tuple[int, int]]:
    """Name of each part of the mix, with its count and the least it must be."""

    def number(test: Callable[[Row], bool]) -> int:
        return sum(map(test, rows))

    return {
        "questions": (len(rows), 120),
        "near misses": (number(lambda row: row["kind"] == "near-miss"), 25),
        "other domain": (number(lambda row: row["kind"] == "other-domain"), 5),
        "German with German gold": (number(is_german), 20),
        "follow-ups": (number(lambda row: "history" in row), 20),
        "two documents": (number(needs_two_documents), 10),
        "newer version is gold": (number(lambda row: "version" in row["tags"]), 5),
    }


def is_german(row: Row) -> bool:
    """Whether a German question has gold in a German document."""
    documents = {gold["document"] for group in row["gold"] for gold in group}
    return row["language"] == "de" and any(name.startswith("de/") for name in documents)


def tone_problems(rows: list[Row], rules: list[Row]) -> Iterator[str]:
    """Examples of the house voice that break a house rule, or name one that does not exist."""
    known = {rule["id"] for rule in rules}
    for row in rows:
        yield from (f"{row['id']}: unknown rule {name}" for name in row["rules"] if name not in known)
        for rule in rules:
            if rule["language"] not in {row["language"], "any"} or (
                rule["id"] not in row["rules"] and "must_match" in rule
            ):
                continue
            if "must_not_match" in rule and re.search(rule["must_not_match"], row["response"]):
                yield f"{row['id']}: breaks {rule['id']}"
            if "must_match" in rule and not re.search(rule["must_match"], row["response"]):
                yield f"{row['id']}: does not follow {rule['id']}"


def duplicates(rows: Iterable[Row]) -> Iterator[str]:
    """Ids that occur more than once."""
    numbers = Counter(row["id"] for row in rows)
    return (f"{name}: id occurs {number} times" for name, number in numbers.items() if number > 1)


def load(name: str) -> list[Row]:
    """The rows of a JSON lines file in this folder."""
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def main() -> int:
    """Check everything; the exit status."""
    cases, tone = load("cases.jsonl"), load("tone.jsonl")
    rules = yaml.safe_load((HERE / "tone_rules.yaml").read_text(encoding="utf-8"))["rules"]
    problems = [f"{row['id']}: {problem}" for row in cases for problem in row_problems(row)]
    problems += [*duplicates(cases), *duplicates(tone), *tone_problems(tone, rules)]
    for name, (number, least) in counts(cases).items():
        print(f"{name}: {number} (at least {least})")
        problems += [f"too few: {name}"] if number < least else []
    used = {gold["document"] for row in cases for group in row["gold"] for gold in group}
    print(f"documents with a gold quote: {len(used)} of {sum(path.is_file() for path in DOCS.rglob('*'))}")
    print(f"tone examples: {len(tone)}, house rules: {len(rules)}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
