"""Rows of tables as one reads them who looks for a row and a column: which row a text means, and which of its cells.

A row is meant by the words of its label, "Hotel after a loss", or by a number within a range that it is for: 45 means
"41 to 50", and "over 500,000 inhabitants" the row of which a cell says so.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice, repeat

from assistant.text.lexicon import everywhere, vocabulary
from assistant.text.negation import affirmed
from assistant.text.quantities import Range, in_digits, ranges, without_ranges
from assistant.text.words import content_stems, stems, words

# From this part of its words on, a header or a row is named; two thirds, since headers have remarks: "Privat Standard
# (alt)".
_IS_NAMED = 0.66

Fit = tuple[float, int]
"""Which part of a label a text holds, and how many words of it: more words decide between equal parts."""
NO_FIT: Fit = (0.0, 0)


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """A table of a passage; the same only as itself."""

    titles: tuple[str, ...]
    """Of its columns; none where it has no header."""
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its cells, of which the first one is its label."""

    texts: tuple[str, ...]
    table: Table

    @property
    def label(self) -> str:
        """The first cell."""
        return self.texts[0]

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """The others, each as (header, cell)."""
        under = chain(islice(self.table.titles, 1, None), repeat(""))  # rows may be longer than their header
        return tuple(zip(under, self.texts[1:], strict=False))


def named_cells(row: Row, text: str, language: str) -> list[tuple[str, str]]:
    """The (header, cell) of a row under the headers that a text names, and the cells that it names themselves; all of
    them if it names no header."""
    if not names_a_column(row, text, language):
        return list(row.cells)
    fits = [_fit(header, text, language) for header, _ in row.cells]
    return [
        (header, cell)
        for fit, (header, cell) in zip(fits, row.cells, strict=True)
        if fit == max(fits) or (_is_name(cell) and _fit(cell, text, language)[0] == 1.0)
    ]


def names_a_column(row: Row, text: str, language: str) -> bool:
    """Whether a text names a header of the row's table."""
    return max((_fit(header, text, language)[0] for header, _ in row.cells), default=0.0) >= _IS_NAMED


def _is_name(cell: str) -> bool:
    return cell[:1].isupper() and cell.replace(" ", "").isalpha()


def means_another(row: Row, text: str, language: str, question: str, *, surely: bool = False) -> bool:
    """Whether a text means another row of the table better than this one; ``surely`` only if it names that one.

    The numbers of the question are looked for in ranges, not those of an answer: its amounts lie in many.
    """
    best = _best_fit(row.table, text, language, question)
    return best > _row_fit(row.table, row.texts, text, language, question) and (not surely or best[0] >= _IS_NAMED)


def is_looked_up(row: Row, text: str, language: str) -> bool:
    """Whether a text names a row and a column of it: then it asks for the cell where they meet.

    Of a single column there is nothing to name, so the row has to be named in full, by more than one word.
    """
    part, count = _row_fit(row.table, row.texts, text, language, text)
    if len(row.cells) == 1:
        return part == 1.0 and count > 1
    return part >= _IS_NAMED and len(named_cells(row, text, language)) < len(row.cells)


def looked_up_fit(row: Row, text: str, language: str) -> Fit:
    """How well a text means a row of which it names a column; nothing where it means another row as well."""
    if is_looked_up(row, text, language) and is_told_from_others(row, text, language):
        return _row_fit(row.table, row.texts, text, language, text)
    return NO_FIT


def is_any_of_its_table(row: Row, text: str, language: str) -> bool:
    """Whether a text says nothing by which a row is told from the others: no label, name or range of its own.

    Nor words: two at least, since one is easily said.
    """
    others = (stems(" ".join(cells), language) for cells in row.table.rows if cells != row.texts)
    own = set(stems(" ".join(row.texts), language)).difference(*others)
    _, named = _row_fit(row.table, row.texts, text, language, text)
    return not named and len(own.intersection(content_stems(text, language))) < 2


def is_told_from_others(row: Row, text: str, language: str) -> bool:
    """Whether a text means a row better than every other one of its table."""
    own = _row_fit(row.table, row.texts, text, language, text)
    others = (_row_fit(row.table, one, text, language, text) for one in row.table.rows if one != row.texts)
    return own > max(others, default=NO_FIT)


