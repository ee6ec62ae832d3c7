"""Reading exercises of our own writing: made-up documents, and questions about them as people ask them.

What the form of a document gives stays near its words. People tell what happened to them, in words of their own, and
ask for what nobody wrote down. A model that is tuned learns both here, whatever its corpus is about.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict

from assistant.artifacts.pairs import Pair, Split
from assistant.text.words import text_in
from assistant.types import Passage
from ingest.pairs.candidate import share_of
from ingest.pairs.context import Fits, cited
from ingest.pairs.identity import identified

_FOLDER = "exercises"


class _Row(BaseModel):
    """A part of a file, in which a mistyped key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Shown(_Row):
    """A passage of a made-up document."""

    document: str
    context: str
    text: str


class Answered(_Row):
    """A question, the number of the passage that answers it, the words there that prove it, and the answer."""

    ask: str
    passage: int
    quote: str
    answer: str


class Unanswered(_Row):
    """A question that no passage answers, and why."""

    ask: str
    why: str


class Exercise(_Row):
    """Passages of one organisation, and questions about them."""

    language: str
    topic: str
    passages: tuple[Shown, ...]
    questions: tuple[Answered | Unanswered, ...]


@cache
def exercises() -> tuple[Exercise, ...]:
    """All of them, in the order of their files."""
    folder = files("ingest.pairs").joinpath(_FOLDER)
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return tuple(Exercise.model_validate(one) for file in found for one in yaml.safe_load(file.read_text("utf-8")))


def reading_pairs(
    most: float,
    languages: Sequence[str],
    refusals: float,
    refusal: Mapping[str, str],
    validation: float,
    fits: Fits,
    seed: int,
) -> list[Pair]:
    """Whole exercises in the languages of a corpus, together at most ``most`` pairs; ``validation`` of them watch.

    Of the questions that no passage answers so many are taken that they are a share of ``refusals``; what they get is
    the house ``refusal`` in their language.
    """
    pairs: list[Pair] = []
    fitting = [one for one in exercises() if one.language in languages]
    for exercise in sorted(fitting, key=lambda one: share_of(seed, one.topic)):
        split: Split = "validation" if share_of(seed, _FOLDER, exercise.topic) < validation else "train"
        asked = _pairs(exercise, split, text_in(refusal, exercise.language))
        some = [pair for pair in asked if fits(pair.passages, pair.instruction)]
        if len(pairs) + len(some) > most:
            break
        pairs += some
    return _with_fewer_refusals(pairs, refusals, seed)


def _pairs(exercise: Exercise, split: Split, refusal: str) -> Iterator[Pair]:
    passages = tuple(Passage(one.document, 0, len(one.text), one.context, one.text) for one in exercise.passages)
    common = Pair("", "", "", source="reading", split=split, passages=passages, language=exercise.language)
    for question in exercise.questions:
        pair = replace(common, instruction=question.ask, response=refusal, kind="near-miss")
        if isinstance(question, Answered):
            response, golden = cited(question.answer, question.passage), question.passage
            pair = replace(pair, response=response, kind="reading", golden=golden, quote=question.quote)
        yield identified(pair)


def _with_fewer_refusals(pairs: Sequence[Pair], share: float, seed: int) -> list[Pair]:
    answered = sum(pair.golden is not None for pair in pairs)
    refused = sorted((pair for pair in pairs if pair.golden is None), key=lambda pair: share_of(seed, pair.instruction))
    kept = set(refused[: round(share / (1 - share) * answered)])
    return [pair for pair in pairs if pair.golden is not None or pair in kept]
