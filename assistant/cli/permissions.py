"""``assistant users``, ``rights`` and ``audit``: who may sign in, what they may read and change, and who did what."""

import json
import sys
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assistant.cli.options import audit_log, json_option, print_json, workspace_option, workspace_options
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.text.printing import counted, visible
from assistant.workspace import Workspace

if TYPE_CHECKING:
    from ui.people import People, Role
    from ui.personal_data import PersonalCounts, PersonalData
    from ui.rights import Access, RightsKind

# As in ui.people and ui.rights, which are not loaded for --help.
_ROLES = ("expert", "editor", "admin")
_RIGHTS_KINDS = ("corpus", "adapter", "report")

_stdin_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group("users", epilog="Example: assistant users add ana --role editor")
def users_command() -> None:
    """Say who may sign in to the app, and what they may do.

    An expert asks and corrects answers; an editor also changes documents and accepts corrections; an admin may do all.
    Where there are users, nobody else is let in.
    """


@users_command.command("add", epilog="Example: assistant users add ana --role editor")
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), default="expert", show_default=True, help="What they may do.")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="A group that they are in; may be repeated.")
@_stdin_option
@click.option("--no-password", is_flag=True, help="Let a proxy (ui.trusted_header) or the provider sign them in.")
@workspace_options
def add_user(
    name: str,
    role: "Role",
    groups: tuple[str, ...],
    password_stdin: bool,
    no_password: bool,
    workspace: Workspace,
    settings: Settings,
) -> None:
    """Let NAME in. The password is asked for twice; only its hash is kept.

    Who comes from the provider (oidc.issuer) need not be added; oidc:NAME is known before they first come.
    """
    from ui.people import usable_name

    if no_password and password_stdin:
        raise UsageError("--no-password and --password-stdin exclude each other.", "Leave one out.")
    people, name = _people(workspace, settings), usable_name(name)
    if people.user(name):
        raise UsageError(f"There is a user '{name}' already.", "See: assistant users --help")
    is_first = not people.users()
    user = people.add(name, role, "" if no_password else _asked_password(password_stdin), groups)
    click.echo(f"'{user.name}' may sign in as {user.role}. Users are in {people.place}.")
    if is_first:
        click.echo("An app that is open has to be started again: it lets everyone on this machine in.")


@users_command.command("password", epilog="Example: assistant users password ana")
@click.argument("name")
@_stdin_option
@workspace_options
def set_password(name: str, password_stdin: bool, workspace: Workspace, settings: Settings) -> None:
    """Give NAME another password, and end their sessions."""
    _people(workspace, settings).set_password(name, _asked_password(password_stdin))
    click.echo(f"'{name}' has another password.")


@users_command.command("role", epilog="Example: assistant users role ana admin")
@click.argument("name")
@click.argument("role", type=click.Choice(_ROLES))
@workspace_options
def set_role(name: str, role: "Role", workspace: Workspace, settings: Settings) -> None:
    """Give NAME another ROLE, from their next click on."""
    _people(workspace, settings).set_role(name, role)
    click.echo(f"'{name}' is {role} now.")


@users_command.command("group", epilog="Example: assistant users group ana claims")
@click.argument("name")
@click.argument("groups", nargs=-1, required=True, metavar="GROUP...")
@click.option("--remove", is_flag=True, help="Take NAME out of these groups.")
@workspace_options
def set_groups(name: str, groups: tuple[str, ...], remove: bool, workspace: Workspace, settings: Settings) -> None:
    """Put NAME into groups, or take them out, from their next click on. 'assistant rights' says what a group may."""
    people = _people(workspace, settings)
    user = people.user(name)
    known = set(user.groups) if user else set()
    changed = people.set_groups(name, known - set(groups) if remove else known | set(groups))
    click.echo(f"'{changed.name}' is in {', '.join(changed.groups) or 'no group'} now.")


@users_command.command("remove", epilog="Example: assistant users remove ana")
@click.argument("name")
@workspace_options
def remove_user(name: str, workspace: Workspace, settings: Settings) -> None:
    """Let NAME in no more, and name them in no right. What they asked and taught is kept.

    Whom the provider would let in again (oidc:NAME) is locked.
    """
    from ui.rights import RightsFile

    people = _people(workspace, settings)
    people.remove(name)
    RightsFile(workspace).forget(name)
    click.echo(f"'{name}' may not sign in any more.")
    if not people.accounts() and not settings.oidc.issuer:
        click.echo("There are no users left: the app lets in whoever sits at this machine.", err=True)


@users_command.command("lock", epilog="Example: assistant users lock oidc:ana")
@click.argument("name")
@workspace_options
def lock_user(name: str, workspace: Workspace, settings: Settings) -> None:
    """Let NAME in no more, whoever says that they may, but keep role, groups and password."""
    _people(workspace, settings).set_locked(name, True)
    click.echo(f"'{name}' is locked.")


