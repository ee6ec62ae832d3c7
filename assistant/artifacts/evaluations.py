"""What an evaluation leaves for others than itself: the names of its files, what comes of a comparison, and ratings.

``eval.results`` has the rest of the files, which only reports are drawn from.

Ratings are what people say about the answers of a report: one JSON line each, in ``ratings.jsonl`` in its folder.

    {"question": "s-001", "system": "base+rag", "answer": "5c1e…", "rater": "ana", "time": "2026-11-20T10:00:00+00:00",
     "label": "right", "supported": "yes", "tone": true, "comment": ""}

Lines are only ever added, so that several people can rate at once and a change of mind leaves a trace. Of one person
about one answer the last line counts; without a label it takes back what they said before.

All is written down in English words, and told in the language of whoever reads it; what a language does not have
(``assistant/text/languages/de/report.yaml``) stays in English.

    words_in("de")("{count} misleading", count=3)      3 irreführend
    reason_of(light, words_in("de"))                   0.410, mindestens 0.500 ist verlangt
    verdict_of(gate, words_in("de"))                   house+rag fällt durch gegenüber cases: correctness.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Protocol, get_args

from pydantic import Field, TypeAdapter, ValidationError

from assistant.artifacts.row_files import parsed
from assistant.errors import UsageError
from assistant.text.languages import Language, data
from assistant.workspace import make_file

RESULTS_FILE = "results.json"
ROWS_FILE = "per_question.jsonl"
COSTS_FILE = "costs.json"
REPORT_FILE = "report.html"
DECISION_FILE = "decision.json"

DRAFT = "draft"
"""The tag of a proposed case that nobody has confirmed."""
FEWEST_QUESTIONS = 30
"""Fewer are an anecdote."""

Verdict = Literal["higher", "lower", "same", "too thin to tell", "anecdote"]
Status = Literal["pass", "warn", "fail", "thin"]
VERDICTS: Mapping[Status, str] = {
    "fail": "{system} fails{against}: {names}.",
    "thin": "Too little evidence to decide about {system}{against}: {names}.",
    "warn": "{system} passes{against}, with a fall that may be chance: {names}.",
    "pass": "{system} passes{against}.",
}
"""Of a gate."""
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over questions, with its 95 % interval; None where nothing was scored, or too few documents were."""

    value: float | None
    low: float | None
    high: float | None
    scored: int
    n: int
    documents: int
    reasons: Mapping[str, int]
    """Why questions have no value, and how many."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference of systems over the questions that all of them have a value for."""

    mean: Mean
    p: float | None
    """Of the sign-flip test, not adjusted."""
    detectable: float | None
    """The smallest true difference that so many questions show four times out of five."""

    def verdict(self, margin: float) -> Verdict:
        """What the interval says; ``margin`` is the difference that nobody would mind."""
        mean = self.mean
        if mean.scored < FEWEST_QUESTIONS:
            return "anecdote"
        if mean.low is None or mean.high is None:
            return "too thin to tell"
        if mean.low > 0:
            return "higher"
        if mean.high < 0:
            return "lower"
        return "same" if -margin < mean.low and mean.high < margin else "too thin to tell"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change of the system does to a metric."""

    name: str
    """``retrieval``, ``adapter``, ``interaction``, ``perfect retrieval``, ``distraction``, ``model``, ``baseline``."""
    formula: str
    """As in ``base+rag - base``."""
    metric: str
    difference: Difference
    verdict: str
    """``higher``, ``lower``, ``same``, ``too thin to tell`` or ``anecdote``: of the number, not of its worth."""
    margin: float
    p_adjusted: float | None = None
    """Holm's, over the primary metrics of this comparison; None for others."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """English words with places, as in ``{figures}: no fall``, and what stands in them; see ``words_in``."""

    text: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Light:
    """What the gate says about one metric, or about gold that has gone from the corpus (``gold_in_corpus``)."""

    metric: str
    status: Status
    reason: str
    """In words, with the numbers."""
    value: float | None
    floor: float | None
    margin: float
    difference: Difference | None = None
    """To the baseline; None without one."""
    why: tuple[Phrase, ...] = ()
    """What ``reason`` is made of; empty in runs of earlier versions."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The outcome of a run: terminal, report and exit status all say what stands here."""

    system: str
    """The one that is judged."""
    baseline: str
    """Name of the report that it was compared with; empty without one."""
    baseline_system: str
    status: Status
    exit_status: int
    """0 passed, 3 regression, 4 too little evidence."""
    verdict: str
    """In plain words."""
    lights: tuple[Light, ...]
    changed: tuple[str, ...] = ()
    """Parts of the identity that differ from the baseline's."""
    regressed: tuple[str, ...] = ()
    """Cases with a usable answer in the baseline and none in this run."""
    mended: tuple[str, ...] = ()
    """The other way round."""


