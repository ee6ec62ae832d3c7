"""Questions from table rows: what a row has in a column.

| Step            | Limit                  |
| Reasoned answer | within 15 working days |     →  What is the limit for “Reasoned answer”?
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from assistant.text.lexicon import own, whole_words
from ingest.pairs import phrases
from ingest.pairs.candidates import one_of
from ingest.pairs.headed_blocks import HeadedBlock, topic_of

# Columns that comment on a row instead of saying something of it.
_COMMENTS = whole_words(phrases.pattern("comments"))
_CODE = re.compile(r"^[A-Z]{0,5}[-/ ]?\d[\d-]*$")
_BARE_NUMBER = re.compile(r"^-?\d[\d.,]*$")
_UNIT = re.compile(
    r"\bin ((?:euros?|EUR|€|percent|Prozent|%|Euro|days?|Tagen|weeks?|months?|years?|Jahren)"
    r"(?: [^,.;|\n]{1,40})?)(?=[,.;|\n]|$)"
)
_LONGEST_CELL = 160  # characters: longer cells are text, not a value
_LONGEST_SUBJECT = 80  # longer lines above a table are sentences
# Longer heads are cells of a table that only looks as if it had a header (22 of 43 on two handbooks).
_LONGEST_HEAD = 60
_YES_NO = frozenset({"yes", "no", "ja", "nein", "x", "–", "-"})
# A header that is no noun, or begins with a preposition.
_NO_NOUN = whole_words(phrases.pattern("no_noun_column"))


@dataclass(frozen=True, slots=True)
class LabelledTable:
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
            if is_named and not _COMMENTS.fullmatch(head):
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
        columns = [at for at, head in enumerate(self.header) if at != label and not _COMMENTS.fullmatch(head)]
        firsts = [self.header[at].split()[0] for at in columns]
        begin_alike = len(set(firsts)) < len(firsts) or all(re.search(r"\d", self.header[at]) for at in columns)
        is_numeric = all(_BARE_NUMBER.match(row[at]) for at in columns for row in self.rows)
        return len(columns) > 1 and (begin_alike or is_numeric) and not any("_" in self.header[at] for at in columns)


def table_of(block: HeadedBlock) -> LabelledTable | None:
    """The table of a block; None where nothing stands over its columns, or over some of them."""
    header = _cells_of(block.header[-1]) if block.header else ()
    found = [(_cells_of(line.text), line.text) for line in block.lines if line.text not in block.header]
    rows = [(row, line) for row, line in found if len(row) == len(header) and row != header and row[0]]
    if len(header) < 2 or not rows or not all(0 < len(head) <= _LONGEST_HEAD for head in header):
        return None
    above = "\n".join([block.heading, *(line.text for line in block.above)]).strip()
    return LabelledTable(header, tuple(row for row, _ in rows), tuple(line for _, line in rows), above)


def _cells_of(line: str) -> tuple[str, ...]:
    """The cells of a line, parted by bars or, as in text from a PDF, by gaps."""
    if line.startswith("|"):
        return tuple(part.strip() for part in line.strip().strip("|").split("|"))
    return tuple(part.strip() for part in line.split("  ") if part.strip()) or ("",)


def cells(table: LabelledTable, language: str, *key: object) -> Iterator[tuple[str, str, str]]:
    """(question, response, quote) for every cell worth asking for; the quote is the row."""
    label, things = table.label_column, table.names_things
    templates = phrases.wordings("thing" if things else "property", language)
    for row, line in zip(table.rows, table.lines, strict=True):
        for position, value in enumerate(row):
            head = table.header[position].replace("_", " ")
            is_empty = not value or value.lower() in _YES_NO or len(value) > _LONGEST_CELL
            is_code = _CODE.match(value) and not _BARE_NUMBER.match(value)
            if not templates or position == label or is_empty or is_code or _COMMENTS.fullmatch(head):
                continue
            has_no_noun = bool(_NO_NOUN.search(head))
            words = head.split()
            is_name = (len(words) > 1 and words[1][:1].isupper()) or head.isupper()
            column = head if is_name or own("capital_nouns", language) else head[0].lower() + head[1:]
            fitting = templates[-phrases.ANY_WORDS :] if has_no_noun else templates
            question = one_of(fitting, *key, row[label], head).format(row=row[label], column=column, Column=head)
            # A statement with as little grammar between its words as it takes.
            named = row[label][0].upper() + row[label][1:]
            amount = f"{value} {table.unit}" if table.unit and _BARE_NUMBER.match(value) else value
            if has_no_noun:
                statement = f"{named}, {column}: {amount}."
            else:
                form = phrases.wordings("of_thing" if things else "of_property", language)
                large = head if things else head[0].upper() + head[1:]
                statement = form.format(row=named, Column=large, amount=amount)
            yield question, statement, line
