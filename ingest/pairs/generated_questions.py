"""Questions as people ask them, which a model writes: each about one fact of a chunk, in one style.

    fact       A lost card is replaced within 3 days for a fee of €5.
    plain      What does it cost to replace a lost library card?
    terse      lost library card fee
    story      I left my library card on the bus. What will a new one cost me?
    two-part   How long does a new library card take, and what does it cost?
    typo       What does it cost to repalce a lost library card?

The fact stands for the answer until one is read from the passages (``ingest.pairs.generated_answers``). All prompts
begin alike, with the same examples, so that an engine reads them once.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assistant.store.index import StoredChunk
from assistant.types import Message
from ingest.pairs.candidates import CandidatePair, Drops, number_of, wordings
from ingest.pairs.evidence_lists import folded
from ingest.pairs.headed_blocks import blocks_of, sentences_of
from ingest.pairs.selection import stands_alone
from ingest.pairs.teacher import Replies, Teacher, TeacherPrompt

UNREADABLE = "unreadable reply"
# What the form of a document gives as statements that a question can be written for.
STATED = frozenset({"table", "entry"})

_FEWEST_WORDS, _MOST_WORDS = 7, 40  # below, hardly a fact; above, several
_LONGEST_QUESTION = 64
"""In tokens: two sentences, for a question with its story."""
# A typo is made of a plain question once that is answered: a model makes none when asked, and repeats those it reads.
_STYLES = ("plain", "story", "terse", "two-part", "typo")
_LANGUAGES = {"fr": "French", "es": "Spanish", "it": "Italian", "nl": "Dutch", "pt": "Portuguese", "pl": "Polish"}


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a chunk says, in words that stand by themselves; ``quote`` is how it says it."""

    text: str
    quote: str


def written(
    chunks: Sequence[StoredChunk],
    stated: Mapping[int, Sequence[CandidatePair]],
    teacher: Teacher,
    replies: Replies,
    count: int,
    seed: int,
    drops: Drops,
) -> list[CandidatePair]:
    """Questions that ``teacher`` writes, about at most ``count`` facts of each chunk; their responses are the facts.

    ``stated`` are statements that are found in the form of chunks, as rows of tables. Raises what ``Teacher.replies``
    raises.
    """
    wanted = [one for chunk in chunks for one in _wanted(chunk, facts_of(chunk, stated.get(chunk.id, ())), count, seed)]
    asked = [TeacherPrompt(chunk.text, _prompt(chunk, fact, style)) for chunk, fact, style in wanted]
    candidates: list[CandidatePair] = []
    for (chunk, fact, style), reply in zip(
        wanted, replies.all(teacher, asked, _LONGEST_QUESTION, "Writing questions"), strict=True
    ):
        question = question_in(reply, style)
        asked_so = question or folded(reply)[:200]
        about = chunk.id, chunk.document, chunk.language
        candidate = CandidatePair(asked_so, fact.text, fact.quote, style, *about, source="generated")
        if question:
            candidates.append(candidate)
        else:
            drops.add(UNREADABLE, candidate)
    return candidates


def facts_of(chunk: StoredChunk, stated: Sequence[CandidatePair]) -> list[Fact]:
    """The sentences of a chunk that stand by themselves, and what its tables state."""
    sentences = (
        Fact(sentence, raw)
        for block in blocks_of(chunk, continues=False)
        if block.kind != "table"
        for sentence, raw in sentences_of(block)
        if _FEWEST_WORDS <= len(sentence.split()) <= _MOST_WORDS and sentence.endswith((".", "!"))
    )
    found = [*sentences, *(Fact(one.response, one.quote) for one in stated)]
    return [fact for fact in dict.fromkeys(found) if stands_alone("", fact.text, chunk.language, by_people=False)]


def question_in(reply: str, style: str) -> str:
    """The question in a reply, all of it on one line; empty where there is none."""
    line = reply.strip().split("\n")[0].strip(' "“”„')
    if style == "terse" and "?" not in line:
        return line if 2 <= len(line.split()) <= _MOST_WORDS // 3 and not line.endswith(".") else ""
    question, mark, _ = line.rpartition("?")
    return f"{question}{mark}"


def mistyped(question: str, seed: int) -> str:
    """A question with two letters exchanged inside one of its longer words, as somebody who types fast writes it."""
    words = [match.span() for match in re.finditer(r"\b[a-zäöüß]{5,}\b", question)]
    if not words:
        return question
    start, end = words[number_of(seed, "typo", question) % len(words)]
    place = start + 1 + number_of(seed, question) % (end - start - 3)
    return f"{question[:place]}{question[place + 1]}{question[place]}{question[place + 2 :]}"


def _wanted(
    chunk: StoredChunk, facts: Sequence[Fact], count: int, seed: int
) -> Iterator[tuple[StoredChunk, Fact, str]]:
    """Facts with the styles in which they are asked for; a question with two parts is about two of them."""
    first = number_of(seed, chunk.document, chunk.text)
    chosen = sorted(facts, key=lambda fact: number_of(seed, fact.text))[:count]
    for place, fact in enumerate(chosen):
        style = _STYLES[(first + place) % len(_STYLES)]
        other = facts[(facts.index(fact) + 1) % len(facts)]
        if style == "two-part" and other != fact:
            yield chunk, Fact(f"{fact.text} {other.text}", fact.quote), style
        else:
            yield chunk, fact, "plain" if style == "two-part" else style


def _prompt(chunk: StoredChunk, fact: Fact, style: str) -> list[Message]:
    wording = wordings("asking", chunk.language) or wordings("asking", "en")
    task, styles = wording["task"], wording["styles"]
    system = wording["system"]
    if chunk.language in _LANGUAGES:
        system += f" Write it in {_LANGUAGES[chunk.language]}."
    messages = [Message("system", system)]
    for one in wording["examples"]:
        asked = task.format(where=one["where"], fact=one["fact"], style=styles[one["style"]])
        messages += [Message("user", asked), Message("assistant", one["question"])]
    where = " ".join(chunk.context.partition("\n")[0].split()) or chunk.title
    asked = task.format(where=where, fact=fact.text, style=styles[style.replace("typo", "plain")])
    return [*messages, Message("user", asked)]
