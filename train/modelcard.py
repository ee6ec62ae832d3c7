"""The model card: an adapter's identity card as a page for people, in Markdown (``modelcard.md.jinja``)."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from jinja2 import Environment, StrictUndefined, Template

from assistant.artifacts.cards import FULL, AdapterCard, AdapterScores
from assistant.models.catalogue import entry_of
from assistant.models.fetching import is_hub_id

Use = Literal["workspace", "peft", "transformers", "gguf", "gguf-lora"]
_TEMPLATE = Path(__file__).with_name("modelcard.md.jinja")


_LICENCES = {"Llama 3.1 Community": "llama3.1", "Llama 3.2 Community": "llama3.2"}
"""What the Hub calls licences of the catalogue; of the others it has the names in small letters."""


@cache
def _template() -> Template:
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def model_card(
    card: AdapterCard,
    size: int,
    uses: Sequence[Use],
    pictures: Sequence[str] = (),
    loss: str = "",
    scores: AdapterScores | None = None,
) -> str:
    """The page in Markdown, with a header as the Hub reads it.

    ``size`` is in bytes; ``pictures`` are files beside it; ``loss`` is that by precision, ``scores`` the last
    evaluation.
    """
    from huggingface_hub import EvalResult, ModelCardData

    base, known = hub_id(card.base), entry_of(card.base)
    licence = card.licence or (_LICENCES.get(known.licence, known.licence.lower()) if known else "")
    results = []
    if scores:
        for metric, (value, low, high) in scores.means.items():
            bounds = None if low is None or high is None else {"95 % interval": [round(low, 4), round(high, 4)]}
            asked = f"{scores.cases} questions of its owner"
            results.append(EvalResult("text-generation", "private", asked, metric, round(value, 4), metric_args=bounds))
    metadata = ModelCardData(
        base_model=base or None,
        base_model_relation="finetune" if card.method == FULL else "adapter",
        library_name="transformers" if card.method == FULL else "peft",
        license=licence or None,
        pipeline_tag="text-generation",
        datasets=list(dict.fromkeys("/".join(name.split("/")[:2]) for name in card.hub_data)) or None,
        tags=list(dict.fromkeys(["lora", card.method])),
        model_name=card.name if results else None,
        eval_results=results or None,
    )
    rows = facts(card, size) | {"licence": licence, "loss by precision": loss, "evaluation": evaluation(scores)}
    text = _template().render(
        card=card,
        is_whole=card.method == FULL,
        from_data="data" in card.pairs_counts,
        metadata=metadata.to_yaml(line_break="\n"),
        facts={label: text for label, text in rows.items() if text},
        pictures=pictures,
        uses=uses,
        config=json.dumps(card.config, ensure_ascii=False, indent=2, default=str),
    )
    return f"{text}\n\n"


def facts(card: AdapterCard, size: int) -> dict[str, str]:
    """What is worth knowing about an adapter: label → text."""
    total = sum(card.pairs_counts.values())
    parts = ", ".join(f"{count} {source}" for source, count in card.pairs_counts.items())
    rows = {
        "method": card.method,
        "base": f"{card.base} (weights {card.base_fingerprint}, template {card.template})",
        "from": card.origin,
        "licence": card.licence,
        "made of": " + ".join(f"{weight:g} × {name}" for name, weight in card.components),
        "goes on from": card.started_from,
        "parameters": f"{card.parameters:,} ({card.share:.2%} of the base)",
        "size on disk": readable_bytes(size),
        "pairs": f"{total} of '{card.learnt_from}' ({parts})" if total else "",
        "documents": f"{len(card.documents)} of corpus '{card.corpus}', generation {card.generation}"
        if card.documents
        else "",
        "validation loss": losses(card),
        "training loss": "" if card.train_loss is None else f"{card.train_loss:.3f}",
        "training": f"{card.steps:,} steps, {card.tokens:,} tokens, {card.seconds / 60:.1f} minutes"
        if card.steps
        else "",
        "machine": card.machine,
        "versions": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
        "created": card.created,
    }
    return {label: text for label, text in rows.items() if text}


def hub_id(base: str) -> str:
    """The id on the Hub of a base model; empty where none is known."""
    known = entry_of(base)
    return known.hub if known else base if is_hub_id(base) and not Path(base).is_dir() else ""


def evaluation(scores: AdapterScores | None) -> str:
    """The means of an evaluation and their 95 % intervals; empty where there was none."""
    means = scores.means.items() if scores else ()
    told = [
        f"{metric} {value:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else "")
        for metric, (value, low, high) in means
    ]
    return f"{', '.join(told)} ({scores.cases} questions)" if scores and told else ""


def losses(card: AdapterCard) -> str:
    """Validation loss of the base and of the adapter, as far as they were measured."""
    known = [f"{loss:.3f}" for loss in (card.base_validation_loss, card.validation_loss) if loss is not None]
    return " → ".join(known)


def readable_bytes(size: int) -> str:
    """A size for people, as in ``4.2 MiB``."""
    return f"{size / (1 << 20):.1f} MiB" if size < 1 << 30 else f"{size / (1 << 30):.2f} GiB"
