"""What metrics, failures, systems and effects are called where people read them, and how numbers are written.

title_of("crag")                right less wrong
formula_of("base+rag - base")   base+rag − base
number(0.6172)                  0.62
signed(-0.04)                   −0.04
effect_summaries(results)       Retrieval helps: usable +0.31 [+0.22, +0.40] (base+rag - base).

Words are English in code, templates and ``labels.yaml``; other languages have them by the English ones
(``assistant.artifacts.evaluations``). Problems of the cases, which a run has written down, stay in English.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from assistant.artifacts.evaluations import ENGLISH, FEWEST_QUESTIONS, Difference, Effect, Mean, Status, Tone, Wording
from eval.human_agreement import Question
from eval.metrics import Metric, metric_of
from eval.metrics.usable import OUTCOMES, Outcome
from eval.results import FAILURES, Failure, Results, System

MINUS = "−"
NOTHING = "–"
"""Stands where there is no number."""

_LABELS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("labels.yaml").read_text(encoding="utf-8"))
TITLES: Mapping[str, str] = _LABELS["titles"]
"""Metric → a few words for somebody who does not know it."""
EFFECTS: Mapping[str, str] = _LABELS["effects"]
OUTCOME_MEANINGS: Mapping[Outcome, str] = _LABELS["outcomes"]
"""What each outcome means."""
FAILURE_TITLES: Mapping[Failure, str] = {failure: failure for failure in FAILURES} | {"none": "nothing wrong"}
FAILURE_MEANINGS: Mapping[Failure, str] = _LABELS["failures"]
"""What each first failure means."""
MEANINGS: Mapping[str, str] = _LABELS["meanings"]
KINDS: Mapping[str, str] = _LABELS["kinds"]
ASKED_WORDS: Mapping[Question, str] = _LABELS["asked"]
"""What people are asked that a metric is held against."""
EFFECT_MEANINGS: Mapping[str, Sequence[str]] = _LABELS["effect_meanings"]
"""What an effect means when it is good, bad, too small to matter, or open."""
STATUS_WORDS: Mapping[Status, str] = _LABELS["statuses"]
_NEGATIVE = re.compile(r"(?<![\w.)\]-])-(?=\.?\d)")
STATUS_SIGNS: dict[Status, str] = {"pass": "✓", "warn": "!", "fail": "✗", "thin": "?"}

OUTCOME_TONES: dict[Outcome, Tone] = {
    "usable": "good",
    "partly": "open",
    "hedged": "even",
    "refused": "even",
    "misleading": "bad",
}

OUTCOME_SIGNS: dict[Outcome, str] = {"usable": "✓", "partly": "!", "hedged": "?", "refused": "–", "misleading": "✗"}


def title_of(metric: str) -> str:
    """A metric in a few words; its own name when it has no others."""
    return TITLES.get(metric, metric)


def meaning_of(metric: Metric) -> str:
    """What a metric measures, in a line."""
    return MEANINGS.get(metric.name, metric.meaning)


def system_words(system: System, words: Wording) -> str:
    """Who answers."""
    adapted = words("the model with the adapter {name}", name=system.adapter)
    return words(KINDS[system.kind], model=adapted if system.adapter else words("the base model"))


def effect_title(name: str) -> str:
    """An effect in a few words."""
    return EFFECTS.get(name, name)


def formula_of(formula: str) -> str:
    """A difference of systems with true minus signs; a hyphen within a name stays one."""
    return formula.replace(" - ", f" {MINUS} ")


def typeset(text: str) -> str:
    """Words of ours with true minus signs before numbers; a hyphen within a word or a date stays one."""
    return _NEGATIVE.sub(MINUS, text)


def failure_groups(results: Results) -> list[tuple[Outcome, Sequence[Failure]]]:
    """Each outcome that occurs with its first failures, the worst outcome first."""
    counts = results.first_failures.values()
    occurring = {outcome: set().union(*(one.get(outcome, {}) for one in counts)) for outcome in reversed(OUTCOMES)}
    return [(outcome, [one for one in FAILURES if one in some]) for outcome, some in occurring.items() if some]


@dataclass(frozen=True, slots=True)
class EffectSummary:
    """What an effect says, for people."""

    effect: Effect
    tone: Tone
    words: str
    """``Retrieval helps``."""
    figures: str
    """``usable answers +0.31 [+0.22, +0.40]``."""


def effect_summaries(results: Results, words: Wording = ENGLISH) -> list[EffectSummary]:
    """The effects on the headline metric, in words; what changed since a baseline comes first."""
    about = [effect for effect in results.effects if effect.metric == results.primary[0]]
    found = []
    for effect in sorted(about, key=lambda effect: effect.name != "baseline"):
        tone, name, mean = tone_of(effect), effect.name, effect.difference.mean
        better, worse, even, whether = EFFECT_MEANINGS.get(
            name, (f"{name}: higher", f"{name}: lower", f"{name}: the same", name)
        )
        meaning = {"good": better, "bad": worse, "even": even, "open": "Too thin to tell {whether}"}[tone]
        figures = f"{words(title_of(effect.metric))} {difference_of(effect.difference)}"
        if effect.verdict == "anecdote":
            figures += words(" on {count} questions; {fewest} are needed", count=mean.scored, fewest=FEWEST_QUESTIONS)
        elif effect.verdict == "too thin to tell" and effect.difference.detectable is not None:
            least = number(effect.difference.detectable)
            figures += words("; a difference below {least} would mostly go unseen", least=least)
        found.append(EffectSummary(effect, tone, words(meaning, whether=words(whether)), figures))
    return found


def tone_of(effect: Effect) -> Tone:
    """Whether an effect is good news, bad news, too small to matter, or open."""
    if effect.verdict == "same":
        return "even"
    if effect.verdict not in {"higher", "lower"} or metric_of(effect.metric).better == "neither":
        return "open"
    return "good" if metric_of(effect.metric).better == effect.verdict else "bad"


def number(value: float | None, digits: int = 2) -> str:
    """A number with a true minus sign; a dash for none."""
    return NOTHING if value is None else _with_minus(f"{value:.{digits}f}")


def signed(value: float | None, digits: int = 2) -> str:
    """A difference, with its sign; what rounds to 0 has none."""
    return NOTHING if value is None else _with_minus(f"{value:+.{digits}f}")


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


def _with_minus(digits: str) -> str:
    return digits.replace("-", MINUS) if float(digits) else digits.lstrip("+-")
