"""Adapters for other programs: a merged model, GGUF for llama.cpp and Ollama, or a folder for the Hub.

What is written is read back and has to give the logits of base model + adapter before it takes its name; what its
precision costs is measured and told. Beside a GGUF file stands a Modelfile, so that Ollama asks a model as this
program does. Ollama has templates of its own (Go's): rather than translate Jinja, the text that the chat template puts
before each turn is read off from a conversation, and said again in Ollama's terms.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from assistant.artifacts.cards import (
    CARD_FILE,
    FULL,
    README_FILE,
    AdapterCard,
    file_hash,
    read_card,
    read_scores,
    write_card,
)
from assistant.artifacts.hub import has_token, is_public, push_folder
from assistant.config import EngineSettings
from assistant.engines.adapted import AdaptedModel
from assistant.engines.canary import TOLERANCE, all_logits
from assistant.engines.lora import read_lora_config, write_lora_config
from assistant.engines.template import ChatTemplate
from assistant.errors import AdapterError
from assistant.models import quiet_transformers, reading_gguf
from assistant.models.fetching import is_hub_id
from assistant.models.loading import Device
from assistant.types import Message
from assistant.workspace import size_of
from train import gguf_files
from train.compose import as_lora, factors_of
from train.modelcard import Use, hub_id, model_card
from train.registry import new_folder

if TYPE_CHECKING:
    import torch

Format = Literal["merged", "gguf", "gguf-lora", "hub"]
Dtype = Literal["float32", "bfloat16", "float16", "q8_0"]
MODEL_GGUF = "model.gguf"
LORA_GGUF = "adapter.gguf"
# Architectures of whose GGUF transformers reads all that it needs; of a Mistral it makes a Llama.
_READ_WHOLE = frozenset({"llama", "mistral", "qwen2"})
_QUESTIONS = ("What is covered?", "Wie hoch ist die Selbstbeteiligung bei Hagel?", "List three things to check first:")
# What may be off by rounding, by the precision whose rounding is about as coarse.
_ALLOWED = TOLERANCE | {"q8_0": TOLERANCE["int8"]}
# Of a prompt; a vocabulary is large.
_PLACES = 32
_MARKS = [f"\ue0a8{number}\ue0a8" for number in range(4)]


@dataclass(frozen=True, slots=True)
class Loss:
    """What a merged model lost by its precision, against base + adapter in float32, at the last tokens of prompts."""

    dtype: Dtype
    divergence: float
    """Mean Kullback–Leibler divergence of what comes next, in nats."""
    agreement: float
    """Share of the places where the likeliest token is the same."""
    places: int

    def __str__(self) -> str:
        return (
            f"{self.dtype}: {self.divergence:.2g} nats of divergence, the same likeliest token at {self.agreement:.1%}"
            f" of {self.places} places"
        )


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: bytes, and of a merged model what its precision cost."""

    size: int
    loss: Loss | None


