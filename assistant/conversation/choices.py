"""What somebody means who was asked back: "the second one", "Lindmoor Journey", "das für Reisen"."""

from collections.abc import Sequence

from assistant.text.lexicon import vocabulary
from assistant.text.words import DEFAULT_LANGUAGE, stems, words

_LONGEST_REPLY = 8
_LAST = -1
_PLACES = {
    "1": 0, "first": 0, "1st": 0, "former": 0, "eins": 0, "erste": 0, "ersten": 0, "erster": 0, "erstes": 0,
    "ersteres": 0, "2": 1, "second": 1, "2nd": 1, "two": 1, "zwei": 1, "zweite": 1, "zweiten": 1, "zweiter": 1,
    "zweites": 1, "3": 2, "third": 2, "3rd": 2, "three": 2, "drei": 2, "dritte": 2, "dritten": 2, "dritter": 2,
    "drittes": 2, "last": _LAST, "latter": _LAST, "letzte": _LAST, "letzten": _LAST, "letzter": _LAST,
    "letztes": _LAST, "letzteres": _LAST,
}  # fmt: skip
# "One" is a number only where nothing else is: "the second one".
_ALONE = {"one": 0}
# "Not the first one" says which one is not meant.
_DENIALS = frozenset(
    """
    not no none neither never stop but except without
    nicht kein keine keinen keines keiner keins weder nie außer ohne halt stopp
    """.split()
)
_AROUND = vocabulary("stopwords") | frozenset(
    """
    mean meant one please number option answer yes ok okay thanks thank want take think s m
    meine meinte bitte nummer nr möglichkeit ja gern danke gemeint nehme
    """.split()
)


def chosen(reply: str, readings: Sequence[str]) -> str:
    """The reading that a reply chooses: by its place in the list, its name, or a part of that; empty if it is open."""
    given = words(reply)
    # The buttons of a chat put the question in front.
    named = [reading for reading in readings if given in _names(reading) or reply.endswith(f" – {reading}")]
    if len(named) == 1:
        return named[0]
    if is_no_phrase(reply):
        return ""
    kept = [word for word in given if word not in _AROUND] or given
    place = {**_PLACES, **_ALONE}.get(kept[0]) if len(kept) == 1 else None
    if place is not None:
        return readings[place] if place < len(readings) else ""
    return _most_like(kept, readings)


def is_no_phrase(reply: str) -> bool:
    """Whether a reply is empty, long, a question of its own, or denies something."""
    given = words(reply)
    is_other = set(given) & (vocabulary("question_words") | _DENIALS) or (given and given[0] in vocabulary("verbs"))
    return not given or len(given) > _LONGEST_REPLY or bool(is_other)


def _names(reading: str) -> list[list[str]]:
    """The words of a reading, of the title in front and of the heading behind it."""
    title, _, heading = reading.partition(": ")
    return [words(name) for name in (reading, title, heading) if words(name)]


def _most_like(given: Sequence[str], readings: Sequence[str]) -> str:
    """The one reading that holds more of some words than the others, at least half of them."""
    asked = set(stems(" ".join(given), DEFAULT_LANGUAGE))
    held = [len(asked & set(stems(reading, DEFAULT_LANGUAGE))) for reading in readings]
    most = max(held, default=0)
    return readings[held.index(most)] if held.count(most) == 1 and 2 * most >= max(len(asked), 1) else ""
