"""The statements of an answer in Markdown: where each stands, and what it claims in plain words.

A sentence claims itself, behind the lines that open the list that it is an item of; two that are joined ("The fee is
€5, and the desk opens at nine.") claim each, since passages of their own may say them. A row of a table claims each of
its cells, under its header and beside the first cell of the row. Titles, headers and what only announces an answer
("Here is what the documents say:") claim nothing.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice

from assistant.text.languages import LANGUAGES
from assistant.text.lexicon import everywhere, vocabulary
from assistant.text.markdown_blocks import Line, Outermost, lines, without_emphasis
from assistant.text.negation import denials
from assistant.text.quantities import quantities
from assistant.text.sentences import asks, sentence_spans
from assistant.text.words import WORD, answered_in, words

# A title is short and says nothing of what it names: "Deductible", "What is covered?", "Next steps:".
_MOST_WORDS_OF_A_TITLE = 6
# Where a statement may end, and the next one begins.
_MAY_END, _BEGINS = re.compile(r"[.!?…\n]"), WORD
# So many characters are read again with each statement; more only when they are longer by one in so many parts.
_READ_AGAIN, _PARTS = 1_000, 4
_MOST_JOINS = 8  # each is read with all behind it
_EMPTY = frozenset({"", "-", "–", "—"})


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, title or row of an answer; ``start`` and ``end`` are its place there."""

    start: int
    end: int
    claims: tuple[str, ...]
    """What has to be supported; nothing if it claims nothing."""
    outermost: Outermost = field(compare=False)
    """What lies around it in the answer."""


class GrowingStatements:
    """The statements of an answer that grows at its end.

    Each is settled once the next one begins: what comes then does not change it. So only the block, item or row around
    the last one is read again.
    """

    def __init__(self) -> None:
        self._found: list[Statement] = []
        self._looked = self._again = 0
        self._has_ended = self._has_more = False

    def has_more(self, text: str) -> bool:
        """Whether a statement may have begun since this was true last.

        Where much would have to be read again, as in a list within a list, that is not said of each of them.
        """
        while found := (_BEGINS if self._has_ended else _MAY_END).search(text, self._looked):
            self._has_more = self._has_more or self._has_ended
            self._has_ended = not self._has_ended
            self._looked = found.end()
        self._looked = max(self._looked, len(text))
        length = len(text) - (self._found[-1].outermost.start if self._found else 0)
        is_due = length <= _READ_AGAIN or len(text) >= self._again
        if has_more := self._has_more and is_due:
            self._has_more, self._again = False, len(text) + length // _PARTS
        return has_more

    def read(self, text: str) -> list[Statement]:
        """The statements of ``text``, which begins with what was read before."""
        around = self._found[-1].outermost if self._found else Outermost()
        first = bisect_left(self._found, min(around.start, len(text)), key=lambda one: one.start)
        self._found[first:] = statements(text, around)
        return self._found


def statements(text: str, around: Outermost | None = None) -> list[Statement]:
    """The statements of an answer in order, from ``around`` on; "Yes." belongs to the one after it, as it says nothing
    by itself."""
    found: list[Statement] = []
    headers: list[str] = []
    around = around or Outermost()
    shift = around.start - len(around.before)
    text = around.before + text[around.start :]
    replies = everywhere("yes") | everywhere("no")
    for _, its in groupby(lines(text, around), lambda line: line.row):
        first, *others = its
        if first.kind == "header":
            written = [without_emphasis(cell.text)[0] for cell in (first, *others)]
            headers = ["" if everywhere("any_value").issuperset(words(header)) else header for header in written]
        is_row = first.kind in ("header", "cell")
        for one in (_row((first, *others), headers, text),) if is_row else _sentences(first, text):
            if not any(map(str.isalnum, text[max(one.start, len(around.before)) : one.end])):
                continue
            yes = found[-1].claims[0] if found and len(found[-1].claims) == 1 else ""
            if yes.endswith((".", "!")) and yes[:-1].casefold() in replies:  # it is nothing but yes or no
                claims = tuple(f"{yes} {claim}" for claim in one.claims) or (yes,)
                found[-1] = replace(found[-1], end=one.end + shift, claims=claims)
            else:
                outermost = replace(one.outermost, start=one.outermost.start + shift)
                if found and outermost.start < found[-1].end:
                    outermost = found[-1].outermost  # of "Yes.", which belongs to a line of another block
                found.append(Statement(one.start + shift, one.end + shift, one.claims, outermost))
    return found


