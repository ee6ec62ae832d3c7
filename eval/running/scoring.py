"""Answers scored and made into rows: every metric of an answer, its outcome, and what went wrong first.

    scores = scores_of(case, assistant.ask(case.question), context)
    scores["correctness"].value     0.62
    scores["faithfulness"].reason   "a refusal says nothing that could be scored"

Which names there are depends on nothing: a metric that does not apply is there with its reason. Metrics of a whole
run (refusal precision, latency, bits per byte) are in their own modules.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from assistant.grounding.quoting import cell_in_words
from assistant.grounding.spans import spans
from assistant.grounding.support import support
from assistant.grounding.tables import Row as TableRow
from assistant.retrieval.embedder import Meaning
from assistant.retrieval.retriever import Retriever
from assistant.types import Answer, Evidence
from eval.cases import Case
from eval.gold import Group, ranks
from eval.matching import is_verbatim, occurrences
from eval.metrics import METRICS, REFUSED, Score, score
from eval.metrics.answers import Embed, answer_scores, embedded_once, must_include
from eval.metrics.grounding import CitedSentence, citation_scores, cites_gold, claim_scores, copy_scores
from eval.metrics.refusal import refusal_scores, reply_of
from eval.metrics.retrieval import retrieval_scores
from eval.metrics.style import StyleRule, style_scores
from eval.metrics.usable import (
    Outcome,
    cites_rightly,
    facts_stated,
    is_supported,
    leads_with_it,
    outcome_of,
    speaks_language,
    usable_scores,
)
from eval.results import CaseRow, Failure, RowAnswer, RowCitation, RowPassage, RowSentence, System

# Digits that are kept: the last ones of a cosine depend on what else is in its batch.
_DIGITS = 6
_NO_GOLD_CITED = "the answer cites nothing, or the case names no gold evidence"
_SEARCHES_NOTHING = Score(None, "the system searches nothing")
_RETRIEVAL = tuple(metric.name for metric in METRICS if metric.group == "retrieval")


@dataclass(frozen=True, slots=True)
class ScoringContext:
    """What metrics ask that is no arithmetic."""

    supports: Callable[[str, Sequence[Evidence], str], bool]
    """Whether any of some passages supports a sentence that answers a question."""
    embed: Embed
    rules: Sequence[StyleRule] = ()


def supports_by(retriever: Retriever, least_coverage: float) -> Callable[[str, Sequence[Evidence], str], bool]:
    """Whether any of some passages supports a sentence that answers a question, by what grounds answers too.

    What a passage says word for word it supports, however long it is, and a row of a table as quotations put it: so are
    answers that quote.
    """

    @lru_cache(maxsize=4096)
    def weights_of(terms: frozenset[str]) -> Mapping[str, float]:
        return retriever.weights(sorted(terms))

    def weights(terms: Iterable[str]) -> Mapping[str, float]:
        return weights_of(frozenset(terms))

    likeness = Meaning(retriever.embedder).likeness
    known: dict[tuple[str, str, str, int, int], bool] = {}

    def is_supported(sentence: str, hit: Evidence, question: str) -> bool:
        key = (sentence, question, hit.document, hit.start, hit.end)
        if key not in known:
            found = support(sentence, hit, weights, least_coverage, question, likeness)
            rows = (span.row for span in spans(hit) if span.row)
            known[key] = found.holds or is_verbatim(sentence, hit.text) or any(_is_row(sentence, row) for row in rows)
        return known[key]

    return lambda sentence, hits, question: any(is_supported(sentence, hit, question) for hit in hits)


def embed_of(cases: Iterable[Case], answers: Iterable[Answer], embed: Embed) -> Embed:
    """An embedding of all answers and gold answers, computed once."""
    texts = [gold for case in cases for gold in case.answers]
    return embedded_once(["", *texts, *(answer.text for answer in answers)], embed)


def scores_of(case: Case, answer: Answer, context: ScoringContext) -> dict[str, Score]:
    """Every metric of one answer. Give gold quotes their places first (``eval.gold.located``)."""
    refused, hits = answer.refused, answer.hits
    # The sentences as a reader sees them, their citations as places among the passages.
    places = {hit.rank: place for place, hit in enumerate(hits, 1)}
    cited = [
        CitedSentence(one.text, tuple(dict.fromkeys(places.get(citation.hit, 0) for citation in one.citations)))
        for one in answer.sentences
    ]
    cited_ranks = {citation.hit for sentence in answer.sentences for citation in sentence.citations}
    share = cites_gold(case.gold, [hit for hit in hits if hit.rank in cited_ranks])

    def supports(sentence: str, passages: Sequence[Evidence]) -> bool:
        return context.supports(sentence, passages, answer.standalone_question)

    scores = retrieval_scores(case, answer.trace.found if answer.trace else hits)
    scores |= answer_scores(case, answer.text, refused, context.embed)
    scores |= claim_scores(case, [sentence.text for sentence in answer.sentences], hits, refused, supports)
    scores |= citation_scores(cited, hits, refused, supports)
    scores["cites_gold"] = Score(None, REFUSED) if refused else score(share, _NO_GOLD_CITED)
    scores |= copy_scores(answer.text, [hit.text for hit in hits], refused, case.language)
    scores |= refusal_scores(case, reply_of(refused, answer.hedged), scores["must_include"])
    scores |= style_scores(answer.text, refused, context.rules, case.language)
    return scores | usable_scores(outcome_of(case, answer, scores), case, answer, scores)


def first_failure(case: Case, system: System, answer: Answer, outcome: Outcome, scores: Mapping[str, Score]) -> Failure:
    """What goes wrong first on the way from the question to the answer; ``none`` when it is usable."""
    if outcome == "usable":
        # An extractive system has no words of its own.
        return "quoted" if answer.quoted and system.kind != "extractive" else "none"
    if outcome == "hedged":
        return "right but hedged" if scores["right_hedged"].value else "hedged"
    if outcome == "refused" and not answer.refused:
        return "nothing said"
    if case.unanswerable:
        return "missed refusal"
    if outcome == "partly" and facts_stated(case, answer.text, scores) == 1.0:
        # It states every required fact; what keeps it from being usable is another thing.
        if not leads_with_it(case, answer):
            return "another figure first"
        if not is_supported(scores):
            return "unsupported"
        if not cites_rightly(case, scores):
            return "wrong citation"
        return "style only" if speaks_language(case, answer.text) else "other language"
    if answer.quoted and answer.trace and must_include(answer.trace.said, case.must_include, case.language) == 1.0:
        return "quoted over a right answer"
    if system.kind == "closed book":
        return "false refusal" if answer.refused else "wrong without evidence"
    if None in ranks(case.gold, answer.hits):
        return "retrieval miss"
    return "false refusal" if answer.refused else "evidence ignored"


def row_of(
    case: Case,
    answers: Mapping[System, Answer],
    found: Mapping[System, Sequence[Evidence]],
    context: ScoringContext,
    voice: Mapping[System, Score],
) -> CaseRow:
    """One question. ``found`` are the passages that retrieval is scored by, more than a prompt has room for."""
    hits = (hit for system, answer in answers.items() for hit in (*answer.hits, *found[system]))
    passages: dict[tuple[str, int, int], Evidence] = {}
    for hit in hits:
        passages.setdefault(_key(hit), hit)
    places = {key: place for place, key in enumerate(passages)}

    def row_answer(system: System, answer: Answer) -> RowAnswer:
        scored = answer
        if answer.trace:
            scored = replace(answer, trace=replace(answer.trace, found=tuple(found[system])))
        scores = scores_of(case, scored, context) | {"house_voice": voice[system]}
        if system.kind == "closed book":
            scores |= dict.fromkeys(_RETRIEVAL, _SEARCHES_NOTHING)
        outcome = outcome_of(case, answer, scores)
        by_rank = {hit.rank: hit for hit in answer.hits}
        sentences = []
        for sentence in answer.sentences:
            cited = [(one, by_rank[one.hit]) for one in sentence.citations if one.hit in by_rank]
            citations = [
                RowCitation(places[_key(hit)], one.start - hit.start, one.end - hit.start) for one, hit in cited
            ]
            sentences.append(RowSentence(sentence.text, sentence.supported, sentence.reason, tuple(citations)))
        return RowAnswer(
            text=answer.text,
            refused=answer.refused,
            refusal_reason=answer.refusal_reason,
            quoted=answer.quoted,
            notes=answer.notes,
            sentences=tuple(sentences),
            shown=tuple(places[_key(hit)] for hit in answer.hits),
            found=tuple(places[_key(hit)] for hit in found[system]),
            said=answer.trace.said if answer.trace else "",
            scores={metric.name: _rounded(scores[metric.name]) for metric in METRICS},
            outcome=outcome,
            first_failure=first_failure(case, system, answer, outcome, scores),
            hedged=answer.hedged,
        )

    return CaseRow(
        case,
        tuple(
            RowPassage(one.document, one.pages, one.heading, one.start, one.end, one.text, _gold_in(one, case.gold))
            for one in passages.values()
        ),
        {system.name: row_answer(system, answer) for system, answer in answers.items()},
    )


def _gold_in(hit: Evidence, gold: Iterable[Group]) -> tuple[tuple[int, int], ...]:
    """Where gold stands in a passage's text, by offsets or by quote: in order, without overlaps."""
    found: list[tuple[int, int]] = []
    for one in (span for group in gold for span in group if span.document == hit.document):
        if one.start is not None and one.end is not None:
            start, end = max(one.start, hit.start) - hit.start, min(one.end, hit.end) - hit.start
            found += [(start, end)] if start < end else []
        elif one.quote:
            found += occurrences(one.quote, hit.text)
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return tuple(joined)


def _is_row(sentence: str, row: TableRow) -> bool:
    """Whether a sentence is a row of a table: its first cell, then others of it in order."""
    left = sentence.removeprefix(f"{row.label}: ")
    if left == sentence:
        return False
    for cell in row.cells:
        told = cell_in_words(*cell)
        left = left.removeprefix(told if left == told else f"{told}; ")
    return not left


def _key(hit: Evidence) -> tuple[str, int, int]:
    return hit.document, hit.start, hit.end


def _rounded(score: Score) -> Score:
    return score if score.value is None else Score(round(score.value, _DIGITS))
