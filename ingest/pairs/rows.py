"""Question and answer sets of users, in the formats that are about, row by row: a bad row costs only itself.

    {"instruction", "input"?, "output"}                     Alpaca
    {"conversations": [{"from": "human", "value"}, …]}      ShareGPT
    {"messages": [{"role": "user", "content"}, …]}          OpenAI
    {"prompt", "completion"}                                 completions
    {"instruction" | "question", "response" | "answer", "context"?, "document"?, "language"?}, also as CSV

A file is JSON lines, one JSON list, or CSV; each row is read in the format that it has.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from assistant.artifacts.command_reports import BadRow
from assistant.errors import PairsError
from assistant.types import Message, well_formed

# Far more than any prompt holds: such a row is a mistake of whoever wrote the file.
_LONGEST = 40_000
_LARGEST_CELL = 16 << 20
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
_ASKED = ("instruction", "question", "prompt", "query")
_ANSWERED = ("response", "answer", "output", "completion")
_REMEDY = "Use JSON lines or CSV with the columns 'instruction' and 'response'."


@dataclass(frozen=True, slots=True)
class Row:
    """One usable row. ``place`` says where it stands: ``set.jsonl, line 7``."""

    place: str
    instruction: str
    response: str
    context: str = ""
    """The text it is answered from, where the row brings one; its first line names the source."""
    system: str = ""
    history: tuple[Message, ...] = ()
    language: str = ""
    document: str = ""
    """The document that ``context`` is from, where the row says so."""


class _Unusable(Exception):
    """Why one row cannot be used."""


def read_rows(file: Path, strict: bool = False) -> tuple[list[Row], list[BadRow]]:
    """The usable rows of a file, in order, and the others.

    Raises PairsError when the file cannot be read, holds no usable row, or, if ``strict``, any bad one.
    """
    rows: list[Row] = []
    bad: list[BadRow] = []
    ids: dict[str, str] = {}
    for place, raw in _raw_rows(file):
        try:
            row = _row(raw, place)
            _refuse_known_id(raw, place, ids)
            rows.append(row)
        except _Unusable as error:
            bad.append(BadRow(place, str(error)))
    if bad and (strict or not rows):
        raise PairsError(f"{bad[0].place}: {bad[0].reason} ({len(bad)} bad rows, {len(rows)} good).", _REMEDY)
    if not rows:
        raise PairsError(f"{file} holds no rows.", _REMEDY)
    return rows, bad


def _raw_rows(file: Path) -> Iterator[tuple[str, Any]]:
    """(place, content) of each row; content that is no JSON comes as a ``_Unusable``."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PairsError(f"{file} cannot be read: {error}.", "It has to be a UTF-8 file.") from None
    start = text.lstrip()[:1]
    if file.suffix.lower() in {".csv", ".tsv"} or start not in {"{", "["}:
        yield from _csv_rows(file, text)
    elif start == "[":
        yield from _list_items(file, text)
    else:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"{file.name}, line {number}", _parsed(line)


def _list_items(file: Path, text: str) -> Iterator[tuple[str, Any]]:
    content = _parsed(text)
    if isinstance(content, _Unusable):
        raise PairsError(f"{file} is no JSON list: {content}.", _REMEDY)
    for number, item in enumerate(content, 1):
        yield f"{file.name}, item {number}", item


def _csv_rows(file: Path, text: str) -> Iterator[tuple[str, Any]]:
    before = csv.field_size_limit(_LARGEST_CELL)
    try:
        head = text[:4096].split("\n", 1)[0]
        separator = max(",;\t", key=head.count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        columns = {(name or "").strip().lower() for name in reader.fieldnames or ()}
        if not columns & set(_ASKED) or not columns & set(_ANSWERED):
            raise PairsError(f"{file} has no header with a column for questions and one for answers.", _REMEDY)
        for row in reader:
            yield f"{file.name}, line {reader.line_num}", {(key or "").strip().lower(): row[key] for key in row}
    except csv.Error as error:
        raise PairsError(f"{file}, line {reader.line_num}: {error}.", _REMEDY) from None
    finally:
        csv.field_size_limit(before)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # a plain ValueError for a number of thousands of digits
        return _Unusable(f"no valid JSON, or cut off: {error}")


def _refuse_known_id(raw: Any, place: str, ids: dict[str, str]) -> None:
    id_ = str(raw.get("id") or "")
    if id_ and ids.setdefault(id_, place) != place:
        raise _Unusable(f"the id '{id_[:40]}' stands in {ids[id_]} too")


def _row(raw: Any, place: str) -> Row:
    if isinstance(raw, _Unusable):
        raise raw
    if not isinstance(raw, dict):
        raise _Unusable(f"a {type(raw).__name__}, not an object")
    turns = raw.get("messages", raw.get("conversations"))
    row = _plain_row(raw, place) if turns is None else _conversation(turns, place)
    size = len(row.instruction) + len(row.response) + len(row.context)
    if size > _LONGEST:
        raise _Unusable(f"{size:,} characters; at most {_LONGEST:,} can be trained on")
    return row


def _plain_row(raw: Mapping[str, Any], place: str) -> Row:
    instruction, response = _first(raw, _ASKED), _first(raw, _ANSWERED)
    more = _text(raw, "input")
    return Row(
        place,
        f"{instruction}\n\n{more}" if more else instruction,
        response,
        context=_text(raw, "context"),
        system=_text(raw, "system"),
        language=_text(raw, "language"),
        document=_text(raw, "document"),
    )


def _first(raw: Mapping[str, Any], names: Sequence[str]) -> str:
    name = next((name for name in names if name in raw), None)
    if name is None:
        raise _Unusable(f"none of {', '.join(names)} is there")
    text = _text(raw, name)
    if not text:
        raise _Unusable(f"'{name}' is empty")
    return text


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Unusable(f"'{name}' is a {type(value).__name__}, not a text")
    return well_formed(value).strip()


def _conversation(turns: Any, place: str) -> Row:
    if not isinstance(turns, list):
        raise _Unusable("the conversation is no list")
    messages = [_message(turn) for turn in turns]
    system = " ".join(message.content for message in messages if message.role == "system")
    spoken = [message for message in messages if message.role != "system"]
    if len(spoken) < 2 or [message.role for message in spoken[-2:]] != ["user", "assistant"]:
        raise _Unusable("the conversation does not end with a question and its answer")
    if any(message.role != role for message, role in zip(spoken, cycle(("user", "assistant")), strict=False)):
        raise _Unusable("the turns of the conversation do not alternate from a question on")
    return Row(place, spoken[-2].content, spoken[-1].content, system=system, history=tuple(spoken[:-2]))


def _message(turn: Any) -> Message:
    if not isinstance(turn, dict):
        raise _Unusable("a turn of the conversation is no object")
    role = _ROLES.get(str(turn.get("role", turn.get("from", ""))))
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        content = _joined_parts(content)
    if role is None or not isinstance(content, str) or not content.strip():
        raise _Unusable("a turn of the conversation has no known role or no text")
    return Message(role, well_formed(content).strip())  # type: ignore[arg-type]


def _joined_parts(parts: Iterable[Any]) -> str:
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))