def _sentences(line: Line, text: str) -> Iterator[Statement]:
    plain, origins = without_emphasis(line.text)
    spans = sentence_spans(plain)
    claims_nothing = len(spans) == 1 and _is_title(line, plain)
    for place, (start, end) in enumerate(spans):
        claim = plain[start:end]
        if not place:
            opening = " ".join(one for one in (without_emphasis(above)[0] for above in line.openings) if _opens(one))
            claim = " ".join(filter(None, (f"{line.number}." if line.number else "", opening, claim)))
        yield Statement(
            line.start + origins[start - 1] + 1 if place else _beginning(line, text),
            line.start + origins[end],
            () if claims_nothing else _clauses(claim),
            line.outermost,
        )


def _clauses(claim: str) -> tuple[str, ...]:
    """The sentences that a comma and "and" join in one, each of which stands by itself.

    What points back, or may hold only under what the first one begins with ("If …", "In Home Basic, …"), is no other.
    """
    joining = "|".join(sorted(everywhere("asking_besides")))
    joins = list(islice(re.finditer(f", (?:{joining}) ", claim), _MOST_JOINS))
    if not joins:
        return (claim,)
    language = answered_in(claim, LANGUAGES)
    leading = vocabulary("prepositions", language) | vocabulary("conditions", language)
    verbs = vocabulary("verbs", language) | vocabulary("stating_verbs", language)
    pointing = vocabulary("anaphora", language) | vocabulary("demonstratives", language)
    parts, begin = [], 0
    for joined in joins:
        first, *before = words(claim[begin : joined.start()]) or [""]
        subject, *behind = words(claim[joined.end() :]) or [""]
        are_clauses = not (verbs.isdisjoint(before) or verbs.isdisjoint(behind) or first in leading or subject in verbs)
        if are_clauses and pointing.isdisjoint([subject, *behind]):
            parts.append(claim[begin : joined.start()] + ".")
            begin = joined.end()
    return (*parts, claim[begin:])


def _row(cells: Sequence[Line], headers: Sequence[str], text: str) -> Statement:
    label, *values = (without_emphasis(cell.text)[0] for cell in cells)
    named = [(header, value) for header, value in zip(headers[1:], values, strict=True) if value not in _EMPTY]
    # A sign, as "✓", would be taken for nothing beside the words.
    claims = (": ".join(filter(None, (header, label, value))) if words(value) else value for header, value in named)
    end = max(cell.start + len(cell.text) for cell in cells)
    its = () if cells[0].kind == "header" else tuple(claims) or (label,)
    return Statement(_beginning(cells[0], text), end, its, cells[0].outermost)


def _beginning(line: Line, text: str) -> int:
    """Where a line begins with the signs of its block."""
    start = text.rfind("\n", 0, line.start) + 1
    return start + len(text[start : line.start]) - len(text[start : line.start].lstrip())


def _is_title(line: Line, plain: str) -> bool:
    mark, inner = line.text[:2], line.text[2:-2]
    is_bold = mark in ("**", "__") and line.text[2:].endswith(mark) and mark not in inner and not inner[:1].isspace()
    if not (is_bold or line.kind == "heading" or plain.endswith(":")) or plain.endswith((".", "!")):
        return False
    its = words(plain)
    if asks(plain) or everywhere("announcing").issuperset(its):
        return True
    says = quantities(plain) or denials(plain, "en") or not everywhere("stating_verbs").isdisjoint(its)
    return len(its) <= _MOST_WORDS_OF_A_TITLE and not says


def _opens(above: str) -> bool:
    """Whether a line says something of the items of the list below it."""
    return above.endswith(":") and not everywhere("announcing").issuperset(words(above))
