"""The languages that texts are read and answered in: each is one folder here, with nothing but data.

    en/interface.yaml     the texts of the app, by page and name
    de/fields.yaml        what settings do, and what pages call them; the command line explains them in English
    de/messages.yaml      what errors, findings and reports of files say there, by the English words (``ui.texts``)
    en/answers.yaml       what the assistant says of its own
    en/words.yaml         closed-class words, and forms made of them (``assistant.text.lexicon``)
    de/report.yaml        the words of an evaluation report, by the English ones (``eval.report.labels``)
    de/questions.yaml     how questions about documents are worded, in languages that pairs are found in by form
    fr/orders.yaml        what orders to a machine are made of, in languages that are only watched for them too

Where a value is a regular expression, each of its lines is one or more alternatives of it.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

Language = Literal["en", "de", "fr"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_FOLDER = Path(__file__).parent
# The parser in C reads a file in a tenth of the time; not every wheel has it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def data(language: str, name: str) -> Any:
    """What the file ``name`` of a language holds; None where it has none."""
    file = _FOLDER / language / f"{name}.yaml"
    return yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER) if file.exists() else None


def answers(kind: str) -> dict[str, str]:
    """What the assistant says of its own, by language: ``answers("refusal")``."""
    return {language: data(language, "answers")[kind] for language in LANGUAGES}


def every(name: str) -> list[Any]:
    """What the files ``name`` of all languages that have one hold."""
    return [data(file.parent.name, name) for file in sorted(_FOLDER.glob(f"*/{name}.yaml"))]


def alternatives(written: str) -> str:
    """The lines of a value as alternatives of a pattern."""
    return "|".join(written.splitlines())


def classes(written: Mapping[str, str | list[str]]) -> dict[str, str]:
    """Classes of words by name as alternatives of patterns, but those that are lists."""
    return {name: alternatives(value) for name, value in written.items() if isinstance(value, str)}
