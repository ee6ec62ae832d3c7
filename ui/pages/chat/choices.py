"""What can be asked: the corpora, the models, and pairs of both to compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assistant.artifacts.adapters import adapter_names
from assistant.service import ServedModel
from assistant.workspace import DEFAULT_CORPUS
from ui.context import AppContext

BASE = ""
"""What the base model is called in a list of adapters: no adapter can be."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Properties of the dropdowns: what they offer, what is chosen, and whether there is anything to choose."""

    corpus: dict[str, Any]
    adapter: dict[str, Any]
    other: dict[str, Any]
    may_compare: bool


def choices_of(context: AppContext, last: str = "") -> Choices:
    """What the workspace holds now; the corpus asked ``last`` is chosen, that a new one does not take its place."""
    corpora = context.workspace.corpus_names()
    corpus = next((one for one in (last, DEFAULT_CORPUS, *corpora) if one in corpora), None)
    base = context.text("chat.base")
    adapters = [(name, name) for name in adapter_names(context.workspace.adapters)]
    models = context.service.models()
    others = [(f"{model.corpus} · {model.adapter or base}", model.name) for model in models]
    return Choices(
        corpus={"choices": list(corpora), "value": corpus, "visible": len(corpora) > 1},
        adapter={"choices": [(base, BASE), *adapters], "value": BASE, "visible": bool(adapters)},
        other={"choices": others, "value": _another(models, corpus)},
        may_compare=len(others) > 1,
    )


def _another(models: Sequence[ServedModel], corpus: str | None) -> str | None:
    """What the base model is compared with at first: an adapter on the same documents, else the last of all."""
    adapters = (model.name for model in models if model.corpus == corpus and model.adapter)
    return next(adapters, models[-1].name if models else None)
