"""Who may read and who may change each corpus, adapter and report: ``rights.json`` of a workspace.

    {"corpora": {"claims": {"readers": ["@claims", "ana"], "editors": ["eve"]}}, "adapters": {}, "reports": {}}

``@claims`` is everyone in that group. Where no readers are named, everyone who is signed in reads; where no editors are
named, everyone changes whose role is editor. Who is named to change may read; the role says what kind of work one may
do at all; admins may do all. What was made from a corpus (adapters, reports, pairs, cases) is for nobody who may not
read the corpus; nor is a report for anyone who may not read the one that it was held against.

Every change is seen by the next request. A file that cannot be read leaves everything to admins.
"""

import json
import logging
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from assistant.artifacts.cards import CARD_FILE, RUN_FILE, read_card, run_folder
from assistant.artifacts.evaluations import RESULTS_FILE
from assistant.artifacts.pairs import header_file, read_header
from assistant.errors import AssistantError, ConfigError, UsageError, first_fault, one_line
from assistant.store.catalog import CATALOG_FILE
from assistant.workspace import Resource, ResourceKind, Workspace, safe_name
from ui.people import People, User, usable_name
from ui.scope import known_documents
from ui.shared import KeptText

RIGHTS_FILE = "rights.json"
GROUP = "@"
"""Begins the name of a group among readers and editors; no person's name begins so."""
RightsKind = Literal["corpus", "adapter", "report"]
_SECTIONS: Mapping[RightsKind, str] = {"corpus": "corpora", "adapter": "adapters", "report": "reports"}
WORDS: Mapping[ResourceKind, str] = {"pairs": "set of pairs", "cases": "file of cases"}
"""What people call a kind, where that is another word."""
_CASES_OF = ".cases.jsonl"
"""Ends the name of a file of corrections as cases; before it stands the corpus."""
_log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, slots=True)
class Access:
    """Who reads and who changes one thing: names of people, and of groups behind ``@``. None: as where nothing is set;
    empty: admins alone."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    readers: tuple[str, ...] | None = None
    editors: tuple[str, ...] | None = None

    def may_read(self, user: User) -> bool:
        """Whether someone who is no admin may read it."""
        return self.readers is None or _is_among(user, (*self.readers, *(self.editors or ())))

    def may_edit(self, user: User) -> bool:
        """Whether someone who is no admin, and whose role is editor, may change it."""
        return self.may_read(user) and (self.editors is None or _is_among(user, self.editors))


class _RightsContent(BaseModel):
    model_config = ConfigDict(extra="forbid")

    corpora: dict[str, Access] = {}
    adapters: dict[str, Access] = {}
    reports: dict[str, Access] = {}


NOTHING_SET = Access()


@dataclass(frozen=True, slots=True)
class Rights:
    """What the file says. ``entries``: kind and name → who reads and changes it."""

    entries: Mapping[Resource, Access] = field(default_factory=dict)
    is_known: bool = True
    """False for a file that cannot be read."""

    @property
    def limit_nobody(self) -> bool:
        """Whether nothing is set, so that everyone who is signed in may read everything."""
        return self.is_known and not self.entries

    def may_read(self, user: User, kind: ResourceKind, name: str) -> bool:
        """Whether ``user`` may read it, as far as its own entry goes."""
        if user.may("admin"):
            return True
        return bool(user.name) and self.is_known and all(one.may_read(user) for one in self._entries_of(kind, name))

    def may_edit(self, user: User, kind: ResourceKind, name: str) -> bool:
        """Whether ``user`` may change it, as far as its own entry goes."""
        if user.may("admin"):
            return True
        may_read = user.may("editor") and self.may_read(user, kind, name)
        return may_read and all(one.may_edit(user) for one in self._entries_of(kind, name))

    def _entries_of(self, kind: ResourceKind, name: str) -> Iterator[Access]:
        """Of a name in either case: there are file systems that take CLAIMS for claims."""
        folded = kind, name.casefold()
        return (access for (of, other), access in self.entries.items() if (of, other.casefold()) == folded)


class RightsFile:
    """The rights of a workspace, as the file stands now. Bears several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self.file = workspace.root / RIGHTS_FILE
        self._text = KeptText(self.file, workspace.state)
        self.place = self._text.place
        self._known: tuple[Hashable, Rights] = None, Rights()

    def rights(self) -> Rights:
        """What the file says; of one that cannot be read, that everything is for admins, and the log says why."""
        try:
            stamp = self._text.stamp()
        except OSError as error:
            stamp = str(error)
        if stamp is None:
            return Rights()
        before, rights = self._known
        if stamp != before:
            try:
                rights = self.read()
            except ConfigError as error:
                _log.error("%s", error)
                rights = Rights(is_known=False)
            self._known = stamp, rights
        return rights

    def read(self) -> Rights:
        """What the file says. Raises ConfigError for one that cannot be used."""
        try:
            text = self._text.content()
            if text is None:
                return Rights()
            content = _RightsContent.model_validate_json(text)
        except (OSError, ValidationError) as error:
            reason = first_fault(error) if isinstance(error, ValidationError) else one_line(error)
            raise ConfigError(
                f"The rights in {self.place} cannot be read, and everything is for admins alone: {reason}.",
                "Mend it, or delete it and set them anew: assistant rights --help",
            ) from None
        sections = ((kind, getattr(content, section)) for kind, section in _SECTIONS.items())
        return Rights({(kind, name): access for kind, some in sections for name, access in some.items()})

    def set(self, kind: RightsKind, name: str, access: Access) -> None:
        """Set who reads and changes one thing, or with nothing set, that it is as any other.

        Raises UsageError for what can be no name, ConfigError for a file that cannot be used.
        """
        safe_name(name, kind)
        usable = Access(_usable(access.readers), _usable(access.editors))
        with self._changing() as entries:
            entries.pop((kind, name), None)
            if usable != NOTHING_SET:
                entries[kind, name] = usable

    def forget(self, person: str) -> None:
        """Name a person nowhere, or whoever gets their name one day would have their rights.

        What nobody else may read is for admins alone. Raises ConfigError for a file that cannot be used.
        """

        def others(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
            return names and tuple(name for name in names if name != person)

        if any(person in (*(one.readers or ()), *(one.editors or ())) for one in self.read().entries.values()):
            with self._changing() as entries:
                for thing, access in entries.items():
                    entries[thing] = Access(others(access.readers), others(access.editors))

    @contextmanager
    def _changing(self) -> Iterator[dict[Resource, Access]]:
        with self._text.changing() as write:
            entries = dict(self.read().entries)
            yield entries
            content = _RightsContent(
                **{
                    section: {name: access for (of, name), access in sorted(entries.items()) if of == kind}
                    for kind, section in _SECTIONS.items()
                }
            )
            write(content.model_dump_json(indent=2, exclude_defaults=True) + "\n")


@dataclass(frozen=True, slots=True)
class Permissions:
    """What one person may read and change of a workspace."""

    workspace: Workspace
    """All of it."""
    rights: Rights
    user: User

    @property
    def may_read_all(self) -> bool:
        """Whether nothing is kept from them."""
        return self.user.may("admin") or (bool(self.user.name) and self.rights.limit_nobody)

    def may_read(self, kind: ResourceKind, name: str) -> bool:
        """Whether there is such a thing for them, if there is one at all."""
        if self.may_read_all:
            return True
        own = kind != "workspace" and self.rights.may_read(self.user, kind, name)
        if kind == "cases" and not name.endswith(_CASES_OF):
            # All documents that cases name have to be in corpora that they may read: nothing else says whose they are.
            seen = replace(self.workspace, shows=self.may_read)
            known = {one.path for one in known_documents(seen, seen.corpus_names())}
            return own and gold_documents(path_of(self.workspace, kind, name)) <= known
        # Looked up in any case: how long a refusal takes must not tell that there is something to refuse.
        sources = made_from(self.workspace, kind, name)
        return own and sources is not None and all(self.may_read(*one) for one in sources)

    def may_edit(self, kind: ResourceKind, name: str) -> bool:
        """Whether they may change it, or make something of this name."""
        sources = made_from(self.workspace, kind, name) if kind == "pairs" else frozenset()
        may_edit = self.may_read(kind, name) and self.rights.may_edit(self.user, kind, name)
        return may_edit and all(self.may_edit(*one) for one in sources or ())


def is_there(workspace: Workspace, kind: ResourceKind, name: str) -> bool:
    """Whether there is such a thing. Raises UsageError for a name that could leave the workspace."""
    is_shared = kind == "corpus" and name in workspace.whole.corpus_names()
    return is_shared or path_of(workspace, kind, name).exists()


def path_of(workspace: Workspace, kind: ResourceKind, name: str) -> Path:
    """What is there if a thing is. Raises UsageError for a name that could leave the workspace."""
    match kind:
        case "corpus":
            return workspace.corpus(name) / CATALOG_FILE
        case "adapter":
            return workspace.adapter(name)
        case "report":
            return workspace.root / "reports" / safe_name(name, "report") / RESULTS_FILE
        case "pairs":
            return workspace.pairs_file(name)
        case "cases":
            return workspace.root / ("feedback" if name.endswith(_CASES_OF) else "cases") / safe_name(name, "file")
        case "workspace":
            return workspace.root


def made_from(workspace: Workspace, kind: ResourceKind, name: str) -> frozenset[Resource] | None:
    """The corpora, adapters and reports behind a thing; empty for one that there is not, None where that cannot be
    told."""
    with suppress(UsageError):
        if kind == "cases" and name.endswith(_CASES_OF):
            return frozenset({("corpus", name.removesuffix(_CASES_OF))})
        file = path_of(workspace, kind, name)
        match kind:
            case "pairs":
                behind = [file, header_file(file)]
            case "adapter":
                behind = [file, file / CARD_FILE, run_folder(workspace, name) / RUN_FILE]
            case "report":
                behind = [file.parent, file]
            case _:
                return frozenset()
        stamps = tuple(map(_stamp, behind))
        return _made_from(workspace.root, kind, name, stamps) if any(stamps) else frozenset()
    return frozenset()  # a name that nothing of ours can have


@lru_cache(maxsize=1024)
def _made_from(root: Path, kind: ResourceKind, name: str, _stamps: Hashable) -> frozenset[Resource] | None:
    workspace = Workspace(root)
    file = path_of(workspace, kind, name)
    try:
        if kind == "pairs":
            header = read_header(file)
            return None if header is None else _corpora(header.corpus)
        if kind == "report":
            content = json.loads(file.read_bytes())
            adapters = [one["adapter"] for one in content.get("systems", ()) if one["adapter"]]
            found = _corpora(str(content["data"]["corpus"]))
            if content.get("gate", {}).get("baseline"):  # whose figures and answers it shows
                before = content["baseline"]  # without it, an earlier version has not kept which one that is
                adapters += before["adapters"]
                found |= {("report", str(before["report"])), *_corpora(str(before["corpus"]))} - {("report", name)}
            return found | {("adapter", str(one)) for one in adapters}
        if file.is_dir():
            return _corpora(read_card(file).corpus)
        run = json.loads((run_folder(workspace, name) / RUN_FILE).read_bytes())
        sets = made_from(workspace, "pairs", str(run["settings"]["pairs"]))
    except (AssistantError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return sets


def _corpora(names: str) -> frozenset[Resource]:
    return frozenset(("corpus", name) for name in names.split(", ") if name)


def gold_documents(file: Path) -> frozenset[str]:
    """The documents that the gold of some cases stands in, as far as they can be read."""
    stamp = _stamp(file)
    return _gold_documents(file, stamp) if stamp else frozenset()


@lru_cache(maxsize=256)
def _gold_documents(file: Path, _stamp: Hashable) -> frozenset[str]:
    found: set[str] = set()
    with suppress(OSError), file.open(encoding="utf-8-sig", errors="replace") as lines:
        for line in lines:
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                found.update(str(span["document"]) for group in json.loads(line).get("gold", ()) for span in group)
    return frozenset(found)


def refuse_unknown(people: People, access: Access) -> None:
    """Raise UsageError where someone is named who cannot sign in. Groups may be empty as yet."""
    known = people.accounts()
    for one in (*(access.readers or ()), *(access.editors or ())):
        if not one.startswith(GROUP) and one not in known:
            raise UsageError(f"There is no user '{one[:80]}'.", f"See: assistant users list; a group is {GROUP}NAME.")


def _stamp(file: Path) -> Hashable:
    """Changes with a file; None where there is none."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _usable(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    parts = ((one.startswith(GROUP), one.removeprefix(GROUP)) for one in names)
    written = (
        (GROUP if is_group else "") + usable_name(one, "group" if is_group else "user") for is_group, one in parts
    )
    return tuple(dict.fromkeys(written))


def _is_among(user: User, names: tuple[str, ...]) -> bool:
    return user.name in names or any(f"{GROUP}{group}" in names for group in user.groups)
