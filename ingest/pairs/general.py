"""A little chat of our own writing, against forgetting, and questions that no document here answers."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import yaml

from assistant.artifacts.pairs import Pair
from ingest.pairs.candidate import share_of
from ingest.pairs.identity import identified


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
