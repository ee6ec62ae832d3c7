"""Questions that lean on what was said before, made to stand by themselves; and how much of the past a prompt holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assistant.types import Message


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A question as it stands by itself; ``rule`` says what made it so, and is empty when nothing had to be done."""

    standalone: str
    rule: str = ""


def rewritten(question: str, history: Sequence[Message]) -> Rewriting:
    """A follow-up with what it leaves out, taken from the turns before it."""
    before = next((message.content for message in reversed(history) if message.role == "user"), "")
    return Rewriting(f"{before} {question}", "searched with the question before it") if before else Rewriting(question)


def fitting_history(
    history: Sequence[Message], budget: int, count: Callable[[Sequence[Message]], int]
) -> list[Message]:
    """The latest turns whose prompt has at most ``budget`` tokens; ``count`` gives the size of one."""
    kept = list(history)
    while kept and count(kept) > budget:
        kept.pop(0)  # the oldest turn says least about this question
    return kept
