"""Pairs of our own writing: made-up documents with questions about them, a little chat, and questions of no document.

What the form of a document gives stays near its words. People tell what happened to them, in words of their own, and
ask for what nobody wrote down. A model that is tuned learns both here, whatever its corpus is about; the chat keeps it
from forgetting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from assistant.artifacts.pairs import Pair, Split
from assistant.text.words import text_in
from assistant.types import Passage
from ingest.pairs.candidates import identified, share_of
from ingest.pairs.evidence_lists import Fits, cited

_FOLDER = "exercises"


class _Part(BaseModel):
    """A part of a file, in which a mistyped key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class ExercisePassage(_Part):
    """A passage of a made-up document."""

    document: str
    context: str
    text: str


class AnswerableQuestion(_Part):
    """A question, the number of the passage that answers it, the words there that prove it, and the answer."""

    ask: str
    passage: int
    quote: str
    answer: str


class UnanswerableQuestion(_Part):
    """A question that no passage answers, and why."""

    ask: str
    why: str


class Exercise(_Part):
    """Passages of one organisation, and questions about them."""

    language: str
    topic: str
    passages: tuple[ExercisePassage, ...]
    questions: tuple[AnswerableQuestion | UnanswerableQuestion, ...]


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
        passages = tuple(Passage(one.document, 0, len(one.text), one.context, one.text) for one in exercise.passages)
        common = Pair("", "", "", source="reading", split=split, passages=passages, language=exercise.language)
        asked: list[Pair] = []
        for question in exercise.questions:
            refused = text_in(refusal, exercise.language)
            pair = replace(common, instruction=question.ask, response=refused, kind="near-miss")
            if isinstance(question, AnswerableQuestion):
                response, golden = cited(question.answer, question.passage), question.passage
                pair = replace(pair, response=response, kind="reading", golden=golden, quote=question.quote)
            if fits(pair.passages, pair.instruction):
                asked.append(identified(pair))
        if len(pairs) + len(asked) > most:
            break
        pairs += asked
    answered = sum(pair.golden is not None for pair in pairs)
    open_ones = [pair for pair in pairs if pair.golden is None]
    open_ones.sort(key=lambda pair: share_of(seed, pair.instruction))
    kept = set(open_ones[: round(refusals / (1 - refusals) * answered)])
    return [pair for pair in pairs if pair.golden is not None or pair in kept]


@cache
def _content() -> Mapping[str, Any]:
    content: Mapping[str, Any] = yaml.safe_load(files("ingest.pairs").joinpath("general.yaml").read_text("utf-8"))
    return content


def general_pairs(most: float, languages: Sequence[str], seed: int) -> list[Pair]:
    """At most ``most`` chats in the languages of a corpus; without passages, and with a system text of their own."""
    content = _content()
    fitting = [row for row in content["chat"] if row["language"] in languages]
    fitting.sort(key=lambda row: share_of(seed, row["instruction"]))
    return [
        identified(
            Pair(
                id="",
                instruction=row["instruction"],
                response=row["response"],
                source="general",
                kind="chat",
                system=content["system"],
                language=row["language"],
            )
        )
        for row in fitting[: round(most)]
    ]


def foreign_questions() -> Mapping[str, Sequence[str]]:
    """Questions of no document here, by language."""
    questions: Mapping[str, Sequence[str]] = _content()["unanswerable"]
    return questions
