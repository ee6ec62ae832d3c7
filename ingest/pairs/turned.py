"""What the rules of both languages make."""

from collections.abc import Iterator
from dataclasses import dataclass

Rule = Iterator[tuple[str, str, str]]
"""(kind, question, word that opens the response or "")."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A statement with its verb in front: ``does the policy cover hail``, ``gilt die Wartezeit für Zahnersatz``."""

    text: str
    is_negative: bool
