"""What another edition of a document says of the things that an answer gives a value for, as notes below it."""

from collections.abc import Sequence

from assistant.grounding.support import Weights, support
from assistant.retrieval.editions import are_editions
from assistant.text.languages import LANGUAGES, data
from assistant.text.printing import excerpt
from assistant.text.quantities import as_written, quantities, unit_of
from assistant.text.words import answered_in
from assistant.types import Evidence, Sentence

# A passage of another edition says the same with another value when it holds this part of the sentence's words.
_SAME_THING = 0.7
_LONGEST_QUOTE = 200


def version_notes(
    sentences: Sequence[Sentence], hits: Sequence[Evidence], weights: Weights, least_coverage: float
) -> tuple[str, ...]:
    """What other editions among the evidence say of the things that an answer gives a value for."""
    by_rank = {hit.rank: hit for hit in hits}
    notes = (
        _note(sentence.text, citation.quote, by_rank[citation.hit], other, weights, least_coverage)
        for sentence in sentences
        for citation in sentence.citations
        for other in hits
        if are_editions(by_rank[citation.hit], other)
    )
    return tuple(dict.fromkeys(filter(None, notes)))


def _note(sentence: str, quote: str, cited: Evidence, other: Evidence, weights: Weights, least_coverage: float) -> str:
    """The note about one other edition; empty when it says nothing else."""
    found = support(sentence, other, weights, least_coverage)
    passage = other.text[found.start : found.end]
    unit = unit_of(found.missing or "0")
    values = dict.fromkeys(value for value in quantities(passage, other.language) if unit_of(value) == unit)
    if not found.missing or not values or found.coverage < _SAME_THING:
        return ""
    texts = data(answered_in(sentence, LANGUAGES) or LANGUAGES[0], "answers")
    # Of several values it is not known which one is meant.
    several = texts["quoted"].format(excerpt(passage, _LONGEST_QUOTE))
    note: str = texts["differs"]
    return note.format(
        which=texts["older" if other.date < cited.date else "newer"],
        source=f"{other.document}, {other.date},",
        other=as_written(next(iter(values)), passage, other.language) if len(values) == 1 else several,
        own=as_written(found.missing, quote, cited.language),
        cited=f"{cited.document}, {cited.date}",
    )
