"""How far the metrics can be trusted: each against what people said of the same answers.

    trust = trust_of(rated)
    trust.metrics[0]     Agreement("correctness", "right", "tau-b", 0.61, 0.44, 0.75, 58, 21, "follows people")

Every answer is one point, however many people rated it: their mean counts. Metrics of which less is better are turned
round, so that more agreement is more. What a metric is held against depends on what it is about (``ASKED``); refusals
are held against people only in whether there should be one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from assistant.artifacts.evaluation import LABELS, Label, Rating
from eval.comparison import FEWEST_DOCUMENTS
from eval.correlation import cohen_kappa, kendall_tau_b, krippendorff_alpha, value_of
from eval.measures import measure_of
from eval.metrics.score import Score
from eval.statistics import Interval, Statistic, weighted_interval

FEWEST_RATINGS = 20
"""Fewer rated answers say nothing about a metric."""
JUDGE = "judge"
"""Name of the verdict of a judge model among the metrics."""
REFUSING = "unanswerable"
"""Name of what the gold says about refusing among the metrics."""

Question = Literal["right", "supported", "tone", "refuse"]
"""What people were asked: is it right, do the passages say it, is it the house's tone, should it be refused."""
Agrees = Literal["follows people", "no clear relation", "against people", "too few ratings", "does not vary"]

_WORTH: dict[str, float] = {"right": 1.0, "partly": 0.5, "wrong": 0.0, "should have refused": 0.0}
_DEGREES: dict[str, float] = {"yes": 1.0, "partly": 0.5, "no": 0.0}
# Several raters of one answer: from here on they say yes.
_MOSTLY = 0.75

ASKED: dict[str, Question] = {
    **dict.fromkeys(
        ("usable", "correctness", "exact_match", "token_f1", "token_recall", "must_include", "rouge_l", "chrf",
         "semantic_similarity", "context_utilisation", "cites_gold", "crag", JUDGE), "right"),
    **dict.fromkeys(
        ("faithfulness", "hallucination", "citation_recall", "citation_precision", "copy_coverage", "copy_density"),
        "supported"),
    **dict.fromkeys(("rules_kept", "keeps_all_rules", "house_voice"), "tone"),
    REFUSING: "refuse",
}  # fmt: skip
"""Metric → what people were asked that it should follow. ``claim_recall`` and ``self_knowledge`` say nothing of how
good an answer is."""
YES_OR_NO = frozenset({"usable", "exact_match", "keeps_all_rules", REFUSING})
"""Metrics that are 0 or 1: Cohen's kappa says how far they and people agree; Kendall's tau-b of all others."""


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer with its scores and all that people said about it."""

    cluster: str
    """The document that the question is about."""
    unanswerable: bool
    refused: bool
    scores: Mapping[str, Score]
    ratings: tuple[Rating, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a metric goes together with people, with its 95 % interval over documents."""

    metric: str
    asked: Question
    statistic: Literal["tau-b", "kappa"]
    value: float | None
    low: float | None
    high: float | None
    n: int
    """Answers that have both."""
    documents: int
    verdict: Agrees


@dataclass(frozen=True, slots=True)
class BetweenRaters:
    """How people agree with each other about whether answers are right."""

    answers: int
    """That two or more rated."""
    same: float | None
    """Share of the pairs of ratings with the same label."""
    alpha: float | None
    """Krippendorff's."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What ratings say about the metrics of a run."""

    answers: int
    ratings: int
    raters: int
    labels: Mapping[Label, int]
    metrics: tuple[Agreement, ...]
    between: BetweenRaters
    elsewhere: int = 0
    """Ratings of answers that are not in this run."""
    problems: tuple[str, ...] = ()
    """Lines of ratings that cannot be used."""