def export(
    engine: EngineSettings,
    system: str,
    adapters: Path,
    name: str,
    target: Path,
    format_: Format,
    dtype: Dtype | None = None,
    force: bool = False,
) -> "Exported":
    """Write adapter ``name`` of the folder ``adapters`` into the folder ``target``.

    ``system`` is the text that a Modelfile puts first. ``dtype`` is that of a merged model; None takes bfloat16, and
    float16 for a GGUF, which alone can have q8_0: blocks of 32 numbers in 8 bits with a scale. Merging is done in
    float32 on the CPU, from unquantised base weights. With ``force`` an earlier export is replaced.

    Raises AdapterError when the adapter cannot be used or written in this format, when what was written does not
    answer as it should, when ``target`` exists or is among the adapters, or when the disk is full.
    """
    if adapters.resolve() in (target.resolve(), *target.resolve().parents):
        raise AdapterError(f"{target} is in the folder of the adapters.", "Export into a folder elsewhere.")
    if target.exists() and not (target / CARD_FILE).is_file():
        raise AdapterError(f"{target} exists and is no export.", "Name a folder that does not exist.")
    if dtype == "q8_0" and format_ != "gguf":
        raise AdapterError(f"{dtype} is a precision of GGUF.", "Export with --format gguf.")
    adapted = AdaptedModel(engine, Device("cpu", "float32", "exact merging"), adapters)
    card = adapted.card(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(target, force) as beside:
        public, loss = _public(card), None
        if format_ == "hub":
            public = _write_hub(adapted, name, card, beside)
        elif format_ == "gguf-lora":
            _write_lora(adapted, name, card, beside, system)
        else:
            # llama.cpp computes in float32 whatever the file holds: there float16 is the finer of the two.
            chosen: Dtype = dtype or ("float16" if format_ == "gguf" else "bfloat16")
            loss = _write_model(adapted, name, card, beside, system, format_, chosen)
        use: Use = format_ if format_ in ("gguf", "gguf-lora") else "peft"
        if format_ == "merged" or (format_ == "hub" and card.method == FULL):
            use = "transformers"
        _write_cards(beside, public, use, adapters / name, str(loss or ""))
        return Exported(size_of(beside), loss)


def _write_cards(folder: Path, card: AdapterCard, use: Use, adapter: Path, loss: str = "") -> None:
    """Write what programs read of an export, and what people do, with the scores of the adapter."""
    write_card(folder, card)
    text = model_card(card, size_of(folder), [use], loss=loss, scores=read_scores(adapter))
    (folder / README_FILE).write_text(text, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was sent to the Hugging Face hub, or would be: file → bytes; and the address, empty where nothing was."""

    files: dict[str, int]
    address: str


def push(
    engine: EngineSettings, adapters: Path, name: str, repository: str, *, public: bool = False, dry: bool = False
) -> Pushed:
    """Send adapter ``name``, exported for the hub, to OWNER/NAME, which is made if it is not there.

    Its card calls it as the repository: here it may be called as a file, a person or a customer. One that everyone can
    see names no data sets of the hub that they cannot see. Without a token of the hub nothing is sent, as with ``dry``.
    Raises what ``export`` and ``push_folder`` raise.
    """
    sends = has_token(repository) and not dry
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "export"
        export(engine, "", adapters, name, folder, "hub")
        card = _renamed(read_card(folder), repository.partition("/")[2])
        if public:
            all_see = [one for one in card.hub_data if sends and is_public("/".join(one.split("/")[:2]), "dataset")]
            data = all_see if len(all_see) == len(card.hub_data) else [*all_see, "private data set"]
            card = replace(card, hub_data=tuple(all_see), config=card.config | ({"data": data} if data else {}))
        _write_cards(folder, card, "transformers" if card.method == FULL else "peft", adapters / name)
        files = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
        if not sends:
            return Pushed(files, "")
        message = f"Adapter {card.name}"
        return Pushed(files, push_folder(folder, repository, "model", message, AdapterError, public=public))


def _renamed(card: AdapterCard, name: str) -> AdapterCard:
    """The card under another name, without the names of the adapters that it was made of."""
    config = {key: value for key, value in card.config.items() if key not in ("name", "adapter")}
    parts = tuple((f"adapter {number}", weight) for number, (_, weight) in enumerate(card.components, 1))
    started_from = "another adapter" if card.started_from else ""
    return replace(card, name=name, config=config, components=parts, started_from=started_from)


def _public(card: AdapterCard) -> AdapterCard:
    """The card without what need not leave the house: names of documents, folders, files and columns, the machine.

    The base has the name that others find it by, and data and origin are told where they are the Hub's.
    """
    base = hub_id(card.base) or Path(card.base).name
    kept = {key: value for key, value in card.config.items() if key not in ("data", "validation_data", "columns")}
    data = {"data": list(card.hub_data)} if card.hub_data else {}
    origin = card.origin if is_hub_id(card.origin) else ""
    return replace(card, base=base, documents={}, machine="", files={}, config=kept | data, origin=origin)


def _write_hub(adapted: AdaptedModel, name: str, card: AdapterCard, folder: Path) -> AdapterCard:
    """The files of the adapter as they are, but for the name of the base; returns the card with their hashes."""
    adapted.select(name)  # passes all checks
    source = adapted.folder_of(name)
    for file in card.files:
        shutil.copy2(source / file, folder / file)
    public = _public(card)
    if card.method != FULL:
        write_lora_config(folder, read_lora_config(source, card), public.base)
    files = {file: file_hash(folder / file) for file in card.files}
    adapted.template.tokenizer.save_pretrained(folder)
    return replace(public, files=files)


def _write_lora(adapted: AdaptedModel, name: str, card: AdapterCard, folder: Path, system: str) -> None:
    model = adapted.peft(name)
    if model.peft_config[model.active_adapter].use_dora:
        raise AdapterError("GGUF has no DoRA adapters.", "Export with --format gguf, which merges it.")
    gguf_files.check_model(adapted.base.config, adapted.template)
    update, config = factors_of(model), adapted.base.config
    gguf_files.write_lora(folder / LORA_GGUF, update, config, card.name)
    prompts = _prompts(adapted.template, system)
    base, wanted = (_said(adapted.select(one), prompts) for one in (None, name))
    written = adapted.attach(*as_lora(gguf_files.read_lora(folder / LORA_GGUF, update, config), adapted.linears))
    _compare(_said(written, prompts), wanted, base, "float32")
    sources = f"# base.gguf is {_public(card).base} as a GGUF file.\nFROM ./base.gguf\nADAPTER ./{LORA_GGUF}"
    (folder / "Modelfile").write_text(modelfile(adapted.template, system, sources), encoding="utf-8")


def _write_model(
    adapted: AdaptedModel, name: str, card: AdapterCard, folder: Path, system: str, format_: Format, dtype: Dtype
) -> Loss:
    import torch

    if format_ == "gguf":
        gguf_files.check_model(adapted.base.config, adapted.template)
    prompts = _prompts(adapted.template, system)
    base, wanted = (_said(adapted.select(one), prompts) for one in (None, name))
    model = adapted.merged(name)
    if format_ == "gguf":
        gguf_files.write_model(folder / MODEL_GGUF, model, adapted.template, card.name, dtype)
        text = modelfile(adapted.template, system, f"FROM ./{MODEL_GGUF}")
        (folder / "Modelfile").write_text(text, encoding="utf-8")
    else:
        with quiet_transformers():
            model.to(getattr(torch, dtype)).save_pretrained(folder)
        adapted.template.tokenizer.save_pretrained(folder)
    del model
    written = _reload(folder, format_, adapted.base.config)
    return _compare(_said(written, prompts), wanted, base, dtype)


def _prompts(template: ChatTemplate, system: str) -> list[list[int]]:
    return [template.prompt_ids([Message("system", system), Message("user", one)]) for one in _QUESTIONS]


def _said(model: Any, prompts: Sequence[list[int]]) -> "list[torch.Tensor]":
    """For each prompt the logits after its last tokens."""
    return [all_logits(model, prompt)[-_PLACES:].clone() for prompt in prompts]


def _reload(folder: Path, format_: Format, config: Any) -> Any:
    """What was written, as transformers reads it; computed in float32, so that only what is written is compared."""
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    options: dict[str, Any] = {}
    if format_ == "gguf":
        options = {"gguf_file": MODEL_GGUF, "quantization_config": GgufConfig(dequantize=True)}
        config = config.get_text_config()
        # Sizes of heads, windows, and positions of other kinds transformers does not read from a GGUF.
        if config.model_type not in _READ_WHOLE or config.rope_parameters["rope_type"] != "default":
            options["config"] = config
    with reading_gguf() if format_ == "gguf" else quiet_transformers():
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True, **options)
    return model.eval()


def _compare(
    found: "Sequence[torch.Tensor]",
    wanted: "Sequence[torch.Tensor]",
    base: "Sequence[torch.Tensor]",
    dtype: Dtype,
) -> Loss:
    """What was lost. Refuses logits of what comes next that are too far from those wanted, or hardly nearer than the
    base's.
    """
    import torch

    tolerance = _ALLOWED[dtype]
    off, shift = (torch.stack([a[-1] - b[-1] for a, b in zip(some, wanted, strict=True)]) for some in (found, base))
    largest = float(off.abs().max())
    if not largest <= tolerance:
        raise AdapterError(
            f"The exported model does not answer as the adapter does: a logit is off by {largest:.3g},"
            f" allowed are {tolerance:.3g}.",
            "Try --dtype float32; if that fails too, this adapter cannot be merged.",
        )
    if not off.norm() < shift.norm() / 2:
        raise AdapterError(
            "What the adapter changes is lost in rounding: the exported model answers like the base model.",
            "Export with --dtype float32.",
        )
    likely, likelier = torch.cat(list(wanted)).log_softmax(-1), torch.cat(list(found)).log_softmax(-1)
    divergence = float((likely.exp() * (likely - likelier)).sum(-1).mean())
    agreement = float((likely.argmax(-1) == likelier.argmax(-1)).float().mean())
    return Loss(dtype, max(0.0, divergence), agreement, len(likely))


def modelfile(template: ChatTemplate, system: str, sources: str) -> str:
    """The Modelfile. ``sources`` are its FROM and ADAPTER lines; ``system`` is the text that comes first."""
    stop, before = template.tokenizer.decode([template.end_of_turn]), before_turns(template)
    go_template = (
        "{{ range $i, $_ := .Messages }}"
        f'{{{{ if eq .Role "system" }}}}{before["system"]}'
        f'{{{{ else if eq .Role "assistant" }}}}{before["answer"]}'
        f"{{{{ else if eq $i 1 }}}}{before['first']}"
        f"{{{{ else }}}}{before['user']}{{{{ end }}}}{{{{ .Content }}}}{{{{ end }}}}"
        f"{before['answer']}"
    )
    return (
        f"{sources}\n"
        f'TEMPLATE """{go_template}"""\n'
        f'SYSTEM """{system}"""\n'
        f'PARAMETER stop "{stop}"\n'
        "PARAMETER temperature 0\n"
    )


def before_turns(template: ChatTemplate) -> dict[str, str]:
    """What stands before the text of each turn: ``system``, the ``first`` question, an ``answer``, a later ``user``."""
    system, first, answer, user = _MARKS
    turns = [Message("system", system), Message("user", first), Message("assistant", answer), Message("user", user)]
    text = template.prompt_text(turns)
    before: dict[str, str] = {}
    for name, mark in zip(("system", "first", "answer", "user"), _MARKS, strict=True):
        before[name], _, text = text.partition(mark)
    return before
