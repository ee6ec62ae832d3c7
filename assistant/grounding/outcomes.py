"""What a reader is shown once a model has spoken: one policy, from the best outcome to the last.

own words   some of what the model says is supported, by places that bear on the question
quoted      else the documents' own words, where the best place answers well enough to stand for an answer, and holds
            a figure of the model's if it reads one there
hedged      else the places that come closest, told as no more than that
refused     no place has anything to do with the question; or the model declines in the words of the house
"""

from typing import Literal

from assistant.grounding.quoting import Places
from assistant.text.quantities import quantities

Outcome = Literal["own words", "quoted", "hedged", "refused"]

# Part of the question's words that the best place holds, and probability that the evidence answers, added: both are the
# same for any embedder. Chosen on questions about one half of two corpora (docs/grounding.md).
_LEAST_TO_ANSWER = 1.1


def outcome_of(read: str, stands: bool, declines: bool, places: Places, probability: float) -> Outcome:
    """What becomes of an answer.

    ``read`` are the words of a model that reads; what one says that misreads has no vote here. ``stands`` says that
    what was said is supported, ``declines`` that it refuses; ``probability`` is that of the evidence to answer.
    """
    if declines:
        return "refused"
    if stands:
        return "own words"
    if not places.closest():
        return "refused"
    answers = places.coverage + probability >= _LEAST_TO_ANSWER
    return "quoted" if answers and _agree(read, places) else "hedged"


def _agree(read: str, places: Places) -> bool:
    """Whether a quotation holds a figure that the model reads there; it reads none that the question has."""
    figures = set(quantities(read)) - set(quantities(places.question))
    return not figures or any(not figures.isdisjoint(quantities(quote.text)) for quote in places.quotes())
