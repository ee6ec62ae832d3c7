"""Pairs that a model writes from chunks: the words that prove it first, then the answer, then the question.

    {"quote": "Hail damage is covered.", "answer": "Yes, hail damage is covered.", "question": "Is hail covered?"}

Written in this order a model cannot ask for what is not there. Replies are kept on disk as they come.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel, ValidationError

from assistant.prompt import build_messages
from assistant.store.catalog import StoredChunk
from assistant.types import Message
from ingest.pairs.bysentence import candidate_of, lines_of
from ingest.pairs.candidate import Candidate
from ingest.pairs.context import passage_of
from ingest.pairs.drops import Drops
from ingest.pairs.filters import folded
from ingest.pairs.replies import Replies
from ingest.pairs.rows import Row
from ingest.pairs.teacher import Teacher

UNREADABLE = "unreadable reply"
_FEWEST_CHARACTERS = 80
_VOICES = 3

Kind = Literal["fact", "procedure", "condition", "comparison", "definition", "search"]
KINDS: tuple[str, ...] = get_args(Kind)

_SYSTEM = "You write questions that people ask about the documents of an organisation, and their answers."
_TASK = """From the passage above write {count} examples, each of another kind: {kinds}.
For each example write, in this order:
"quote": one or two sentences of the passage, copied exactly;
"answer": the answer in one or two short sentences, with no fact that is not in the quote;
"question": what somebody who has not seen the passage asks to get this answer. It names what it is about. It never says
"the passage" or "this document". A question of the kind "search" is a few keywords;
"kind": one of the kinds above.
Write in {language}.{voice}
Reply with JSON only, as in this example of another passage:
{{"pairs": [{{"quote": "Library cards are valid for two years and can be renewed at any desk.",
"answer": "A library card is valid for two years.",
"question": "How long is a library card valid?", "kind": "fact"}}]}}"""
_JUDGE_SYSTEM = "You check examples for training."
_JUDGE_TASK = """Question: {question}
Answer: {answer}

