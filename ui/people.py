"""Who may sign in: names, roles, groups, and passwords that nobody can read, in one text.

    {"users": [{"name": "ana", "role": "editor", "password": "scrypt:15:8:3:SALT:KEY", "groups": ["claims"]}]}

A name without a password can only come from a proxy that has signed it in (``ui.trusted_header``), or from the provider
(``ui.oidc``): then it begins with ``oidc:``, as do the groups that the provider has somebody in, and its line says who
that is there. So nobody is another one here for being called the same. Every change is seen by the next request: nobody
has to start the app again to take a right away.
"""

import base64
import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from assistant.config import UiSettings
from assistant.errors import ConfigError, UsageError, one_line
from assistant.workspace import StateServer, Workspace
from ui.shared import KeptText

Role = Literal["expert", "editor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

SHORTEST_PASSWORD = 8  # as NIST asked for at least (SP 800-63B of 2017, 5.1.1.2); guessing is slow besides
# Far above any real one; hashing gets no longer with it, but a request might.
LONGEST_PASSWORD = 1024
USERS_FILE = "users.json"
OIDC = "oidc:"
"""Begins the names of people and groups that the provider names; no others do."""
# Letters and digits of any script; nothing that hides, reorders, or means something to a shell, a path or HTML.
_NAME = re.compile(r"[^\W_](?:[\w .@+'-]{0,62}[\w.])?")
Cost = tuple[int, int, int]
# 32 MiB and three passes, as OWASP's "Password Storage Cheat Sheet" gives them: (log2 of N, r, p).
_COST: Cost = (15, 8, 3)
_SALT_BYTES, _KEY_BYTES = 16, 32  # NIST asks for 16 of salt (SP 800-132, 5.1)
_HASH = re.compile(r"scrypt:(?:1[0-9]|20):[1-9]\d?:[1-9]\d?:[A-Za-z0-9+/]{20,}=*:[A-Za-z0-9+/]{20,}=*")


@dataclass(frozen=True, slots=True)
class User:
    """Someone who may use the app: an expert asks and teaches, an editor also changes what is known, an admin all."""

    name: str
    role: Role
    groups: tuple[str, ...] = ()
    """Those they are in, by which rights are given (``ui.rights``)."""

    def may(self, role: Role) -> bool:
        """Whether they may do what needs ``role``."""
        return ROLES.index(self.role) >= ROLES.index(role)


LOCAL = User("local", "admin")
"""Who asks where nobody signs in: whoever sits at this machine."""
NOBODY = User("", "expert")
"""Who asks before anyone has signed in, and afterwards."""


@dataclass(frozen=True, slots=True)
class Account:
    """One line of the file. ``password`` is its hash; empty where a proxy or the provider signs in."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    role: Role
    password: str = field(default="", repr=False)
    groups: tuple[str, ...] = ()
    subject: str = ""
    """A hash of who they are at the provider; empty for others, and until they come from there."""
    locked: bool = False
    """They are not let in, whoever says that they may."""

    @property
    def user(self) -> User:
        """The person without the password."""
        return User(self.name, self.role, self.groups)


class _UsersContent(BaseModel):
    model_config = ConfigDict(extra="forbid")

    users: list[Account] = []


class People:
    """Those who may sign in, as the file stands now."""

    def __init__(self, file: Path, cost: Cost = _COST, state: StateServer | None = None) -> None:
        """``cost`` is what a new password's hash is made with; ``state`` what keeps the text in place of a file."""
        self.file = file
        self._text = KeptText(file, state, is_secret=True)
        self._cost = cost
        self._read_at: Hashable = None
        self._accounts: dict[str, Account] = {}

    def accounts(self) -> dict[str, Account]:
        """Name → account. Raises ConfigError for a text that cannot be used, StateDown for a server away."""
        stamp = self._text.stamp()
        if stamp is None:
            return {}
        if self._read_at != stamp:
            self._accounts = {account.name: account for account in _read(self._text)}
            self._read_at = stamp
        return self._accounts

    @property
    def place(self) -> str:
        """Where they stand."""
        return self._text.place

    def users(self) -> list[User]:
        """Everyone who may sign in, by name."""
        return [account.user for _, account in sorted(self.accounts().items()) if not account.locked]

    def groups(self) -> list[str]:
        """The groups that someone is in, by name."""
        return sorted({group for account in self.accounts().values() for group in account.groups})

    def user(self, name: str) -> User | None:
        """The person of that name; None if there is none, or they are locked."""
        account = self.accounts().get(composed(name))
        return account.user if account and not account.locked else None

    def verified(self, name: str, password: str) -> User | None:
        """The person if the password is theirs. Takes as long for a name that is not there."""
        account = self.accounts().get(composed(name))
        # Where there is none, a hash that takes as long as any and that nothing fits.
        nobody = _written_as(self._cost, bytes(_SALT_BYTES), bytes(_KEY_BYTES))
        _, cost, block, passes, salt, key = ((account and account.password) or nobody).split(":")
        found = _key(password[:LONGEST_PASSWORD], base64.b64decode(salt), int(cost), int(block), int(passes))
        fits = hmac.compare_digest(found, base64.b64decode(key))
        return account.user if account and account.password and fits and not account.locked else None

    def stamp(self, name: str) -> str:
        """What changes with someone's password or with who they are, so that sessions end; empty for nobody."""
        account = self.accounts().get(composed(name))
        if account is None or account.locked:
            return ""
        return hashlib.sha256(f"{account.password} {account.subject}".encode()).hexdigest()

    def device_mark(self, name: str, device: str) -> str:
        """What a browser ``device`` that ``name`` has signed in with can show; empty for a name without a password.

        Keyed with the hash of the password: nobody else can make one, and it ends with the password.
        """
        account = self.accounts().get(composed(name))
        if account is None or not account.password:
            return ""
        return hmac.new(account.password.encode(), device.encode(), "sha256").hexdigest()

    def add(self, name: str, role: Role, password: str, groups: Iterable[str] = ()) -> User:
        """Let someone in. Raises UsageError for a name that is taken or a password that is too short."""
        new = Account(usable_name(name), role, _hashed(_for(name, password), self._cost), _grouped(groups))
        with self._changing() as accounts:
            if new.name in accounts:
                raise UsageError(
                    f"There is a user '{new.name}' already.", "See 'assistant users --help' for role and password."
                )
            accounts[new.name] = new
        return new.user

    def set_password(self, name: str, password: str) -> None:
        """Give someone another password, which ends their sessions. Raises UsageError."""
        hashed = _hashed(_for(name, password), self._cost)
        with self._changing() as accounts:
            known = _known(name, accounts)
            accounts[known] = replace(accounts[known], password=hashed)

    def set_role(self, name: str, role: Role) -> None:
        """Give someone another role, from their next click on. Raises UsageError for nobody."""
        with self._changing() as accounts:
            known = _known(name, accounts)
            accounts[known] = replace(accounts[known], role=role)

    def set_groups(self, name: str, groups: Iterable[str]) -> User:
        """Have someone be in these groups alone, from their next click on. Raises UsageError for nobody."""
        named = _grouped(groups)
        with self._changing() as accounts:
            known = _known(name, accounts)
            accounts[known] = replace(accounts[known], groups=named)
        return accounts[known].user

    def admit(self, name: str, subject: str, role: Role | None, groups: Iterable[str]) -> User:
        """Who has come from the provider, where they are called ``name``, and are in ``groups``; ``subject`` says who.

        Someone known keeps the name of the first time, and groups that were given here. Who has no ``role`` any more
        loses what the provider gave. Raises UsageError for one who is not let in, and why.
        """
        with self._changing() as accounts:
            known = next((one for one in accounts.values() if one.subject == subject), None)
            if known is None:
                usable = usable_name(OIDC + name)
                known = accounts.get(usable) or Account(usable, role or "expert")
            if known.subject not in ("", subject):
                raise UsageError(
                    f"'{known.name}' was someone else at the provider before.",
                    f"Once it is sure that they come no more: assistant users forget {known.name}",
                )
            if known.locked:
                raise UsageError(f"'{known.name}' is locked.", f"Run: assistant users unlock {known.name}")
            if role or known.name in accounts:
                given_here = [group for group in known.groups if not group.startswith(OIDC)]
                theirs = [OIDC + group for group in groups] if role else []
                known = replace(known, subject=subject, role=role or "expert", groups=_grouped([*given_here, *theirs]))
                accounts[known.name] = known
        if role is None:
            raise UsageError(f"'{known.name}' is in no group that has a role.", "See the setting oidc.roles.")
        return known.user

    def set_locked(self, name: str, locked: bool) -> None:
        """Let someone in no more though they stay known, or again. Raises UsageError for nobody."""
        with self._changing() as accounts:
            known = _known(name, accounts)
            accounts[known] = replace(accounts[known], locked=locked)

    def remove(self, name: str, known_as: str = "") -> None:
        """Let someone in no more, from their next click on. Raises UsageError for nobody.

        Whom the provider would let in again is kept as locked, under the name ``known_as`` if there is one.
        """
        with self._changing() as accounts:
            gone = accounts.pop(_known(name, accounts))
            if gone.name.startswith(OIDC):
                kept = OIDC + known_as if known_as else gone.name
                accounts[kept] = Account(kept, "expert", subject=gone.subject, locked=True)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Account]]:
        with self._text.changing() as write:
            accounts = dict(self.accounts())
            yield accounts
            if accounts == self.accounts():
                return
            users = _UsersContent(users=[account for _, account in sorted(accounts.items())])
            # Without groups it is as earlier versions wrote it, and they read it.
            write(users.model_dump_json(indent=2, exclude_defaults=True) + "\n")


