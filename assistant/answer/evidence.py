"""What stands between search and prompt: the evidence of a question, and what it says without a model.

question ──▶ search, by its parts where it joins several ──▶ what the answer before it cites ──▶ newest edition first
         ──▶ a table in another language, whose row and column it names ──▶ (judged) ──▶ the parts in turn ──▶ prompt

A sum of what is cited is computed here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from assistant.config import AnswerSettings
from assistant.conversation.followups import JoinedQuestion, Rewriting, joined_questions
from assistant.conversation.smalltalk import is_courtesy
from assistant.grounding.grounder import cite, ground
from assistant.grounding.outcomes import QuestionPart
from assistant.grounding.quoting import EarlierAnswer, Places, cell_in_words
from assistant.grounding.spans import looked_up_in, spans
from assistant.grounding.sums import computed, of_what_was_said, sum_besides, wanted_sum
from assistant.grounding.tables import NO_FIT
from assistant.refusal.answerability import judge
from assistant.retrieval.editions import newest_first, with_newest
from assistant.retrieval.retriever import Retriever
from assistant.text.languages import LANGUAGES
from assistant.text.words import answered_in
from assistant.types import Citation, Evidence, Filter, Sentence


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for a question."""

    hits: Sequence[Evidence]
    parts: Sequence[tuple[JoinedQuestion, Sequence[Evidence]]] = ()
    """Of a question that joins several, with what was found for each."""
    before: EarlierAnswer | None = None
    """What a follow-up goes on from, where the answer before it cites something."""
    computed: Sentence | None = None
    """What a follow-up asks for, if it is a sum of what was said before."""


@dataclass(frozen=True, slots=True)
class Cited:
    """Evidence, and what it says."""

    hits: tuple[Evidence, ...] = ()
    sentences: tuple[Sentence, ...] = ()

    def with_more(self, other: "Cited") -> "Cited":
        """With others behind them: their ranks go on from there."""
        last = max((hit.rank for hit in self.hits), default=0)
        hits = [replace(hit, rank=last + hit.rank) for hit in other.hits]
        sentences = [
            replace(one, citations=tuple(replace(cited, hit=last + cited.hit) for cited in one.citations))
            for one in other.sentences
        ]
        return Cited((*self.hits, *hits), (*self.sentences, *sentences))


