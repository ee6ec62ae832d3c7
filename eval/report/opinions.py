"""What people and a judge model said about a run's answers, as a report shows it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assistant.artifacts.evaluation import Label, Mean, answer_hash, read_ratings
from eval.comparison import mean
from eval.judgement import Judgement, read_judgement
from eval.metrics.score import Score
from eval.rated import trust_in
from eval.results import read_rows
from eval.trust import Trust

_NOT_JUDGED = Score(None, "it was not judged")


@dataclass(frozen=True, slots=True)
class Opinions:
    """Of people, and of a judge, as far as there are any."""

    trust: Trust | None = None
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


def read_opinions(run: Path) -> Opinions:
    """All opinions in a run's folder. Raises UsageError for a damaged file."""
    judgement = read_judgement(run)
    labels: dict[tuple[str, str], tuple[Label, ...]] = defaultdict(tuple)
    for rating in read_ratings(run).given:
        if rating.label is not None:
            labels[rating.question, rating.answer] += (rating.label,)
    return Opinions(
        trust=trust_in(run, judgement),
        judge=judgement.model if judgement else "",
        verdicts=judgement.verdicts if judgement else {},
        judged=_means(run, judgement) if judgement else {},
        labels=dict(labels),
    )


def _means(run: Path, judgement: Judgement) -> dict[str, Mean]:
    scores: dict[str, list[Score]] = defaultdict(list)
    clusters = []
    for row in read_rows(run):
        clusters.append(row.cluster)
        for system in row.answers:
            scores[system].append(judgement.verdicts.get(row.case.id, {}).get(system, _NOT_JUDGED))
    return {system: mean(some, clusters) for system, some in scores.items()}
