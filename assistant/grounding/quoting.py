"""The places of the passages that fit a question best: quoted where a model has no answer, and a measure of the others.

Each sentence and row of the passages is scored by the similarity of its vector to the question's, plus the weight of
the question's words that it and its headings hold, less a little for every rank, and less again where it would be cited
with a warning. The best one is quoted, a sentence with its whole clause; and a second one that is nearly as good, since
the best is not always it.
What says nothing by itself is not quoted by itself: a heading or a question never, an item with what opens its list,
what opens a list with its items, and what answers a question from its first word on, which may be "No.".
An answer whose citations all fit clearly worse than the best place misses the question (docs/log.md).
A follow-up looks into the section that the answer before it cites: its own words count most there, what was cited is
not quoted again unless it holds them, nothing else fits, or it is asked why. Of a table that was cited it gets the row
or column that its own words name.
What limits a quotation and stands behind it in its section belongs to it: "The cover exists only if the bicycle was
locked." A sentence limits another if it denies, restricts or ends something, and either points back to it ("This does
not apply to students", "Excluded are …") or begins with words of which that one holds most.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, takewhile

from assistant.grounding.grounder import cite
from assistant.grounding.notes import warning_of
from assistant.grounding.spans import Span, spans
from assistant.grounding.support import Weights
from assistant.grounding.tables import (
    Row,
    asked_besides,
    is_any_of_its_table,
    is_looked_up,
    means_another,
    named_cells,
    numbers_within,
)
from assistant.retrieval.editions import is_superseded
from assistant.retrieval.embedder import Embedder
from assistant.text.lexicon import everywhere, forms, grammar, no_subject, vocabulary, whole_words
from assistant.text.negation import denials
from assistant.text.overlap import weighted_coverage
from assistant.text.quantities import SPANS_OF_TIME, quantities, unit_of, units_named
from assistant.text.sentences import asks, has_ended
from assistant.text.words import content_stems, stems, words
from assistant.types import Citation, Evidence, Sentence

# In characters, some three sentences: what is longer shows the passage and not its point.
_LONGEST_QUOTE = 400
# Shorter pieces are headings and labels.
_SHORTEST_SENTENCE = 25
# A second quotation may be so much worse than the first, and a rank costs so much: facts in what is quoted .544 for the
# best place, .579 with ranks, .702 with both (n = 57, which they were not chosen on; docs/log.md).
_MOST_QUOTES, _NEARLY_AS_GOOD, _RANK_COSTS = 2, 0.15, 0.06
_MOST_CLOSEST = 3  # of 53 such lists 35 held all that was asked (docs/log.md, "The sample, before and after")
# A cell whose row and column the question names is what was asked for, though few words say so (docs/log.md).
_FOUND_IN_A_TABLE = 0.3
# In a follow-up the words of the question before it count so much, and a place of the section cited before fits so much
# better (docs/log.md).
_OLD_WORDS, _SAME_SECTION = 0.15, 0.5
# Below it the best place has nothing to do with the question (docs/log.md).
_LEAST_FIT = 0.45
# So many words with a meaning tell what a sentence speaks of (docs/log.md).
_TOPIC_WORDS = 3
_LONGEST_CAPTION = 240  # in characters: a longer line above a table is text
# With more, or longer ones in characters, the quotation is the section. By eye.
_MOST_CONDITIONS = 2
_LONGEST_CONDITION = 300


@dataclass(frozen=True, slots=True)
class _Candidate:
    hit: Evidence
    span: Span
    text: str
    """The sentence, behind what opens its list; or the row under the headers that the question names."""
    heading: str
    """Under which it stands; a question above it is one."""
    answers_from: int | None
    """Where the answer begins that it is part of; None where no question stands above it."""
    known: str = ""
    """Of a row: what introduces its table, and the numbers of the question that lie within what it is for."""


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """What a follow-up goes on from."""

    asked: str
    """The follow-up in its own words."""
    cited: tuple[Citation, ...]
    """What the answer before it cites."""


class Places:
    """The sentences and rows of some passages, by how well they fit a question; ranked when that is first needed."""

    def __init__(
        self,
        question: str,
        hits: Sequence[Evidence],
        embedder: Embedder,
        weights: Weights,
        before: EarlierAnswer | None = None,
    ) -> None:
        """``weights`` gives each stem its weight."""
        self.question = question
        self._before = before
        self._hits = hits
        self._embedder = embedder
        self._weights = weights

    def quotes(self, most: int = _MOST_QUOTES) -> tuple[Sentence, ...]:
        """The best places as sentences with citations, best first, each with the sentences that limit it behind it.

        At most ``most`` places, none where nothing fits.
        """
        sentences: list[Sentence] = []
        for quote in self._quoted(most, self._best - _NEARLY_AS_GOOD):
            for sentence in (quote, *self._conditions(quote)):
                if not any(_overlap(sentence, other) for other in sentences):
                    sentences.append(sentence)
        return tuple(sentences)

    def closest(self) -> tuple[Sentence, ...]:
        """The places that come closest, in the same way: at most three, however much worse than the first."""
        return self._quoted(_MOST_CLOSEST, _LEAST_FIT)

    @property
    def best(self) -> tuple[Evidence, Span] | None:
        """The best place: a passage and a span of it."""
        return (self._ranked[0][1].hit, self._ranked[0][1].span) if self._ranked else None

    @property
    def coverage(self) -> float:
        """Which part of the question's words the best place and its headings hold, by weight; 0 where there is none."""
        if not self._ranked:
            return 0.0
        _, best = self._ranked[0]
        return _coverage(best, self._weights(content_stems(self.question, best.hit.language)))

    @property
    def is_looked_up(self) -> bool:
        """Whether the best place is a cell whose row and column the question names."""
        return bool(self._ranked) and self._is_cell(self._ranked[0][1])

    @property
    def is_any_row(self) -> bool:
        """Whether the best place is a row of which the question says nothing that the other rows do not have."""
        if self._ranked and self._is_besides(self._ranked[0][1]):
            return False
        row, language = (self._ranked[0][1].span.row, self._ranked[0][1].hit.language) if self._ranked else (None, "")
        return row is not None and is_any_of_its_table(row, self.question, language)

    def _quoted(self, most: int, least: float) -> tuple[Sentence, ...]:
        quotes: list[Sentence] = []
        for score, candidate in self._ranked:
            if len(quotes) == most or score < max(_LEAST_FIT, least):
                break
            quoted = _quoted(candidate, self._hits)
            if not any(_overlap(quoted, other) for other in quotes):
                quotes.append(quoted)
        return tuple(quotes)

    def _conditions(self, quote: Sentence) -> Iterator[Sentence]:
        """What limits a quotation, behind it in its section; of a row, the line that says what its numbers count."""
        (cited,) = quote.citations
        hit = next(hit for hit in self._hits if hit.rank == cited.hit)
        if hit.block_at(cited.start).kind == "table":
            found = _unit_line(hit, cited.start - hit.start, self.question)
        else:
            found = ((one.start, one.end) for one in conditions(hit, cited.end - hit.start, quote.text))
        for start, end in found:
            yield Sentence(_in_one_line(hit, start, end), True, "", (cite(hit, start, end, self._hits),))

    def behind(self, citations: Sequence[Citation]) -> float:
        """By how much the citation that fits the question best does so worse than the best place.

        Where a newer edition is among the passages, an older one alone answers nothing. Citations of places that are
        not ranked for another reason are not doubted.
        """
        scores = [score for score, one in self._ranked for citation in citations if _holds(one.hit, one.span, citation)]
        if not scores and all(citation.hit in self._superseded for citation in citations):
            return self._best
        return self._best - max(scores) if scores else 0.0

    @property
    def _best(self) -> float:
        return self._ranked[0][0] if self._ranked else 0.0

    @cached_property
    def _superseded(self) -> frozenset[int]:
        """Ranks of the passages of which a newer edition is among them."""
        return frozenset(hit.rank for hit in self._hits if is_superseded(hit, self._hits, self.question))

    @cached_property
    def _ranked(self) -> list[tuple[float, _Candidate]]:
        candidates = [
            candidate
            for hit in self._hits
            if hit.rank not in self._superseded
            for candidate in _candidates(hit, self.question, self._besides)
            if candidate.span.row or len(candidate.text) >= _SHORTEST_SENTENCE
        ]
        if not candidates:
            return []
        vectors = self._embedder.embed_texts([f"{one.heading}\n{one.text}" for one in candidates])
        similarities = vectors @ self._embedder.embed_question(self.question)
        wanted = {language: self._wanted(language) for language in {one.hit.language for one in candidates}}

        def score(one: _Candidate, similarity: float) -> float:
            is_near = self._is_near(one)
            cost = _RANK_COSTS * one.hit.rank * (not is_near) + _NEARLY_AS_GOOD * bool(warning_of(one.hit))
            fits = similarity + _coverage(one, wanted[one.hit.language]) + _SAME_SECTION * is_near
            return fits + _FOUND_IN_A_TABLE * self._is_cell(one) - cost

        scores = (score(one, float(similarity)) for one, similarity in zip(candidates, similarities, strict=True))
        ranked = sorted(zip(scores, candidates, strict=True), key=lambda one: -one[0])
        others = [(fits, one) for fits, one in ranked if not self._was_said(one)]
        return others if others and others[0][0] >= _LEAST_FIT else ranked

    def _is_cell(self, one: _Candidate) -> bool:
        if one.span.row is None:
            return False
        return self._is_besides(one) or is_looked_up(one.span.row, self.question, one.hit.language)

    def _is_besides(self, one: _Candidate) -> bool:
        return (one.hit.rank, one.span.start) in self._besides

    @cached_property
    def _besides(self) -> Mapping[tuple[int, int], list[tuple[str, str]]]:
        """The cells that a follow-up asks for in tables cited before it, by passage and place of their row."""
        found: dict[tuple[int, int], list[tuple[str, str]]] = {}
        if self._before is None:
            return found
        for hit in self._hits:
            rows = {span.row: span for span in spans(hit) if span.row}
            for row, span in rows.items():
                if not any(_holds(hit, span, citation) for citation in self._before.cited):
                    continue
                if meant := asked_besides(row, self._before.asked, self.question, hit.language):
                    found[hit.rank, rows[meant[0]].start] = meant[1]
        return found

    def _wanted(self, language: str) -> Mapping[str, float]:
        """The stems of the question by weight; of a follow-up its own above all."""
        wanted = self._weights(content_stems(self.question, language))
        own = set(content_stems(self._before.asked if self._before else self.question, language))
        return {stem: weight * (1.0 if stem in own else _OLD_WORDS) for stem, weight in wanted.items()}

    def _was_said(self, one: _Candidate) -> bool:
        """Whether a place was cited before a follow-up and holds nothing that this adds."""
        if self._before is None or self._is_besides(one):
            return False
        if not any(_holds(one.hit, one.span, citation) for citation in self._before.cited):
            return False
        asked = set(words(self._before.asked))
        added = asked - no_subject(one.hit.language)
        # Why stands with what was said, more often than behind it.
        if not added and asked & everywhere("reasons_asked"):
            return False
        return set(stems(one.text, one.hit.language)).isdisjoint(stems(" ".join(added), one.hit.language))

    def _is_near(self, one: _Candidate) -> bool:
        """Whether a place is in a section that was cited before a follow-up."""
        heading = one.hit.block_at(one.hit.start + one.span.start).heading
        return any(
            one.hit.path == hit.path and hit.block_at(citation.start).heading == heading
            for citation in (self._before.cited if self._before else ())
            for hit in self._hits
            if hit.path == citation.path and hit.start <= citation.start < hit.end
        )


