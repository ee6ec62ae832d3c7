"""Answers that a model reads from the passages, some to a question, and what of them is admitted.

    in full   the passage that answers, by itself, asked for every amount, deadline and condition
    alone     the same passage, with what serving tells the model
    served    all passages, in the very prompt that serving uses; asked only where the others differ

A reading that passes all checks (``ingest.pairs.answer_checks``) and says what another one says is the response.
Readings are the likeliest words of each prompt and not drawn by chance: so a run can be repeated, and what a model only
reads well without other passages around it is what it learns to read among them. What is not admitted is kept in
``NAME.rejected``, one pair a line with the reason.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from assistant.prompt import build_messages
from ingest.pairs.answer_checks import Verifier, agree
from ingest.pairs.candidate import Candidate
from ingest.pairs.context import Asked, EvidenceList
from ingest.pairs.drops import Drops
from ingest.pairs.filters import folded
from ingest.pairs.generated_questions import mistyped
from ingest.pairs.replies import Asking, Replies
from ingest.pairs.teacher import Teacher

_IN_FULL = (
    "Read the passage and answer the question of a customer in one or two full sentences, in the language of the "
    "question, using only what the passage says. First say what was asked, in a sentence that is understood without "
    "the question; give the amounts, deadlines and conditions that the passage sets for it. Do not mention the passage."
)
_LONGEST_ANSWER = 120
"""In tokens."""
_DIFFER = "readings differ"
ANSWER = "answer: "
"""Begins the reason where an answer was not admitted."""

Lists = Sequence[tuple[EvidenceList, Sequence[Asked]]]
Reject = Callable[[EvidenceList, Candidate, str], None]
"""Keeps an answer that is not admitted, with the reason."""


@dataclass(slots=True)
class _Question:
    """A question with what was read so far."""

    shown: EvidenceList
    asked: Asked
    readings: dict[str, str] = field(default_factory=dict)
    """Each with its fault; empty for a sound one."""
    is_repeated: bool = False
    """Whether two readings are equal, word for word."""

    @property
    def admitted(self) -> str:
        """The first sound reading that another one agrees with; empty while there is none."""
        for reading, fault in self.readings.items():
            others = (other for other in self.readings if other != reading)
            if not fault and (self.is_repeated or any(agree(reading, one, self.asked.candidate) for one in others)):
                return reading
        return ""


def answered(
    lists: Lists,
    teacher: Teacher,
    replies: Replies,
    verifier: Verifier,
    system: str,
    seed: int,
    drops: Drops,
    reject: Reject,
) -> Iterator[tuple[EvidenceList, list[Asked]]]:
    """The lists with the questions whose answers are admitted; what no model wrote stays as it is.

    ``system`` is what serving tells the model. Raises what ``Teacher.replies`` raises.
    """
    questions = [
        _Question(shown, one) for shown, asked in lists for one in asked if one.candidate.source == "generated"
    ]
    for way, told in (("in full", _IN_FULL), ("alone", system), ("served", system)):
        # What is not read soundly from the passage that answers will not be so among others.
        left = [one for one in questions if not one.admitted and (way != "served" or "" in one.readings.values())]
        prompts = [_asking(one, told, is_served=way == "served") for one in left]
        said = replies.all(teacher, prompts, _LONGEST_ANSWER, f"Reading answers, {way}")
        for one, reading in zip(left, map(folded, said), strict=True):
            one.is_repeated |= reading in one.readings
            one.readings[reading] = verifier.fault(one.asked.candidate, one.shown, reading)
    admitted = {(one.shown.chunk, one.asked.candidate.instruction): one.admitted for one in questions}
    for one in questions:
        for reading, fault in one.readings.items():
            if reading != one.admitted and (fault or not one.admitted):
                reject(one.shown, replace(one.asked.candidate, response=reading), fault or _DIFFER)
        if not one.admitted:
            reason = _DIFFER if "" in one.readings.values() else next(iter(one.readings.values()))
            drops.add(f"{ANSWER}{reason}", replace(one.asked.candidate, response=next(iter(one.readings))))
    for shown, asked in lists:
        some = [own for own in asked if own.candidate.source != "generated"]
        for own in asked:
            if response := admitted.get((shown.chunk, own.candidate.instruction)):
                question = own.candidate.instruction
                question = mistyped(question, seed) if own.candidate.kind == "typo" else question
                some.append(replace(own, candidate=replace(own.candidate, instruction=question, response=response)))
        if some:
            yield shown, some


def _asking(one: _Question, system: str, *, is_served: bool) -> Asking:
    golden = one.shown.passages[(one.shown.golden or 1) - 1]
    passages = one.shown.passages if is_served else (golden,)
    return Asking(golden.text, build_messages(system, passages, [], one.asked.candidate.instruction))
