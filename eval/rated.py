"""The answers of a run that people have rated, with their scores and the judge's verdicts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import TypeAdapter

from assistant.artifacts.evaluation import Rating, Ratings, answer_hash, read_ratings
from assistant.workspace import replaced_atomically
from eval.judgement import Judgement
from eval.results import Row, read_rows
from eval.trust import JUDGE, Rated, Trust, trust_of

TRUST_FILE = "trust.json"
_TRUST = TypeAdapter(Trust)


def trust_in(run: Path, judgement: Judgement | None) -> Trust | None:
    """What the ratings in a run's folder say of its metrics; None if nobody has rated. Raises UsageError."""
    ratings = read_ratings(run)
    return trust_in_rows(read_rows(run), ratings, judgement) if ratings.given or ratings.problems else None


def trust_in_rows(rows: Iterable[Row], ratings: Ratings, judgement: Judgement | None = None) -> Trust:
    """What ratings say of the metrics of some rows. A rating of an answer that is not among them is only counted."""
    rated = list(_rated(rows, ratings.given, judgement))
    found = sum(len(one.ratings) for one in rated)
    return trust_of(rated, len(ratings.given) - found, ratings.problems)


def keep_trust(run: Path, trust: Trust | None) -> None:
    """Put it beside the run's other files: it changes with every rating, and results.json does not."""
    if trust is None:
        (run / TRUST_FILE).unlink(missing_ok=True)
        return
    with replaced_atomically(run / TRUST_FILE) as beside:
        beside.write_bytes(_TRUST.dump_json(trust, indent=2) + b"\n")


def _rated(rows: Iterable[Row], given: Iterable[Rating], judgement: Judgement | None) -> Iterator[Rated]:
    """Each answer with its ratings. Systems that said the same are one, with the scores of the one that was rated."""
    by_answer: dict[tuple[str, str], list[Rating]] = defaultdict(list)
    for rating in given:
        by_answer[rating.question, rating.answer].append(rating)
    for row in rows:
        said: dict[str, list[str]] = defaultdict(list)
        for system, answer in row.answers.items():
            said[answer_hash(answer.text)].append(system)
        for hashed, systems in said.items():
            if ratings := by_answer.get((row.case.id, hashed)):
                system = next((one.system for one in ratings if one.system in systems), systems[0])
                yield _with_scores(row, system, ratings, judgement)


def _with_scores(row: Row, system: str, ratings: Iterable[Rating], judgement: Judgement | None) -> Rated:
    answer = row.answers[system]
    verdicts = judgement.verdicts.get(row.case.id, {}) if judgement else {}
    judged = {JUDGE: verdicts[system]} if system in verdicts else {}
    return Rated(row.cluster, row.case.unanswerable, answer.refused, {**answer.scores, **judged}, tuple(ratings))
