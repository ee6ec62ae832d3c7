"""The first screen of a report: may the system be used, and for what, in two sentences; then the counts behind them.

    decision_of(results).use         It may not be used where nobody checks: 89 of 253 answers mislead, 35 of 100.
    decision_of(results).what_for    As a search it may: the right passages are among the first five for 97 of 100.

The bounds are those that a gate sets for ``misleading`` and ``usable``, else the ones declared here before any run.
Only an interval that keeps a bound as a whole allows; only one that breaks it as a whole forbids.
"""

import heapq
from collections.abc import Iterable, Iterator

from assistant.artifacts.evaluations import ENGLISH, FEWEST_QUESTIONS, Count, Decision, Tone, Wording, verdict_of
from eval.aggregation import FEWEST_DOCUMENTS
from eval.metrics.usable import Outcome
from eval.report.labels import difference_of, tone_of
from eval.results import CaseRow, Results, Slice

MOST_MISLEADING = 0.1
"""The share of misleading answers up to which people may be left alone with them."""
LEAST_USABLE = 0.6
"""The share of usable answers from which a system is of much help."""
# As a search it serves where the right passage is among the first five for four questions of five.
_FINDS = 0.8
# A tenth of all questions, right and yet hedged, is worth a look at the threshold.
_MOST_RIGHT_HEDGED = 0.1
# Of a kind with fewer questions nothing is said.
_FEWEST_OF_A_KIND = 10
_WORST = 3  # enough to see what goes wrong, before anything else


def decision_of(results: Results, words: Wording = ENGLISH) -> Decision:
    """The decision about the judged system, in the words of a language."""
    bounds = {light.metric: light.floor for light in results.gate.lights if light.floor is not None}
    floor = bounds.get("usable", LEAST_USABLE)
    ceiling = bounds.get("misleading", MOST_MISLEADING)
    tone, use = _use(results, floor, ceiling, words)
    is_enough = results.means[results.gate.system]["usable"].scored >= FEWEST_QUESTIONS
    what_for = _what_for(results, tone, words) if is_enough else ""
    if results.gate.status == "thin" and tone in {"good", "even"}:
        tone = "open"  # a gate that was asked has too little to let it pass
    return Decision(tone, use, what_for, tuple(_counts(results, floor, ceiling, words)))


def worst_answers(rows: Iterable[CaseRow], system: str) -> list[CaseRow]:
    """At most three questions whose answers mislead most: all of it is shown as proven, and least of it is right."""

    def trustworthy(row: CaseRow) -> tuple[bool, float]:
        answer = row.answers[system]
        is_proven = bool(answer.sentences) and all(one.supported and one.citations for one in answer.sentences)
        return not is_proven, answer.scores["correctness"].value or 0.0

    return heapq.nsmallest(
        _WORST, (row for row in rows if row.answers[system].outcome == "misleading"), key=trustworthy
    )


def counted(results: Results, system: str, outcome: Outcome) -> int:
    """How many answers of a system have an outcome."""
    return sum(results.first_failures.get(system, {}).get(outcome, {}).values())


def _use(results: Results, floor: float, ceiling: float, words: Wording) -> tuple[Tone, str]:
    """Whether it may be used: ``floor`` and ``ceiling`` are those of usable and misleading answers."""
    gate = results.gate
    if gate.status == "fail":
        return "bad", words("It may not replace what is in use. {verdict}", verdict=verdict_of(gate, words))
    means = results.means[gate.system]
    usable, misleading = means["usable"], means["misleading"]
    if misleading.low is None or misleading.high is None or misleading.scored < FEWEST_QUESTIONS:
        return "open", words(
            "Too little was asked to say whether it may be used: {questions} questions about {documents} documents are"
            " the least.",
            questions=FEWEST_QUESTIONS,
            documents=FEWEST_DOCUMENTS,
        )
    told = words(
        "{count} of {asked} answers mislead ({low} to {high} of 100; at most {most} of 100 may)",
        count=counted(results, gate.system, "misleading"),
        asked=misleading.n,
        low=_of_100(misleading.low),
        high=_of_100(misleading.high),
        most=_of_100(ceiling),
    )
    if misleading.low > ceiling:
        return "bad", words("It may not be used where nobody checks: {told}.", told=told)
    if misleading.high > ceiling:
        return "open", words("Not shown to be safe where nobody checks: {told}.", told=told)
    if (usable.value or 0.0) < floor:
        return "even", words("It may be used, and will often have no answer: {told}.", told=told)
    return "good", words("It may be used: {told}.", told=told)


def _what_for(results: Results, tone: Tone, words: Wording) -> str:
    """For what kinds of question, or else as a search."""
    system = results.gate.system
    found = results.means[system]["recall@5"].value
    if tone in {"bad", "open"} and found is not None and found >= _FINDS:
        return words(
            "As a search it may, by people who read the passages: the right ones are among the first five for {found}"
            " of 100 questions.",
            found=_of_100(found),
        )
    kinds = [one for one in results.slices if one.facet == "kind" and one.n >= _FEWEST_OF_A_KIND]
    if len(kinds) < 2:
        return ""
    best = max(kinds, key=lambda kind: _share(kind, system, "usable"))
    worst = max(kinds, key=lambda kind: _share(kind, system, "misleading"))
    return words(
        "Best for “{best}” ({usable} of {best_n} usable), least for “{worst}” ({misleading} of {worst_n} mislead).",
        best=best.value,
        usable=round(_share(best, system, "usable") * best.n),
        best_n=best.n,
        worst=worst.value,
        misleading=round(_share(worst, system, "misleading") * worst.n),
        worst_n=worst.n,
    )


def _counts(results: Results, floor: float, ceiling: float, words: Wording) -> Iterator[Count]:
    system, asked = results.gate.system, results.data.cases
    usable, misleading, hedged, refused = (
        counted(results, system, outcome) for outcome in ("usable", "misleading", "hedged", "refused")
    )
    told = words("{count} of {asked} usable", count=usable, asked=asked)
    yield Count(told, "good" if usable >= floor * asked else "bad")
    yield Count(words("{count} misleading", count=misleading), "good" if misleading <= ceiling * asked else "bad")
    if hedged:
        right = results.first_failures[system]["hedged"].get("right but hedged", 0)
        share = results.means[system]["right_hedged"].value or 0.0
        told = words("{count} hedged, {right} of them right", count=hedged, right=right)
        yield Count(told, "bad" if share > _MOST_RIGHT_HEDGED else "even")
    if refused:
        yield Count(words("{count} refused that the documents answer", count=refused), "even")
    if unanswerable := results.data.unanswerable:
        missed = results.refusals[system].missed_refusals
        tone: Tone = "good" if missed <= ceiling * unanswerable else "bad"
        yield Count(words("{count} of {asked} refusals missed", count=missed, asked=unanswerable), tone)
    if any(one.name == "extractive" for one in results.systems) and system != "extractive":
        formula = f"{system} - extractive"
        effect = next((one for one in results.effects if one.formula == formula and one.metric == "usable"), None)
        if effect is None:
            yield Count(words("not compared with quoting"), "open")
            return
        against = {
            "good": words("better than quoting"),
            "bad": words("worse than quoting"),
            "even": words("no better than quoting"),
            "open": words("not shown to be better than quoting"),
        }[tone_of(effect)]
        yield Count(f"{against} ({difference_of(effect.difference)})", tone_of(effect))


def _share(kind: Slice, system: str, metric: str) -> float:
    return kind.means[system][metric].value or 0.0


def _of_100(share: float) -> str:
    return f"{100 * share:.0f}"
