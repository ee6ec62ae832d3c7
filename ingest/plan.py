"""What an ingest has to do: the difference between a folder and a corpus, before anything is read."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assistant.errors import ReadError
from assistant.store.catalog import FileRow, file_location
from ingest.scan import FoundFile, PassedOver, scan

Kind = Literal["unchanged", "touched", "added", "updated", "renamed", "forgotten", "failed", "skipped"]
# Changes after which a file has to be read, unless its bytes are known.
READ_KINDS: frozenset[Kind] = frozenset({"added", "updated"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One path and what becomes of it."""

    kind: Kind
    root: Path
    path: str
    file: FoundFile | None = None
    hash: str = ""
    known: FileRow | None = None
    """The row that the path, or the path it was renamed from, has so far."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of what is on disk: everything at or under ``root / inside``."""

    root: Path
    inside: str = ""

    def covers(self, row: FileRow) -> bool:
        """Whether the file of a row lies in this part, wherever its root was."""
        return file_location(Path(row.root), row.path).is_relative_to(self.root / self.inside)


def make_plan(
    known: Sequence[FileRow],
    targets: Sequence[Path],
    hash_file: Callable[[FoundFile], str],
    reread: Callable[[FileRow], bool],
) -> list[Entry]:
    """Compare the targets (all known roots if there are none) with the known files.

    Unchanged files are told by size and modification time; the others are hashed, which finds renamed ones.
    ``reread`` says of a known file that it has to be read although it did not change. Known files outside
    the targets are no part of the plan. Raises UsageError for a target that does not exist.
    """
    roots = {Path(row.root) for row in known}
    scopes = [_scope(target, roots) for target in targets] or [Scope(root) for root in sorted(roots)]
    covered = {(Path(row.root), row.path): row for row in known if any(scope.covers(row) for scope in scopes)}
    entries = [
        _entry(found, covered, hash_file, reread)
        for scope in scopes
        for found in scan(scope.root, scope.inside)
    ]
    seen = {(entry.root, entry.path) for entry in entries if entry.kind != "skipped"}
    vanished = [row for key, row in covered.items() if key not in seen]
    return _with_renames(entries, vanished)


def _scope(target: Path, roots: Iterable[Path]) -> Scope:
    """A target inside a known root is a part of that root, so that no file is known twice."""
    for root in sorted(roots, key=lambda path: len(path.parts)):
        if target != root and target.is_relative_to(root):
            return Scope(root, target.relative_to(root).as_posix())
    return Scope(target)


def _entry(
    found: FoundFile | PassedOver,
    covered: dict[tuple[Path, str], FileRow],
    hash_file: Callable[[FoundFile], str],
    reread: Callable[[FileRow], bool],
) -> Entry:
    if isinstance(found, PassedOver):
        return Entry("skipped", found.root, found.path, message=found.reason)
    row = covered.get((found.root, found.path))
    is_same = row is not None and (row.size, row.modified_ns) == (found.size, found.modified_ns)
    if row is not None and is_same and not reread(row):
        return Entry("unchanged", found.root, found.path, found, row.hash, row)
    try:
        content = hash_file(found)
    except ReadError as error:
        return Entry("failed", found.root, found.path, found, "", row, str(error))
    if row is None or row.document_id is None:
        kind: Kind = "added"
    else:
        kind = "touched" if row.hash == content and not reread(row) else "updated"
    return Entry(kind, found.root, found.path, found, content, row)


def _with_renames(entries: list[Entry], vanished: list[FileRow]) -> list[Entry]:
    """Pair added files with vanished ones of the same bytes; what is left vanished is forgotten."""
    gone: dict[tuple[str, str], list[FileRow]] = {}
    for row in vanished:
        gone.setdefault((row.hash, Path(row.path).suffix.lower()), []).append(row)
    planned = []
    for entry in entries:
        candidates = gone.get((entry.hash, Path(entry.path).suffix.lower()), [])
        if entry.kind == "added" and candidates and candidates[0].document_id is not None:
            row = candidates.pop(0)
            entry = Entry("renamed", entry.root, entry.path, entry.file, entry.hash, row, f"was {row.path}")
        planned.append(entry)
    forgotten = [row for rows in gone.values() for row in rows]
    planned.extend(Entry("forgotten", Path(row.root), row.path, known=row) for row in forgotten)
    return planned