@dataclass(frozen=True, slots=True)
class ChangedAnswer:
    """One question, answered before and after."""

    number: int
    """Of the question in the report, from 1; its place there is ``#qNUMBER``."""
    question: str
    required: tuple[str, ...]
    """Right answers, else the facts that one has to state; empty where it has to be refused, or nothing is known."""
    unanswerable: bool
    before: str
    after: str
    before_outcome: str
    after_outcome: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Two answers to each of the same questions: by another system of the run, or in an earlier report, and now."""

    before: str
    """Who answered then; of an earlier report with its title, as in ``base+rag (cases)``."""
    after: str
    outcomes: Mapping[str, tuple[int, int]]
    """Usable, partly, hedged, refused, misleading → answers before and after."""
    answers: tuple[ChangedAnswer, ...]
    """Those that changed most, the greatest change first."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the gate says to a run, and its differences to the baseline, if it was held against one: what
    ``assistant eval compare --json`` prints."""

    gate: Gate
    effects: tuple[Effect, ...] = ()
    changes: Changes | None = None
    """None where nothing was held against another."""


Tone = Literal["good", "bad", "even", "open"]


@dataclass(frozen=True, slots=True)
class Count:
    """A count in words, and whether it is good or bad news."""

    words: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person who signs has to know."""

    tone: Tone
    use: str
    """Whether it may be used."""
    what_for: str
    """What for, and what not; empty where there is too little to say it."""
    counts: tuple[Count, ...]
    """Usable, misleading, refusals missed, compared with quoting …"""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a report opens: what ``decision.json`` keeps for others than the report."""

    decision: Mapping[str, Decision]
    """Language → the decision in its words."""
    changes: Changes | None
    """None where nothing was held against another."""
    language: Language = "en"
    """Of the report."""


def read_opening(run: Path) -> Opening | None:
    """How the report of a run opens; None for one of an earlier version, or that is being drawn."""
    try:
        return OPENING.validate_json((run / DECISION_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


OPENING = TypeAdapter(Opening)
RATINGS_FILE = "ratings.jsonl"
LONGEST_COMMENT = 2000
"""Characters; more are a mistake."""

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
        is_cut = False
        if stream.seek(0, os.SEEK_END):
            stream.seek(-1, os.SEEK_END)
            is_cut = stream.read(1) != b"\n"
        stream.write(b"\n" + line if is_cut else line)
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


class Wording(Protocol):
    """Words of ours in the language of a report."""

    def __call__(self, text: str, /, **values: object) -> str:
        """An English text with ``values`` in its places, in the language."""
        ...


def words_in(language: Language) -> Wording:
    """The words of one language."""
    known: dict[str, str] = data(language, "report") or {}

    def words(text: str, /, **values: object) -> str:
        # A report's file may say anything: what is no place of ours stays as it is, and no format looks into a value.
        return _PLACE.sub(lambda place: str(values.get(place[1], place[0])), known.get(text, text))

    return words


ENGLISH = words_in("en")


def said(phrases: Iterable[Phrase], words: Wording = ENGLISH) -> str:
    """Phrases behind each other; a value that is a text of ours is in the language too."""
    return "; ".join(words(one.text, **{name: words(value) for name, value in one.values.items()}) for one in phrases)


def reason_of(light: Light, words: Wording) -> str:
    """Why a light is as it is; of a run of an earlier version, in English."""
    return said(light.why, words) or light.reason


def verdict_of(gate: Gate, words: Wording) -> str:
    """What the gate says, as ``Gate.verdict`` says it in English."""
    if not gate.lights:
        return words(gate.verdict)
    names = ", ".join(light.metric for light in gate.lights if light.status == gate.status)
    against = words(" against {report}", report=gate.baseline) if gate.baseline else ""
    return words(VERDICTS[gate.status], system=gate.system, against=against, names=names)
