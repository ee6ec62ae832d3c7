"""``assistant ingest --ray ADDRESS``: files are read and embedded by the machines of a Ray cluster.

    this process                         any machine of the cluster
    scan, plan ── bytes of a file ─────▶ a task: a process of its own reads it, within its limits
    stage  ◀───── chunks ───────────────
           ────── texts of windows ────▶ an actor a GPU, or a core where there is none, embeds them
    publish ◀──── vectors ──────────────

Everything is staged in the order of the files and embedded in the same lists of texts as on one machine, so that the
corpus is the same. Workers hold nothing: what a dead one had under way is done again elsewhere. A file that takes three
workers with it is reported as one that cannot be read. No shared disk is needed, but each machine needs this program in
the same version, and the embedder.
"""

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from assistant import __version__
from assistant.config import DeviceSettings, EmbedderSettings, IngestSettings
from assistant.errors import AssistantError, IngestError, ReadError, UsageError, one_line
from assistant.retrieval.embedder import Embedder
from assistant.text.printing import counted
from assistant.types import Vectors
from assistant.work.progress import note
from ingest.worker import (
    TASKS_A_WORKER,
    ReadResult,
    Recipe,
    Task,
    Workers,
    check_unchanged,
    in_order,
    pool_read,
    readable,
    reading_pool,
    recipe_from,
)

if TYPE_CHECKING:
    from pebble import ProcessPool

HERE = "auto"
"""In place of an address: a cluster of this machine alone, which is started and ends with the ingest."""
_PATIENCE = 5  # seconds
_WORKERS_A_FILE = 3
_LISTS_AN_EMBEDDER = 2  # one is sent while another is embedded
_PROCESS_BYTES = 1 << 30  # what torch takes before it holds weights; they lie in memory twice while they are loaded


@dataclass(frozen=True, slots=True)
class _Recipes:
    """What every machine needs to read and embed as this one would."""

    version: str
    embedder: EmbedderSettings
    device: DeviceSettings
    fingerprint: str
    """Of the embedder; empty where a server runs it."""
    ingest: IngestSettings


def check_cluster(address: str) -> None:
    """Raise UsageError where Ray is not installed, IngestError where nobody listens: Ray would try for minutes."""
    _ray()
    if address == HERE:
        return
    parts = urlsplit(f"//{address}")
    try:
        if not (parts.hostname and parts.port):
            raise ValueError("an address is HOST:PORT, of a cluster that this machine has joined")
        socket.create_connection((parts.hostname, parts.port), _PATIENCE).close()
    except (OSError, ValueError) as error:
        raise _no_cluster(address, error) from None


