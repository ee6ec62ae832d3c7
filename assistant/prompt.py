"""The one prompt: how system text, evidence, history and question become messages and text.

Asking, pairs, training and evaluation all come through here, so that a model is trained on the tokens it is
asked with. A rendered user turn:

    <passage id="1" source="General terms 2026 / § 7 Deadlines">
    Claims are reported within 14 days …
    </passage>

    What is the deadline for a claim?

Documents, questions and history are from strangers: what would close the delimiter, begin a turn, or be read as
a control token of the model is broken up on its way into the prompt, however it is written.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from assistant.types import HEADING_SEPARATOR, Evidence, Message
from assistant.untrusted.injection import harmless

_QUOTES = str.maketrans({'"': "'", "\n": " ", "<": "(", ">": ")"})


class PromptPassage(Protocol):
    """What the prompt needs of a passage; evidence has it, and so have the passages of a pair."""

    @property
    def context(self) -> str: ...

    @property
    def text(self) -> str: ...


def build_messages(
    system: str,
    evidence: Sequence[PromptPassage],
    history: Sequence[Message],
    question: str,
    control_tokens: Collection[str] = (),
) -> list[Message]:
    """The conversation a model is shown. ``control_tokens`` are the texts its tokenizer treats specially."""
    passages = []
    for number, hit in enumerate(evidence, 1):
        # The table header, if any, stands on lines of its own below the headings.
        headings, _, header = hit.context.partition("\n")
        source = harmless(headings.replace(HEADING_SEPARATOR, " / ").translate(_QUOTES), control_tokens)
        text = harmless(f"{header}\n{hit.text}" if header else hit.text, control_tokens)
        passages.append(f'<passage id="{number}" source="{source}">\n{text}\n</passage>')
    content = "\n\n".join([*passages, harmless(question, control_tokens)])
    past = [Message(message.role, harmless(message.content, control_tokens)) for message in history]
    return [Message("system", system), *past, Message("user", content)]


def as_said(messages: Sequence[Message], control_tokens: Collection[str] = ()) -> list[Message]:
    """Turns that somebody wrote down, as they are but for what would begin another; evidence may stand in them."""
    return [Message(one.role, harmless(one.content, control_tokens, passages=False)) for one in messages]


def fitting_evidence(
    evidence: Sequence[Evidence], budget: int, count: Callable[[Sequence[Evidence]], int]
) -> list[Evidence]:
    """The best passages whose prompt has at most ``budget`` tokens; ``count`` gives the size of one.

    The weakest give way first; the best one stays even when it alone is too large.
    """
    kept = list(evidence)
    while len(kept) > 1 and count(kept) > budget:
        kept.pop()
    return kept


def fitting_history(
    history: Sequence[Message], budget: int, count: Callable[[Sequence[Message]], int]
) -> list[Message]:
    """The latest turns that fit into a prompt of ``budget`` tokens; ``count`` gives the size of a prompt with some.

    When turns have to go, as many go at once as leave half of the room free: then the prompts of the next questions
    begin with the same tokens, which an engine need not read again. The choice depends on nothing but the history,
    so that whoever holds the conversation may ask anew each time.
    """
    turns: list[list[Message]] = []  # a question and what was said to it: they stay or go together
    for message in history:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    without = count(())
    room = budget - without
    sizes = [count(turn) - without for turn in turns]
    first, used = 0, 0
    for last, size in enumerate(sizes):
        used += size
        if used <= room:
            continue
        while (first < last and used > room // 2) or (first <= last and used > room):
            used -= sizes[first]
            first += 1
    kept = [message for turn in turns[first:] for message in turn]
    return kept if not kept or count(kept) <= budget else []
