"""Pairs that people wrote: their own sets, corrections of answers, and examples of the house voice (``tone.jsonl``).

    {"instruction", "input"?, "output"}                     Alpaca
    {"conversations": [{"from": "human", "value"}, …]}      ShareGPT
    {"messages": [{"role": "user", "content"}, …]}          OpenAI
    {"prompt", "completion"}                                 completions
    {"instruction" | "question", "response" | "answer", "context"?, "document"?, "language"?}, also as CSV

A file is JSON lines, one JSON list, or CSV; each row is read in the format that it has, a bad one costs only itself. A
row that brings the text it answers from is shown it among negatives; for any other the documents are searched for
what supports its response. Where nothing does, it is shown no passages.
"""

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from assistant.artifacts.command_reports import BadRow
from assistant.artifacts.pairs import Pair, Source, Split
from assistant.config import PairsSettings
from assistant.errors import PairsError
from assistant.text.words import detect
from assistant.types import Evidence, Message, Passage, well_formed
from ingest.pairs.candidates import CandidatePair, identified, number_of, share_of
from ingest.pairs.corpus import sketch
from ingest.pairs.evidence_lists import Workbench, beside, cited, passage_of, says, supports

# Far more than any prompt holds: such a row is a mistake of whoever wrote the file.
_LONGEST = 40_000
_LARGEST_CELL = 16 << 20  # characters; csv stops at 131,072, and only the row is to be refused
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
_ASKED = ("instruction", "question", "prompt", "query")
_ANSWERED = ("response", "answer", "output", "completion")
_REMEDY = "Use JSON lines or CSV with the columns 'instruction' and 'response'."
# From this share of its word sequences on, a row's text is taken from a document.
_SAME_TEXT = 0.5
# So many characters of a text find the chunk that it is from.
_ASKED_WITH = 400


@dataclass(frozen=True, slots=True)
class UserRow:
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


def read_rows(file: Path, strict: bool = False) -> tuple[list[UserRow], list[BadRow]]:
    """The usable rows of a file, in order, and the others.

    Raises PairsError when the file cannot be read, holds no usable row, or, if ``strict``, any bad one.
    """
    rows: list[UserRow] = []
    bad: list[BadRow] = []
    ids: dict[str, str] = {}
    for place, raw in _raw_rows(file):
        try:
            row = _row(raw, place)
            id_ = str(raw.get("id") or "")
            if id_ and ids.setdefault(id_, place) != place:
                raise _Unusable(f"the id '{id_[:40]}' stands in {ids[id_]} too")
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
        content = _parsed(text)
        if isinstance(content, _Unusable):
            raise PairsError(f"{file} is no JSON list: {content}.", _REMEDY)
        yield from ((f"{file.name}, item {number}", item) for number, item in enumerate(content, 1))
    else:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"{file.name}, line {number}", _parsed(line)


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


def _row(raw: Any, place: str) -> UserRow:
    if isinstance(raw, _Unusable):
        raise raw
    if not isinstance(raw, dict):
        raise _Unusable(f"a {type(raw).__name__}, not an object")
    turns = raw.get("messages", raw.get("conversations"))
    if turns is not None:
        row = _conversation(turns, place)
    else:
        instruction, response, more = _first(raw, _ASKED), _first(raw, _ANSWERED), _text(raw, "input")
        context, system, language, document = (
            _text(raw, name) for name in ("context", "system", "language", "document")
        )
        asked = f"{instruction}\n\n{more}" if more else instruction
        row = UserRow(place, asked, response, context, system, (), language, document)
    size = len(row.instruction) + len(row.response) + len(row.context)
    if size > _LONGEST:
        raise _Unusable(f"{size:,} characters; at most {_LONGEST:,} can be trained on")
    return row


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


def _conversation(turns: Any, place: str) -> UserRow:
    if not isinstance(turns, list):
        raise _Unusable("the conversation is no list")
    messages = []
    for turn in turns:
        if not isinstance(turn, dict):
            raise _Unusable("a turn of the conversation is no object")
        role = _ROLES.get(str(turn.get("role", turn.get("from", ""))))
        content = turn.get("content", turn.get("value"))
        if isinstance(content, list):
            texts = [part.get("text") for part in content if isinstance(part, dict)]
            content = "\n".join(text for text in texts if isinstance(text, str))
        if role is None or not isinstance(content, str) or not content.strip():
            raise _Unusable("a turn of the conversation has no known role or no text")
        messages.append(Message(role, well_formed(content).strip()))  # type: ignore[arg-type]
    system = " ".join(message.content for message in messages if message.role == "system")
    spoken = [message for message in messages if message.role != "system"]
    if len(spoken) < 2 or [message.role for message in spoken[-2:]] != ["user", "assistant"]:
        raise _Unusable("the conversation does not end with a question and its answer")
    if any(message.role != role for message, role in zip(spoken, cycle(("user", "assistant")), strict=False)):
        raise _Unusable("the turns of the conversation do not alternate from a question on")
    return UserRow(place, spoken[-2].content, spoken[-1].content, system=system, history=tuple(spoken[:-2]))


@dataclass(frozen=True, slots=True)
class Taught:
    """The rows of users' files, and those that cannot be used."""

    rows: tuple[tuple[Source, UserRow], ...] = ()
    bad: tuple[BadRow, ...] = ()

    @property
    def voice(self) -> list[UserRow]:
        """Examples of the house voice."""
        return [row for source, row in self.rows if source == "tone"]