def _coverage(one: _Candidate, wanted: Mapping[str, float]) -> float:
    place = one.hit.blocks[0].place
    text = f"{one.hit.title} {one.heading} {place} {one.text} {one.known}"
    held = frozenset(stems(text, one.hit.language))
    return weighted_coverage(wanted, held)


def _holds(hit: Evidence, span: Span, citation: Citation) -> bool:
    start, end = hit.start + span.start, hit.start + span.end
    return hit.path == citation.path and citation.start < end and start < citation.end


def _overlap(one: Sentence, other: Sentence) -> bool:
    """Whether two quotations share words of a document, or say the same in two."""
    (first,), (second,) = one.citations, other.citations
    share_place = first.path == second.path and first.start < second.end and second.start < first.end
    return share_place or one.text in other.text or other.text in one.text


def _candidates(
    hit: Evidence, question: str, besides: Mapping[tuple[int, int], list[tuple[str, str]]]
) -> Iterator[_Candidate]:
    """The sentences and rows of a passage that may be quoted, in order; ``besides`` are cells for a follow-up."""
    asked: tuple[int, str] | None = None  # where its answer begins, and the question
    path: str | None = None
    for span in spans(hit):
        if span.is_pair:
            continue
        block = hit.block_at(hit.start + span.start)
        if block.kind == "heading" or block.heading != path:
            path = block.heading
            begins = block.end if block.kind == "heading" else block.start
            asked = (max(0, begins - hit.start), path) if asks(path) else None
        text = " ".join(hit.text[span.start : span.end].split())
        if block.kind in {"heading", "fields"}:
            continue
        cells = besides.get((hit.rank, span.start))
        if span.row and not cells and means_another(span.row, question, hit.language, question, surely=True):
            continue
        if asks(text):
            asked = (span.end, f"{path} {text}")
            continue
        heading = asked[1] if asked else path
        known = f"{span.introduction} {numbers_within(span.row, question)}" if span.row else ""
        if span.row:
            text = row_in_words(span.row, cells or named_cells(span.row, question, hit.language))
        elif _is_item(span):
            text = f"{span.introduction} {text}".lstrip()
        yield _Candidate(hit, span, text, heading, asked[0] if asked else None, known)


