"""The first screen of a report: may the system be used, and for what, in two sentences; then the counts behind them.

    decision_of(results).use         It may not be used where nobody checks: 89 of 253 answers mislead, 35 of 100.
    decision_of(results).what_for    As a search it may: the right passages are among the first five for 97 of 100.

The bounds are those that a gate sets for ``misleading`` and ``usable``, else the ones declared here before any run.
Only an interval that keeps a bound as a whole allows; only one that breaks it as a whole forbids.
"""

import heapq
from collections.abc import Iterable, Iterator

from assistant.artifacts.evaluations import FEWEST_QUESTIONS, Count, Decision, Tone
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


def decision_of(results: Results) -> Decision:
    """The decision about the judged system."""
    bounds = {light.metric: light.floor for light in results.gate.lights if light.floor is not None}
    floor = bounds.get("usable", LEAST_USABLE)
    ceiling = bounds.get("misleading", MOST_MISLEADING)
    tone, use = _use(results, floor, ceiling)
    is_enough = results.means[results.gate.system]["usable"].scored >= FEWEST_QUESTIONS
    return Decision(tone, use, _what_for(results, tone) if is_enough else "", tuple(_counts(results, floor, ceiling)))


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


def _use(results: Results, floor: float, ceiling: float) -> tuple[Tone, str]:
    """Whether it may be used: ``floor`` and ``ceiling`` are those of usable and misleading answers."""
    if results.gate.status == "fail":
        return "bad", f"It may not replace what is in use. {results.gate.verdict}"
    means = results.means[results.gate.system]
    usable, misleading = means["usable"], means["misleading"]
    if misleading.low is None or misleading.high is None or misleading.scored < FEWEST_QUESTIONS:
        few = f"{FEWEST_QUESTIONS} questions about {FEWEST_DOCUMENTS} documents"
        return "open", f"Too little was asked to say whether it may be used: {few} are the least."
    mislead = f"{counted(results, results.gate.system, 'misleading')} of {misleading.n} answers mislead"
    between = f"{_of_100(misleading.low)} to {_of_100(misleading.high)} of 100"
    allowed = f"{_of_100(ceiling)} of 100"
    if misleading.low > ceiling:
        return "bad", f"It may not be used where nobody checks: {mislead} ({between}; at most {allowed} may)."
    if misleading.high > ceiling:
        return "open", f"Not shown to be safe where nobody checks: {mislead} ({between}; at most {allowed} may)."
    if (usable.value or 0.0) < floor:
        return "even", f"It may be used, and will often have no answer: {mislead} ({between})."
    return "good", f"It may be used: {mislead} ({between}; at most {allowed} may)."


def _what_for(results: Results, tone: Tone) -> str:
    """For what kinds of question, or else as a search."""
    system = results.gate.system
    found = results.means[system]["recall@5"].value
    if tone in {"bad", "open"} and found is not None and found >= _FINDS:
        return (
            "As a search it may, by people who read the passages: the right ones are among the first five for"
            f" {_of_100(found)} of 100 questions."
        )
    kinds = [one for one in results.slices if one.facet == "kind" and one.n >= _FEWEST_OF_A_KIND]
    if len(kinds) < 2:
        return ""
    best = max(kinds, key=lambda kind: _share(kind, system, "usable"))
    worst = max(kinds, key=lambda kind: _share(kind, system, "misleading"))
    good = f"Best for “{best.value}” ({_part(best, system, 'usable')} usable)"
    return f"{good}, least for “{worst.value}” ({_part(worst, system, 'misleading')} mislead)."


def _counts(results: Results, floor: float, ceiling: float) -> Iterator[Count]:
    system, asked = results.gate.system, results.data.cases
    usable, misleading, hedged, refused = (
        counted(results, system, outcome) for outcome in ("usable", "misleading", "hedged", "refused")
    )
    yield Count(f"{usable} of {asked} usable", "good" if usable >= floor * asked else "bad")
    yield Count(f"{misleading} misleading", "good" if misleading <= ceiling * asked else "bad")
    if hedged:
        right = results.first_failures[system]["hedged"].get("right but hedged", 0)
        share = results.means[system]["right_hedged"].value or 0.0
        yield Count(f"{hedged} hedged, {right} of them right", "bad" if share > _MOST_RIGHT_HEDGED else "even")
    if refused:
        yield Count(f"{refused} refused that the documents answer", "even")
    if unanswerable := results.data.unanswerable:
        missed = results.refusals[system].missed_refusals
        tone: Tone = "good" if missed <= ceiling * unanswerable else "bad"
        yield Count(f"{missed} of {unanswerable} refusals missed", tone)
    if any(one.name == "extractive" for one in results.systems) and system != "extractive":
        formula = f"{system} - extractive"
        effect = next((one for one in results.effects if one.formula == formula and one.metric == "usable"), None)
        if effect is None:
            yield Count("not compared with quoting", "open")
            return
        words = {"good": "better than quoting", "bad": "worse than quoting", "even": "no better than quoting"}
        against = words.get(tone_of(effect), "not shown to be better than quoting")
        yield Count(f"{against} ({difference_of(effect.difference)})", tone_of(effect))


def _share(kind: Slice, system: str, metric: str) -> float:
    return kind.means[system][metric].value or 0.0


def _part(kind: Slice, system: str, metric: str) -> str:
    return f"{round(_share(kind, system, metric) * kind.n)} of {kind.n}"


def _of_100(share: float) -> str:
    return f"{100 * share:.0f}"