@users_command.command("unlock", epilog="Example: assistant users unlock oidc:ana")
@click.argument("name")
@workspace_options
def unlock_user(name: str, workspace: Workspace, settings: Settings) -> None:
    """Let NAME in again, who was locked."""
    _people(workspace, settings).set_locked(name, False)
    click.echo(f"'{name}' may sign in again.")


@users_command.command("export", epilog="Example: assistant users export ana ./ana.zip")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@workspace_options
def export_user(name: str, file: Path, workspace: Workspace, settings: Settings) -> None:
    """Write all that is kept of NAME to FILE, a ZIP: what they asked, brought, said about answers and did."""
    kept = _personal_data(workspace, settings, name).export(file)
    click.echo(f"{_counted(kept)} of '{name}' are in {file}.")


@users_command.command("forget", epilog="Example: assistant users forget ana")
@click.argument("name")
@click.option("--yes", "confirmed", is_flag=True, help="Do not ask.")
@workspace_options
def forget_user(name: str, confirmed: bool, workspace: Workspace, settings: Settings) -> None:
    """Delete what is kept of NAME, who may not sign in any more.

    Conversations go with their links and files, and feedback that nobody has accepted. What others have to be able to
    look up, as the audit log, stays under a made-up name. Documents in collections and backups stay as they are.
    """
    if not confirmed:
        if not sys.stdin.isatty():
            raise UsageError("Nobody is there to confirm it.", "Use --yes.")
        click.confirm(f"Delete what is kept of '{name}'? It does not come back.", abort=True)
    kept = _personal_data(workspace, settings, name).forget()
    click.echo(f"Of '{name}' there were {_counted(kept)}; what stays is under a made-up name.")


@users_command.command("list", epilog="Example: assistant users list --json")
@workspace_options
@json_option
def list_users(workspace: Workspace, settings: Settings, as_json: bool) -> None:
    """List who may sign in, and who is locked."""
    from ui.people import OIDC

    people = _people(workspace, settings)
    accounts = sorted(people.accounts().values(), key=lambda account: account.name)
    if as_json:
        rows = [
            {
                "name": one.name,
                "role": one.role,
                "has_password": bool(one.password),
                "groups": one.groups,
                "locked": one.locked,
            }
            for one in accounts
        ]
        print_json({"file": people.place, "users": rows})
        return
    for one in accounts:
        groups = "".join(f"  @{group}" for group in one.groups)
        elsewhere = "the provider" if one.name.startswith(OIDC) else "a proxy"
        how = "" if one.password else f"  (signed in by {elsewhere})"
        click.echo(f"{one.name}  {one.role}{groups}{how}{'  (locked)' if one.locked else ''}")
    click.echo(f"{len(accounts)} users in {people.place}." if accounts else "Nobody has to sign in.")


def _people(workspace: Workspace, settings: Settings) -> "People":
    from ui.people import named_people

    return named_people(workspace, settings.ui)


def _personal_data(workspace: Workspace, settings: Settings, name: str) -> "PersonalData":
    from ui.personal_data import PersonalData

    return PersonalData(workspace, _people(workspace, settings), audit_log(workspace), name)


def _counted(kept: "PersonalCounts") -> str:
    what = {"conversation": kept.conversations, "file": kept.files, "audit line": kept.audit_lines}
    told = ", ".join(counted(number, noun) for noun, number in what.items())
    return f"{told} and {kept.feedback} of feedback"


