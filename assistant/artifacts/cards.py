"""Adapters on disk: their cards, whether one may be used with the model at hand, and what became of its documents.

    adapters/NAME/adapter_model.safetensors, adapter_config.json     what PEFT reads (`full`: a whole model instead)
    adapters/NAME/card.json                                          identity and lineage
    adapters/NAME/README.md                                          the same for people
    adapters/NAME/scores.json                                        its last evaluation; goes when it is replaced

Nothing of a model is loaded here; assistant.engines.adapted does that, after the checks of this module.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from assistant.errors import AdapterError, IdentityError, UnknownAdapterError, first_fault
from assistant.workspace import Workspace, replaced_atomically, safe_name

BASE = "base"
"""The name that stands for the base model without any adapter."""
FULL = "full"
"""The method whose folder holds a whole model instead of an adapter."""
CARD_FILE = "card.json"
CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
README_FILE = "README.md"
METRICS_FILE = "metrics.jsonl"
"""The course of a training, a line a step or validation."""
RUN_FILE = "run.json"
"""Of a training that has not ended, in its ``run_folder``."""
_SEPARATOR = ", "
PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})


@dataclass(frozen=True, slots=True)
class Canary:
    """What the adapter said to one prompt when it was saved; it has to say the same when it is loaded."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    prompt_ids: tuple[int, ...]
    top_ids: tuple[int, ...]
    """The likeliest next tokens, best first."""
    top_logits: tuple[float, ...]
    base_logits: tuple[float, ...]
    """What the base model gives the same tokens: an adapter that changes nothing is none. Empty for ``full``."""
    precision: str
    """Of the base weights when this was recorded: ``float32``, ``bfloat16``, ``float16``, ``int8`` or ``nf4``."""


@dataclass(frozen=True, slots=True)
class AdapterCard:
    """Identity and lineage of an adapter. Losses are mean negative log-likelihoods a token (nats)."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    method: str
    """``lora``, ``qlora``, ``lora-8bit``, ``dora``, ``full``, ``dpo``, ``kto``, or ``composed``."""
    base: str
    """``engine.model`` it was trained on."""
    base_fingerprint: str
    template: str
    """``ChatTemplate.identity`` of tokenizer and chat template."""
    corpus: str
    """Of several, as those of a composed adapter, the names are joined by ``, ``."""
    generation: int
    documents: dict[str, str]
    """Path → content hash of the documents behind its pairs; of several versions the hashes are joined by ``, ``."""
    pairs: str
    """Name of the set of pairs; of several, as those of a composed adapter, the names are joined by ``, ``. Empty where
    it learnt from data, which the ``config`` then names."""
    pairs_hash: str
    pairs_counts: dict[str, int]
    """Training pairs by source."""
    config: dict[str, object]
    """The settings of the run."""
    parameters: int
    """Trained parameters."""
    base_parameters: int
    steps: int
    tokens: int
    """Tokens read in training, shared ones once."""
    seconds: float
    train_loss: float | None
    validation_loss: float | None
    base_validation_loss: float | None
    """Of the base model on the same rows, before training."""
    versions: dict[str, str]
    machine: str
    created: str
    """ISO date and time, UTC."""
    components: tuple[tuple[str, float], ...] = ()
    """Names and weights of what a composed adapter was made of."""
    started_from: str = ""
    """The adapter that training went on from; what that one learnt is among pairs and documents."""
    canary: Canary | None = None
    files: dict[str, str] = field(default_factory=dict)
    """File name → SHA-256 of configuration and weights."""
    origin: str = ""
    """Hub id or folder that it was imported from."""
    licence: str = ""
    """Of an imported one, as it says itself."""
    hub_data: tuple[str, ...] = ()
    """What it learnt from of the Hugging Face hub: OWNER/NAME, with /FOLDER for a part."""

    @property
    def share(self) -> float:
        """Trained parameters as a part of the base model's."""
        return self.parameters / max(1, self.base_parameters)

    @property
    def learnt_from(self) -> str:
        """The pairs or the data that it learnt from, for people."""
        data = self.config.get("data")
        return self.pairs or (_SEPARATOR.join(map(str, data)) if isinstance(data, list | tuple) else "")

    @property
    def pair_sets(self) -> list[str]:
        """Names of the sets of pairs behind it."""
        return [name for name in self.pairs.split(_SEPARATOR) if name]