def read_taught(settings: PairsSettings, strict: bool, corrections: Path | None = None) -> Taught:
    """The files of ``tone`` and ``data``, and accepted ``corrections``. Raises PairsError as ``read_rows`` does."""
    files: list[tuple[Source, str]] = [("tone", name) for name in settings.tone]
    files += [("set", name) for name in settings.data]
    files += [("feedback", str(corrections))] if corrections else []
    rows: list[tuple[Source, UserRow]] = []
    bad: list[BadRow] = []
    for source, name in files:
        good, wrong = read_rows(Path(name).expanduser(), strict)
        rows += [(source, row) for row in good]
        bad += wrong
    return Taught(tuple(rows), tuple(bad))


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row whose passage was looked for; ``golden`` is None where no document supports its response."""

    pair: Pair
    candidate: CandidatePair
    hits: Sequence[Evidence]
    golden: Passage | None


def taught_pairs(taught: Taught, bench: Workbench, languages: Collection[str], settings: PairsSettings) -> list[Pair]:
    """The rows as pairs, each in the split of the document that its text is from, else in one drawn by its words.

    Examples of the voice are shown each other's passages as negatives, so that training runs one prompt for several of
    them: where to look is not what they teach.
    """
    placed = [_placed(row, source, bench, languages, settings) for source, row in taught.rows]
    groups: list[list[_Placed]] = []
    for one in placed:
        alike = groups if one.pair.source == "tone" and one.golden else []
        group = next((group for group in alike if _share_a_list([*group, one], bench)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return [identified(pair) for group in groups for pair in _shown(group, bench)]


def _placed(
    row: UserRow, source: Source, bench: Workbench, languages: Collection[str], settings: PairsSettings
) -> _Placed:
    language = row.language or detect(row.instruction, languages)
    candidate = CandidatePair(row.instruction, row.response, row.context or row.response, "", 0, "", language)
    hits = bench.search(row.instruction)
    golden, document = _golden(row, candidate, hits, bench)
    place = share_of(settings.seed, row.context or row.instruction)
    test = 0.0 if settings.hold_out else settings.test
    drawn: Split = "test" if place < test else "validation" if place < test + settings.validation else "train"
    pair = Pair(
        id="",
        instruction=row.instruction,
        response=row.response,
        source=source,
        split=bench.splits.get(document) or drawn,
        kind=source,
        history=row.history,
        system=row.system,
        language=language,
        document=document,
    )
    return _Placed(pair, candidate, hits, golden)


def _share_a_list(group: Sequence[_Placed], bench: Workbench) -> bool:
    """Whether prompts are equal but for the question, short enough, and answer each row in one passage alone."""
    passages = _goldens(group)
    return (
        len({(row.pair.source, row.pair.split, row.pair.system, row.pair.history) for row in group}) == 1
        and all(row.golden for row in group)
        and len(passages) <= bench.size
        and not any(passage != row.golden and says(passage, row.candidate) for row in group for passage in passages)
        and all(bench.fits(passages, row.candidate.instruction) for row in group)
    )


def _shown(group: Sequence[_Placed], bench: Workbench) -> Iterator[Pair]:
    """The pairs of a group with their list, whose order depends on the seed."""
    goldens = _goldens(group)
    if not goldens:
        yield from (row.pair for row in group)
        return
    hits = (passage_of(hit) for row in group for hit in row.hits if bench.may_show(hit, row.pair.split))
    texts = {golden.text for golden in goldens}
    others = [passage for passage in dict.fromkeys(hits) if passage.text not in texts]
    kept, _ = beside(goldens, others, [row.candidate for row in group], bench)
    shown = sorted([*goldens, *kept], key=lambda one: number_of(bench.seed, one.document, one.text))
    for row in group:
        if row.golden is None:
            yield row.pair
            continue
        number = shown.index(row.golden) + 1
        is_supported = partial(supports, row.golden, language=row.pair.language)
        response = cited(row.pair.response, number, is_supported)
        yield replace(row.pair, response=response, passages=tuple(shown), golden=number)


def _goldens(group: Sequence[_Placed]) -> list[Passage]:
    return list(dict.fromkeys(row.golden for row in group if row.golden))


def _golden(
    row: UserRow, candidate: CandidatePair, hits: Sequence[Evidence], bench: Workbench
) -> tuple[Passage | None, str]:
    """The passage that answers a row, and the document that it is from; empty where it is from none."""
    if not row.context:
        found = next((hit for hit in hits if says(passage_of(hit), candidate)), None)
        return (passage_of(found), found.document) if found else (None, "")
    source, _, text = row.context.partition("\n")
    document = row.document if row.document in bench.splits else ""
    own = Passage(document, 0, len(text or source), source if text else "", text or source)
    if document:
        near = [*hits, *bench.search(text[:_ASKED_WITH])]
        same = (hit for hit in near if hit.document == document and hit.text.strip() == text.strip())
        return next(map(passage_of, same), own), document
    words = sketch(row.context)
    near = [*hits, *bench.search(row.context[:_ASKED_WITH])]
    # Of two editions that say the same, it is from the one in force.
    ranked = ((len(words & sketch(hit.text)), hit.document not in bench.older, hit.document) for hit in near)
    shared, _, document = max(ranked, default=(0, False, ""))
    return own, document if words and shared >= _SAME_TEXT * len(words) else ""