def people_of(workspace: Workspace, settings: UiSettings, *, has_provider: bool = False) -> People | None:
    """Those who may sign in; None where there is no users file and no provider, and nobody has to.

    Raises ConfigError for a ``ui.users_file`` that names nobody, and for a ``ui.trusted_header`` without users.
    """
    people = named_people(workspace, settings)
    if people.accounts() or has_provider:
        return people
    if settings.users_file:
        raise ConfigError(f"ui.users_file {people.place} names nobody.", "Run: assistant users add NAME")
    if settings.trusted_header:
        raise ConfigError(
            "ui.trusted_header needs to know who may come in.", "Run: assistant users add NAME --no-password"
        )
    return None


def named_people(workspace: Workspace, settings: UiSettings) -> People:
    """Those who may sign in, be they none; a file that the settings name is one also where a server keeps the rest."""
    if settings.users_file:
        return People(Path(settings.users_file).expanduser())
    return People(workspace.root / USERS_FILE, state=workspace.state)


def usable_name(name: str, what: str = "user") -> str:
    """``name``, in one Unicode form. Raises UsageError for one that could deceive."""
    usable = composed(name)
    if not _NAME.fullmatch(usable.removeprefix(OIDC)):
        raise UsageError(
            f"{name[:80]!r} is not a name for a {what}.",
            "Use 1 to 64 letters, digits, spaces and . _ - @ + ', beginning with a letter or digit.",
        )
    return usable