def row_in_words(row: Row, cells: Iterable[tuple[str, str]]) -> str:
    """Some (header, cell) of a row as a quotation."""
    return f"{row.label}: {'; '.join(cell_in_words(*one) for one in cells)}"


def cell_in_words(header: str, cell: str) -> str:
    """A cell as a quotation of its row has it."""
    return f"{cell} ({header})" if header else cell


def lines_above(hit: Evidence, start: int) -> list[tuple[int, int]]:
    """The lines above the table at a place of a passage, which may say what its figures are, the nearest first."""
    table_block = hit.block_at(hit.start + start)
    above = []
    for block in reversed([one for one in hit.blocks if one.start < table_block.start]):
        if block.kind != "paragraph" or (block.heading, block.place) != (table_block.heading, table_block.place):
            break
        above.append((max(0, block.start - hit.start), block.end - hit.start))
    return [(begin, end) for begin, end in above if end - begin <= _LONGEST_CAPTION]


def _unit_line(hit: Evidence, start: int, question: str) -> Iterator[tuple[int, int]]:
    """Where the line stands that says what a bare number of the row at ``start`` counts: 36.4 may be for a month."""
    row = next((one.row for one in spans(hit) if one.start == start), None)
    cells = [cell for _, cell in named_cells(row, question, hit.language)] if row else []
    figures = (one for cell in cells for one in quantities(cell, hit.language))
    if not all(map(unit_of, figures)):
        lines = lines_above(hit, start)
        named = (one for one in lines if units_named(hit.text[slice(*one)], hit.language) - SPANS_OF_TIME)
        yield from islice(named, 1)


