"""What an evaluation says, in the language of whoever reads it, by the English words that it is written down in.

words_in("de")("{count} misleading", count=3)      3 irreführend
reason_of(light, words_in("de"))                   0.410, mindestens 0.500 ist verlangt
verdict_of(gate, words_in("de"))                   house+rag fällt durch gegenüber cases: correctness.

What a language does not have (``assistant/text/languages/de/report.yaml``) stays in English.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from assistant.artifacts.evaluations import Gate, Light, Phrase, Status
from assistant.text.languages import Language, data

VERDICTS: Mapping[Status, str] = {
    "fail": "{system} fails{against}: {names}.",
    "thin": "Too little evidence to decide about {system}{against}: {names}.",
    "warn": "{system} passes{against}, with a fall that may be chance: {names}.",
    "pass": "{system} passes{against}.",
}
"""Of a gate."""
_PLACE = re.compile(r"\{(\w+)\}")


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
