"""The model card: an adapter's identity card as a page for people, in Markdown (``modelcard.md.jinja``)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import yaml
from jinja2 import Environment, StrictUndefined

from assistant.artifacts.cards import FULL, AdapterCard

Use = Literal["workspace", "peft", "transformers", "gguf", "gguf-lora"]
_TEMPLATE = Path(__file__).with_name("modelcard.md.jinja")


def model_card(card: AdapterCard, size: int, uses: Sequence[Use], pictures: Sequence[str] = (), loss: str = "") -> str:
    """The page in Markdown. ``size`` is in bytes; ``pictures`` are files beside it; ``loss`` is that by precision."""
    is_id = card.base.count("/") == 1 and card.base[0] not in "./~"
    metadata = {
        **({"base_model": card.base} if is_id else {}),
        "library_name": "transformers" if card.method == FULL else "peft",
        "pipeline_tag": "text-generation",
        "tags": list(dict.fromkeys(["lora", card.method])),
    }
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    text = template.render(
        card=card,
        is_whole=card.method == FULL,
        metadata=yaml.safe_dump(metadata, sort_keys=False),
        facts=facts(card, size) | ({"loss by precision": loss} if loss else {}),
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


def losses(card: AdapterCard) -> str:
    """Validation loss of the base and of the adapter, as far as they were measured."""
    known = [f"{loss:.3f}" for loss in (card.base_validation_loss, card.validation_loss) if loss is not None]
    return " → ".join(known)


def readable_bytes(size: int) -> str:
    """A size for people, as in ``4.2 MiB``."""
    return f"{size / (1 << 20):.1f} MiB" if size < 1 << 30 else f"{size / (1 << 30):.2f} GiB"
