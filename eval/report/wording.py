"""Numbers and effects in words, the same in every form of a report.

number(0.6172)      0.62
signed(-0.04)       −0.04
findings(results)   Retrieval helps: usable +0.31 [+0.22, +0.40] (base+rag - base).
"""

from dataclasses import dataclass
from typing import Literal

from assistant.artifacts.evaluation import FEWEST_QUESTIONS, Difference, Effect, Mean, Status
from eval.measures import measure_of
from eval.metrics.usable import Outcome
from eval.report.names import MINUS
from eval.results import Results
from eval.trust import Question

Tone = Literal["good", "bad", "even", "open"]

NOTHING = "–"
"""Stands where there is no number."""
STATUS_WORDS: dict[Status, str] = {"pass": "pass", "warn": "look", "fail": "fail", "thin": "too thin"}
STATUS_SIGNS: dict[Status, str] = {"pass": "✓", "warn": "!", "fail": "✗", "thin": "?"}

OUTCOME_TONES: dict[Outcome, Tone] = {
    "usable": "good",
    "partly": "open",
    "hedged": "even",
    "refused": "even",
    "misleading": "bad",
}

OUTCOME_SIGNS: dict[Outcome, str] = {"usable": "✓", "partly": "!", "hedged": "?", "refused": "–", "misleading": "✗"}

ASKED_WORDS: dict[Question, str] = {
    "right": "Is it right?",
    "supported": "Do the passages say it?",
    "tone": "Is it the house's tone?",
    "refuse": "Should it be refused?",
}
"""What people are asked that a metric is held against."""

# What an effect means when it is good, bad, too small to matter, or open.
_MEANINGS: dict[str, tuple[str, str, str, str]] = {
    "retrieval": ("Retrieval helps", "Retrieval hurts", "Retrieval adds nothing", "whether retrieval helps"),
    "adapter": ("The adapter helps", "The adapter hurts", "The adapter adds nothing", "whether the adapter helps"),
    "interaction": (
        "With retrieval the adapter gives more than without",
        "With retrieval the adapter gives less than without",
        "The adapter gives as much with retrieval as without",
        "whether the adapter gives more with retrieval than without",
    ),
    "perfect retrieval": (
        "With the right passages answers would be better",
        "With only the gold passages answers are worse",
        "With the right passages answers would be no better",
        "whether the right passages would make answers better",
    ),
    "distraction": (
        "Other passages beside the right ones help",
        "Other passages beside the right ones hurt",
        "Other passages beside the right ones do not matter",
        "whether other passages beside the right ones matter",
    ),
    "model": (
        "The model is better than quoting the best sentence",
        "Quoting the best sentence is better than the model",
        "The model is as good as quoting the best sentence",
        "whether the model is better than quoting the best sentence",
    ),
    "baseline": (
        "Better than the baseline",
        "Worse than the baseline",
        "As good as the baseline",
        "whether it is better than the baseline",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What an effect says, for people."""

    effect: Effect
    tone: Tone
    words: str
    """``Retrieval helps``."""
    figures: str
    """``usable +0.31 [+0.22, +0.40]``."""


def findings(results: Results) -> list[Finding]:
    """The effects on the headline metric, in words; what changed since a baseline comes first."""
    about = [effect for effect in results.effects if effect.metric == results.primary[0]]
    return [_finding(effect) for effect in sorted(about, key=lambda effect: effect.name != "baseline")]


def tone_of(effect: Effect) -> Tone:
    """Whether an effect is good news, bad news, too small to matter, or open."""
    if effect.verdict == "same":
        return "even"
    if effect.verdict not in {"higher", "lower"} or measure_of(effect.metric).better == "neither":
        return "open"
    return "good" if measure_of(effect.metric).better == effect.verdict else "bad"


def number(value: float | None, digits: int = 2) -> str:
    """A number with a true minus sign; a dash for none."""
    return NOTHING if value is None else _typeset(f"{value:.{digits}f}")


def signed(value: float | None, digits: int = 2) -> str:
    """A difference, with its sign; what rounds to 0 has none."""
    return NOTHING if value is None else _typeset(f"{value:+.{digits}f}")


def interval_of(mean: Mean, digits: int = 2) -> str:
    """``0.55 to 0.69``; empty where there is no interval."""
    return "" if mean.low is None else f"{number(mean.low, digits)} to {number(mean.high, digits)}"


def difference_of(difference: Difference) -> str:
    """``+0.31 [+0.22, +0.40]``."""
    mean = difference.mean
    return signed(mean.value) + ("" if mean.low is None else f" [{signed(mean.low)}, {signed(mean.high)}]")


def why_nothing(mean: Mean) -> str:
    """The reason that most of the questions have no value for; empty if all have one."""
    return max(mean.reasons, key=lambda reason: mean.reasons[reason], default="")


def size_of(count: int) -> str:
    """Bytes in the unit that people read."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def duration_of(seconds: float | None) -> str:
    """Seconds in the unit that people read."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _finding(effect: Effect) -> Finding:
    tone = tone_of(effect)
    better, worse, even, whether = _MEANINGS.get(
        effect.name, (f"{effect.name}: higher", f"{effect.name}: lower", f"{effect.name}: the same", effect.name)
    )
    words = {"good": better, "bad": worse, "even": even, "open": f"Too thin to tell {whether}"}[tone]
    return Finding(effect, tone, words, f"{effect.metric} {difference_of(effect.difference)}{_doubt(effect)}")


def _typeset(digits: str) -> str:
    return digits.replace("-", MINUS) if float(digits) else digits.lstrip("+-")


def _doubt(effect: Effect) -> str:
    """Why an effect is open, with the numbers."""
    mean = effect.difference.mean
    if effect.verdict == "anecdote":
        return f" on {mean.scored} questions; {FEWEST_QUESTIONS} are needed"
    if effect.verdict == "too thin to tell" and effect.difference.detectable is not None:
        return f"; a difference below {number(effect.difference.detectable)} would mostly go unseen"
    return ""
