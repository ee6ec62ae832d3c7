"""Two answers to each of the same questions, side by side: what a change of the system turned, for better or worse."""

import heapq
from collections import Counter
from collections.abc import Iterable

from assistant.artifacts.evaluations import ChangedAnswer, Changes
from eval.metrics.usable import OUTCOMES, Outcome
from eval.results import CaseRow, Results, RowBefore

_MOST = 10  # as many as a person reads
_LONGEST = 1500  # characters of an answer, far more than answers have
_TURNS: tuple[set[Outcome], ...] = ({"usable", "misleading"}, {"usable", "refused"})
"""From one to the other, either way, is the greatest change."""


def reference_of(results: Results) -> str:
    """The system of a run that the judged one is held against: its base, else quoting, else its model without
    documents. Empty where the run has none of them."""
    judged = next(one for one in results.systems if one.name == results.gate.system)
    names = {(one.kind, one.adapter): one.name for one in results.systems if one != judged}
    wanted = ((judged.kind, None), ("extractive", None), ("closed book", judged.adapter))
    return next((names[one] for one in wanted if one in names), "")


def changes_of(rows: Iterable[CaseRow], system: str, reference: str, baseline: str = "") -> Changes | None:
    """What changed from the answers of ``reference`` to those of ``system``.

    With a ``baseline``, the title of an earlier report, from what that made of each question. None where no question
    has both. Those that turned from misleading or refused to usable, or back, come first; then correctness decides.
    """
    then, now, who = Counter[str](), Counter[str](), reference
    changed: list[tuple[tuple[bool, float], ChangedAnswer]] = []
    for number, row in enumerate(rows, 1):
        before = row.before if baseline else row.made_by(reference)
        after = row.made_by(system)
        if before is None or after is None:
            continue
        who = f"{before.system} ({baseline})" if baseline else reference
        then[before.outcome] += 1
        now[after.outcome] += 1
        distance = abs(_correctness(after) - _correctness(before))
        if before.outcome != after.outcome or distance:
            case = row.case
            answers = ChangedAnswer(
                number=number,
                question=case.question,
                required=case.answers or tuple(fact[0] for fact in case.must_include if fact),
                unanswerable=case.unanswerable,
                before=before.text[:_LONGEST],
                after=after.text[:_LONGEST],
                before_outcome=before.outcome,
                after_outcome=after.outcome,
            )
            changed.append((({before.outcome, after.outcome} in _TURNS, distance), answers))
    if not then:
        return None
    most = heapq.nlargest(_MOST, changed, key=lambda one: one[0])
    outcomes: dict[str, tuple[int, int]] = {outcome: (then[outcome], now[outcome]) for outcome in OUTCOMES}
    return Changes(who, system, outcomes, tuple(answers for _, answers in most))


def _correctness(answer: RowBefore) -> float:
    """Of a question that the documents do not answer there is none: then usable is all, and the rest nothing."""
    return float(answer.outcome == "usable") if answer.score.value is None else answer.score.value
