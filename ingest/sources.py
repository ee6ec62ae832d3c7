"""Documents that lie elsewhere: before each ingest a copy of them in the workspace is made to say what they say.

    s3://claims/policies  ──▶  sources/s3-claims-policies-1f2e3d4c/    ingested as any folder
                                   .source.jsonl                       its address, and a line for each file

What has the version of before is not fetched again, nor what a run that was killed has fetched. What cannot be fetched
stays as it was.
"""

import hashlib
import json
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from threading import Event, Thread
from typing import Any, TextIO

from assistant.artifacts.command_reports import FileReport
from assistant.config import Settings
from assistant.errors import IngestError, UsageError
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.text.printing import counted, visible
from assistant.work.progress import note, progress_bar
from assistant.workspace import Workspace, make_folder, replaced_atomically, write_lock
from ingest.changes import is_hidden
from ingest.stores import Kept, RemoteFile, Unfetched, is_unsafe, reason_of, scheme_of, stored_files
from ingest.website import web_pages

_LISTING = ".source.jsonl"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://.", re.DOTALL)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")
_LONGEST_NAME = 40
_LOOK_SECONDS = 5.0
"""Between two looks whether what is watched is still the same folder or file."""


def brought(
    workspace: Workspace, corpus: str, targets: Sequence[str], settings: Settings, *, dry_run: bool = False
) -> tuple[list[Path], list[FileReport]]:
    """The folders to ingest for ``targets``, and what of them could not be fetched.

    What lies here is taken as it is, of an address the copy is brought up to date. Without targets the copies that a
    corpus was made from are, and no folder is returned; one whose source does not answer then stays as it was.
    Raises what ``refresh`` raises, IngestError only where nothing else is named.
    """
    folders = [Path(target) for target in targets if not is_address(target)]
    failures: list[FileReport] = []
    addresses = [target for target in targets if is_address(target)]
    if not targets:
        roots = (root for root in _roots(workspace, corpus) if root.parent == workspace.sources)
        for root in roots:
            if address := address_at(root):
                addresses.append(address)
            else:
                failures.append(FileReport(root.name, "failed", message="what it is a copy of is lost; name it again"))
    for address in addresses:
        try:
            failures += refresh(workspace, address, settings, dry_run=dry_run)
        except IngestError as error:
            failures.append(FileReport(address, "failed", message=str(error)))
        else:
            folders += [copy_of(workspace, address)] if targets else []
    if targets and not folders:
        raise IngestError(failures[0].message)
    return folders, failures


def is_address(target: str) -> bool:
    """Whether a target lies elsewhere."""
    return bool(_ADDRESS.match(target)) and not target.startswith("file:")


def _roots(workspace: Workspace, corpus: str) -> list[Path]:
    """The folders and files that a corpus was made from."""
    folder = workspace.corpus(corpus)
    if not (folder / CATALOG_FILE).exists():
        return []
    with closing(Catalog(folder)) as catalog:
        return sorted({Path(row.root) for row in catalog.files()})


def addresses_of(workspace: Workspace, corpus: str) -> list[str]:
    """The addresses that a corpus was made from."""
    return [address for root in _roots(workspace, corpus) if (address := address_at(root))]


def copy_of(workspace: Workspace, address: str) -> Path:
    """The folder for the copy of what lies at an address."""
    address = address.rstrip("/")
    name = _NOT_IN_NAMES.sub("-", address)[:_LONGEST_NAME].strip("-")
    return workspace.sources / f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"


def address_at(folder: Path) -> str:
    """The address of which a folder is the copy; empty for any other folder."""
    with suppress(OSError, ValueError, KeyError, TypeError), (folder / _LISTING).open(encoding="utf-8") as listing:
        return str(json.loads(listing.readline())["address"])
    return ""


def drop_copies(workspace: Workspace, addresses: Iterable[str]) -> None:
    """Delete the copies of addresses from which no corpus is made any more. Raises WorkspaceBusy."""
    roots = {root for corpus in workspace.corpus_names() for root in _roots(workspace, corpus)}
    for folder in {copy_of(workspace, address) for address in addresses} - roots:
        if folder.exists():
            with write_lock(folder):
                shutil.rmtree(folder)