@contextmanager
def on_cluster(address: str, settings: IngestSettings, embedder: Embedder) -> Iterator[Workers]:
    """The workers of a Ray cluster. Raises IngestError where it cannot be joined."""
    ray = _ray()
    try:
        ray.init("local" if address == HERE else address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # Ray raises whatever its transport does
        raise _no_cluster(address, error) from None
    try:
        yield _Cluster(settings, embedder)
    finally:
        ray.shutdown()


def _no_cluster(address: str, error: Exception) -> IngestError:
    return IngestError(
        f"There is no Ray cluster to be had at {address}: {one_line(error)}.",
        "Start one (ray start --head), set RAY_AUTH_MODE=token if it asks for a token, or leave out --ray.",
    )


def _ray() -> Any:
    # Ray tells its makers how it is used unless it is told not to.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ModuleNotFoundError:
        raise UsageError("Ray is not installed.", "pip install 'domain-assistant[ray]'") from None
    return ray


class _Cluster:
    """Readers and embedders of the cluster that this process is connected to."""

    def __init__(self, settings: IngestSettings, embedder: Embedder) -> None:
        ray, self._embedder = _ray(), embedder
        fingerprint = "" if embedder.settings.url else embedder.fingerprint
        self._recipes = _Recipes(__version__, embedder.settings, embedder.device, fingerprint, settings)
        nodes = [node for node in ray.nodes() if node["Alive"]]
        cores = sum(int(node["Resources"].get("CPU", 0)) for node in nodes)
        self._files_at_once = max(1, cores) * TASKS_A_WORKER
        self._read = ray.remote(num_cpus=1, max_retries=_WORKERS_A_FILE - 1)(_read_sent)
        actor = ray.remote(max_restarts=-1, max_task_retries=-1)(_Embedding)
        places = [] if embedder.settings.url else _places(nodes, embedder.folder)
        self._embedders = {actor.options(**place).remote(self._recipes): 0 for place in places}
        self.at_once = max(1, len(places) * _LISTS_AN_EMBEDDER)
        embedders = counted(len(places), "embedder") if places else "the embedder on its server"
        note(f"Ray: {counted(len(nodes), 'machine')} with {counted(cores, 'core')}, {embedders}.")

    def read_all(self, tasks: Iterable[Task]) -> Iterator[ReadResult]:
        return in_order(tasks, self._sent, self._files_at_once)

    def embed(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        if not self._embedders:
            return partial(self._embedder.embed_texts, texts)
        embedder = min(self._embedders, key=lambda one: self._embedders[one])
        self._embedders[embedder] += 1
        sent = embedder.embed.remote(list(texts))

        def vectors() -> Vectors:
            with _failures_told():
                embedded: Vectors = _ray().get(sent)
            self._embedders[embedder] -= 1
            return embedded

        return vectors

    def _sent(self, task: Task) -> Callable[[], ReadResult]:
        """Send a file to a machine that reads it; what is given back waits for what came of it."""
        try:
            with readable(task.location):
                data = task.location.read_bytes()
            check_unchanged(task)
        except ReadError as error:
            return partial(ReadResult, task, None, (), str(error), 0.0)
        return partial(_read_outcome, task, self._read.remote(task.location.name, data, self._recipes))


def _places(nodes: Sequence[dict[str, Any]], model: Path) -> list[dict[str, Any]]:
    """Where embedders run, as options of their actors: one a GPU; without any, one a core that has memory for it."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    has_gpus = any(node["Resources"].get("GPU") for node in nodes)
    needed = _PROCESS_BYTES + 2 * sum(file.stat().st_size for file in model.glob("*.safetensors"))
    places = []
    for node in nodes:
        resources = node["Resources"]
        most = resources.get("GPU", 0) if has_gpus else min(resources.get("CPU", 0), resources["memory"] // needed)
        # Of a machine that died, embedders start again on another one. They take no core from the readers: those
        # wait for them most of the time.
        here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=True)
        places += [{"num_cpus": 0, "num_gpus": int(has_gpus), "scheduling_strategy": here}] * int(most)
    if not places:
        raise IngestError(
            f"No machine of the Ray cluster has the {needed / 2**30:.1f} GiB that the embedder takes.",
            "Add a larger one, or leave out --ray.",
        )
    return places


@contextmanager
def _failures_told() -> Iterator[None]:
    """Raise the error that a worker met, and IngestError for one that is none of ours."""
    exceptions = _ray().exceptions
    try:
        yield
    except exceptions.RayTaskError as error:
        if isinstance(error.cause, AssistantError):
            raise error.cause from None
        raise IngestError(f"A worker of the Ray cluster failed: {one_line(error.cause)}.", "Run it again.") from None
    except exceptions.RayError as error:
        raise IngestError(
            f"The Ray cluster failed: {type(error).__name__}: {one_line(error)}.",
            "Run the ingest again: what was embedded is kept.",
        ) from None


def _read_outcome(task: Task, sent: Any) -> ReadResult:
    ray = _ray()
    with _failures_told():
        try:
            reading: ReadResult = ray.get(sent)
            return replace(reading, task=task)
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
            how = f"made {_WORKERS_A_FILE} workers crash: it is damaged, or needs more memory than they have"
    return ReadResult(task, None, (), f"{task.location.name} {how}.", 0.0)


# On the machines of the cluster


class _Embedding:
    """An embedder that is loaded when it gets its first texts."""

    def __init__(self, recipes: _Recipes) -> None:
        self._recipes = recipes

    def embed(self, texts: list[str]) -> Vectors:
        """The vectors (n, dimension) of texts of documents."""
        return _embedder_here(self._recipes).embed_texts(texts)


@cache
def _embedder_here(recipes: _Recipes) -> Embedder:
    """The embedder on this machine. Raises IngestError where it, or this program, is another one."""
    from ray.util import get_node_ip_address

    embedder = Embedder(recipes.embedder, recipes.device)
    machine: str = get_node_ip_address()  # type: ignore[no-untyped-call]
    if recipes.version != __version__:
        raise IngestError(f"{machine} runs version {__version__} of this program, not {recipes.version}.", "Update it.")
    if recipes.fingerprint and embedder.fingerprint != recipes.fingerprint:
        raise IngestError(
            f"On {machine}, {recipes.embedder.model} is another model ({embedder.fingerprint}, not"
            f" {recipes.fingerprint}).",
            f"Bring the files of the embedder to {machine}.",
        )
    return embedder


_kept_open = ExitStack()


@cache
def _pool_here(recipes: _Recipes) -> "tuple[ProcessPool, Recipe]":
    """The reading process of this worker, which ends with it, and what it reads by."""
    recipe = replace(recipe_from(recipes.ingest, _embedder_here(recipes).tokens), workers=1)
    return _kept_open.enter_context(reading_pool(recipe)), recipe


def _read_sent(name: str, data: bytes, recipes: _Recipes) -> ReadResult:
    pool, recipe = _pool_here(recipes)
    with TemporaryDirectory() as folder:
        location = Path(folder, name)
        location.write_bytes(data)
        return pool_read(pool, Task(location, len(data), location.stat().st_mtime_ns), recipe)()
