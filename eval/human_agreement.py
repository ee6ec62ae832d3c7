"""How far the metrics agree with people: each against the ratings of the same answers.

    agreement = agreement_of(rated)
    agreement.metrics[0]     Agreement("correctness", "right", "tau-b", 0.61, 0.44, 0.75, 58, 21, "follows people")

Every answer is one point, however many people rated it: their mean counts. Metrics of which less is better are turned
round, so that more agreement is more. What a metric is held against depends on what it is about (``ASKED``); refusals
are held against people only in whether there should be one. It is kept as ``trust.json`` beside a run's other files: it
changes with every rating, and results.json does not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from assistant.artifacts.evaluations import LABELS, Label, Mean, Rating, Ratings, answer_hash, read_ratings
from eval.aggregation import FEWEST_DOCUMENTS, mean
from eval.llm_judge import JudgeVerdicts, read_verdicts
from eval.metrics import Score, metric_of
from eval.results import CaseRow, write_json
from eval.statistics import (
    Interval,
    Statistic,
    cohen_kappa,
    kendall_tau_b,
    krippendorff_alpha,
    value_of,
    weighted_interval,
)

AGREEMENT_FILE = "trust.json"
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
class RatedScores:
    """An answer with its scores, the judge's verdict among them, and all that people said about it."""

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
class HumanAgreement:
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


_AGREEMENT = TypeAdapter(HumanAgreement)


@dataclass(frozen=True, slots=True)
class Opinions:
    """What people and a judge said about a run's answers, as far as there are any."""

    agreement: HumanAgreement | None = None
    judge: str = ""
    """Name of the judge model."""
    verdicts: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    """Case → system → what the judge said."""
    judged: Mapping[str, Mean] = field(default_factory=dict)
    """System → mean of the judge's verdicts."""
    labels: Mapping[tuple[str, str], tuple[Label, ...]] = field(default_factory=dict)
    """Case and hash of an answer → what people said."""

    def people(self, case: str, text: str) -> tuple[Label, ...]:
        """What people said about an answer."""
        return self.labels.get((case, answer_hash(text)), ()) if self.labels else ()


NO_OPINIONS = Opinions()


def read_opinions(run: Path, rows: Sequence[CaseRow]) -> Opinions:
    """All opinions in a run's folder, about its rows. Raises UsageError for a damaged file."""
    judge, ratings = read_verdicts(run), read_ratings(run)
    labels: dict[tuple[str, str], tuple[Label, ...]] = defaultdict(tuple)
    for rating in ratings.given:
        if rating.label is not None:
            labels[rating.question, rating.answer] += (rating.label,)
    judged: dict[str, Mean] = {}
    if judge:
        scores: dict[str, list[Score]] = defaultdict(list)
        clusters = []
        for row in rows:
            clusters.append(row.cluster)
            verdicts = judge.verdicts.get(row.case.id, {})
            for system in row.answers:
                scores[system].append(verdicts.get(system, Score(None, "it was not judged")))
        judged = {system: mean(some, clusters) for system, some in scores.items()}
    return Opinions(
        agreement=agreement_in(rows, ratings, judge) if ratings.given or ratings.problems else None,
        judge=judge.model if judge else "",
        verdicts=judge.verdicts if judge else {},
        judged=judged,
        labels=dict(labels),
    )


def keep_agreement(run: Path, agreement: HumanAgreement | None) -> None:
    """Replace what is kept of it in a run's folder."""
    if agreement is None:
        (run / AGREEMENT_FILE).unlink(missing_ok=True)
    else:
        write_json(run / AGREEMENT_FILE, _AGREEMENT, agreement)


def agreement_in(rows: Iterable[CaseRow], ratings: Ratings, judge: JudgeVerdicts | None = None) -> HumanAgreement:
    """What ratings say of the metrics of some rows. A rating of an answer that is not among them is only counted."""
    rated = list(_rated(rows, ratings.given, judge))
    found = sum(len(one.ratings) for one in rated)
    return agreement_of(rated, len(ratings.given) - found, ratings.problems)