Does the passage above fully support the answer, does the answer fit the question, and would somebody who has not seen
the passage ask it so? Reply with JSON only: {{"good": true}} or {{"good": false}}."""
_LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "nl": "Dutch"}


class WrittenPair(BaseModel):
    """One example as a model writes it."""

    quote: str
    answer: str
    question: str
    kind: str = "fact"


class Written(BaseModel):
    """A reply: examples from one passage."""

    pairs: list[WrittenPair]


class Verdict(BaseModel):
    """What a judge says of one example."""

    good: bool


class Writer:
    """Writes pairs with a teacher and lets a judge look at them, each as far as there is one."""

    def __init__(
        self,
        teacher: Teacher | None,
        judge: Teacher | None,
        replies: Replies,
        count: int,
        voice: Sequence[Row],
        seed: int,
    ) -> None:
        """``count`` examples a chunk; ``voice`` are examples of how to answer."""
        self._seed = seed
        self._teacher = teacher
        self._judge = judge
        self._replies = replies
        self._count = count
        self._voice = voice

    def write(self, chunks: Iterable[StoredChunk], drops: Drops) -> list[Candidate]:
        """Candidates about chunks. Raises what ``Teacher.replies`` raises."""
        if self._teacher is None:
            return []
        some = [chunk for chunk in chunks if len(chunk.text) >= _FEWEST_CHARACTERS]
        write = self._write_whole if self._teacher.keeps_format else self._write_questions
        return write(self._teacher, some, drops)

    def _write_whole(self, teacher: Teacher, chunks: Sequence[StoredChunk], drops: Drops) -> list[Candidate]:
        asked = [(chunk.text, _prompt(chunk, self._count, self._voice)) for chunk in chunks]
        candidates: list[Candidate] = []
        replies = self._replies.all(teacher, asked, Written, "Writing pairs")
        for chunk, reply in zip(chunks, replies, strict=True):
            written = [_candidate(pair, chunk) for pair in read_reply(reply)]
            candidates += written
            if not written:
                drops.add(UNREADABLE, _unread(reply, chunk))
        return candidates

    def _write_questions(self, teacher: Teacher, chunks: Sequence[StoredChunk], drops: Drops) -> list[Candidate]:
        lines = [line for chunk in chunks for line in lines_of(chunk, self._count, self._seed)]
        asked = [(line.chunk.text, line.prompt) for line in lines]
        candidates: list[Candidate] = []
        for line, reply in zip(lines, self._replies.all(teacher, asked, None, "Writing questions"), strict=True):
            candidate = candidate_of(line, reply)
            if candidate is None:
                drops.add(UNREADABLE, _unread(reply, line.chunk))
            else:
                candidates.append(candidate)
        return candidates

    def approved(
        self, candidates: Sequence[Candidate], chunks: Mapping[int, StoredChunk], drops: Drops
    ) -> list[Candidate]:
        """Without what the judge, who sees the source, does not find good. It is not asked of what no model wrote."""
        written = [candidate for candidate in candidates if candidate.source == "generated"]
        if self._judge is None or not written:
            return list(candidates)
        asked = [(chunks[one.chunk].text, _judge_prompt(one, chunks[one.chunk])) for one in written]
        replies = self._replies.all(self._judge, asked, Verdict, "Judging")
        bad = {one for one, reply in zip(written, replies, strict=True) if not _is_good(reply)}
        for one in bad:
            drops.add("judge", one)
        return [candidate for candidate in candidates if candidate not in bad]


def read_reply(reply: str) -> list[WrittenPair]:
    """The usable examples in a reply, whatever stands around them; none when there are none."""
    for content in _json_in(reply):
        items = content.get("pairs", [content]) if isinstance(content, dict) else content
        found = [pair for item in items if (pair := _pair(item))] if isinstance(items, list) else []
        if found:
            return found
    return []


def _pair(item: Any) -> WrittenPair | None:
    try:
        pair = WrittenPair.model_validate(item)
    except ValidationError:
        return None
    return pair if pair.quote.strip() and pair.answer.strip() and pair.question.strip() else None


def _json_in(text: str) -> Iterator[Any]:
    """Every JSON value that begins somewhere in a text, the longest first in each place."""
    decoder = json.JSONDecoder()
    position = 0
    while found := re.compile(r"[\[{]").search(text, position):
        try:
            value, position = decoder.raw_decode(text, found.start())
            yield value
        except (ValueError, RecursionError):  # json tells a number of thousands of digits by a plain ValueError
            position = found.start() + 1


def _is_good(reply: str) -> bool:
    for content in _json_in(reply):
        if isinstance(content, dict) and isinstance(content.get("good"), bool):
            return bool(content["good"])
    return bool(re.match(r"\W*(?:yes|true|ja)\b", reply, re.IGNORECASE))


def _candidate(pair: WrittenPair, chunk: StoredChunk) -> Candidate:
    kind = pair.kind.strip().lower()
    return Candidate(
        instruction=folded(pair.question),
        response=folded(pair.answer),
        quote=pair.quote.strip(),
        kind=kind if kind in KINDS else "fact",
        chunk=chunk.id,
        document=chunk.document,
        language=chunk.language,
        source="generated",
    )


def _unread(reply: str, chunk: StoredChunk) -> Candidate:
    return Candidate("", folded(reply)[:200], "", "", chunk.id, chunk.document, chunk.language, "generated")


def _prompt(chunk: StoredChunk, count: int, voice: Sequence[Row]) -> list[Message]:
    own = [row for row in voice if row.language in {"", chunk.language}]
    examples = "".join(f'\n- "{row.response}"' for row in own[:_VOICES])
    task = _TASK.format(
        count=count,
        kinds=", ".join(KINDS),
        language=_LANGUAGES.get(chunk.language, "the language of the passage"),
        voice=f"\nAnswer in the voice of these, which are about something else:{examples}" if examples else "",
    )
    return build_messages(_SYSTEM, [passage_of(chunk)], [], task)


def _judge_prompt(candidate: Candidate, chunk: StoredChunk) -> list[Message]:
    task = _JUDGE_TASK.format(question=candidate.instruction, answer=candidate.response)
    return build_messages(_JUDGE_SYSTEM, [passage_of(chunk)], [], task)
