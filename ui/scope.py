"""Which documents are asked: collections, and filters over them, as people choose them beside the question.

What a form sends is held against what there is: a scope that was read names nothing that its person cannot ask.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Literal, get_args

from pydantic import TypeAdapter, ValidationError

from assistant.errors import UsageError, WorkspaceError
from assistant.service import open_corpus
from assistant.store.index import Index
from assistant.types import Filter
from assistant.workspace import DEFAULT_CORPUS, Workspace

Part = Literal["corpora", "folder", "language", "since", "until", "documents", "files"]
PARTS: tuple[Part, ...] = get_args(Part)
_MOST_OFFERED = 300
"""Folders and documents in a list; more would make the page slow."""
_LONGEST_VALUE = 1000  # characters; retrieval takes no longer patterns


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked of. All documents of the corpora that fit every part that is given."""

    corpora: tuple[str, ...] = ()
    folder: str = ""
    language: str = ""
    since: str = ""
    """ISO date."""
    until: str = ""
    documents: tuple[str, ...] = ()
    """Paths."""
    files: tuple[str, ...] = ()
    """Names of the conversation's own files; they alone are asked then, and nothing of the corpora."""

    @property
    def only(self) -> Filter | None:
        """The filter over the documents of each corpus, or over the files; None where all are asked."""
        if self.files:
            return Filter(self.files)
        metadata = {"language": self.language} if self.language else {}
        # A name with signs of a pattern in it is meant as it is.
        folder = "".join(f"[{sign}]" if sign in "*?[" else sign for sign in self.folder)
        only = Filter(self.documents, f"{folder}/*" if folder else "", metadata, self.since, self.until)
        return only or None

    @property
    def narrowings(self) -> list[tuple[Part, str]]:
        """Every part by itself that leaves something out, with its value."""
        if self.files:
            return [("files", one) for one in self.files]
        values = [(part, value) for part in PARTS for value in _values(self, part) if part != "corpora"]
        return [*values, *(("corpora", one) for one in self.corpora if len(self.corpora) > 1)]

    def without(self, part: str, value: str) -> "Scope":
        """The same without one of them."""
        if (part, value) not in self.narrowings:
            return self
        left = {name: tuple(one for one in _values(self, name) if (name, one) != (part, value)) for name in PARTS}
        one = {name: "".join(left[name]) for name in PARTS}
        days = one["since"], one["until"]
        return Scope(left["corpora"], one["folder"], one["language"], *days, left["documents"], left["files"])


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Offered:
    """What a person can choose from, for some corpora."""

    corpora: tuple[str, ...]
    folders: tuple[str, ...]
    languages: tuple[str, ...]
    documents: tuple[tuple[str, str], ...]
    """(path, title)."""
    count: int
    """Of the documents that are asked."""


@dataclass(frozen=True, slots=True)
class _Known:
    path: str
    title: str
    language: str


_SCOPE = TypeAdapter(Scope)


def written(scope: Scope) -> str:
    """A scope as it is kept."""
    return _SCOPE.dump_json(scope).decode()


def kept(text: str) -> Scope:
    """A scope as it was kept; an empty one where none was, or none that can be read."""
    try:
        return _SCOPE.validate_json(text)
    except ValidationError:
        return Scope()


def standing(scope: Scope, corpora: Collection[str]) -> Scope:
    """A scope without the corpora that are gone.

    Where it named none, it has the default one, else the first; and nothing else where all that it named are gone.
    """
    left = tuple(one for one in scope.corpora if one in corpora)
    if left:
        # Folder and documents may be those of one that is gone.
        return replace(scope, corpora=left) if left == scope.corpora else Scope(left, files=scope.files)
    first = DEFAULT_CORPUS if DEFAULT_CORPUS in corpora else next(iter(corpora), None)
    own = (first,) if first else ()
    return Scope(own, files=scope.files) if scope.corpora else replace(scope, corpora=own)


