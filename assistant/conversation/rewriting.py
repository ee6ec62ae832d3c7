"""Questions that lean on what was said before, made to stand by themselves; and how much of the past a prompt holds."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate, takewhile

from assistant.conversation.agreement import is_courtesy
from assistant.conversation.followups import Rewriting, stand_alone
from assistant.conversation.smalltalk import small_talk
from assistant.engines.base import Engine
from assistant.text.words import content_stems
from assistant.types import Message, well_formed
from assistant.untrusted.turns import harmless

# A chain of follow-ups longer than this has lost its beginning for people too.
_LOOKED_BACK = 24
# People ask at the end of what they paste, and offer at the end of what they say.
_LAST_CHARACTERS = 600
_REWRITE = (
    "You get a conversation and its last question. Write the last question again so that it can be understood without"
    " the conversation, in its language. Write only the question."
)
_REWRITE_MESSAGES = 4
_REWRITE_CHARACTERS = 600
_REWRITE_TOKENS = 64
# A small model answers the question, or makes one up, as soon as it says more words that nobody said.
_LEAST_KNOWN = 0.6


def latest(history: Sequence[Message], most: int) -> list[Message]:
    """The latest messages of a conversation that have at most ``most`` characters together."""
    sizes = accumulate(len(message.content) for message in reversed(history))
    kept = sum(1 for _ in takewhile(lambda size: size <= most, sizes))
    return list(history[len(history) - kept :])


def rewritten(question: str, history: Sequence[Message]) -> Rewriting:
    """A follow-up with what it leaves out, taken from the turns before it, each of which may be a follow-up itself."""
    before, said = "", ""
    for message in history[-_LOOKED_BACK:]:
        if message.role == "assistant":
            said = message.content
        elif message.role == "user":
            turn = stand_alone(message.content, before, said[-_LAST_CHARACTERS:])
            if turn.rule or not (is_courtesy(message.content) or small_talk(message.content)):
                before, said = turn.standalone[-_LAST_CHARACTERS:], ""
    return replace(stand_alone(question, before, said[-_LAST_CHARACTERS:]), before=before, said=said)


def rewritten_by_model(question: str, history: Sequence[Message], engine: Engine) -> Rewriting | None:
    """The same from a model; None when what it says has too little to do with what was said.

    Raises what ``Engine.complete`` raises.
    """
    turns = [*history[-_REWRITE_MESSAGES:], Message("user", question)]
    said = [f"{turn.role.capitalize()}: {turn.content[:_REWRITE_CHARACTERS]}" for turn in turns]
    asked = harmless("\n".join([*said, "", f"Last question: {question}"]), engine.control_tokens)
    (reply,) = engine.complete([[Message("system", _REWRITE), Message("user", asked)]], _REWRITE_TOKENS)
    line = next((line.strip() for line in well_formed(reply).splitlines() if line.strip()), "")
    stems = set(content_stems(line, "en"))
    past = set(content_stems(" ".join(turn.content for turn in history[-_REWRITE_MESSAGES:]), "en"))
    known = stems & (past | set(content_stems(question, "en")))
    if not stems & past or len(known) < _LEAST_KNOWN * len(stems):
        return None
    return Rewriting(line, "written anew by the model")


def fitting_history(
    history: Sequence[Message], budget: int, count: Callable[[Sequence[Message]], int]
) -> list[Message]:
    """The latest turns that fit into a prompt of ``budget`` tokens; ``count`` gives the size of a prompt with some.

    When turns have to go, as many go at once as leave half of the room free: then the prompts of the next questions
    begin with the same tokens, which an engine need not read again. The choice depends on nothing but the history,
    so that whoever holds the conversation may ask anew each time.
    """
    turns = _turns(history)
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


def _turns(history: Sequence[Message]) -> list[list[Message]]:
    """A question and what was said to it make a turn: they stay or go together."""
    turns: list[list[Message]] = []
    for message in history:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns
