"""Models as OpenVINO reads them, made once for each base model and adapter and kept in the user's cache folder.

    openvino/KEY/openvino_model.xml, openvino_model.bin      graph and weights, the adapter merged into them
    openvino/KEY/ends.json                                   the tokens that end a turn

The key stands for everything that the files depend on, so that they are never out of date; those that were used
longest ago make room for new ones.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assistant.engines.openvino_graph import llama_graph, openvino
from assistant.errors import ModelError
from assistant.models import cache_folder
from assistant.work.progress import note

_GRAPH = "openvino_model.xml"
_WEIGHTS = "openvino_model.bin"
_ENDS = "ends.json"
# Raised when the graph, or what is written beside it, changes.
_VERSION = "2"


def key_of(*parts: str) -> str:
    """The name of a converted model; ``parts`` say what it was made from."""
    return hashlib.sha256("\0".join((_VERSION, *parts)).encode()).hexdigest()[:16]


def converted(
    key: str, model: Callable[[], Any], check: Callable[[Path, Any], None], limit: int, *, in_8_bits: bool = False
) -> Path:
    """The folder of a converted model; if there is none, it is made from what ``model`` returns.

    ``check`` is given the new folder and the model, and raises when they do not say the same. Older models give way
    until all together have at most ``limit`` bytes. Raises ModelError when the disk is full.
    """
    from filelock import FileLock

    folder = cache_folder() / "openvino" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):  # a second process waits, then finds it done
        if not folder.exists():
            _convert(folder, model(), check, in_8_bits)
    now = time.time_ns()
    os.utime(folder, ns=(now, now))
    _make_room(folder, limit)
    return folder


def ends_of(folder: Path) -> set[int]:
    """The tokens that end a turn."""
    return set(json.loads((folder / _ENDS).read_text(encoding="utf-8")))


def _convert(folder: Path, model: Any, check: Callable[[Path, Any], None], in_8_bits: bool) -> None:
    note(f"Preparing the model for this processor in {folder} (once)")
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir()
        openvino().save_model(llama_graph(model, in_8_bits=in_8_bits), beside / _GRAPH, compress_to_fp16=False)
        (beside / _ENDS).write_text(json.dumps(model.generation_config.eos_token_id), encoding="utf-8")
        check(beside, model)
        beside.rename(folder)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"The model cannot be prepared for OpenVINO in {folder}: {reason}",
            "Free some space, or set engine.runtime=transformers.",
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _make_room(kept: Path, limit: int) -> None:
    folders = [one for one in kept.parent.iterdir() if one.is_dir() and not one.name.startswith(".") and one != kept]
    total = _bytes(kept)
    for folder in sorted(folders, key=lambda one: -one.stat().st_mtime):
        total += _bytes(folder)
        if total > limit:
            shutil.rmtree(folder, ignore_errors=True)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
