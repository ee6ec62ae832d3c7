"""What can be asked: the corpora, the models, and pairs of both to compare."""

from dataclasses import dataclass
from typing import Any

from assistant.adapters import adapter_names
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


def _another(context: AppContext, corpus: str | None) -> str | None:
    """What the base model is compared with at first: an adapter on the same documents, else the same on others."""
    names = [model.name for model in context.service.models()]
    adapters = [model.name for model in context.service.models() if model.corpus == corpus and model.adapter]
    return next(iter(adapters or reversed(names)), None)


def choices_of(context: AppContext) -> Choices:
    """What the workspace holds now."""
    corpora = context.workspace.corpus_names()
    corpus = DEFAULT_CORPUS if DEFAULT_CORPUS in corpora else next(iter(corpora), None)
    base = context.text("chat.base")
    adapters = [(name, name) for name in adapter_names(context.workspace.adapters)]
    others = [(f"{model.corpus} · {model.adapter or base}", model.name) for model in context.service.models()]
    return Choices(
        corpus={"choices": list(corpora), "value": corpus, "visible": len(corpora) > 1},
        adapter={"choices": [(base, BASE), *adapters], "value": BASE, "visible": bool(adapters)},
        other={"choices": others, "value": _another(context, corpus)},
        may_compare=len(others) > 1,
    )