def refresh(workspace: Workspace, address: str, settings: Settings, *, dry_run: bool = False) -> list[FileReport]:
    """Bring the copy of an address up to date, and return what could not be fetched; a dry run only looks.

    Raises UsageError for an address that is none, IngestError when nothing can be looked at there, WorkspaceBusy.
    """
    folder = copy_of(workspace, address)
    if dry_run and not folder.exists():
        raise UsageError(f"Nothing of {visible(address)} is here yet.", "Without --dry-run it is fetched.")
    with write_lock(folder):
        kept = _kept(folder)
        found = (web_pages if scheme_of(address) in ("http", "https") else stored_files)(address, kept, settings.ingest)
        if dry_run:
            there = list(found)
            changed = sum(isinstance(one, RemoteFile) and one.write is not None for one in there)
            gone = len(_gone(kept, {one.path for one in there}, there))
            told = f", {gone} would be gone" if gone else ""
            note(f"{visible(address)}: {counted(changed, 'file')} would be fetched{told}.")
            return []
        for half in folder.rglob(".*.tmp"):  # of a run that was killed
            half.unlink()
        copy = _Copy(folder, address, kept)
        try:
            with progress_bar(f"Fetching {visible(address)}", None) as bar:
                for one in found:
                    copy.take(one)
                    bar.item(one.path, one.reason if isinstance(one, Unfetched) else "")
                    bar.advance()
            if not copy.has_files:  # a store that is not mounted, a site behind a login
                reason = f": {copy.failures[0].reason}" if copy.failures else ""
                raise IngestError(
                    f"Nothing can be fetched from {visible(address)}{reason}.", "Check the address and rights."
                )
            copy.drop_what_is_gone()
        finally:
            copy.close()
    note(copy.told())
    return [FileReport(one.path, "failed", message=f"was not fetched: {one.reason}") for one in copy.failures]


class _Copy:
    """A copy while it is brought up to date."""

    def __init__(self, folder: Path, address: str, kept: dict[str, Kept]) -> None:
        self._folder = folder
        self._address = address
        self._kept = kept
        self._seen = set[str]()
        self.failures: list[Unfetched] = []
        self._fetched = 0
        self._removed = 0
        self._write_listing()
        self._listing: TextIO = (folder / _LISTING).open("a", encoding="utf-8")

    def take(self, one: RemoteFile | Unfetched) -> None:
        """Fetch what has changed."""
        is_another = one.path in self._seen
        self._seen.add(one.path)
        if isinstance(one, Unfetched):
            self.failures.append(one)
        elif is_another:
            self.failures.append(Unfetched(one.path, "another file there has the same name here"))
        elif one.write:
            try:
                target = self._folder / one.path
                make_folder(target.parent)
                with replaced_atomically(target) as beside:
                    one.write(beside)
            except Exception as error:  # each store has errors of its own
                self.failures.append(Unfetched(one.path, reason_of(error)))
                return
            self._fetched += 1
            self._kept[one.path] = Kept(one.version, one.links)
            self._listing.write(_line(one.path, self._kept[one.path]))
            self._listing.flush()

    @property
    def has_files(self) -> bool:
        """Whether there is any file at the address that is here now."""
        return not self._seen.isdisjoint(self._kept)

    def drop_what_is_gone(self) -> None:
        """Files that are not there any more, if all that is there could be seen."""
        for path in _gone(self._kept, self._seen, self.failures):
            (self._folder / path).unlink(missing_ok=True)
            with suppress(OSError):  # those that are not empty stay
                for above in (self._folder / path).relative_to(self._folder).parents[:-1]:
                    (self._folder / above).rmdir()
            del self._kept[path]
            self._removed += 1

    def close(self) -> None:
        self._listing.close()
        self._write_listing()

    def told(self) -> str:
        """What was done, in a line."""
        gone = f", {self._removed} gone" if self._removed else ""
        return f"{visible(self._address)}: {counted(self._fetched, 'file')} fetched of {len(self._kept)}{gone}."

    def _write_listing(self) -> None:
        with replaced_atomically(self._folder / _LISTING) as beside:
            lines = [json.dumps({"address": self._address}) + "\n"]
            lines += [_line(path, kept) for path, kept in sorted(self._kept.items())]
            beside.write_text("".join(lines), encoding="utf-8")


