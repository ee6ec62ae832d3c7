"""Rows as a page shows them: answers side by side with their differences, and the passages they were made from.

Texts are cut into pieces that carry marks: gold, cited, differing. A page shows the pieces; nothing here is HTML.

Long texts are cut, so that one answer of 100,000 characters does not swell a page; per_question.jsonl has all of them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from eval.human_agreement import NO_OPINIONS, Opinions
from eval.metrics import GRADED, Score
from eval.metrics.usable import OUTCOMES
from eval.results import FAILURES, CaseRow, Results, RowAnswer, RowPassage, RowSentence, System

Timings = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Case → system → stage → seconds."""
NO_TIMINGS: Timings = {}

# In characters; a page holds a thousand questions (4 MB, docs/log.md).
_LONGEST_ANSWER = 4000
_LONGEST_PASSAGE = 4000
# Of a passage that neither holds gold nor is cited: enough to see what it is about.
_EXCERPT = 280
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text with the names of its marks, separated by blanks; empty for plain text."""

    text: str
    marks: str = ""


def marked(text: str, spans: Mapping[str, Sequence[Span]]) -> list[Piece]:
    """``text`` in pieces; ``spans`` are half-open, by mark, and may overlap or lie outside of the text."""
    borders = {0, len(text)}
    for some in spans.values():
        borders.update(min(max(border, 0), len(text)) for span in some for border in span)
    pieces = []
    for start, end in pairwise(sorted(borders)):
        marks = [name for name, some in spans.items() if any(first <= start and end <= last for first, last in some)]
        pieces.append(Piece(text[start:end], " ".join(marks)))
    return pieces


def differing(text: str, words: Collection[str]) -> list[Piece]:
    """``text`` in pieces; those of words that are not among ``words`` (see ``words_of``) are marked ``differs``."""
    pieces: list[Piece] = []
    for is_word, part in _parts(text):
        marks = "differs" if is_word and part.casefold() not in words else ""
        if pieces and pieces[-1].marks == marks:
            pieces[-1] = Piece(pieces[-1].text + part, marks)
        else:
            pieces.append(Piece(part, marks))
    return pieces


def words_of(text: str) -> frozenset[str]:
    """The words of a text, without case."""
    return frozenset(part.casefold() for is_word, part in _parts(text) if is_word)


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """The words of a text and what stands between them, each with whether it is a word."""
    return ((is_word, "".join(part)) for is_word, part in groupby(text, str.isalnum))


@dataclass(frozen=True, slots=True)
class CitationView:
    """A passage by its number on the page, and the words of it that support a sentence."""

    passage: int
    quote: str


@dataclass(frozen=True, slots=True)
class SentenceView:
    """A sentence in pieces, and what supports it."""

    pieces: Sequence[Piece]
    supported: bool
    reason: str
    citations: Sequence[CitationView]


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One system's answer."""

    system: str
    place: int
    """Of the system among all."""
    answer: RowAnswer
    sentences: Sequence[SentenceView]
    left_out: int
    """Characters."""
    unlike: str
    """The system that it is compared with, when most of its words are others: then no word is marked."""
    people: Sequence[str]
    """What they said about it."""
    judged: Score | None
    """What the judge said; None without one."""
    timings: Mapping[str, float]
    """Stage → seconds."""


@dataclass(frozen=True, slots=True)
class PassageView:
    """A passage, and who saw and cited it."""

    number: int
    passage: RowPassage
    pieces: Sequence[Piece]
    left_out: int
    shown_to: Sequence[str]
    cited_by: Sequence[str]


@dataclass(frozen=True, slots=True)
class QuestionView:
    """One question."""

    number: int
    row: CaseRow
    answers: Sequence[AnswerView]
    passages: Sequence[PassageView]
    """Those that a system saw or cited, or that hold gold."""
    found_besides: int
    facets: str
    """Codes that a page filters by: ``k0 l1 t3``."""
    scores: str
    """Correctness, a system each; ``-`` for none."""
    outcomes: str
    """Places in ``OUTCOMES``, a system each."""
    failures: str
    """Places in ``FAILURES``, a system each."""
    before: str
    """``regressed`` or ``mended`` since the baseline, ``same``; empty without a baseline."""