def usable_password(password: str) -> str:
    """``password``. Raises UsageError for one that is too short, or too long to be meant."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise UsageError(
            f"The password has {len(password)} characters.",
            f"Use {SHORTEST_PASSWORD} to {LONGEST_PASSWORD:,}; four words that nobody else puts together are good.",
        )
    return password


def composed(name: str) -> str:
    """``name`` in the one Unicode form that names are kept in."""
    return unicodedata.normalize("NFC", name)


def _for(name: str, password: str) -> str:
    """``password``, if it is not for someone who signs in at the provider. Raises UsageError."""
    if password and name.startswith(OIDC):
        raise UsageError(f"'{name[:80]}' signs in at the provider.", "Use --no-password.")
    return password


def _grouped(groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({usable_name(group, "group") for group in groups}))


def _known(name: str, accounts: dict[str, Account]) -> str:
    known = composed(name)
    if known not in accounts:
        raise UsageError(f"There is no user '{name[:80]}'.", "See: assistant users list")
    return known


def _hashed(password: str, cost: Cost) -> str:
    """``password`` salted and hashed; empty for an empty one, which fits no password."""
    if not password:
        return ""
    salt = secrets.token_bytes(_SALT_BYTES)
    return _written_as(cost, salt, _key(usable_password(password), salt, *cost))


def _key(password: str, salt: bytes, cost: int, block: int, passes: int) -> bytes:
    memory = 128 * block * (1 << cost) * 2
    text = unicodedata.normalize("NFC", password).encode()
    return hashlib.scrypt(text, salt=salt, n=1 << cost, r=block, p=passes, dklen=_KEY_BYTES, maxmem=memory)


def _written_as(cost: Cost, salt: bytes, key: bytes) -> str:
    parts = (base64.b64encode(part).decode() for part in (salt, key))
    return ":".join(["scrypt", *map(str, cost), *parts])


def _read(text: KeptText) -> list[Account]:
    try:
        users = _UsersContent.model_validate_json(text.content() or b"").users
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"The users in {text.place} cannot be read: {one_line(error)}.",
            "Mend or delete it, then run: assistant users add NAME",
        ) from None
    accounts = [replace(one, name=usable_name(one.name), groups=_grouped(one.groups)) for one in users]
    for account in accounts:
        if account.password and not _HASH.fullmatch(account.password):
            raise ConfigError(
                f"{text.place}: the password of '{account.name}' is not hashed.", "Run: assistant users password NAME"
            )
    return accounts
