"""Where an adapter comes from, and whether that is still there: its documents compared with the corpora of today."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass

from assistant.artifacts.adapters import AdapterCard
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.workspace import Workspace

_SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class Staleness:
    """Documents behind an adapter that are no longer what they were."""

    forgotten: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.forgotten or self.changed)

    def __str__(self) -> str:
        found = (("forgotten", self.forgotten), ("changed", self.changed))
        return ", ".join(f"{_documents(len(paths))} {what} since" for what, paths in found if paths)


def joined_corpora(names: Collection[str]) -> str:
    """Several corpora as ``AdapterCard.corpus`` has them."""
    return _SEPARATOR.join(dict.fromkeys(names))


def joined_documents(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Documents of several adapters as ``AdapterCard.documents`` has them."""
    found: dict[str, dict[str, None]] = {}
    for documents in several:
        for path, digests in documents.items():
            found.setdefault(path, {}).update(dict.fromkeys(digests.split(_SEPARATOR)))
    return {path: _SEPARATOR.join(digests) for path, digests in found.items()}


def staleness(card: AdapterCard, workspace: Workspace) -> Staleness:
    """What became of an adapter's documents; nothing is said where the workspace does not have their corpus.

    A document under another name is still there. Raises WorkspaceError when a catalog cannot be read.
    """
    present: set[tuple[str, str]] = set()
    for name in filter(None, card.corpus.split(_SEPARATOR)):
        folder = workspace.corpus(name)
        if not (folder / CATALOG_FILE).exists():
            return Staleness()
        with closing(Catalog(folder)) as catalog, catalog.snapshot():
            present |= {(row.path, row.hash) for row in catalog.files()}
    return compared(card.documents, present)


def compared(documents: dict[str, str], present: Collection[tuple[str, str]]) -> Staleness:
    """``documents`` (path → content hash) against the (path, content hash) that are ``present``."""
    paths, hashes = {path for path, _ in present}, {digest for _, digest in present}
    gone = [path for path, digests in sorted(documents.items()) if not hashes.issuperset(digests.split(_SEPARATOR))]
    return Staleness(tuple(path for path in gone if path not in paths), tuple(path for path in gone if path in paths))


def _documents(count: int) -> str:
    return "1 document was" if count == 1 else f"{count} documents were"