def _rated(rows: Iterable[CaseRow], given: Iterable[Rating], judge: JudgeVerdicts | None) -> Iterator[RatedScores]:
    """Each answer with its ratings. Systems that said the same are one, with the scores of the one that was rated."""
    by_answer: dict[tuple[str, str], list[Rating]] = defaultdict(list)
    for rating in given:
        by_answer[rating.question, rating.answer].append(rating)
    for row in rows:
        said: dict[str, list[str]] = defaultdict(list)
        for system, answer in row.answers.items():
            said[answer_hash(answer.text)].append(system)
        verdicts = judge.verdicts.get(row.case.id, {}) if judge else {}
        for hashed, systems in said.items():
            if ratings := by_answer.get((row.case.id, hashed)):
                system = next((one.system for one in ratings if one.system in systems), systems[0])
                answer = row.answers[system]
                scores = {**answer.scores, **({JUDGE: verdicts[system]} if system in verdicts else {})}
                yield RatedScores(row.cluster, row.case.unanswerable, answer.refused, scores, tuple(ratings))


def agreement_of(rated: Sequence[RatedScores], elsewhere: int = 0, problems: Iterable[str] = ()) -> HumanAgreement:
    """Agreement of every metric that has a value, and of the raters."""
    given = [rating for one in rated for rating in one.ratings]
    counted = Counter(rating.label for rating in given if rating.label)
    measured = [metric for metric in ASKED if any(_metric_value(metric, one) is not None for one in rated)]
    labels = [[rating.label for rating in one.ratings if rating.label] for one in rated]
    several = [some for some in labels if len(some) > 1]
    pairs = [one == other for some in several for one, other in combinations(some, 2)]
    alpha = krippendorff_alpha([[_WORTH[label] for label in some] for some in several])
    return HumanAgreement(
        answers=len(rated),
        ratings=len(given),
        raters=len({rating.rater for rating in given}),
        labels={label: counted[label] for label in LABELS},
        metrics=tuple(_agreement(metric, rated) for metric in measured),
        between=BetweenRaters(len(several), sum(pairs) / len(pairs) if pairs else None, alpha),
        elsewhere=elsewhere,
        problems=tuple(problems),
    )


def _agreement(metric: str, rated: Sequence[RatedScores]) -> Agreement:
    asked = ASKED[metric]
    points = [(_metric_value(metric, one), _people_value(asked, one), one.cluster) for one in rated]
    known = [(value, people, cluster) for value, people, cluster in points if value is not None and people is not None]
    values, said = [value for value, _, _ in known], [people for _, people, _ in known]
    clusters = [cluster for _, _, cluster in known]
    name: Literal["tau-b", "kappa"] = "kappa" if metric in YES_OR_NO else "tau-b"
    documents = len(set(clusters))
    value: float | None = None
    bounds: Interval | None = None
    verdict: Agrees = "too few ratings"
    if len(known) >= FEWEST_RATINGS and documents >= FEWEST_DOCUMENTS:
        statistic = _statistic(name, values, said)
        value = value_of(statistic, len(known)) if statistic else None
        bounds = weighted_interval(statistic, clusters) if statistic and value is not None else None
        if value is None:
            verdict = "does not vary"
        elif bounds is None or bounds[0] <= 0 <= bounds[1]:
            verdict = "no clear relation"
        else:
            verdict = "follows people" if bounds[0] > 0 else "against people"
    low, high = bounds or (None, None)
    return Agreement(metric, asked, name, value, low, high, len(known), documents, verdict)


def _statistic(name: Literal["tau-b", "kappa"], values: Sequence[float], people: Sequence[float]) -> Statistic | None:
    """How the two are compared; None where one of them says the same of every answer."""
    if name == "kappa":
        yes, also = [value == 1 for value in values], [one >= _MOSTLY for one in people]
        return cohen_kappa(yes, also) if len(set(yes)) > 1 and len(set(also)) > 1 else None
    return kendall_tau_b(values, people) if len(set(values)) > 1 and len(set(people)) > 1 else None


def _metric_value(metric: str, one: RatedScores) -> float | None:
    """The metric, so that more should please people more; of refusing, whether the gold wants it."""
    if metric == REFUSING:
        return float(one.unanswerable)
    score = one.scores.get(metric)
    if score is None or score.value is None:
        return None
    return score.value if metric == JUDGE else metric_of(metric).gain(score.value)


def _people_value(asked: Question, one: RatedScores) -> float | None:
    """What people said on average; None where nobody said anything."""
    said: list[float] = []
    for rating in one.ratings:
        if rating.label is None:
            continue
        if asked == "right" and not one.refused:
            # That a refusal is wrong both say by rule, which would flatter the metric.
            said.append(_WORTH[rating.label])
        elif asked == "refuse":
            said.append(float(rating.label == ("right" if one.refused else "should have refused")))
        elif asked == "supported" and rating.supported is not None:
            said.append(_DEGREES[rating.supported])
        elif asked == "tone" and rating.tone is not None:
            said.append(float(rating.tone))
    return sum(said) / len(said) if said else None