def _asked_password(from_standard_input: bool) -> str:
    """The password, from a program or from a person who types it twice. Raises UsageError for one that is too short."""
    from ui.people import usable_password

    if from_standard_input:
        return usable_password(sys.stdin.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise UsageError("Nobody is there to type a password.", "Use --password-stdin.")
    return usable_password(click.prompt("Password", hide_input=True, confirmation_prompt=True))


@click.group("rights", epilog="Example: assistant rights set corpus claims --reader @claims --editor ana")
def rights_command() -> None:
    """Say who may read and change which corpus, adapter and report.

    Where nothing is set, everyone who is signed in reads, and every editor changes. Readers and editors are people, or
    groups with an @ before their name (assistant users group). Whoever is named as an editor reads, too; the role of a
    person says what they may do at all, and admins may do all. What was made from a corpus is for nobody who may not
    read the corpus. The terminal and the tokens of programs are not asked for rights.
    """


@rights_command.command("show", epilog="Example: assistant rights show --json")
@workspace_options
@json_option
def show_rights(workspace: Workspace, settings: Settings, as_json: bool) -> None:  # noqa: ARG001
    """Show what is set."""
    from ui.rights import RightsFile

    file = RightsFile(workspace)
    entries = sorted(file.read().entries.items())
    if as_json:
        rows = [{"kind": kind, "name": name, **asdict(access)} for (kind, name), access in entries]
        print_json({"file": file.place, "rights": rows})
        return
    for (kind, name), access in entries:
        click.echo(f"{kind} {name}: {_read_and_changed(access)}")
    if not entries:
        click.echo("Nothing is set: everyone who is signed in reads everything, and every editor changes it.")


@rights_command.command("set", epilog="Example: assistant rights set corpus claims --reader @claims --editor ana")
@click.argument("kind", type=click.Choice(_RIGHTS_KINDS))
@click.argument("name")
@click.option("--reader", "readers", multiple=True, metavar="WHO", help="A person, or @GROUP; may be repeated.")
@click.option("--editor", "editors", multiple=True, metavar="WHO", help="A person, or @GROUP; may be repeated.")
@click.option("--only-admins", is_flag=True, help="Nobody but admins reads and changes it.")
@workspace_options
def set_rights(
    kind: "RightsKind",
    name: str,
    readers: tuple[str, ...],
    editors: tuple[str, ...],
    only_admins: bool,
    workspace: Workspace,
    settings: Settings,
) -> None:
    """Name all who may read and change NAME, from their next click on, in place of what was set.

    Without --reader everyone who is signed in reads it; without --editor every editor changes it.
    """
    from ui.rights import Access, RightsFile, is_there, refuse_unknown

    if only_admins == bool(readers or editors):
        raise UsageError("It is not said for whom.", "Give --reader and --editor, or --only-admins alone.")
    access = Access((), ()) if only_admins else Access(readers or None, editors or None)
    refuse_unknown(_people(workspace, settings), access)
    RightsFile(workspace).set(kind, name, access)
    click.echo(f"{kind} {name}: {_read_and_changed(access)}")
    if not is_there(workspace, kind, name):
        click.echo(f"There is no {kind} '{name}' yet.", err=True)


@rights_command.command("clear", epilog="Example: assistant rights clear corpus claims")
@click.argument("kind", type=click.Choice(_RIGHTS_KINDS))
@click.argument("name")
@workspace_options
def clear_rights(kind: "RightsKind", name: str, workspace: Workspace, settings: Settings) -> None:  # noqa: ARG001
    """Take back what is set for NAME: it is as any other then."""
    from ui.rights import NOTHING_SET, RightsFile

    RightsFile(workspace).set(kind, name, NOTHING_SET)
    click.echo(f"{kind} {name}: {_read_and_changed(NOTHING_SET)}")


def _read_and_changed(access: "Access") -> str:
    def who(names: tuple[str, ...] | None, otherwise: str) -> str:
        return otherwise if names is None else ", ".join(names) or "admins alone"

    readers, editors = who(access.readers, "everyone who is signed in"), who(access.editors, "every editor")
    return f"read by {readers}; changed by {editors}"


@click.group("audit", epilog="Example: assistant audit list --since 2026-12-01 --user ana")
def audit_command() -> None:
    """Show and export who asked what of which corpus, and who changed what.

    It is kept for audit.keep_days. Of questions it has length and hash, and their text where audit.questions says so.
    What is asked in the terminal is not in it.
    """


_since = click.option("--since", default="", metavar="DATE", help="Only from this day on, as in 2026-12-01 (UTC).")
_until = click.option("--until", default="", metavar="DATE", help="Only until this day, which is included.")


@audit_command.command("list", epilog="Example: assistant audit list --user ana --last 20")
@_since
@_until
@click.option("--user", default="", metavar="NAME", help="Only what this person did.")
@click.option("--action", default="", metavar="NAME", help="Only this, as in question or 'config set'.")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="At most so many, the newest.")
@workspace_option
@json_option
def list_audit(since: str, until: str, user: str, action: str, last: int, workspace: Workspace, as_json: bool) -> None:
    """Print what was done last, the newest at the end."""
    audit = audit_log(workspace)
    lines = deque(audit.lines(since, until, user, action), last)
    if as_json:
        print_json({"lines": [asdict(line) for line in lines]})
        return
    for line in lines:
        details = json.dumps(line.details, ensure_ascii=False) if line.details else ""
        click.echo(visible(f"{line.at}  {line.user:16} {line.action:16} {line.about:16} {details}".rstrip()))
    click.echo(f"{counted(len(lines), 'line')} of {audit.database.place}.", err=True)


@audit_command.command("export", epilog="Example: assistant audit export november.jsonl --since 2026-11-01")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_since
@_until
@workspace_option
def export_audit(file: Path, since: str, until: str, workspace: Workspace) -> None:
    """Write it to FILE, a JSON line each, for a machine that keeps it longer or safer."""
    from assistant.artifacts.row_files import write_lines

    lines = [asdict(line) for line in audit_log(workspace).lines(since, until)]
    write_lines(file, lines)
    click.echo(f"{counted(len(lines), 'line')} in {file}.")
