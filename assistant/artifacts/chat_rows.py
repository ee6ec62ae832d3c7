"""Conversations in the formats that people exchange them in: each row is read in the one that it has.

    {"messages": [{"role": "user", "content"}, …]}                         OpenAI, TRL
    {"prompt": text or messages, "completion": text or messages}           TRL
    {"instruction", "input"?, "output", "system"?, "history"?: [[q, a]]}   Alpaca, LLaMA-Factory
    {"conversations": [{"from": "human", "value"}, …], "system"?}          ShareGPT
    {"instruction" | "question", "response" | "answer", "context"?, "document"?, "language"?}

and pairs are written in those that other programs train on.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from assistant.artifacts.pairs import Pair, Split
from assistant.artifacts.row_files import Unusable, rows_in
from assistant.prompt import as_said
from assistant.text.printing import CITATION
from assistant.types import Message, Role, well_formed

_ROLES: dict[str, Role] = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system",
}  # fmt: skip
_ASKED = ("instruction", "question", "prompt", "query")
_ANSWERED = ("response", "answer", "output", "completion")
_END_OF_THOUGHT = "</think>"  # as sets of DeepSeek's and Qwen's answers have it; pairs hold no thoughts
_IN_A_TURN = frozenset({"role", "content"})
"""Columns that are keys of a turn."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said, without the system text: a question and an answer by turns, from a question on."""

    messages: tuple[Message, ...]
    system: str = ""
    unlearnt: frozenset[int] = frozenset()
    """Places of messages that are no examples of what to say."""
    context: str = ""
    """The text it is answered from, where the row brings one; its first line names the source."""
    document: str = ""
    """The document that ``context`` is from, where the row says so."""
    language: str = ""
    id: str = ""
    """As the row says; data of others may say the same of several."""


def conversations_in(
    file: Path, longest: int, columns: Mapping[str, str] | None = None
) -> Iterator[tuple[str, Conversation | Unusable]]:
    """(place, conversation) of each row of a file, or why the row is none: more than ``longest`` characters, say.

    ``columns`` is what the file calls its columns (``TrainSettings.columns``). Raises PairsError if it cannot be read.
    """
    for place, raw in rows_in(file):
        try:
            if isinstance(raw, Unusable):
                raise raw
            if not isinstance(raw, dict):
                raise Unusable(f"a {type(raw).__name__}, not an object")
            found = _conversation(raw, columns or {})
            size = len(found.context) + sum(len(message.content) for message in found.messages)
            if size > longest:
                raise Unusable("too long", f"{size:,} characters; at most {longest:,} can be trained on")
            yield place, replace(found, id=str(raw.get("id") or ""))
        except Unusable as error:
            yield place, error


def _conversation(raw: Mapping[str, Any], columns: Mapping[str, str]) -> Conversation:
    of_rows = {ours: theirs for ours, theirs in columns.items() if ours not in _IN_A_TURN}
    if of_rows:  # nothing else counts: other columns may have names that are read by themselves
        raw = {ours: raw.get(theirs, raw.get(theirs.lower())) for ours, theirs in of_rows.items()}
    texts = {name: _text(raw, name) for name in ("system", "context", "document", "language")}
    turns = next((raw[name] for name in ("messages", "conversations") if raw.get(name) is not None), None)
    told: list[tuple[Message, bool]]
    if turns is not None:
        told = _turns_of(turns, columns)
    elif isinstance(raw.get("prompt"), list) and isinstance(raw.get("completion"), list):
        told = [(message, False) for message, _ in _turns_of(raw["prompt"], columns)]
        told += _turns_of(raw["completion"], columns)
    else:
        asked, answer, more = _first(raw, _ASKED), _first(raw, _ANSWERED), _text(raw, "input")
        messages = _history(raw.get("history"))
        messages += [Message("user", f"{asked}\n\n{more}" if more else asked), _answer(answer)]
        told = [(message, True) for message in messages]
    system = [message.content for message, _ in told if message.role == "system"]
    texts["system"] = " ".join(filter(None, [texts["system"], *system]))
    spoken = [(message, is_learnt) for message, is_learnt in told if message.role != "system"]
    if any(message.role != role for (message, _), role in zip(spoken, cycle(("user", "assistant")), strict=False)):
        raise Unusable("the turns of the conversation do not alternate from a question on")
    if not any(is_learnt for _, is_learnt in spoken[1::2]):
        raise Unusable("the conversation has no answer")
    unlearnt = frozenset(place for place, (_, is_learnt) in enumerate(spoken) if not is_learnt)
    return Conversation(tuple(message for message, _ in spoken), unlearnt=unlearnt, **texts)


def _first(raw: Mapping[str, Any], names: Sequence[str]) -> str:
    there = [name for name in names if name in raw]
    if not there:
        raise Unusable(f"none of {', '.join(names)} is there")
    # In a table with rows of several formats, columns of the others are empty.
    name = next((name for name in there if raw[name] is not None), there[0])
    text = _text(raw, name)
    if not text:
        raise Unusable(f"'{name}' is empty")
    return text


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unusable(f"'{name}' is a {type(value).__name__}, not a text")
    return well_formed(value).strip()


