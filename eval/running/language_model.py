"""How well a model and its adapters know a language, and what they forgot, by the probabilities they give to texts.

Needs the weights in this process: a server does not tell. Log probabilities are natural, one a token. ``data/general``
holds the fixed text and the probe: a hundred sentences with a right continuation and wrong ones, of our own writing, on
nothing that a domain would teach.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from assistant.artifacts.evaluations import Mean
from assistant.artifacts.row_files import parsed
from assistant.engines.adapted import AdaptedModel
from assistant.engines.opening import uses_server
from assistant.errors import UsageError
from assistant.models.loading import choose
from assistant.prompt import build_messages
from assistant.store.index import Index
from eval.aggregation import mean
from eval.cases import Case, json_lines, read_text
from eval.contamination import held_out
from eval.gold import text_of
from eval.metrics import Score, score
from eval.results import LanguageModel
from eval.running.runner import Plan
from eval.running.systems import CLOSED_BOOK

PROBE_FILE = "probe.jsonl"
TEXT_FILE = "text.md"
# More would take minutes and move a mean by less than its interval.
_MOST_ANSWERS = 100
_MOST_CHARACTERS = 1000

Text = tuple[list[int], str, str]
"""The tokens that a text comes behind, the text, and the document that it is about."""


@dataclass(frozen=True, slots=True)
class ProbeItem:
    """The beginning of a sentence, how it goes on, and how it does not."""

    id: Annotated[str, Field(min_length=1)]
    prompt: Annotated[str, Field(min_length=1)]
    right: Annotated[str, Field(min_length=1)]
    wrong: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    kind: str
    language: str = "en"

    @property
    def continuations(self) -> tuple[str, ...]:
        """All of them, the right one first."""
        return (self.right, *self.wrong)


_ITEM = TypeAdapter(ProbeItem)


def bits_per_byte(log_probabilities: Sequence[float], text: str) -> float | None:
    """-sum log p / (ln 2 * bytes of the text in UTF-8), as in lm-eval; None for a text without bytes.

    Unlike perplexity it does not depend on how a tokenizer cuts. Pass the log probabilities of the text's tokens
    alone, not those of a prompt or of chat markup.
    """
    size = len(text.encode())
    return -math.fsum(log_probabilities) / (math.log(2) * size) if size else None


def chooses_right(item: ProbeItem, log_probabilities: Sequence[float]) -> float:
    """1 if the right continuation is the likeliest a byte, else 0 (lm-eval's ``acc_norm``); a tie is wrong.

    ``log_probabilities`` are the sums over the tokens of each of ``item.continuations``, given the prompt.
    """
    rates = [total / len(text.encode()) for total, text in zip(log_probabilities, item.continuations, strict=True)]
    return float(rates[0] > max(rates[1:]))


def read_probe(folder: Path) -> list[ProbeItem]:
    """All items of ``folder``. Raises UsageError that names the first line that cannot be used."""
    items = [parsed(line, _ITEM, place, UsageError) for line, place in json_lines(folder / PROBE_FILE)]
    if len({item.id for item in items}) < len(items):
        raise UsageError(f"{folder / PROBE_FILE}: an id stands there twice.", "Give each item an id of its own.")
    return items


def read_general_text(folder: Path) -> list[str]:
    """The paragraphs of the general text: what forgetting is measured on, one observation each. Raises UsageError."""
    paragraphs = read_text(folder / TEXT_FILE).split("\n\n")
    return [" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip() and paragraph[0] != "#"]


def measurement(
    general: Path | None, plan: Plan, catalog: Index
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
    tokenizer, tokens = model.template.tokenizer, model.template.control_tokens
    # What a text comes behind, so that its first token has a probability too.
    start = [int(tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id)]
    paragraphs = [(start, text, text) for text in read_general_text(general)]
    probe = read_probe(general)
    asked = [case for case in cases if case.answers][:_MOST_ANSWERS]
    messages = [build_messages(CLOSED_BOOK, (), case.history, case.question, tokens) for case in asked]
    answers = [
        (model.template.prompt_ids(prompt), case.answers[0], case.cluster)
        for prompt, case in zip(messages, asked, strict=True)
    ]
    beginnings = [(start, text[:_MOST_CHARACTERS], path) for path, text in sorted(documents.items()) if text]

    def probe_right(adapter: str | None) -> Mean | None:
        """Share of the probe's sentences whose right continuation is the likeliest."""
        weights, found = model.select(adapter), {}
        for item in probe:
            before = [*start, *_ids(model, item.prompt)]
            totals = [sum(log_probabilities(weights, before, _ids(model, text))) for text in item.continuations]
            found[item.id] = Score(chooses_right(item, totals))
        return mean(list(found.values()), list(found)) if found else None

    return tuple(
        LanguageModel(
            adapter,
            _bits(model, adapter, paragraphs),
            probe_right(adapter),
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
        score(bits_per_byte(log_probabilities(weights, before, _ids(model, text)), text), "the text has no bytes")
        for before, text, _ in texts
    ]
    return mean(found, [document for _, _, document in texts]) if found else None


def _ids(model: AdaptedModel, text: str) -> list[int]:
    ids: list[int] = model.template.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
