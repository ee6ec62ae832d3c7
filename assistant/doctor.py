"""What is wrong with this machine or workspace, and the command that mends it."""

import contextlib
import functools
import os
import shlex
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from assistant import models
from assistant.config import Settings
from assistant.engines.recommended import READER
from assistant.errors import AssistantError, IdentityError
from assistant.refusal.calibration import calibration_of
from assistant.retrieval.corpus_embedder import better_embedder, embedder_of
from assistant.retrieval.embedder import Embedder
from assistant.store.catalog import Catalog
from assistant.text.printing import counted
from assistant.types import Message
from assistant.workspace import Workspace

if TYPE_CHECKING:
    from assistant.engines.adapted import AdaptedModel

Severity = Literal["ok", "warning", "error"]

_LEAST_DISK = 2 << 30
_LEAST_MEMORY = 2 << 30
# So many words of a prompt are read to tell how fast the model reads.
_PROBE_WORDS = 300
# Of weights in 16 bits: 8 and 4 bits with their scales, and embeddings, a tenth to a fourth of a model, as they are.
_QUANTISED_SHARES = {"auto": 1.0, "none": 1.0, "8bit": 0.6, "4bit": 0.4}
# OpenVINO unfolds weights of 16 bits, and lays them out anew (9.0 GiB for 2.9, measured with 1.5 billion parameters).
_UNFOLDED = 3.2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. ``remedy`` is empty when nothing is to be done."""

    name: str
    severity: Severity
    message: str
    remedy: str = ""


def examine(workspace: Workspace, settings: Settings) -> list[Finding]:
    """Run all checks; one that fails does not stop the others."""
    checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("device", lambda: _device(settings)),
        ("memory", _memory),
        ("disk", lambda: _disk(workspace)),
        ("embedder", lambda: _embedder(settings)),
        ("engine", lambda: _engine(settings)),
        ("engine address", lambda: _address(settings)),
        ("app address", lambda: _app_address(settings)),
        ("workspace", lambda: _workspace(workspace)),
        ("corpora", lambda: _corpora(workspace, settings)),
        ("adapters", lambda: _adapters(workspace, settings)),
    )
    return [finding for name, check in checks for finding in _guarded(name, check)]


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except AssistantError as error:
        yield Finding(name, "error", error.message, error.remedy)


def _device(settings: Settings) -> Iterator[Finding]:
    import torch

    from assistant.models.device import choose

    device = choose(settings.device)
    yield Finding("device", "ok", f"{device.name} in {device.dtype}: {device.reason}; torch {torch.__version__}")


def _memory() -> Iterator[Finding]:
    import psutil

    memory = psutil.virtual_memory()
    message = f"{memory.available >> 20} MiB of {memory.total >> 20} MiB free"
    if memory.available < _LEAST_MEMORY:
        yield Finding("memory", "warning", message, "Close other programs; ingest needs about 2 GiB.")
    else:
        yield Finding("memory", "ok", message)


def _disk(workspace: Workspace) -> Iterator[Finding]:
    for name, folder in (("workspace disk", workspace.root), ("cache disk", models.cache_folder())):
        present = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(present).free
        message = f"{free >> 20} MiB free for {folder}"
        if free < _LEAST_DISK:
            yield Finding(name, "warning", message, "Free space, or set ASSISTANT_WORKSPACE or ASSISTANT_CACHE.")
        else:
            yield Finding(name, "ok", message)


def _embedder(settings: Settings) -> Iterator[Finding]:
    embedder = Embedder(settings.embedder, settings.device)
    length = embedder.embed_question("probe").shape[0]
    message = f"{settings.embedder.model} ({embedder.folder}): {length} dimensions, {embedder.tokens.window} tokens"
    yield Finding("embedder", "ok", message)


def _engine(settings: Settings) -> Iterator[Finding]:
    from assistant.engines.opening import open_engine, speaks

    model, (runtime, needed), free = settings.engine.model, _runtime(settings), _free_memory(settings)
    held = f" in {needed / 2**30:.1f} GiB" if needed else ""
    if needed > free:
        told = f"needs {needed / 2**30:.1f} GiB for its weights, and {free / 2**30:.1f} are free"
        remedy = "Set engine.quantize=8bit or 4bit, or name a smaller model (assistant models list)."
        yield Finding("engine", "error", f"{model}, run by {runtime}, {told}", remedy)
        return
    engine = open_engine(settings)
    engine.complete([[Message("user", "probe")]], max_new_tokens=1)
    began = time.perf_counter()
    engine.complete([[Message("user", "word " * _PROBE_WORDS)]], max_new_tokens=1)
    seconds = (time.perf_counter() - began) * 1000 / _PROBE_WORDS
    runs = f"{model}, run by {runtime}{held}: window of {engine.window} tokens"
    yield Finding("engine", "ok", f"{runs}; with 1,000 tokens of evidence, first words after about {seconds:.1f} s")
    if not speaks(settings.engine):
        told = f"{model} answers no better than quotations alone, so it is not asked and these are shown"
        yield Finding(
            "answers", "ok", told, f"For answers in a model's words: assistant config set engine.model={READER}"
        )


def _runtime(settings: Settings) -> tuple[str, float]:
    """What runs the model, and why nothing faster does; and bytes that its weights take there, of a server none."""
    from assistant.engines.opening import uses_server
    from assistant.engines.openvino_engine import in_8_bits, why_not

    if uses_server(settings.engine):
        return "a server", 0.0
    files = sum(file.stat().st_size for file in models.engine_folder(settings.engine.model).glob("*.safetensors"))
    held = files * _QUANTISED_SHARES[settings.engine.quantize]
    if settings.engine.runtime == "transformers":
        return "transformers", held
    if reason := why_not(settings.engine, settings.device):
        return f"transformers ({reason})", held
    if in_8_bits(settings.engine):
        return "OpenVINO in 8 bits", files * _QUANTISED_SHARES["8bit"]
    return "OpenVINO", files * _UNFOLDED


def _free_memory(settings: Settings) -> int:
    import psutil
    import torch

    from assistant.models.device import choose

    if choose(settings.device).name == "cuda":
        return torch.cuda.mem_get_info()[0]
    return int(psutil.virtual_memory().available)


def _address(settings: Settings) -> Iterator[Finding]:
    from assistant.engines.client import checked_url, is_this_machine
    from assistant.engines.opening import uses_server

    if uses_server(settings.engine) and not is_this_machine(url := checked_url(settings.engine.url)):
        message = f"questions and passages are sent to {url}" + (", unencrypted" if url.startswith("http:") else "")
        yield Finding("engine address", "warning", message, "Trust that server, or set engine.url to another or none.")


def _app_address(settings: Settings) -> Iterator[Finding]:
    ui = settings.ui
    if (ui.public_url or ui.trusted_header) and not ui.trusted_proxies:
        message = (
            "the app stands behind a proxy, and what that says of its visitors and their connection is not believed"
        )
        remedy = "Set ui.trusted_proxies to the address the proxy connects from, as in 127.0.0.1."
        yield Finding("app address", "warning", message, remedy)


def _workspace(workspace: Workspace) -> Iterator[Finding]:
    if not workspace.root.exists():
        yield Finding("workspace", "warning", f"{workspace.root} does not exist yet", "Run: assistant ingest FOLDER")
        return
    names = ", ".join(workspace.corpus_names()) or "none yet"
    yield Finding("workspace", "ok", f"{workspace.root}; corpora: {names}")
    mode = workspace.root.stat().st_mode
    # A group that shares a folder says so by its set-group-ID bit.
    if os.name != "nt" and mode & (0o007 if mode & stat.S_ISGID else 0o077):
        message = f"others on this machine may look into {workspace.root} ({stat.filemode(mode)})"
        yield Finding("workspace rights", "warning", message, f"Run: chmod -R go= {shlex.quote(str(workspace.root))}")


def _corpora(workspace: Workspace, settings: Settings) -> Iterator[Finding]:
    configured = Embedder(settings.embedder, settings.device)
    for name in workspace.corpus_names():
        yield from _guarded(f"corpus {name}", functools.partial(_corpus, workspace.corpus(name), configured))


def _corpus(folder: Path, configured: Embedder) -> Iterator[Finding]:
    with contextlib.closing(Catalog(folder)) as catalog, catalog.snapshot():
        yield _state_of(folder.name, catalog, configured)


def _state_of(name: str, catalog: Catalog, configured: Embedder) -> Finding:
    from assistant.store.vectors import open_index

    where = f"corpus {name}"
    if damage := catalog.damage():
        return Finding(where, "error", f"catalog is damaged: {damage}", f"Delete {catalog.folder} and ingest again.")
    identity = catalog.identity()
    if identity is None:
        return Finding(where, "warning", "holds nothing", f"Run: assistant ingest FOLDER --corpus {name}")
    open_index(catalog, catalog.generation())  # builds a damaged index again
    embedder = embedder_of(catalog, configured)
    failed = [row.path for row in catalog.files() if row.failure]
    if failed:
        message = f"{counted(len(failed), 'file')} could not be read, the first is {failed[0]!r}"
        return Finding(where, "warning", message, f"Why: assistant documents --corpus {name}")
    message, remedy = better_embedder(catalog, embedder)
    if message:
        return Finding(where, "warning", message, remedy)
    judged, files = calibration_of(catalog.folder, embedder.fingerprint), counted(len(catalog.files()), "file")
    held = f"{files}, {counted(catalog.chunk_count(), 'chunk')}, embedded with {identity.embedder}"
    return Finding(where, "ok", f"{held}; {judged}")


def _adapters(workspace: Workspace, settings: Settings) -> Iterator[Finding]:
    from assistant.artifacts.cards import adapter_names
    from assistant.engines.adapted import AdaptedModel
    from assistant.engines.opening import uses_server
    from assistant.models.device import choose

    names = adapter_names(workspace.adapters)
    if not names:
        return
    adapted = AdaptedModel(settings.engine, choose(settings.device), workspace.adapters)
    identity = not uses_server(settings.engine)  # its adapters are on weights that are not here
    for name in names:
        yield from _guarded(f"adapter {name}", functools.partial(_adapter, workspace, adapted, name, identity))


def _adapter(workspace: Workspace, adapted: "AdaptedModel", name: str, identity: bool) -> Iterator[Finding]:
    from assistant.artifacts.cards import check_files, staleness

    what, card = f"adapter {name}", adapted.card(name)
    check_files(adapted.folder_of(name), card)
    if stale := staleness(card, workspace):
        examples = ", ".join((*stale.forgotten, *stale.changed)[:3])
        yield Finding(what, "warning", f"{stale}: {examples}", "Run: assistant pairs, then assistant train --force")
    try:
        if identity:
            adapted.check_identity(card)
    except IdentityError as error:
        yield Finding(what, "warning", error.message, error.remedy)
        return
    if not stale:
        yield Finding(what, "ok", f"{card.method} on {card.base}, made {card.created}")