def scope_of(data: Mapping[str, object], workspace: Workspace, corpora: Collection[str]) -> Scope:
    """What a form says; ``corpora`` are those that its person may ask. Raises UsageError for what there is not."""

    def sent(name: str) -> list[str]:
        value = data.get(name, ())
        values = value if isinstance(value, list | tuple) else [value]
        return [one.strip() for one in values[:_MOST_OFFERED] if isinstance(one, str) and one.strip()]

    names = tuple(dict.fromkeys(sent("corpora")))
    for name in names:
        if name not in corpora:
            raise UsageError(f"There is no corpus {name[:80]!r}.", f"There are: {', '.join(corpora)}.")
    folder, language, since, until = (next(iter(sent(part)), "") for part in ("folder", "language", "since", "until"))
    for day in filter(None, (since, until)):
        if not _is_day(day):
            raise UsageError(f"{day[:80]!r} is no date.", "Write it as in 2025-12-31.")
    scope = standing(Scope(names, folder, language, since, until, tuple(dict.fromkeys(sent("documents")))), corpora)
    known = list(known_documents(workspace, scope.corpora))
    for part, values in (
        ("folder", _folders(known)),
        ("language", {one.language for one in known}),
        ("documents", {one.path for one in known}),
    ):
        for value in _values(scope, part):
            if value not in values or len(value) > _LONGEST_VALUE:
                raise UsageError(f"There is no {part.removesuffix('s')} {value[:80]!r}.", "Choose one of the list.")
    if known and not _count(workspace, scope):
        raise UsageError("No document fits all of that.", "Leave a part out, or choose other dates.")
    return scope


def offered(workspace: Workspace, scope: Scope, corpora: Collection[str]) -> Offered:
    """What the documents of a scope's corpora can be narrowed by."""
    known = list(known_documents(workspace, scope.corpora))
    folders = sorted(_folders(known) - {"."})
    return Offered(
        tuple(corpora),
        tuple(folders[:_MOST_OFFERED]),
        tuple(sorted({one.language for one in known} - {""})),
        tuple((one.path, one.title) for one in known[:_MOST_OFFERED]),
        _count(workspace, scope),
    )


def _folders(known: Iterable[_Known]) -> set[str]:
    return {str(parent) for one in known for parent in PurePosixPath(one.path).parents}


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _count(workspace: Workspace, scope: Scope) -> int:
    """How many documents of the corpora fit a scope, as a search reads it."""
    return sum(catalog.count(scope.only or Filter()) for catalog in _catalogs(workspace, scope.corpora))


def _values(scope: Scope, part: str) -> tuple[str, ...]:
    value = getattr(scope, part)
    return value if isinstance(value, tuple) else (value,) if value else ()


def known_documents(workspace: Workspace, corpora: Collection[str]) -> Iterator[_Known]:
    """The documents of some corpora; none of one that cannot be read."""
    for catalog in _catalogs(workspace, corpora):
        yield from _documents(workspace.whole, catalog.name, catalog.file, catalog.generation())


def _catalogs(workspace: Workspace, corpora: Collection[str]) -> Iterator[Index]:
    for corpus in corpora:
        # One that cannot be read says so when it is asked; the page is there to choose another.
        with suppress(WorkspaceError), closing(open_corpus(workspace, corpus)) as catalog:
            yield catalog


@lru_cache(maxsize=32)
def _documents(workspace: Workspace, corpus: str, file: Hashable, generation: int) -> tuple[_Known, ...]:  # noqa: ARG001
    """Of a corpus as it is; one that came to its place, and a new generation, have other documents."""
    with closing(open_corpus(workspace, corpus)) as catalog, catalog.snapshot():
        summaries = {one.id: one for one in catalog.document_summaries()}
        known = [(file.path, summaries.get(file.document_id or 0)) for file in catalog.files()]
    return tuple(
        _Known(path, one.title, one.language)
        for path, one in sorted(known, key=lambda pair: pair[0])
        if one is not None
    )