def _turns_of(turns: Any, columns: Mapping[str, str]) -> list[tuple[Message, bool]]:
    """The messages of a conversation, each with whether it may be learnt: some sets say that of single turns."""
    if isinstance(turns, str):  # as CSV has them
        try:
            turns = json.loads(turns)
        except (ValueError, RecursionError):
            raise Unusable("the conversation is no list") from None
    if not isinstance(turns, list):
        raise Unusable("the conversation is no list")
    messages = []
    for turn in turns:
        if not isinstance(turn, dict):
            raise Unusable("a turn of the conversation is no object")
        role = _ROLES.get(str(turn.get(columns.get("role", "role"), turn.get("from", ""))))
        content = turn.get(columns.get("content", "content"), turn.get("value"))
        if isinstance(content, list):
            texts = [part.get("text") for part in content if isinstance(part, dict)]
            content = "\n".join(text for text in texts if isinstance(text, str))
        if role is None or not isinstance(content, str) or not content.strip():
            raise Unusable("a turn of the conversation has no known role or no text")
        message = _answer(content) if role == "assistant" else Message(role, content.strip())
        messages.append((message, turn.get("weight") != 0 and turn.get("train") is not False))
    return messages


def _answer(text: str) -> Message:
    """What the assistant said, without what it thought before."""
    said = text.rpartition(_END_OF_THOUGHT)[2].strip()
    if not said:
        raise Unusable("an answer is nothing but a thought")
    return Message("assistant", said)


def _history(rounds: Any) -> list[Message]:
    """Rounds of a question and an answer each, before the one that a row of Alpaca is about."""
    if not isinstance(rounds or [], list):
        raise Unusable(f"'history' is a {type(rounds).__name__}, not a list")
    messages = []
    for one in rounds or []:
        if (
            not isinstance(one, list)
            or len(one) != 2
            or not all(isinstance(text, str) and text.strip() for text in one)
        ):
            raise Unusable("'history' holds something else than questions with their answers")
        messages += [Message("user", one[0].strip()), _answer(one[1])]
    return messages


Record = dict[str, object]


def _as_messages(prompt: Sequence[Message], response: Message) -> Record:
    return {"messages": _turns([*prompt, response])}


def _as_prompt_completion(prompt: Sequence[Message], response: Message) -> Record:
    return {"prompt": _turns(prompt), "completion": _turns([response])}


def _as_alpaca(prompt: Sequence[Message], response: Message) -> Record:
    system = "".join(message.content for message in prompt if message.role == "system")
    *before, asked = (message.content for message in prompt if message.role != "system")
    # A column whose first values are empty lists is one of nulls to some readers.
    rounds = [list(one) for one in zip(before[::2], before[1::2], strict=True)] or None
    return {"instruction": asked, "input": "", "output": response.content, "system": system, "history": rounds}


def _as_sharegpt(prompt: Sequence[Message], response: Message) -> Record:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    return {"conversations": [{"from": names[turn.role], "value": turn.content} for turn in [*prompt, response]]}


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


FORMATS: Mapping[str, Callable[[Sequence[Message], Message], Record]] = {
    "messages": _as_messages,
    "prompt-completion": _as_prompt_completion,
    "alpaca": _as_alpaca,
    "sharegpt": _as_sharegpt,
}
"""Format → the row of a prompt and its response."""
PREFERENCE = "preference"
"""The format of TRL with a chosen and a rejected response to a prompt."""


def exported(
    pairs: Iterable[Pair], format_: str, system: str, bare: bool
) -> tuple[dict[Split, list[Record]], Counter[str]]:
    """Pairs as rows of one of ``FORMATS`` or of ``PREFERENCE``, by split, and how many are left out for which reason.

    The prompt is that which asking has, evidence and ``system`` text included; ``bare`` leaves both out, and the
    citations of the response with them.
    """
    rows: dict[Split, list[Record]] = {}
    left_out = Counter[str]()
    for pair in pairs:
        if not pair.response:
            left_out["has no response that is wanted"] += 1
            continue
        if format_ == PREFERENCE and not pair.rejected:
            left_out["has no response that is worse"] += 1
            continue
        if format_ == "alpaca" and [one.role for one in pair.history] != ["user", "assistant"] * (
            len(pair.history) // 2
        ):
            left_out["has something else before it than questions with their answers"] += 1
            continue
        if bare and pair.source == "reading":
            left_out["is about a document that was made up"] += 1
            continue
        if bare and pair.passages and pair.golden is None:
            left_out["refuses for want of evidence"] += 1
            continue
        if bare:
            response, rejected = (CITATION.sub("", text) for text in (pair.response, pair.rejected))
            before = tuple(
                replace(one, content=CITATION.sub("", one.content)) if one.role == "assistant" else one
                for one in pair.history
            )
            if response == rejected:
                left_out["is worse by its citations alone"] += 1
                continue
            pair = replace(pair, passages=(), history=before, response=response, rejected=rejected)
        prompt = [message for message in pair.messages("" if bare else system) if message.content]
        said, worse = as_said([Message("assistant", text) for text in (pair.response, pair.rejected)])
        if format_ == PREFERENCE:
            row: Record = {"prompt": _turns(prompt), "chosen": _turns([said]), "rejected": _turns([worse])}
        else:
            row = FORMATS[format_](prompt, said)
        rows.setdefault(pair.split, []).append(row)
    return rows, left_out