_CARD = TypeAdapter(AdapterCard)


def run_folder(workspace: Workspace, name: str) -> Path:
    """Where the training of an adapter keeps its state; the name of the folder above is none of an adapter."""
    return workspace.adapters / ".runs" / safe_name(name, "adapter")


def unfinished_runs(workspace: Workspace) -> list[str]:
    """Names of the trainings that were begun and not ended, running ones among them."""
    names = (file.parent.name for file in (workspace.adapters / ".runs").glob(f"*/{RUN_FILE}"))
    return sorted(name for name in names if workspace.shows("adapter", name))


def write_card(folder: Path, card: AdapterCard) -> None:
    """Write ``card.json``."""
    (folder / CARD_FILE).write_bytes(_CARD.dump_json(card, indent=2) + b"\n")


def read_card(folder: Path) -> AdapterCard:
    """The card of the adapter in ``folder``. Raises AdapterError when it is missing or damaged."""
    file = folder / CARD_FILE
    try:
        return _CARD.validate_json(file.read_bytes(), strict=True)
    except ValidationError as error:
        reason = first_fault(error)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and (folder / CONFIG_FILE).is_file():
            raise AdapterError(
                f"{folder} has no {CARD_FILE}: it was made by another program.",
                f"Import it: assistant adapters import {folder} --name NEW-NAME",
            ) from None
        reason = error.strerror or str(error)
    raise AdapterError(f"{file} is damaged: {reason}.", "Restore the folder, or train again with --force.")


def adapter_names(adapters: Path) -> tuple[str, ...]:
    """Names of the adapters in the folder ``adapters``, sorted; damaged ones too."""
    if not adapters.is_dir():
        return ()
    for replaced in adapters.glob(".*.replaced"):
        finish_replacement(adapters / replaced.name[1:].removesuffix(".replaced"))
    return tuple(sorted(path.name for path in adapters.iterdir() if path.is_dir() and path.name[0] != "."))


def adapters_shown(workspace: Workspace) -> tuple[str, ...]:
    """Names of the adapters that a workspace shows, sorted."""
    return tuple(name for name in adapter_names(workspace.adapters) if workspace.shows("adapter", name))


def adapter_folder(adapters: Path, name: str) -> Path:
    """The folder of an adapter that exists.

    Raises UsageError for a name that could leave ``adapters``, and UnknownAdapterError, which names the others, where
    there is none.
    """
    folder = adapters / safe_name(name, "adapter")
    names = adapter_names(adapters)
    if name not in names:
        raise UnknownAdapterError(
            f"There is no adapter '{name}' in {adapters}" + (f"; there are: {', '.join(names)}." if names else "."),
            "Train one (assistant train), or use 'base'.",
        )
    return folder


def set_aside(folder: Path) -> Path:
    """Where an adapter waits while a new one takes its name."""
    return folder.with_name(f".{folder.name}.replaced")


def finish_replacement(folder: Path) -> None:
    """After a kill between the two renames of a replacement, give the old adapter its name back."""
    if not folder.exists() and set_aside(folder).exists():
        set_aside(folder).rename(folder)


def check_files(folder: Path, card: AdapterCard) -> None:
    """Raise AdapterError unless ``folder`` holds the files it was saved with, unchanged, and nothing pickled."""
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickled:
        raise AdapterError(
            f"{folder} holds {pickled[0]}, which may run code when it is opened.", "Only safetensors are loaded."
        )
    for name, digest in card.files.items():
        file = folder / safe_name(name, "file of an adapter")
        if not file.is_file():
            raise AdapterError(f"{file} is missing.", "Restore it, or train again with --force.")
        if file_hash(file) != digest:
            raise AdapterError(f"{file} was changed after it was saved.", "Restore it, or train again with --force.")
    weights = [name for name in card.files if name.endswith(".safetensors")]
    if card.canary is None or not weights:
        raise AdapterError(f"{folder / CARD_FILE} lists no weights or no canary.", "Train again with --force.")