class EvidenceSearch:
    """Finds evidence in one corpus, in the ways that a question and the conversation before it ask for."""

    def __init__(self, retriever: Retriever, answering: AnswerSettings) -> None:
        self._retriever = retriever
        self._answering = answering

    def found(self, asked: str, rewriting: Rewriting, only: Filter | None) -> Found:
        """The evidence of a question as it was ``asked`` and rewritten. Raises what ``Retriever.search`` raises."""
        standalone, wanted = rewriting.standalone, self._answering.evidence
        parts = [
            (one, self._retriever.search(one.standalone, wanted, only, fallback=standalone))
            for one in (() if rewriting.rule else joined_questions(standalone))
        ]
        hits, tables = self._retriever.search_with_tables(standalone, wanted, only, fallback=rewriting.fallback)
        before, total = None, None
        if rewriting.rule and rewriting.said and not is_courtesy(asked):
            earlier = self._retriever.search(rewriting.before, wanted, only)
            # What it cites is found again from its words.
            said = ground(rewriting.said, earlier, self._retriever.weights, self._answering.support_coverage)
            rows = (_cited_row(line, earlier) for line in rewriting.said.split("\n"))
            its_words = (citation for sentence in said if sentence.supported for citation in sentence.citations)
            cited = tuple(dict.fromkeys((*filter(None, rows), *its_words)))
            before = EarlierAnswer(asked, cited) if cited else None
            its = [hit for hit in earlier if any(one.hit == hit.rank for one in cited)]
            language = answered_in(asked, LANGUAGES)
            total = of_what_was_said(asked, rewriting.before, said, [hit.text for hit in its], language)
            hits = merged([], [*hits, *its])
        hits = newest_first(hits, standalone)
        if not parts:
            hits = _with_table(hits, tables, standalone)
        if total:
            ranks = [
                next(hit.rank for hit in hits if hit.path == one.path and hit.start <= one.start < hit.end)
                for one in total.citations
            ]
            cited = tuple(replace(one, hit=rank) for one, rank in zip(total.citations, ranks, strict=True))
            total = replace(total, citations=cited)
        return Found(hits, parts, before, total)

    def for_prompt(self, found: Found, question: str, only: Filter | None) -> list[Evidence]:
        """The evidence that a model is shown: that of the parts in turn, and the newest edition of each.

        Who chose the documents, with ``only``, gets those.
        """
        hits = list(found.hits)
        if found.parts:
            hits = merged([its for _, its in found.parts], hits)[: self._answering.evidence + len(found.parts)]
        return hits if only else with_newest(hits, question, self._retriever.newest_edition)

    def places(self, question: str, shown: Sequence[Evidence], before: EarlierAnswer | None = None) -> Places:
        """The places of the evidence by how well they fit a question."""
        return Places(question, shown, self._retriever.embedder, self._retriever.weights, before)

    def closest(self, asked: Mapping[str, str], only: Filter | None) -> Cited:
        """What comes closest to a question as it was ``asked`` in each of some languages, in the documents of that.

        Nothing where these hardly answer it.
        """
        closest = Cited()
        for language, question in asked.items():
            its = replace(only or Filter(), metadata={**(only.metadata if only else {}), "language": language})
            found = self.found(question, Rewriting(question), its)
            if judge(question, found.hits, self._retriever, self._answering).answerable:
                hits = self.for_prompt(found, question, its)
                closest = closest.with_more(Cited(tuple(hits), self.places(question, hits).closest()))
        return closest

    def parts(self, found: Found, shown: Sequence[Evidence]) -> list[QuestionPart]:
        """The questions that are joined, each with its places in what is shown, and what its own evidence is worth."""
        parts = []
        for one, hits in found.parts:
            judgement = judge(one.standalone, hits, self._retriever, self._answering).judgement
            places, probability = self.places(one.standalone, shown), judgement.get("probability", 0.0)
            parts.append(QuestionPart(one.asked, places, probability, self.knows_names(judgement)))
        return parts

    def knows_names(self, judgement: Mapping[str, float]) -> bool:
        """Whether the documents know what a question names; who wants to see what has no support is not held to it."""
        return self._answering.unsupported == "show" or not judgement.get("unknown_names")

    def sum_of(
        self, asked: str, rewriting: Rewriting, hits: Sequence[Evidence], judgement: Mapping[str, float]
    ) -> tuple[Sentence, ...]:
        """The sum that a question asks for as it was ``asked``, with what it is computed from; empty if for none.

        Of what the question before it asked, where it names nothing itself.
        """
        question = rewriting.standalone
        language = answered_in(question, LANGUAGES)
        besides = sum_besides(asked, rewriting.before, language) if rewriting.rule else None
        wanted = besides or wanted_sum(question, language)
        if wanted is None or not self.knows_names(judgement):
            return ()
        return computed(wanted, self.places(wanted.asked, hits), hits, judgement["probability"])


def merged(lists: Sequence[Sequence[Evidence]], others: Sequence[Evidence]) -> list[Evidence]:
    """The evidence of several searches in turn, and behind it that of another one; each piece once."""
    in_turn = (hit for hits in zip_longest(*lists) for hit in hits if hit)
    unique = {hit.chunk: hit for hit in (*in_turn, *others)}
    return [replace(hit, rank=rank) for rank, hit in enumerate(unique.values(), 1)]


def _cited_row(quotation: str, hits: Iterable[Evidence]) -> Citation | None:
    """Where the row stands that was quoted in these words; None for what is no such quotation."""
    for hit in hits:
        for span in spans(hit):
            if span.row and quotation.startswith(f"{span.row.label}: "):
                cells = {cell_in_words(*one) for one in span.row.cells}
                if cells.issuperset(quotation.removeprefix(f"{span.row.label}: ").split("; ")):
                    return cite(hit, span.start, span.end)
    return None


def _with_table(hits: Sequence[Evidence], tables: Sequence[Evidence], question: str) -> list[Evidence]:
    """The evidence, and a table of which a question in another language names row and column better than there."""
    fits = {hit: looked_up_in(hit, question) for hit in tables}
    best = max(fits, key=fits.__getitem__, default=None)
    if best is None or fits[best] <= max((looked_up_in(hit, question) for hit in hits), default=NO_FIT):
        return list(hits)
    return merged([], [*hits, best])
