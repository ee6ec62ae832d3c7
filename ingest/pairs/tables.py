"""Questions from table rows: what a row has in a column.

| Step            | Limit                  |
| Reasoned answer | within 15 working days |     →  What is the limit for “Reasoned answer”?
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.pairs.blocks import cells_of, topic_of
from ingest.pairs.candidate import one_of

# Columns that comment on a row instead of saying something of it.
_COMMENTS = re.compile(r"^(?:remarks?|notes?|comments?|bemerkung(?:en)?|anmerkung(?:en)?|hinweise?)$", re.IGNORECASE)
_CODE = re.compile(r"^[A-Z]{0,5}[-/ ]?\d[\d-]*$")
# No header has one: then the first line of a table is a row, and its header is lost.
_AMOUNT = re.compile(r"[€$£%]|^-?\d[\d.,]*$|\d (?:euros?|Euro|days?|Tage|km)\b")
# What a header looks like where only gaps part the columns, so that a row could be taken for one.
_HEAD = re.compile(r"[A-ZÄÖÜ][^\d§.;:]*(?: \d{1,4})?")
_BARE_NUMBER = re.compile(r"^-?\d[\d.,]*$")
_UNIT = re.compile(
    r"\bin ((?:euros?|EUR|€|percent|Prozent|%|Euro|days?|Tagen|weeks?|months?|years?|Jahren)"
    r"(?: [^,.;|\n]{1,40})?)(?=[,.;|\n]|$)"
)
_LONGEST_CELL = 160
_LONGEST_HEAD = 60
_LONGEST_SUBJECT = 80
_YES_NO = frozenset({"yes", "no", "ja", "nein", "x", "–", "-"})

# {column} and {row} as they stand in the table. Of a column that names one of several things ("Home Basic"), one asks
# otherwise than of one that names a property ("Limit"); the last two of each fit any words.
_PROPERTY = {
    "en": (
        "What is the {column} for “{row}”?",
        "{row}: what is the {column}?",
        "What {column} is given for “{row}”?",
        "What is listed as “{Column}” for “{row}”?",
        "{row}: {Column}?",
    ),
    "de": (
        "{row}: Was steht unter „{Column}“?",
        "Was gilt für „{row}“ als „{Column}“?",
        "{row}: {Column}?",
    ),
}
_THING = {
    "en": (
        "What applies to “{row}” in {Column}?",
        "What is stated for “{row}” in {Column}?",
        "What is given for “{row}” under “{Column}”?",
        "{row}, {Column}?",
    ),
    "de": (
        "Was gilt für „{row}“ bei {Column}?",
        "Was ist bei „{Column}“ zu „{row}“ angegeben?",
        "{row}, {Column}?",
    ),
}
_ANY_WORDS = 2
_IN = {"en": "in", "de": "bei"}
_FOR = {"en": "for “{}”", "de": "bei „{}“"}
# A header that is no noun, or begins with a preposition.
_NO_NOUN = re.compile(
    r"(?:ible|able|ed|ing|al|ive|ous|for|with)$|^(?:from|until|to|by|since|before|after|up|ab|bis|vor|nach|seit|von|in)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a chunk shows it, with the text above it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...]
    """The rows as they stand in the text."""
    above: str = ""

    @property
    def label_column(self) -> int:
        """The column that names the rows: the first whose cells are all different and are words, not codes."""
        for position, head in enumerate(self.header):
            column = [row[position] for row in self.rows]
            is_named = len(set(column)) == len(column) and not any(_CODE.match(cell) or not cell for cell in column)
            if is_named and not _COMMENTS.match(head):
                return position
        return 0

    @property
    def has_bare_labels(self) -> bool:
        """Whether what names the rows are amounts, which name many rows."""
        return not any(re.search(r"[^\W\d_]{2}", row[self.label_column]) for row in self.rows)

    @property
    def subject(self) -> str:
        """What the table is about: the line above it, without its unit; empty if that is none or long."""
        caption = topic_of(re.sub(r",? in (?:euros?|%|EUR|percent)\b.*", "", self.above.split("\n")[0])).rstrip(" .:")
        return caption if len(caption) <= _LONGEST_SUBJECT else ""

    @property
    def unit(self) -> str:
        """The unit that the caption states for bare numbers; empty if none."""
        found = _UNIT.search(self.above)
        return found.group(1) if found else ""

    @property
    def names_things(self) -> bool:
        """Whether the columns are things to choose from: their headers begin alike, or all hold bare numbers."""
        label = self.label_column
        columns = [at for at, head in enumerate(self.header) if at != label and not _COMMENTS.match(head)]
        firsts = [self.header[at].split()[0] for at in columns]
        begin_alike = len(set(firsts)) < len(firsts) or all(re.search(r"\d", self.header[at]) for at in columns)
        is_numeric = all(_BARE_NUMBER.match(row[at]) for at in columns for row in self.rows)
        return len(columns) > 1 and (begin_alike or is_numeric) and not any("_" in self.header[at] for at in columns)


def table_of(lines: Sequence[str], context: str, above: str) -> Table | None:
    """A table from its lines; where it goes on from another chunk, its header stands in the context."""
    repeated = [line for line in context.split("\n")[1:] if line.startswith("|")]
    first, *rest = [*repeated[-1:], *lines]
    header = cells_of(first)
    rows = [(row, line) for line in rest if len(row := cells_of(line)) == len(header) and row != header and row[0]]
    is_named = all(head and len(head) <= _LONGEST_HEAD and not _AMOUNT.search(head) for head in header)
    is_lost = not first.startswith("|") and not all(_HEAD.fullmatch(head) for head in header)
    if len(header) < 2 or not rows or not is_named or is_lost:
        return None
    return Table(header, tuple(row for row, _ in rows), tuple(line for _, line in rows), above)


def cells(table: Table, language: str, *key: object) -> Iterator[tuple[str, str, str]]:
    """(question, response, quote) for every cell worth asking for; the quote is the row."""
    label = table.label_column
    templates = (_THING if table.names_things else _PROPERTY).get(language, ())
    for row, line in zip(table.rows, table.lines, strict=True):
        for position, value in enumerate(row):
            head = table.header[position].replace("_", " ")
            if not templates or position == label or not _is_worth_asking(head, value):
                continue
            fitting = templates[-_ANY_WORDS:] if _NO_NOUN.search(head) else templates
            question = one_of(fitting, *key, row[label], head).format(
                row=row[label], column=_lowered(head, language), Column=head
            )
            yield question, _statement(table, language, row[label], head, value), line


def _is_worth_asking(head: str, value: str) -> bool:
    is_empty = not value or value.lower() in _YES_NO or len(value) > _LONGEST_CELL
    return not (is_empty or _COMMENTS.match(head) or (_CODE.match(value) and not _BARE_NUMBER.match(value)))


def _lowered(head: str, language: str) -> str:
    words = head.split()
    is_name = (len(words) > 1 and words[1][:1].isupper()) or head.isupper()
    return head if language == "de" or is_name else head[0].lower() + head[1:]


def _statement(table: Table, language: str, label: str, head: str, value: str) -> str:
    """A cell as a statement, with as little grammar between its words as it takes."""
    label = label[0].upper() + label[1:]
    amount = f"{value} {table.unit}" if table.unit and _BARE_NUMBER.match(value) else value
    if _NO_NOUN.search(head) or language not in _IN:
        return f"{label}, {_lowered(head, language)}: {amount}."
    if table.names_things:
        return f"{label}: {amount} {_IN[language]} {head}."
    return f"{head[0].upper()}{head[1:]} {_FOR[language].format(label)}: {amount}."