def _gone(kept: Mapping[str, Kept], seen: Collection[str], found: Iterable[RemoteFile | Unfetched]) -> set[str]:
    """The files that are not there any more, without those that are where not all could be seen."""
    unseen = tuple(one.hides for one in found if isinstance(one, Unfetched) and one.hides is not None)
    return {path for path in kept.keys() - {*seen} if not path.startswith(unseen)}


def _line(path: str, kept: Kept) -> str:
    return json.dumps({"path": path, **asdict(kept)}, ensure_ascii=False) + "\n"


def _kept(folder: Path) -> dict[str, Kept]:
    """What is known of the files in a copy that are there; later lines are of later days."""
    found: dict[str, Kept] = {}
    with suppress(FileNotFoundError), (folder / _LISTING).open(encoding="utf-8", errors="replace") as listing:
        for line in listing:
            with suppress(Exception):  # the last one of a run that was killed, or damage
                row: dict[str, Any] = json.loads(line)
                if not is_unsafe(row["path"]) and (folder / row["path"]).is_file():
                    found[row["path"]] = Kept(row["version"], tuple(row.get("links", ())))
    return found


def watchable(workspace: Workspace, corpus: str, targets: Sequence[str]) -> list[Path]:
    """The folders and files here among ``targets``, or of those that a corpus was made from.

    Raises UsageError when there is none, or nothing to watch them with.
    """
    try:
        import watchfiles  # noqa: F401 - told before anything is read
    except ImportError:
        raise UsageError("--watch needs watchfiles.", "pip install 'domain-assistant[sources]'") from None
    found = [Path(target).absolute() for target in targets if not is_address(target)]
    if not targets:
        found = [root for root in _roots(workspace, corpus) if not address_at(root)]
    if not any(path.exists() for path in found):
        raise UsageError("What lies elsewhere cannot be watched.", "Look at it every now and then: --every 1h")
    return found


def rounds(seconds: float | None, watched: Sequence[Path], workspace: Workspace) -> Iterator[None]:
    """Each moment at which to ingest again: when something that is ``watched`` has changed since the last one, and
    ``seconds`` after it. Watched is from now on.
    """
    changed = Event()

    def moments() -> Iterator[None]:
        while True:
            changed.wait(seconds)
            changed.clear()
            yield

    if watched:
        Thread(target=_watch, args=(watched, workspace, changed), daemon=True).start()
    return moments()


def _watch(watched: Sequence[Path], workspace: Workspace, changed: Event) -> None:
    """Set ``changed`` whenever a document does, for ever."""
    import watchfiles

    def seen() -> list[tuple[Path, int]]:
        return [(path, path.stat().st_ino) for path in watched if path.exists()]

    def is_document(_: watchfiles.Change, name: str) -> bool:
        path = Path(name)
        inside = next((path.relative_to(root) for root in watched if path.is_relative_to(root)), path)
        return not path.is_relative_to(workspace.root) and not any(map(is_hidden, inside.parts))

    there, patience = seen(), int(1000 * _LOOK_SECONDS)
    while True:
        if there:
            paths = (path for path, _ in there)
            looks = watchfiles.watch(*paths, watch_filter=is_document, rust_timeout=patience, yield_on_timeout=True)
            for changes in looks:
                if changes:
                    changed.set()
                if seen() != there:
                    break
        else:
            time.sleep(_LOOK_SECONDS)
        if (now := seen()) != there:  # deleted, or made again, as editors do with a file: to be watched anew
            changed.set()
            there = now
