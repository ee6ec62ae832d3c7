"""``assistant ingest``: make a corpus say what a folder says, reading only what changed.

    scan ──▶ plan (by size and time, then by hash) ──▶ read in processes ──▶ embed ──▶ stage ──▶ publish

Staged documents are found again by their key, so that a run that was killed goes on where it was. Until the
one transaction at the end, searches see the corpus as it was before.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from assistant.artifacts.calibration import calibration_of
from assistant.artifacts.command_reports import FileReport, IngestReport
from assistant.config import Settings
from assistant.errors import AssistantError, IdentityError, IngestError, ReadError, UsageError, WorkspaceError
from assistant.retrieval.embedder import Embedder, better_embedder, embedder_of
from assistant.retrieval.retriever import Retriever
from assistant.service import refuse_foreign
from assistant.store import READERS, vectors
from assistant.store.catalog import CATALOG_FILE, Catalog, digest
from assistant.store.index import CorpusIdentity, Held
from assistant.store.lance import Shared, shared_at
from assistant.store.shared import bring, held_at, held_in, take_back
from assistant.store.sql import FileRow, damage_told, file_location
from assistant.text.printing import counted, names_of
from assistant.types import Vectors
from assistant.work.progress import note, progress_bar
from assistant.workspace import Workspace, folder_beside, new_name, write_lock
from ingest.answerability_fit import calibrate
from ingest.changes import READ_KINDS, Entry, FoundFile, absolute, is_gone, make_plan, scan, without_other_formats
from ingest.cluster import check_cluster, on_cluster
from ingest.worker import ReadResult, Recipe, Task, Workers, file_hash, in_order, read_all, recipe_from

# Documents are embedded together until they have this many windows: enough to fill batches of equal length.
_EMBED_WINDOWS = 512


def ingest(
    workspace: Workspace,
    corpus: str,
    targets: Sequence[Path],
    settings: Settings,
    *,
    dry_run: bool = False,
    confirmed: bool = False,
    rebuild: bool = False,
    embedder: Embedder | None = None,
    ray: str = "",
) -> IngestReport:
    """Bring a corpus up to date with ``targets`` (folders or files), or with all it was made from if none.

    ``confirmed`` allows forgetting more than half of the corpus; ``rebuild`` reads the whole corpus anew, as
    is needed for other chunk settings, or another embedder: ``embedder``, the configured one if none is given.
    ``ray`` is the address of a cluster that reads and embeds (``ingest.cluster``).
    Raises UsageError, WorkspaceBusy, IdentityError, or IngestError; then the live corpus is untouched.
    """
    started = time.perf_counter()
    is_chosen = bool(embedder) or "model" in settings.embedder.model_fields_set
    configured = embedder or Embedder(settings.embedder, settings.device)
    if ray:
        check_cluster(ray)
    if not (workspace.corpus(corpus) / CATALOG_FILE).exists():
        _refuse_new(workspace, corpus, targets)
        configured.fingerprint  # noqa: B018 - a server that runs the embedder has to be there
    with opened(workspace.corpus(corpus), dry_run) as catalog:
        embedder = _embedder_for(catalog, configured, is_chosen, rebuild)
        run = _Run(catalog, settings, embedder, rebuild, ray)
        plan, passed_over = without_other_formats(run.plan(targets))
        objection = run.objection(plan, confirmed)
        if run.is_rebuild and not rebuild:
            note(f"'{corpus}' was read by another version of this program: all of it is read anew.")
        if not dry_run:
            if objection:
                raise objection
            run.carry_out(plan)
        files, documents, chunks = run.results(plan)
        if documents and settings.ingest.calibrate and not dry_run:
            with progress_bar("Calibrating refusals", None):
                retriever = Retriever(catalog, embedder, settings.retrieval, settings.device)
                calibrate(retriever, anew=run.is_rebuild)
        if not dry_run:
            share(catalog, workspace)
        judged = calibration_of(catalog, embedder.fingerprint)
        message, remedy = better_embedder(catalog, embedder)
    return IngestReport(
        corpus=corpus,
        dry_run=dry_run,
        files=files,
        documents=documents,
        chunks=chunks,
        seconds=round(time.perf_counter() - started, 3),
        passed_over=passed_over,
        refusal=str(judged) if documents else "",
        refusal_in_words=judged.in_words() if documents else "",
        objection=str(objection or ""),
        advice=f"In '{corpus}', {message}. {remedy}" if message else "",
    )


def migrate(workspace: Workspace, corpus: str, url: str, *, back: bool) -> tuple[Held, ...]:
    """Bring a corpus to a shared store, or take it ``back`` into a workspace that has none of its name; what both
    hold of it then. What was taken back is only kept where it says the same.

    Raises UsageError for a corpus that is not there, or is here already, WorkspaceBusy, and WorkspaceError for a place
    that cannot be used, or where both do not say the same.
    """
    shared, folder = shared_at(url), workspace.corpus(corpus)
    if not back:
        if not (folder / CATALOG_FILE).exists():
            raise UsageError(f"There is no corpus '{corpus}' in {workspace.root}.", "'assistant documents' lists them.")
        with opened(folder, dry_run=False) as catalog:
            bring(catalog, shared)
            return _same(corpus, catalog, shared)
    if folder.exists():
        raise UsageError(f"There is a corpus '{corpus}' in {workspace.root} already.", "Use another workspace.")
    with folder_beside(folder) as new:
        take_back(shared, corpus, new)
        with closing(Catalog(new)) as catalog:
            held = _same(corpus, catalog, shared)
        new.rename(folder)
    return held


def _same(corpus: str, catalog: Catalog, shared: Shared) -> tuple[Held, ...]:
    with catalog.snapshot():
        here, there = held_in(catalog), held_at(shared, corpus)
    for one, other in zip(here, there, strict=True):
        if one != other:
            counts = f"{one.count} {one.kind} here, {other.count} at {shared.url}"
            told = f"'{corpus}' is not the same in both: {counts if one.count != other.count else one.kind}."
            raise WorkspaceError(told, "Run this again when nobody else writes.")
    return here


def _refuse_new(workspace: Workspace, corpus: str, targets: Sequence[Path]) -> None:
    """Raise UsageError for a new corpus that cannot be made, before it has a folder."""
    refuse_foreign(workspace, corpus)
    new_name(corpus, "corpus")
    if not targets:
        nothing = f"There is no corpus '{corpus}' yet, and so no folder to look at again."
        raise UsageError(nothing, "Name a folder: assistant ingest ./docs")
    for target in targets:
        next(scan(absolute(target)), None)


def share(catalog: Catalog, workspace: Workspace) -> None:
    """Bring a corpus to where other machines read it, if anywhere: also what a run that was killed has left undone."""
    if workspace.shared:
        bring(catalog, shared_at(workspace.shared.url))


def _embedder_for(catalog: Catalog, configured: Embedder, is_chosen: bool, rebuild: bool) -> Embedder:
    """The embedder that a corpus was made with; another only for a rebuild, if one was chosen or its own is gone.

    Raises IdentityError for a corpus that has to be rebuilt.
    """
    live = catalog.identity()
    if live is None or (rebuild and is_chosen):
        return configured
    try:
        own = embedder_of(catalog, configured)
    except IdentityError:
        if not rebuild:
            raise
        return configured
    if is_chosen and own.settings != configured.settings:
        note(f"The corpus keeps its embedder, {live.embedder}: {configured.settings.model} takes over with --rebuild.")
    return own


@contextmanager
def opened(folder: Path, dry_run: bool) -> Iterator[Catalog]:
    """The catalog under the write lock; for a dry run of a new corpus an empty one that leaves no trace."""
    with ExitStack() as stack:
        if dry_run and not (folder / CATALOG_FILE).exists():
            folder = Path(stack.enter_context(TemporaryDirectory()))
        stack.enter_context(write_lock(folder))
        stack.enter_context(damage_told(folder / CATALOG_FILE))
        yield stack.enter_context(closing(Catalog(folder)))


def publish(catalog: Catalog, known: Iterable[FileRow], rows: Iterable[FileRow], identity: CorpusIdentity) -> None:
    """Make ``rows`` the live files in the place of those ``known``, with the dense index, in one transaction."""
    generation, before, after = catalog.generation() + 1, set(known), set(rows)
    with catalog.transaction():
        catalog.publish(after - before, before - after, identity, generation)
        vectors.write_changed(catalog, generation, identity.fingerprint)


class _Here:
    """The cores of this machine: processes read, and this one embeds."""

    at_once = 1

    def __init__(self, recipe: Recipe, embedder: Embedder, loaded: Future[None]) -> None:
        self._recipe, self._embedder, self._loaded = recipe, embedder, loaded

    def read_all(self, tasks: Iterable[Task]) -> Iterator[ReadResult]:
        return read_all(tasks, self._recipe)

    def embed(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        self._loaded.result()
        return partial(self._embedder.embed_texts, texts)


@contextmanager
def _here(recipe: Recipe, embedder: Embedder) -> Iterator[Workers]:
    with ThreadPoolExecutor(1) as beside:
        loaded = beside.submit(embedder.load)  # while the first files are read
        yield _Here(recipe, embedder, loaded)
        loaded.result()


class _Run:
    """One ingest of one corpus."""

    def __init__(self, catalog: Catalog, settings: Settings, embedder: Embedder, rebuild: bool, ray: str) -> None:
        self.catalog = catalog
        self._ray, self._ingest_settings = ray, settings.ingest
        self.known = catalog.files()
        self._embedder = embedder
        self._recipe = recipe_from(settings.ingest, embedder.tokens)
        self._recipe_id = _recipe_id(self._recipe)
        self._identity = CorpusIdentity(embedder.settings.model, embedder.fingerprint, self._recipe_id, READERS)
        self._live = catalog.identity()
        self.is_rebuild = rebuild or bool(self._live and self._live.is_outdated)
        self._max_file_bytes = settings.ingest.max_file_mb << 20
        self._documents = catalog.document_ids()
        if self.is_rebuild:  # what an interrupted rebuild has staged need not be read again
            live = {row.document_id for row in self.known}
            self._documents = {key: one for key, one in self._documents.items() if one not in live}
        self._failures: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        self._under_way: set[bytes] = set()
        """Digests of windows that are being embedded."""

    def plan(self, targets: Sequence[Path]) -> list[Entry]:
        """What there is to do. Files that failed before are tried again."""
        paths = [absolute(target) for target in targets]
        if self.is_rebuild:
            paths += [Path(row.root) for row in self.known]
        return make_plan(
            self.known,
            paths,
            self._hash,
            lambda row: self.is_rebuild or bool(row.failure),
        )

    def objection(self, plan: Sequence[Entry], confirmed: bool) -> AssistantError | None:
        """Why the plan may not be carried out: chunks of now cannot stand beside those of the live corpus, or half of
        it, or a whole folder, is gone, which may just not be mounted."""
        if self._live and not self.is_rebuild and self._live.recipe != self._recipe_id:
            return IdentityError(
                f"The corpus was read with other chunk settings ({self._live.recipe});"
                f" now it would be {self._recipe_id}.",
                "Set the ingest settings back, or read everything anew: assistant ingest --rebuild",
            )
        forgotten = [entry for entry in plan if entry.kind == "forgotten"]
        gone = next((one.root for one in forgotten if one.root.name != one.path and is_gone(one.root)), None)
        if confirmed or (not gone and len(forgotten) * 2 <= len(self.known)):
            return None
        return IngestError(
            f"{len(forgotten)} of {counted(len(self.known), 'file')} {'is' if len(forgotten) == 1 else 'are'} gone"
            f" from disk and would be forgotten{f'; there is no {gone} any more' if gone else ''}.",
            "Check that the folder is complete (--dry-run shows what is gone), then add --yes.",
        )

    def carry_out(self, plan: Sequence[Entry]) -> None:
        """Read, embed and stage what is new, then publish if anything is different."""
        unread = {
            self._key(entry): entry.file
            for entry in plan
            if entry.kind in READ_KINDS and entry.file and self._key(entry) not in self._documents
        }
        self._read(unread)
        # Those outside the plan stay as they were.
        replaced = {(entry.known.root, entry.known.path) for entry in plan if entry.known}
        rows = [self._comparable(row) for row in self.known if (row.root, row.path) not in replaced]
        for entry in plan:
            if entry.file is None:
                continue
            failure = entry.message if entry.kind == "failed" else self._failures.get(self._key(entry), "")
            if failure or entry.kind not in READ_KINDS:
                # A file that can't be read any more keeps answering with what it said before.
                document = self._comparable(entry.known).document_id if entry.known else None
            else:
                document = self._documents[self._key(entry)]
            file, root = entry.file, str(entry.root)
            rows.append(FileRow(root, entry.path, file.size, file.modified_ns, entry.hash, document, failure))
        if set(rows) != set(self.known) or self._identity != self._live:
            publish(self.catalog, self.known, rows, self._identity)
        # Also what runs that were killed have left behind.
        vectors.remove_other_bases(self.catalog)

    def results(self, plan: Sequence[Entry]) -> tuple[tuple[FileReport, ...], int, int]:
        """A report for each file, and how many documents and chunks are live."""
        rows = {(row.root, row.path): row.document_id for row in self.catalog.files()}
        live = {document_id for document_id in rows.values() if document_id is not None}
        by_id = {summary.id: summary for summary in self.catalog.document_summaries() if summary.id in live}
        names = names_of(
            (path, file_location(Path(root), path))
            for root, path in {*rows, *((str(entry.root), entry.path) for entry in plan)}
        )
        reports = []
        for entry in plan:
            failure = entry.message if entry.kind == "failed" else self._failures.get(self._key(entry), "")
            summary = by_id.get(rows.get((str(entry.root), entry.path)) or 0)
            reports.append(
                FileReport(
                    path=entry.path,
                    status="failed" if failure else entry.kind,
                    pages=summary.pages if summary else None,
                    characters=summary.characters if summary else 0,
                    chunks=summary.chunks if summary else 0,
                    seconds=round(self._seconds.get(self._key(entry), 0.0), 3),
                    warnings=summary.warnings if summary else (),
                    message=failure or entry.message,
                    name=names[file_location(entry.root, entry.path)],
                )
            )
        return tuple(reports), len(live), sum(summary.chunks for summary in by_id.values())

    def _hash(self, file: FoundFile) -> str:
        if file.size > self._max_file_bytes:
            raise ReadError(
                f"{file.location.name} has {file.size >> 20} MiB; ingest.max_file_mb is {self._max_file_bytes >> 20}.",
                "Raise the limit or split the file.",
            )
        return file_hash(file.location)

    def _key(self, entry: Entry) -> str:
        """Files with equal keys become equal documents."""
        return f"{entry.hash}{Path(entry.path).suffix.lower()}:{self._embedder.fingerprint}:{self._recipe_id}"

    def _read(self, unread: dict[str, FoundFile]) -> None:
        """Read one file a key, and stage what was read, several documents at a time."""
        if not unread:
            return
        keys = {file.location: key for key, file in unread.items()}
        tasks = [Task(file.location, file.size, file.modified_ns) for file in unread.values()]
        if self._ray:
            there = on_cluster(self._ray, self._ingest_settings, self._embedder)
        else:
            there = _here(self._recipe, self._embedder)
        with there as workers, progress_bar("Reading and embedding", len(tasks)) as bar:

            def portions() -> Iterator[dict[str, ReadResult]]:
                waiting: dict[str, ReadResult] = {}
                for reading in workers.read_all(tasks):
                    key = keys[reading.task.location]
                    waiting[key] = reading
                    bar.item(unread[key].path, reading.failure)
                    if sum(len(chunk.windows) for one in waiting.values() for chunk in one.chunks) >= _EMBED_WINDOWS:
                        yield waiting
                        waiting = {}
                yield waiting

            for count in in_order(portions(), partial(self._embedded, workers), workers.at_once):
                bar.advance(count)

    def _embedded(self, workers: Workers, readings: dict[str, ReadResult]) -> Callable[[], int]:
        """Have the windows of some readings embedded; what is given back stages them, and tells how many they are."""
        windows = [window for reading in readings.values() for chunk in reading.chunks for window in chunk.windows]
        digests = [digest(window, self._embedder.fingerprint) for window in windows]
        # Vectors that are in the catalog, or will be when those before are staged, are taken from there.
        known = self.catalog.known_vectors(list(dict.fromkeys(digests)))
        awaited = [one for one in dict.fromkeys(digests) if one in self._under_way]
        there = {*known, *awaited}
        new = {one: window for one, window in zip(digests, windows, strict=True) if one not in there}
        self._under_way |= new.keys()
        vectors = workers.embed(list(new.values())) if new else tuple

        def staged() -> int:
            known.update(zip(new, vectors(), strict=True))
            known.update(self.catalog.known_vectors(awaited))
            self._stage(readings, (known[one] for one in digests))
            self._under_way -= new.keys()
            return len(readings)

        return staged

    def _stage(self, readings: dict[str, ReadResult], vectors: Iterator[Vectors]) -> None:
        """Write the documents among some readings, with the vectors of all their windows, and note the failures."""
        with self.catalog.transaction():
            for key, reading in readings.items():
                self._seconds[key] = reading.seconds
                if reading.document is None:
                    self._failures[key] = reading.failure
                    continue
                portion = [next(vectors) for chunk in reading.chunks for _ in chunk.windows]
                self._documents[key] = self.catalog.stage(
                    key, reading.document, reading.chunks, portion, self._embedder.fingerprint
                )

    def _comparable(self, row: FileRow) -> FileRow:
        """A row without its document, if that has vectors of another embedder."""
        is_foreign = self._live is not None and self._live.fingerprint != self._embedder.fingerprint
        return replace(row, document_id=None) if is_foreign else row


def _recipe_id(recipe: Recipe) -> str:
    """12 hex digits that change with whatever changes chunks, apart from the embedder."""
    parts = (*map(int, READERS.split(".")), *astuple(recipe.budget), recipe.limits.ocr)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