def asked_besides(row: Row, own: str, question: str, language: str) -> tuple[Row, list[tuple[str, str]]] | None:
    """The row and (header, cell) of it that a follow-up asks for in a table of which a ``row`` was cited before it.

    Its ``own`` words name another column of that row, or else another row: that which has more of them than any other,
    of several such rows the one that the whole ``question`` means. None where they name neither.
    """

    def shared(label: str) -> int:
        return len(_label_stems(label, language) & stems_of(own, language))

    columns = sorted(row.cells, key=lambda cell: -shared(cell[0]))
    if columns and shared(columns[0][0]) > max((shared(header) for header, _ in columns[1:]), default=0):
        return row, columns[:1]
    fits = {
        Row(its, row.table): (shared(its[0]), *_row_fit(row.table, its, question, language, question))
        for its in row.table.rows
    }
    best = max(fits, key=fits.__getitem__)
    if not fits[best][0] or list(fits.values()).count(fits[best]) > 1 or best == row:
        return None
    return best, named_cells(best, question, language)


def is_named_in_full(row: Row, text: str, language: str) -> bool:
    """Whether a text has all words of a row's label; for a range in it, a number within that."""
    its = without_ranges(row.label) if numbers_within(row, text) else row.label
    return _label_stems(its, language) <= stems_of(text, language)


def numbers_within(row: Row, text: str) -> str:
    """The numbers and ranges of a text that lie within those that a row is for, as they are written there."""
    return " ".join(asked.written for _, asked in _held(row.table, row.texts, text))


@lru_cache(maxsize=64)  # each row of a table asks
def _best_fit(table: Table, text: str, language: str, question: str) -> Fit:
    return max(_row_fit(table, row, text, language, question) for row in table.rows)


def _row_fit(table: Table, row: tuple[str, ...], text: str, language: str, question: str) -> Fit:
    """How well a text means a row: by words and the range of its label, or by a name or the range in another cell."""
    held = _held(table, row, question)
    fits = [_fit(row[0], text, language)]
    if own := ranges(row[0]):
        within = [(one, asked) for one, asked in held if one in own]
        rest = _label_stems(without_ranges(row[0]), language)
        count = len(rest & stems_of(text, language)) + bool(within)
        agreeing = any(_shared(one, asked) for one, asked in within)
        fits.append((count / (len(rest) + 1), count + agreeing))
    elif held:
        fits.append((1.0, 1))
    names = (_fit(cell, text, language) for cell in row[1:] if _is_name(cell))
    return max(*fits, *(fit for fit in names if fit[0] == 1.0), NO_FIT)


def _held(table: Table, row: tuple[str, ...], text: str) -> list[tuple[Range, Range]]:
    """The ranges of a row, each with what a text asks for that lies within it.

    Those of the label count, of other cells only where they count the same: inhabitants. Headers are no question.
    """
    return [
        (one, asked)
        for asked in _asked(table, text)
        for place, cell in enumerate(row)
        for one in ranges(cell)
        if one.holds(asked) and (not place or _shared(one, asked))
    ]


@lru_cache(maxsize=64)
def _asked(table: Table, text: str) -> tuple[Range, ...]:
    for title in table.titles:
        if any(map(str.isdigit, title)):
            text = re.sub(re.escape(title), " ", text, flags=re.IGNORECASE)
    return ranges(text)


def _shared(one: Range, other: Range) -> bool:
    return not (one.words & other.words) <= everywhere("stopwords")


@lru_cache(maxsize=1024)
def _fit(label: str, text: str, language: str) -> Fit:
    its = _label_stems(label, language)
    both = len(its & stems_of(text, language))
    return (both / len(its) if its else 0.0), both


def _label_stems(label: str, language: str) -> frozenset[str]:
    grammar = vocabulary("stopwords", language)
    return frozenset(stems(" ".join(word for word in words(label) if word not in grammar), language))


@lru_cache(maxsize=4096)
def stems_of(text: str, language: str) -> frozenset[str]:
    """The stems of a text, also those of its number words in figures."""
    return frozenset(stems(in_digits(affirmed(text, language), language), language)) | frozenset(stems(text, language))
