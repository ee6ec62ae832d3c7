"""Answers become rows: passages once a question, sentences with their support, scores, and what went wrong first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from assistant.types import Answer, Evidence, Sentence
from eval.cases import Case
from eval.folding import occurrences
from eval.gold import Group, ranks
from eval.measures import MEASURES
from eval.metrics.answers import must_include
from eval.metrics.score import Score
from eval.metrics.usable import (
    Outcome,
    cites_rightly,
    facts_stated,
    is_supported,
    leads_with_it,
    outcome_of,
    speaks_language,
)
from eval.results import Failure, Row, RowAnswer, RowCitation, RowPassage, RowSentence, System
from eval.scoring import Judges, scores_of

# Digits that are kept: the last ones of a cosine depend on what else is in its batch.
_DIGITS = 6
_SEARCHES_NOTHING = Score(None, "the system searches nothing")
_RETRIEVAL = tuple(measure.name for measure in MEASURES if measure.group == "retrieval")


def row_of(
    case: Case,
    answers: Mapping[System, Answer],
    found: Mapping[System, Sequence[Evidence]],
    judges: Judges,
    voice: Mapping[System, Score],
) -> Row:
    """One question. ``found`` are the passages that retrieval is scored by, more than a prompt has room for."""
    passages: dict[tuple[str, int, int], int] = {}
    kept: list[Evidence] = []
    for system, answer in answers.items():
        for hit in (*answer.hits, *found[system]):
            if _key(hit) not in passages:
                passages[_key(hit)] = len(kept)
                kept.append(hit)
    return Row(
        case,
        tuple(_passage(hit, case.gold) for hit in kept),
        {
            system.name: _row_answer(case, system, answer, found[system], passages, judges, voice[system])
            for system, answer in answers.items()
        },
    )


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
        return _flaw(case, answer, scores)
    if answer.quoted and answer.trace and must_include(answer.trace.said, case.must_include, case.language) == 1.0:
        return "quoted over a right answer"
    if system.kind == "closed book":
        return "false refusal" if answer.refused else "wrong without evidence"
    if None in ranks(case.gold, answer.hits):
        return "retrieval miss"
    return "false refusal" if answer.refused else "evidence ignored"


def _flaw(case: Case, answer: Answer, scores: Mapping[str, Score]) -> Failure:
    """What keeps an answer from being usable that states every required fact."""
    if not leads_with_it(case, answer):
        return "another figure first"
    if not is_supported(scores):
        return "unsupported"
    if not cites_rightly(case, scores):
        return "wrong citation"
    return "style only" if speaks_language(case, answer.text) else "other language"


def _row_answer(
    case: Case,
    system: System,
    answer: Answer,
    found: Sequence[Evidence],
    passages: Mapping[tuple[str, int, int], int],
    judges: Judges,
    voice: Score,
) -> RowAnswer:
    scores = _scores(case, system, answer, found, judges) | {"house_voice": voice}
    outcome = outcome_of(case, answer, scores)
    by_rank = {hit.rank: hit for hit in answer.hits}
    return RowAnswer(
        text=answer.text,
        refused=answer.refused,
        refusal_reason=answer.refusal_reason,
        quoted=answer.quoted,
        notes=answer.notes,
        sentences=tuple(_sentence(sentence, by_rank, passages) for sentence in answer.sentences),
        shown=tuple(passages[_key(hit)] for hit in answer.hits),
        found=tuple(passages[_key(hit)] for hit in found),
        said=answer.trace.said if answer.trace else "",
        scores={measure.name: _rounded(scores[measure.name]) for measure in MEASURES},
        outcome=outcome,
        first_failure=first_failure(case, system, answer, outcome, scores),
        hedged=answer.hedged,
    )


def _scores(case: Case, system: System, answer: Answer, found: Sequence[Evidence], judges: Judges) -> dict[str, Score]:
    if answer.trace:
        answer = replace(answer, trace=replace(answer.trace, found=tuple(found)))
    scores = scores_of(case, answer, judges)
    return scores | dict.fromkeys(_RETRIEVAL, _SEARCHES_NOTHING) if system.kind == "closed book" else scores


def _sentence(
    sentence: Sentence, by_rank: Mapping[int, Evidence], passages: Mapping[tuple[str, int, int], int]
) -> RowSentence:
    cited = [(citation, by_rank[citation.hit]) for citation in sentence.citations if citation.hit in by_rank]
    return RowSentence(
        sentence.text,
        sentence.supported,
        sentence.reason,
        tuple(
            RowCitation(passages[_key(hit)], citation.start - hit.start, citation.end - hit.start)
            for citation, hit in cited
        ),
    )


def _passage(hit: Evidence, gold: Iterable[Group]) -> RowPassage:
    spans = tuple(_joined(_gold_spans(hit, gold)))
    return RowPassage(hit.document, hit.pages, hit.heading, hit.start, hit.end, hit.text, spans)


def _gold_spans(hit: Evidence, gold: Iterable[Group]) -> list[tuple[int, int]]:
    """Where gold stands in a passage's text, by offsets or by quote; unordered."""
    spans: list[tuple[int, int]] = []
    for one in (span for group in gold for span in group if span.document == hit.document):
        if one.start is not None and one.end is not None:
            start, end = max(one.start, hit.start) - hit.start, min(one.end, hit.end) - hit.start
            spans += [(start, end)] if start < end else []
        elif one.quote:
            spans += occurrences(one.quote, hit.text)
    return spans


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _key(hit: Evidence) -> tuple[str, int, int]:
    return hit.document, hit.start, hit.end


def _rounded(score: Score) -> Score:
    return score if score.value is None else Score(round(score.value, _DIGITS))
