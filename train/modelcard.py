"""The model card: an adapter's identity card as a page for people."""

import json
from collections.abc import Sequence
from typing import Literal

import yaml

from assistant.artifacts.cards import FULL, AdapterCard

Use = Literal["workspace", "peft", "transformers", "gguf", "gguf-lora"]
# How each form of an adapter is used: a sentence, and what to type.
_USES: dict[Use, tuple[str, str]] = {
    "workspace": (
        "With this program, and for llama.cpp or Ollama:",
        """\
assistant ask --adapter {name} "..."
assistant adapters export {name} --to ./{name}-gguf --format gguf""",
    ),
    "peft": (
        "With transformers and PEFT; BASE is the folder or Hub id of the base model:",
        """\
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE), {folder!r})
tokenizer = AutoTokenizer.from_pretrained(BASE)""",
    ),
    "transformers": (
        "With transformers:",
        """\
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained({folder!r})""",
    ),
    "gguf": (
        "With llama.cpp, or with Ollama:",
        """\
llama-server -m model.gguf
ollama create {name} -f Modelfile && ollama run {name}""",
    ),
    "gguf-lora": (
        "With llama.cpp, or with Ollama; base.gguf is the base model, in 16 bit for the answers of training:",
        """\
llama-server -m base.gguf --lora adapter.gguf
ollama create {name} -f Modelfile && ollama run {name}""",
    ),
}
_LIMITS = """\
It was trained to answer from the passages that stand in the prompt, in the form that `assistant ask` gives them, and to
refuse where they do not answer. It was not trained to know facts: without passages it is no better than its base model,
and what it says then should not be relied on. It fits the base model, tokenizer and chat template named above and no
others. The licence of the base model and the rights in the documents apply to it as well."""


def model_card(card: AdapterCard, size: int, uses: Sequence[Use], pictures: Sequence[str] = ()) -> str:
    """The page in Markdown. ``size`` is in bytes; ``pictures`` are files beside it."""
    is_id = card.base.count("/") == 1 and card.base[0] not in "./~"
    metadata = {
        **({"base_model": card.base} if is_id else {}),
        "library_name": "transformers" if card.method == FULL else "peft",
        "pipeline_tag": "text-generation",
        "tags": list(dict.fromkeys(["lora", card.method])),
    }
    what = "A fine-tuned model" if card.method == FULL else "An adapter"
    origin = "composed of other adapters" if card.components else "trained on instruction pairs"
    cells = ((label, text.replace("|", "\\|").replace("\n", " ")) for label, text in facts(card, size).items())
    return "\n\n".join(
        [
            f"---\n{yaml.safe_dump(metadata, sort_keys=False)}---",
            f"# {card.name}",
            f"{what} for answering from documents, {origin}. Base model: `{card.base}`.",
            "\n".join(["| | |", "|---|---|", *(f"| {label} | {text} |" for label, text in cells)]),
            *(f"![{name}]({name})" for name in pictures),
            "## How to use it",
            *(
                part
                for sentence, text in map(_USES.__getitem__, uses)
                for part in (sentence, _code(text.format(name=card.name, folder=f"./{card.name}")))
            ),
            "## How it was made",
            _code(json.dumps(card.config, ensure_ascii=False, indent=2, default=str)),
            "## Limits",
            _LIMITS,
            "",
        ]
    )


def facts(card: AdapterCard, size: int) -> dict[str, str]:
    """What is worth knowing about an adapter: label → text."""
    total = sum(card.pairs_counts.values())
    parts = ", ".join(f"{count} {source}" for source, count in card.pairs_counts.items())
    rows = {
        "method": card.method,
        "base": f"{card.base} (weights {card.base_fingerprint}, template {card.template})",
        "made of": " + ".join(f"{weight:g} × {name}" for name, weight in card.components),
        "parameters": f"{card.parameters:,} ({card.share:.2%} of the base)",
        "size on disk": readable_bytes(size),
        "pairs": f"{total} of '{card.pairs}' ({parts})" if total else "",
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


def _code(text: str) -> str:
    """Indented, so that nothing in ``text`` can end the block."""
    return "\n".join(f"    {line}" for line in text.splitlines())