def check_identity(card: AdapterCard, model: str, fingerprint: str, template: str) -> None:
    """Raise IdentityError unless the adapter was made for this base model, tokenizer and chat template."""
    if card.base_fingerprint != fingerprint:
        raise IdentityError(
            f"Adapter '{card.name}' was made on {card.base} ({card.base_fingerprint}), engine.model is {model}"
            f" ({fingerprint}).",
            f"Use --set engine.model={card.base}, or train an adapter on {model}.",
        )
    if card.template != template:
        raise IdentityError(
            f"Adapter '{card.name}' was made with another tokenizer or chat template ({card.template}) than"
            f" engine.model={model} has now ({template}).",
            "Set engine.chat_template as it was in training, or train again.",
        )


def file_hash(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


SCORES_FILE = "scores.json"


@dataclass(frozen=True, slots=True)
class AdapterScores:
    """Means of one evaluation."""

    report: str
    """Name of the report's folder."""
    cases: int
    system: str
    """What was asked: ``NAME+rag``, else ``NAME``."""
    adapter_hash: str
    means: Mapping[str, tuple[float, float | None, float | None]]
    """Metric → mean and its 95 % interval."""


_SCORES = TypeAdapter(AdapterScores)


def write_scores(folder: Path, scores: AdapterScores) -> None:
    """Replace the scores in an adapter's folder."""
    with replaced_atomically(folder / SCORES_FILE) as beside:
        beside.write_bytes(_SCORES.dump_json(scores, indent=2) + b"\n")


def read_scores(folder: Path) -> AdapterScores | None:
    """The scores in an adapter's folder; None if it was not evaluated, or the file is damaged: it is only a note."""
    try:
        return _SCORES.validate_json((folder / SCORES_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


@dataclass(frozen=True, slots=True)
class Staleness:
    """Documents behind an adapter that are no longer what they were."""

    forgotten: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.forgotten or self.changed)

    def __str__(self) -> str:
        return ", ".join(
            f"{len(paths)} {'document was' if len(paths) == 1 else 'documents were'} {what} since"
            for what, paths in (("forgotten", self.forgotten), ("changed", self.changed))
            if paths
        )


def joined_names(names: Collection[str]) -> str:
    """Several corpora as ``AdapterCard.corpus`` has them, and several sets of pairs as ``AdapterCard.pairs``."""
    each = (name for several in names for name in several.split(_SEPARATOR))
    return _SEPARATOR.join(dict.fromkeys(filter(None, each)))


def joined_documents(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Documents of several adapters as ``AdapterCard.documents`` has them."""
    found: dict[str, dict[str, None]] = {}
    for documents in several:
        for path, digests in documents.items():
            found.setdefault(path, {}).update(dict.fromkeys(digests.split(_SEPARATOR)))
    return {path: _SEPARATOR.join(digests) for path, digests in found.items()}


def staleness(card: AdapterCard, workspace: Workspace) -> Staleness:
    """What became of an adapter's documents; nothing is said where the workspace does not have their corpus.

    A document under another name is still there. Raises WorkspaceError when a catalog cannot be read.
    """
    from assistant.store.catalog import CATALOG_FILE, Catalog

    present: set[tuple[str, str]] = set()
    for name in filter(None, card.corpus.split(_SEPARATOR)):
        folder = workspace.corpus(name)
        if not (folder / CATALOG_FILE).exists():
            return Staleness()
        with closing(Catalog(folder)) as catalog, catalog.snapshot():
            present |= {(row.path, row.hash) for row in catalog.files()}
    return compared(card.documents, present)


def compared(documents: dict[str, str], present: Collection[tuple[str, str]]) -> Staleness:
    """``documents`` (path → content hash) against the (path, content hash) that are ``present``."""
    paths, hashes = {path for path, _ in present}, {digest for _, digest in present}
    gone = [path for path, digests in sorted(documents.items()) if not hashes.issuperset(digests.split(_SEPARATOR))]
    return Staleness(tuple(path for path in gone if path not in paths), tuple(path for path in gone if path in paths))