def _quoted(best: _Candidate, hits: Sequence[Evidence]) -> Sentence:
    """The sentence with those around it in its clause or paragraph, while all are short; a row stands for itself."""
    hit, span = best.hit, best.span
    if span.row:
        return Sentence(best.text, True, "", (cite(hit, span.start, span.end, hits),))
    opening = _opening(best)
    end = _end(hit, opening.start, span)
    text = _in_one_line(hit, opening.start, end)
    if _is_item(opening):
        text = f"{opening.introduction} {text}".lstrip()
    return Sentence(text, True, "", (cite(hit, opening.start, end, hits),))


def _opening(best: _Candidate) -> Span:
    """What a quotation begins with: its clause or item, or the answer to the question above it, where that is near."""
    hit, span = best.hit, best.span
    items = (item.start - hit.start for item in hit.block_at(hit.start + span.start).items)
    begin = max(hit.text.rfind("\n", 0, span.start) + 1, *(start for start in items if start <= span.start), 0)
    if best.answers_from is not None and "\n\n" not in hit.text[best.answers_from : span.start].lstrip():
        begin = best.answers_from
    opening = next(one for one in spans(hit) if one.start >= begin)
    return span if span.end - opening.start > _LONGEST_QUOTE else opening


def _in_one_line(hit: Evidence, start: int, end: int) -> str:
    """A text without its line breaks and bullets; items that end with nothing end with a semicolon."""
    bullets = {
        item.start: item.words - item.start for block in hit.blocks for item in block.items if item.mark == "bullet"
    }
    lines: list[tuple[str, bool]] = []
    offset = hit.start + start
    for line in hit.text[start:end].split("\n"):
        words = line.lstrip()
        mark = bullets.get(offset + len(line) - len(words), 0)
        offset += len(line) + 1
        if words:
            lines.append((" ".join(words[mark:].split()), mark > 0))
    joining = vocabulary("conjunctions", hit.language)

    def pauses(line: str) -> bool:
        return line.endswith(tuple(".!?…;:,")) or line.rpartition(" ")[2].casefold() in joining

    return " ".join(
        f"{line};" if is_bullet and place < len(lines) and not pauses(line) else line
        for place, (line, is_bullet) in enumerate(lines, 1)
    )