def trust_of(rated: Sequence[Rated], elsewhere: int = 0, problems: Iterable[str] = ()) -> Trust:
    """Agreement of every metric that has a value, and of the raters."""
    given = [rating for one in rated for rating in one.ratings]
    counted = Counter(rating.label for rating in given if rating.label)
    return Trust(
        answers=len(rated),
        ratings=len(given),
        raters=len({rating.rater for rating in given}),
        labels={label: counted[label] for label in LABELS},
        metrics=tuple(_agreement(metric, rated) for metric in ASKED if _is_measured(metric, rated)),
        between=_between(rated),
        elsewhere=elsewhere,
        problems=tuple(problems),
    )


def _is_measured(metric: str, rated: Sequence[Rated]) -> bool:
    return any(_metric_value(metric, one) is not None for one in rated)


def _agreement(metric: str, rated: Sequence[Rated]) -> Agreement:
    asked = ASKED[metric]
    points = [(_metric_value(metric, one), _people_value(asked, one), one.cluster) for one in rated]
    known = [(value, people, cluster) for value, people, cluster in points if value is not None and people is not None]
    values, said = [value for value, _, _ in known], [people for _, people, _ in known]
    clusters = [cluster for _, _, cluster in known]
    name: Literal["tau-b", "kappa"] = "kappa" if metric in YES_OR_NO else "tau-b"
    documents = len(set(clusters))
    value, bounds = None, None
    verdict: Agrees = "too few ratings"
    if len(known) >= FEWEST_RATINGS and documents >= FEWEST_DOCUMENTS:
        statistic = _statistic(name, values, said)
        value = value_of(statistic, len(known)) if statistic else None
        bounds = weighted_interval(statistic, clusters) if statistic and value is not None else None
        verdict = _verdict(value, bounds)
    low, high = bounds or (None, None)
    return Agreement(metric, asked, name, value, low, high, len(known), documents, verdict)


def _statistic(name: Literal["tau-b", "kappa"], values: Sequence[float], people: Sequence[float]) -> Statistic | None:
    """How the two are compared; None where one of them says the same of every answer."""
    if name == "tau-b":
        return kendall_tau_b(values, people) if _vary(values) and _vary(people) else None
    yes, also = [value == 1 for value in values], [one >= _MOSTLY for one in people]
    return cohen_kappa(yes, also) if _vary(yes) and _vary(also) else None


def _vary(said: Sequence[float]) -> bool:
    return len(set(said)) > 1


def _verdict(value: float | None, bounds: Interval | None) -> Agrees:
    if value is None:
        return "does not vary"
    if bounds is None or bounds[0] <= 0 <= bounds[1]:
        return "no clear relation"
    return "follows people" if bounds[0] > 0 else "against people"


def _metric_value(metric: str, one: Rated) -> float | None:
    """The metric, so that more should please people more; of refusing, whether the gold wants it."""
    if metric == REFUSING:
        return float(one.unanswerable)
    score = one.scores.get(metric)
    if score is None or score.value is None:
        return None
    return score.value if metric == JUDGE else measure_of(metric).gain(score.value)


def _people_value(asked: Question, one: Rated) -> float | None:
    """What people said on average; None where nobody said anything."""
    said = [value for value in (_said(asked, one, rating) for rating in one.ratings) if value is not None]
    return sum(said) / len(said) if said else None


def _said(asked: Question, one: Rated, rating: Rating) -> float | None:
    if rating.label is None:
        return None
    match asked:
        case "right":
            # That a refusal is wrong both say by rule, which would flatter the metric.
            return None if one.refused else _WORTH[rating.label]
        case "refuse":
            return float(rating.label == ("right" if one.refused else "should have refused"))
        case "supported":
            return None if rating.supported is None else _DEGREES[rating.supported]
        case "tone":
            return None if rating.tone is None else float(rating.tone)


def _between(rated: Sequence[Rated]) -> BetweenRaters:
    labels = [[rating.label for rating in one.ratings if rating.label] for one in rated]
    several = [some for some in labels if len(some) > 1]
    pairs = [one == other for some in several for one, other in combinations(some, 2)]
    alpha = krippendorff_alpha([[_WORTH[label] for label in some] for some in several])
    return BetweenRaters(len(several), sum(pairs) / len(pairs) if pairs else None, alpha)
