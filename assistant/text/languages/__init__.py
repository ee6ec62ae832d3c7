"""The languages that texts are read and answered in: each is one folder here, with nothing but data.

en/interface.yaml     the texts of the app, by page and name
de/fields.yaml        what settings are called there, where a language has words of its own for them
"""

from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

Language = Literal["en", "de"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_FOLDER = Path(__file__).parent


@cache
def data(language: str, name: str) -> Any:
    """What the file ``name`` of a language holds; None where it has none."""
    file = _FOLDER / language / f"{name}.yaml"
    return yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