class Facets:
    """Codes of kinds, languages and tags: a page filters by these, and never by the words of a stranger."""

    def __init__(self, results: Results) -> None:
        groups = {"k": results.data.kinds, "l": results.data.languages, "t": results.data.tags}
        self._codes = {
            (letter, name): f"{letter}{place}"
            for letter, names in groups.items()
            for place, name in enumerate(sorted(names))
        }

    def choices(self, letter: str) -> list[tuple[str, str]]:
        """(code, name) of one facet: k, l or t."""
        return [(code, name) for (group, name), code in self._codes.items() if group == letter]

    def of(self, row: CaseRow) -> str:
        """The codes of a question."""
        case = row.case
        keys = [("k", case.kind_named), ("l", case.language), *(("t", tag) for tag in case.tags)]
        return " ".join(self._codes[key] for key in keys if key in self._codes)


def question_views(
    rows: Iterable[CaseRow],
    results: Results,
    facets: Facets,
    opinions: Opinions = NO_OPINIONS,
    timings: Timings = NO_TIMINGS,
) -> Iterator[QuestionView]:
    """The rows in order, each when it is needed."""
    judged = results.gate.system
    partners = partners_of(results.systems, judged)
    for number, row in enumerate(rows, 1):
        passages, since = _passages(row), ""
        if row.before is not None and judged in row.answers:
            was, is_now = row.before.outcome == "usable", row.answers[judged].outcome == "usable"
            since = "same" if was == is_now else "mended" if is_now else "regressed"
        values = [answer.scores[GRADED].value for answer in row.answers.values()]
        yield QuestionView(
            number=number,
            row=row,
            answers=[
                _answer(name, place, row, partners.get(name, ""), opinions, timings.get(row.case.id, {}).get(name, {}))
                for place, name in enumerate(row.answers)
            ],
            passages=passages,
            found_besides=len(row.passages) - len(passages),
            facets=facets.of(row),
            scores=" ".join("-" if value is None else f"{value:.3f}" for value in values),
            outcomes=" ".join(str(OUTCOMES.index(answer.outcome)) for answer in row.answers.values()),
            failures=" ".join(str(FAILURES.index(answer.first_failure)) for answer in row.answers.values()),
            before=since,
        )


def partners_of(systems: Sequence[System], judged: str) -> dict[str, str]:
    """With whose answer each system's is compared: the judged system's; its own with the next of its kind."""
    kinds = {system.name: system.kind for system in systems}
    others = sorted((name for name in kinds if name != judged), key=lambda name: kinds[name] != kinds.get(judged))
    return {name: judged if name != judged else next(iter(others), "") for name in kinds}


def _answer(
    system: str, place: int, row: CaseRow, partner: str, opinions: Opinions, timings: Mapping[str, float]
) -> AnswerView:
    answer = row.answers[system]
    words, other = words_of(answer.text), words_of(row.answers[partner].text) if partner in row.answers else None
    is_unlike = other is not None and len(words - other) > len(words) / 2
    known = words if other is None or is_unlike else other
    sentences = answer.sentences or (RowSentence(answer.text, True, ""),)
    shown, left = [], _LONGEST_ANSWER
    for sentence in sentences:
        if left <= 0:
            break
        citations = [
            CitationView(one.passage + 1, row.passages[one.passage].text[one.start : one.end][:_EXCERPT])
            for one in sentence.citations
            if one.passage < len(row.passages)
        ]
        pieces = differing(sentence.text[:left], known)
        shown.append(SentenceView(pieces, sentence.supported, sentence.reason, citations))
        left -= len(sentence.text)
    total = sum(len(sentence.text) for sentence in sentences)
    return AnswerView(
        system=system,
        place=place,
        answer=answer,
        sentences=shown,
        left_out=max(total - _LONGEST_ANSWER, 0),
        unlike=partner if is_unlike else "",
        people=opinions.people(row.case.id, answer.text),
        judged=opinions.verdicts.get(row.case.id, {}).get(system),
        timings=timings,
    )


def _passages(row: CaseRow) -> list[PassageView]:
    views = []
    for place, passage in enumerate(row.passages):
        cited: dict[str, list[Span]] = {
            name: [
                (one.start, one.end)
                for sentence in answer.sentences
                for one in sentence.citations
                if one.passage == place
            ]
            for name, answer in row.answers.items()
        }
        cited_by = [name for name, spans in cited.items() if spans]
        shown_to = [name for name, answer in row.answers.items() if place in answer.shown]
        if shown_to or cited_by or passage.gold:
            longest = _LONGEST_PASSAGE if cited_by or passage.gold else _EXCERPT
            spans = {"gold": passage.gold, "cited": [span for some in cited.values() for span in some]}
            pieces = marked(passage.text[:longest], spans)
            left_out = max(len(passage.text) - longest, 0)
            views.append(PassageView(place + 1, passage, pieces, left_out, shown_to, cited_by))
    return views
