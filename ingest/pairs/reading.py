"""Reading exercises of our own writing: made-up documents, and questions about them as people ask them.

What the form of a document gives stays near its words. People tell what happened to them, in words of their own, and
ask for what nobody wrote down. A model that is tuned learns both here, whatever its corpus is about.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import yaml

from assistant.pairs import Pair, Split
from assistant.types import Passage
from ingest.pairs.candidate import share_of
from ingest.pairs.context import Fits, cited
from ingest.pairs.identity import identified

_FOLDER = "reading"
Exercise = Mapping[str, Any]
"""``language``, ``topic``, ``passages`` and ``questions``; a question without ``passage`` is answered by none."""


def exercises() -> list[Exercise]:
    """All of them, in the order of their files."""
    folder = files("ingest.pairs").joinpath(_FOLDER)
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return [one for file in found for one in yaml.safe_load(file.read_text("utf-8"))]


def reading_pairs(
    most: float, languages: Sequence[str], refusal: Mapping[str, str], validation: float, fits: Fits, seed: int
) -> list[Pair]:
    """Whole exercises in the languages of a corpus, together at most ``most`` pairs; ``validation`` of them watch.

    ``refusal`` is the house refusal by language.
    """
    pairs: list[Pair] = []
    fitting = [one for one in exercises() if one["language"] in languages]
    for exercise in sorted(fitting, key=lambda one: share_of(seed, one["topic"])):
        split: Split = "validation" if share_of(seed, _FOLDER, exercise["topic"]) < validation else "train"
        some = list(_pairs(exercise, split, refusal, fits))
        if len(pairs) + len(some) > most:
            break
        pairs += some
    return pairs


def _pairs(exercise: Exercise, split: Split, refusal: Mapping[str, str], fits: Fits) -> Iterator[Pair]:
    language = exercise["language"]
    passages = tuple(
        Passage(one["document"], 0, len(one["text"]), one["context"], one["text"].strip())
        for one in exercise["passages"]
    )
    for question in exercise["questions"]:
        golden = question.get("passage")
        if fits(passages, question["ask"]):
            yield identified(
                Pair(
                    id="",
                    instruction=question["ask"],
                    response=cited(question["answer"], golden) if golden else _said(refusal, language),
                    source="reading",
                    split=split,
                    kind="reading" if golden else "near-miss",
                    passages=passages,
                    golden=golden,
                    quote=question.get("quote", ""),
                    language=language,
                )
            )


def _said(refusal: Mapping[str, str], language: str) -> str:
    return refusal.get(language, next(iter(refusal.values())))