def _end(hit: Evidence, start: int, least: Span) -> int:
    """Where a quotation ends that begins at ``start`` and holds a span."""
    end = least.end
    opens_a_list = not has_ended(hit.text[start:end], ".!?…;") and not _is_item(least)
    for after in spans(hit):
        if after.is_pair or after.start < end:
            continue
        if not (opens_a_list and _is_item(after)):
            is_apart = "\n\n" in hit.text[end : after.start] or after.item
            if after.row or is_apart:
                break
        if after.end - start > _LONGEST_QUOTE:
            break
        end = after.end
    return end


def _is_item(span: Span) -> bool:
    """Whether a span begins an item of a list."""
    return span.item is not None and span.item.is_listed


def conditions(hit: Evidence, end: int, quoted: str) -> Iterator[Span]:
    """The spans of a passage, at most two, that limit what was ``quoted`` of it up to ``end``."""
    heading = hit.block_at(hit.start + end).heading
    said = frozenset(stems(quoted, hit.language))
    behind = (span for span in spans(hit) if span.start >= end and not (span.is_pair or span.row))
    section = takewhile(lambda span: hit.block_at(hit.start + span.start).heading == heading, behind)

    back = frozenset[str]().union(*(vocabulary(kind, hit.language) for kind in ("demonstratives", "anaphora")))
    idle = grammar(hit.language) | vocabulary("negations", hit.language)
    restricting = whole_words(f"{forms('restrictions', hit.language)}|{forms('ending', hit.language)}")

    def limits(place: int, text: str) -> bool:
        if len(text) > _LONGEST_CONDITION or not (restricting.search(text) or denials(text, hit.language)):
            return False
        its = [word for word in words(text) if len(word) > 1 and word.isalpha()]
        if not place and its[:1] and (its[0] in back or restricting.fullmatch(its[0])):
            return True
        topic = stems(" ".join([word for word in its if word not in idle][:_TOPIC_WORDS]), hit.language)
        return len(said.intersection(topic)) > len(topic) / 2

    found = (span for place, span in enumerate(section) if limits(place, hit.text[span.start : span.end]))
    return islice(found, _MOST_CONDITIONS)
