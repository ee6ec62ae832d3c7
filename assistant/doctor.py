"""What is wrong with this machine or workspace, and the command that mends it."""

import functools
import os
import shlex
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from assistant import models
from assistant.artifacts.calibration import calibration_of
from assistant.config import DeviceSettings, Settings
from assistant.engines import warm_up
from assistant.errors import AssistantError, IdentityError
from assistant.retrieval.embedder import Embedder, better_embedder, embedder_of
from assistant.retrieval.served import ServedReranker
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.store.lance import LanceIndex, shared_at
from assistant.text.printing import counted
from assistant.workspace import Workspace

if TYPE_CHECKING:
    from assistant.engines.adapted import AdaptedModel
    from assistant.models.servers import Access

Severity = Literal["ok", "warning", "error"]

READER = "qwen2.5-coder-1.5b"
"""The smallest model whose answers are better than quotations (docs/engines.md), on a usual machine without a GPU."""
# GiB. Memory is needed most while it is prepared, once; disk for what is fetched, joined, unpacked and prepared.
_READER_MEMORY, _READER_DISK_TO_FETCH, _READER_DISK = 5.0, 8.0, 2.0
# An ingest takes about as much of both.
_LEAST_DISK = _LEAST_MEMORY = 2 << 30
# So many words of a prompt are read to tell how fast the model reads: about a second with 1.5 billion parameters.
_PROBE_WORDS = 300


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was checked. ``remedy`` is empty when nothing is to be done."""

    name: str
    severity: Severity
    message: str
    remedy: str = ""


Check = Callable[[Workspace, Settings], Iterator[Diagnosis]]
CHECKS: dict[str, Check] = {}
"""By name, in the order in which they are told."""


def _check(name: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return register


def examine(workspace: Workspace, settings: Settings) -> list[Diagnosis]:
    """Run all checks; one that fails does not stop the others."""
    return [
        found
        for name, check in CHECKS.items()
        for found in _guarded(name, functools.partial(check, workspace, settings))
    ]


def _guarded(name: str, check: Callable[[], Iterator[Diagnosis]]) -> Iterator[Diagnosis]:
    try:
        yield from check()
    except AssistantError as error:
        yield Diagnosis(name, "error", error.message, error.remedy)


@_check("device")
def _device(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:  # noqa: ARG001
    import torch

    from assistant.models.loading import choose

    device = choose(settings.device)
    yield Diagnosis("device", "ok", f"{device.name} in {device.dtype}: {device.reason}; torch {torch.__version__}")


@_check("memory")
def _memory(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:  # noqa: ARG001
    import psutil

    memory = psutil.virtual_memory()
    message = f"{memory.available >> 20} MiB of {memory.total >> 20} MiB free"
    if memory.available < _LEAST_MEMORY:
        yield Diagnosis("memory", "warning", message, "Close other programs; ingest needs about 2 GiB.")
    else:
        yield Diagnosis("memory", "ok", message)


@_check("disk")
def _disk(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:  # noqa: ARG001
    for name, folder in (("workspace disk", workspace.root), ("cache disk", models.cache_folder())):
        free = _free_disk(folder)
        message = f"{free >> 20} MiB free for {folder}"
        if free < _LEAST_DISK:
            yield Diagnosis(name, "warning", message, "Free space, or set ASSISTANT_WORKSPACE or ASSISTANT_CACHE.")
        else:
            yield Diagnosis(name, "ok", message)


@_check("embedder")
def _embedder(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:  # noqa: ARG001
    embedder = Embedder(settings.embedder, settings.device)
    length = embedder.embed_question("probe").shape[0]
    where = settings.embedder.url or embedder.folder
    message = f"{settings.embedder.model} ({where}): {length} dimensions, {embedder.tokens.window} tokens"
    yield Diagnosis("embedder", "ok", message)


@_check("reranker")
def _reranker(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:  # noqa: ARG001
    retrieval = settings.retrieval
    if retrieval.reranker_url:
        ServedReranker(retrieval).scores("probe", ["probe"])
        named = retrieval.reranker or "a reranker"
        yield Diagnosis(
            "reranker", "ok", f"{named} ({retrieval.reranker_url}) orders the best {retrieval.rerank_candidates} hits"
        )


@_check("engine")
def _engine(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:  # noqa: ARG001
    from assistant.engines.opening import free_memory, open_engine, speaks, weights_held

    model, (runtime, needed), free = settings.engine.model, weights_held(settings), free_memory(settings.device)
    if needed > free:
        told = f"needs {needed / 2**30:.1f} GiB for its weights, and {free / 2**30:.1f} are free"
        remedy = "Set engine.quantize=8bit or 4bit, or name a smaller model (assistant models list)."
        yield Diagnosis("engine", "error", f"{model}, run by {runtime}, {told}", remedy)
        return
    engine = open_engine(settings)
    warm_up(engine)
    began = time.perf_counter()
    warm_up(engine, _PROBE_WORDS)
    seconds = (time.perf_counter() - began) * 1000 / _PROBE_WORDS
    held = f" in {needed / 2**30:.1f} GiB" if needed else ""
    runs = f"{model}, run by {runtime}{held}: window of {engine.window} tokens"
    yield Diagnosis("engine", "ok", f"{runs}; with 1,000 tokens of evidence, first words after about {seconds:.1f} s")
    if not speaks(settings.engine):
        told = f"{model} answers no better than quotations alone, so it is not asked and these are shown"
        remedy = f"For answers in a model's words: assistant config set engine.model={READER}"
        yield Diagnosis("answers", "ok", told, remedy)


@_check("addresses")
def _addresses(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:  # noqa: ARG001
    from assistant.engines.opening import uses_server
    from assistant.models.servers import embedder_access, engine_access, reranker_access

    embedder, reranker = settings.embedder, settings.retrieval
    for name, access, is_used, what in (
        ("engine", engine_access(settings.engine), uses_server(settings.engine), "questions and passages"),
        ("embedder", embedder_access(embedder), bool(embedder.url), "documents and questions"),
        ("reranker", reranker_access(reranker), bool(reranker.reranker_url), "questions and passages"),
    ):
        if is_used:
            yield from _guarded(f"{name} address", functools.partial(_sent_away, f"{name} address", access, what))


def _sent_away(name: str, access: "Access", what: str) -> Iterator[Diagnosis]:
    from assistant.models.servers import checked_urls, is_this_machine

    for url in checked_urls(access):
        if not is_this_machine(url):
            message = f"{what} are sent to {url}" + (", unencrypted" if url.startswith("http:") else "")
            yield Diagnosis(
                name, "warning", message, f"Trust that server, or set {access.prefix}url to another or none."
            )


@_check("app address")
def _app_address(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:  # noqa: ARG001
    ui = settings.ui
    if (ui.public_url or ui.trusted_header) and not ui.trusted_proxies:
        message = (
            "the app stands behind a proxy, and what that says of its visitors and their connection is not believed"
        )
        remedy = "Set ui.trusted_proxies to the address the proxy connects from, as in 127.0.0.1."
        yield Diagnosis("app address", "warning", message, remedy)


@_check("state")
def _state(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:
    if workspace.state is not None:
        from assistant.artifacts.audit import AuditLog

        database = AuditLog(workspace.root, settings.audit.keep_days, workspace.state).database
        with database.opened() as rows:
            (version,) = rows.execute("SELECT current_setting('server_version')").fetchone()
        yield Diagnosis("state", "ok", f"PostgreSQL {version} keeps people and jobs: {database.place}")


@_check("workspace")
def _workspace(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:  # noqa: ARG001
    if not workspace.root.exists():
        yield Diagnosis("workspace", "warning", f"{workspace.root} does not exist yet", "Run: assistant ingest FOLDER")
        return
    names = ", ".join(workspace.corpus_names()) or "none yet"
    yield Diagnosis("workspace", "ok", f"{workspace.root}; corpora: {names}")
    mode = workspace.root.stat().st_mode
    # A group that shares a folder says so by its set-group-ID bit.
    if os.name != "nt" and mode & (0o007 if mode & stat.S_ISGID else 0o077):
        message = f"others on this machine may look into {workspace.root} ({stat.filemode(mode)})"
        yield Diagnosis("workspace rights", "warning", message, f"Run: chmod -R go= {shlex.quote(str(workspace.root))}")


@_check("corpora")
def _corpora(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:
    configured = Embedder(settings.embedder, settings.device)
    for name in workspace.corpus_names():
        is_here = (workspace.corpus(name) / CATALOG_FILE).exists()
        check = functools.partial(_corpus, workspace.corpus(name), configured)
        if not is_here and workspace.shared:
            check = functools.partial(_shared, LanceIndex(shared_at(workspace.shared.url), name), configured)
        yield from _guarded(f"corpus {name}", check)


def _shared(index: LanceIndex, configured: Embedder) -> Iterator[Diagnosis]:
    """A corpus that is read from where it was brought to."""
    with index.snapshot():
        identity, embedder = index.identity(), embedder_of(index, configured)
        held = f"{counted(len(index.files()), 'file')}, {counted(index.counts().chunks, 'chunk')}"
        made_with = f"embedded with {identity.embedder}" if identity else "nothing is live"
        judged = calibration_of(index, embedder.fingerprint)
        yield Diagnosis(f"corpus {index.name}", "ok", f"{held}, {made_with}, read from {index.origin}; {judged}")


def _corpus(folder: Path, configured: Embedder) -> Iterator[Diagnosis]:
    from assistant.store.vectors import open_index

    where = f"corpus {folder.name}"
    with closing(Catalog(folder)) as catalog, catalog.snapshot():
        if damage := catalog.damage():
            yield Diagnosis(where, "error", f"catalog is damaged: {damage}", f"Delete {folder} and ingest again.")
            return
        identity = catalog.identity()
        if identity is None:
            yield Diagnosis(where, "warning", "holds nothing", f"Run: assistant ingest FOLDER --corpus {folder.name}")
            return
        open_index(catalog, catalog.generation())  # builds a damaged index again
        embedder, files = embedder_of(catalog, configured), catalog.files()
        failed = [row.path for row in files if row.failure]
        if failed:
            message = f"{counted(len(failed), 'file')} could not be read, the first is {failed[0]!r}"
            remedy = f"Why: assistant documents --corpus {folder.name}"
        elif identity.is_outdated:
            message = "another version of this program has read it; it answers as before"
            remedy = f"The app reads it anew when it starts; in a terminal: assistant ingest --corpus {folder.name}"
        else:
            message, remedy = better_embedder(catalog, embedder)
        if message:
            yield Diagnosis(where, "warning", message, remedy)
            return
        held = f"{counted(len(files), 'file')}, {counted(catalog.counts().chunks, 'chunk')}"
        judged = calibration_of(catalog, embedder.fingerprint)
        yield Diagnosis(where, "ok", f"{held}, embedded with {identity.embedder}; {judged}")


@_check("adapters")
def _adapters(workspace: Workspace, settings: Settings) -> Iterator[Diagnosis]:
    from assistant.artifacts.cards import adapter_names
    from assistant.engines.adapted import AdaptedModel
    from assistant.engines.opening import uses_server
    from assistant.models.loading import choose

    names = adapter_names(workspace.adapters)
    if not names:
        return
    adapted = AdaptedModel(settings.engine, choose(settings.device), workspace.adapters)
    identity = not uses_server(settings.engine)  # its adapters are on weights that are not here
    for name in names:
        yield from _guarded(f"adapter {name}", functools.partial(_adapter, workspace, adapted, name, identity))


def _adapter(workspace: Workspace, adapted: "AdaptedModel", name: str, identity: bool) -> Iterator[Diagnosis]:
    from assistant.artifacts.cards import check_files, staleness

    what, card = f"adapter {name}", adapted.card(name)
    check_files(adapted.folder_of(name), card)
    if stale := staleness(card, workspace):
        examples = ", ".join((*stale.forgotten, *stale.changed)[:3])
        yield Diagnosis(what, "warning", f"{stale}: {examples}", "Run: assistant pairs, then assistant train --force")
    try:
        if identity:
            adapted.check_identity(card)
    except IdentityError as error:
        yield Diagnosis(what, "warning", error.message, error.remedy)
        return
    if not stale:
        yield Diagnosis(what, "ok", f"{card.method} on {card.base}, made {card.created}")


def why_no_reader(settings: DeviceSettings) -> str:
    """Why READER is not for this machine; empty when it is. Nothing is fetched. Raises what ``choose`` raises."""
    import psutil

    from assistant.engines.openvino_engine import has_openvino
    from assistant.models.loading import choose
    from assistant.models.naming import folder_here

    if choose(settings).name == "cpu" and not has_openvino():
        return "without a GPU or OpenVINO (pip install 'domain-assistant[fast]') it is slow"
    free = psutil.virtual_memory().available / 2**30
    if free < _READER_MEMORY:
        return f"it needs {_READER_MEMORY:.0f} GiB of memory, and {free:.1f} are free"
    needed, folder = _READER_DISK if folder_here(READER) else _READER_DISK_TO_FETCH, models.cache_folder()
    free = _free_disk(folder) / 2**30
    return f"it needs {needed:.0f} GiB of disk, and {free:.1f} are free for {folder}" if free < needed else ""


def _free_disk(folder: Path) -> int:
    """Bytes that are free where a folder is, or will be."""
    present = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(present).free
