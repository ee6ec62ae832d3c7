"""What people say about answers of a report: one JSON line a rating, in ``ratings.jsonl`` in the report's folder.

    {"question": "s-001", "system": "base+rag", "answer": "5c1e…", "rater": "ana", "time": "2026-11-20T10:00:00+00:00",
     "label": "right", "supported": "yes", "tone": true, "comment": ""}

Lines are only ever added, so that several people can rate at once and a change of mind leaves a trace. Of one person
about one answer the last line counts; without a label it takes back what they said before.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, get_args

from pydantic import Field, TypeAdapter

from assistant.artifacts.jsonlines import parsed
from assistant.errors import UsageError
from assistant.workspace import make_file

RATINGS_FILE = "ratings.jsonl"
LONGEST_COMMENT = 2000

Label = Literal["right", "partly", "wrong", "should have refused"]
LABELS: tuple[Label, ...] = get_args(Label)
"""Of an answer. A refusal is right, or wrong where the documents hold the answer."""
Degree = Literal["yes", "partly", "no"]
DEGREES: tuple[Degree, ...] = get_args(Degree)


@dataclass(frozen=True, slots=True)
class Rating:
    """What one person says about one answer."""

    question: Annotated[str, Field(min_length=1)]
    """Id of the case."""
    system: str
    """Who gave the answer; the rater did not see it."""
    answer: str
    """``answer_hash`` of its text, so that a rating never counts for another answer."""
    rater: Annotated[str, Field(min_length=1, max_length=200)]
    time: str
    """ISO date and time, UTC."""
    label: Label | None
    """None takes back what was said before."""
    supported: Degree | None = None
    """Whether the passages that were shown say what the answer says; None where nobody said."""
    tone: bool | None = None
    """Whether it is written as the house writes."""
    comment: Annotated[str, Field(max_length=LONGEST_COMMENT)] = ""

    @property
    def about(self) -> tuple[str, str, str]:
        """The answer: question, system and hash."""
        return self.question, self.system, self.answer


@dataclass(frozen=True, slots=True)
class Ratings:
    """The ratings that count, in the order in which they were given, and the lines that cannot be used."""

    given: tuple[Rating, ...]
    problems: tuple[str, ...] = ()


_RATING = TypeAdapter(Rating)


def answer_hash(text: str) -> str:
    """16 hex digits of an answer's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def add_rating(report: Path, rating: Rating) -> None:
    """Put a rating behind the others in a report's folder, and have it on disk. Raises OSError."""
    line = _RATING.dump_json(rating) + b"\n"
    with make_file(report / RATINGS_FILE).open("a+b") as stream:
        # A line that was cut must not swallow this one. In one piece and at the end: several people may rate at once.
        stream.write(line if _ends_well(stream) else b"\n" + line)
        stream.flush()
        os.fsync(stream.fileno())


def read_ratings(report: Path) -> Ratings:
    """The ratings in a report's folder; none if nobody has rated. Raises OSError.

    A line that cannot be used is left out and named.
    """
    file = report / RATINGS_FILE
    rows, problems = [], []
    for number, line in enumerate(file.read_bytes().split(b"\n") if file.exists() else (), 1):
        if line.strip():
            try:
                rows.append(parsed(line.decode("utf-8", "replace"), _RATING, f"{file.name}, line {number}", UsageError))
            except UsageError as error:
                problems.append(error.message)
    return Ratings(tuple(standing(rows)), tuple(problems))


def standing(ratings: Iterable[Rating]) -> list[Rating]:
    """The last of each person about each answer, without those that were taken back."""
    last: dict[tuple[str, tuple[str, str, str]], Rating] = {}
    for rating in ratings:
        key = rating.rater, rating.about
        last.pop(key, None)  # so that the order is that of the last word
        last[key] = rating
    return [rating for rating in last.values() if rating.label is not None]


def _ends_well(stream: BinaryIO) -> bool:
    if stream.seek(0, os.SEEK_END) == 0:
        return True
    stream.seek(-1, os.SEEK_END)
    return stream.read(1) == b"\n"
