"""How well a model and its adapters know a language, by the probabilities that they give to texts.

Needs the weights in this process: a server does not tell.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from assistant.artifacts.evaluation import Mean
from assistant.engines.adapted import AdaptedModel
from assistant.engines.opening import uses_server
from assistant.errors import UsageError
from assistant.models.device import choose
from assistant.prompt import build_messages
from assistant.store.catalog import Catalog
from assistant.types import Message
from eval.cases import Case
from eval.comparison import mean
from eval.leaks import held_out
from eval.metrics.language_model import ProbeItem, bits_per_byte, chooses_right, read_general_text, read_probe
from eval.metrics.score import Score, score
from eval.results import LanguageModel
from eval.running.plan import Plan
from eval.running.run import text_of
from eval.running.systems import CLOSED_BOOK

_NO_BYTES = "the text has no bytes"
# More would take minutes and move a mean by less than its interval.
_MOST_ANSWERS = 100
_MOST_CHARACTERS = 1000

Text = tuple[list[int], str, str]
"""The tokens that a text comes behind, the text, and the document that it is about."""


def measurement(
    general: Path | None, plan: Plan, catalog: Catalog
) -> Callable[[Sequence[Case]], tuple[LanguageModel, ...]]:
    """How the models of a plan are measured on its cases and on a folder like ``data/general``; without one, not.

    Raises UsageError for a folder that cannot be used, or a server.
    """
    if general is None:
        return lambda _: ()
    settings = plan.settings
    if uses_server(settings.engine):
        raise UsageError("A server does not tell probabilities.", "Leave out --forgetting, or run the model here.")
    read_probe(general)  # a wrong folder is told before anything is asked
    read_general_text(general)
    adapters = list(dict.fromkeys(system.adapter for system in plan.systems if system.adapter))

    def measure(cases: Sequence[Case]) -> tuple[LanguageModel, ...]:
        unseen = held_out(cases, [pair for pairs in plan.pairs.values() for pair in pairs])
        text = text_of(catalog)
        documents = {path: text(path) or "" for case in unseen for path in case.documents}
        model = AdaptedModel(settings.engine, choose(settings.device), plan.workspace.adapters)
        return language_models(model, adapters, general, cases, documents)

    return measure


def language_models(
    model: AdaptedModel,
    adapters: Sequence[str],
    general: Path,
    cases: Sequence[Case],
    documents: Mapping[str, str],
) -> tuple[LanguageModel, ...]:
    """The base model and each adapter on a folder like ``data/general``, gold answers, and documents (path → text).

    Raises UsageError for a folder without text and probe, and what loading an adapter raises.
    """
    start = _start(model)
    paragraphs = [(start, text, text) for text in read_general_text(general)]
    probe = read_probe(general)
    answers = [_answer(model, case) for case in cases if case.answers][:_MOST_ANSWERS]
    beginnings = [(start, text[:_MOST_CHARACTERS], path) for path, text in sorted(documents.items()) if text]
    return tuple(
        LanguageModel(
            adapter,
            _bits(model, adapter, paragraphs),
            _right(model, adapter, start, probe),
            _bits(model, adapter, answers),
            _bits(model, adapter, beginnings),
        )
        for adapter in (None, *adapters)
    )


def log_probabilities(model: Any, before: Sequence[int], tokens: Sequence[int]) -> list[float]:
    """Natural log probability of each of some tokens behind others, of which there is at least one."""
    import torch

    ids = torch.tensor([[*before, *tokens]], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits[0]
    predicted = torch.log_softmax(logits[len(before) - 1 : -1].float(), dim=-1)
    found: list[float] = predicted.gather(1, ids[0, len(before) :, None])[:, 0].tolist()
    return found


def _bits(model: AdaptedModel, adapter: str | None, texts: Sequence[Text]) -> Mean | None:
    """Mean bits per byte; None without texts."""
    weights = model.select(adapter)
    found = [
        score(bits_per_byte(log_probabilities(weights, before, _ids(model, text)), text), _NO_BYTES)
        for before, text, _ in texts
    ]
    return mean(found, [document for _, _, document in texts]) if found else None


def _right(model: AdaptedModel, adapter: str | None, start: list[int], probe: Iterable[ProbeItem]) -> Mean | None:
    """Share of the probe's sentences whose right continuation is the likeliest; None without a probe."""
    weights = model.select(adapter)

    def chosen(item: ProbeItem) -> Score:
        before = [*start, *_ids(model, item.prompt)]
        return Score(
            chooses_right(
                item, [sum(log_probabilities(weights, before, _ids(model, text))) for text in item.continuations]
            )
        )

    found = {item.id: chosen(item) for item in probe}
    return mean(list(found.values()), list(found)) if found else None


def _answer(model: AdaptedModel, case: Case) -> Text:
    messages: list[Message] = build_messages(
        CLOSED_BOOK, (), case.history, case.question, model.template.control_tokens
    )
    return model.template.prompt_ids(messages), case.answers[0], case.cluster


def _start(model: AdaptedModel) -> list[int]:
    """What a text comes behind, so that its first token has a probability too."""
    tokenizer = model.template.tokenizer
    token = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return [int(token)]


def _ids(model: AdaptedModel, text: str) -> list[int]:
    ids: list[int] = model.template.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
