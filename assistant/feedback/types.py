"""What is kept of a judgement: complete, so that it can be looked at when documents and models are long gone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from assistant import __version__
from assistant.types import Message

Verdict = Literal["right", "partly", "wrong"]
Fault = Literal["not_in_source", "wrong_source", "tone", "outdated", "incomplete"]
State = Literal["new", "accepted", "edited", "rejected"]
Choice = Literal["first", "second", "both", "neither"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
FAULTS: tuple[Fault, ...] = get_args(Fault)
STATES: tuple[State, ...] = get_args(State)
CHOICES: tuple[Choice, ...] = get_args(Choice)
TAUGHT: tuple[State, ...] = ("accepted", "edited")
"""The states in which feedback is learnt from and measured with."""

LONGEST_TEXT = 8000
"""Characters of a correction or a note; longer ones are a mistake."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A passage that was shown with an answer. Offsets count in the stored text of that version of the document."""

    number: int
    """As the reader saw it."""
    document: str
    hash: str
    """Of the file that the document was read from; empty if it was not known."""
    start: int
    end: int
    text: str
    context: str = ""
    """Title and headings above it."""
    cited: tuple[str, ...] = ()
    """The words in it that the answer was said to stand on."""


@dataclass(frozen=True, slots=True)
class Versions:
    """What gave an answer."""

    model: str
    adapter: str | None
    generation: int
    """Of the corpus."""
    program: str = __version__


@dataclass(frozen=True, slots=True)
class Judgement:
    """What someone thinks of an answer. ``sources`` are numbers of passages that say how it should read."""

    verdict: Verdict
    faults: tuple[Fault, ...] = ()
    note: str = ""
    correction: str = ""
    sources: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Feedback:
    """One judgement of one answer, with all that is needed to look at it again."""

    id: int
    made: datetime
    user: str
    corpus: str
    question: str
    standalone_question: str
    history: tuple[Message, ...]
    answer: str
    refused: bool
    evidence: tuple[Shown, ...]
    versions: Versions
    judgement: Judgement
    state: State = "new"
    edited: str = ""
    decided_by: str = ""
    decided: datetime | None = None

    @property
    def wanted(self) -> str:
        """How the answer should read; empty where it should be a refusal, or nobody said."""
        if self.judgement.verdict == "right":
            return self.edited or ("" if self.refused else self.answer)
        return self.edited or self.judgement.correction

    @property
    def wants_refusal(self) -> bool:
        """Whether the documents do not answer the question, as people see it."""
        refused_rightly = self.judgement.verdict == "right" and self.refused
        return not self.wanted and (refused_rightly or "not_in_source" in self.judgement.faults)


@dataclass(frozen=True, slots=True)
class Vote:
    """Which of two answers to a question someone found better."""

    user: str
    corpus: str
    question: str
    first: str
    second: str
    first_answer: str
    second_answer: str
    choice: Choice
    blind: bool
    made: datetime | None = None
