"""``assistant users``: who may sign in, and as what."""

import json
import sys
from typing import TYPE_CHECKING

import click

from assistant.cli.options import json_option, workspace_options
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.workspace import Workspace

if TYPE_CHECKING:
    from ui.people import People, Role

# As in ui.people, which is not loaded for --help.
_ROLES = ("expert", "editor", "admin")

_stdin_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group("users", epilog="Example: assistant users add ana --role editor")
def command() -> None:
    """Say who may sign in to the app, and what they may do.

    An expert asks and corrects answers; an editor also changes documents and accepts corrections; an admin may do all.
    Where there are users, nobody else is let in.
    """


@command.command("add", epilog="Example: assistant users add ana --role editor")
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), default="expert", show_default=True, help="What they may do.")
@_stdin_option
@click.option("--no-password", is_flag=True, help="Let a proxy sign them in (ui.trusted_header).")
@workspace_options
def add(
    name: str, role: "Role", password_stdin: bool, no_password: bool, workspace: Workspace, settings: Settings
) -> None:
    """Let NAME in. The password is asked for twice; only its hash is kept."""
    from ui.people import usable_name

    if no_password and password_stdin:
        raise UsageError("--no-password and --password-stdin exclude each other.", "Leave one out.")
    people, name = _people(workspace, settings), usable_name(name)
    if people.user(name):
        raise UsageError(f"There is a user '{name}' already.", "See: assistant users --help")
    is_first = not people.users()
    user = people.add(name, role, "" if no_password else _asked_password(password_stdin))
    click.echo(f"'{user.name}' may sign in as {user.role}. Users are in {people.file}.")
    if is_first:
        click.echo("An app that is open has to be started again: it lets everyone on this machine in.")


@command.command("password", epilog="Example: assistant users password ana")
@click.argument("name")
@_stdin_option
@workspace_options
def password(name: str, password_stdin: bool, workspace: Workspace, settings: Settings) -> None:
    """Give NAME another password, and end their sessions."""
    _people(workspace, settings).set_password(name, _asked_password(password_stdin))
    click.echo(f"'{name}' has another password.")


@command.command("role", epilog="Example: assistant users role ana admin")
@click.argument("name")
@click.argument("role", type=click.Choice(_ROLES))
@workspace_options
def role(name: str, role: "Role", workspace: Workspace, settings: Settings) -> None:
    """Give NAME another ROLE, from their next click on."""
    _people(workspace, settings).set_role(name, role)
    click.echo(f"'{name}' is {role} now.")


@command.command("remove", epilog="Example: assistant users remove ana")
@click.argument("name")
@workspace_options
def remove(name: str, workspace: Workspace, settings: Settings) -> None:
    """Let NAME in no more. What they asked and taught is kept."""
    people = _people(workspace, settings)
    people.remove(name)
    click.echo(f"'{name}' may not sign in any more.")
    if not people.accounts():
        click.echo("There are no users left: the app lets in whoever sits at this machine.", err=True)


@command.command("list", epilog="Example: assistant users list --json")
@workspace_options
@json_option
def list_users(workspace: Workspace, settings: Settings, as_json: bool) -> None:
    """List who may sign in."""
    people = _people(workspace, settings)
    accounts = sorted(people.accounts().values(), key=lambda account: account.name)
    if as_json:
        rows = [{"name": one.name, "role": one.role, "has_password": bool(one.password)} for one in accounts]
        click.echo(json.dumps({"file": str(people.file), "users": rows}, ensure_ascii=False, indent=2))
        return
    for one in accounts:
        click.echo(f"{one.name}  {one.role}{'' if one.password else '  (signed in by a proxy)'}")
    click.echo(f"{len(accounts)} users in {people.file}." if accounts else "Nobody has to sign in.")


def _people(workspace: Workspace, settings: Settings) -> "People":
    from ui.people import People, users_file

    return People(users_file(workspace, settings.ui))


def _asked_password(from_standard_input: bool) -> str:
    """The password, from a program or from a person who types it twice. Raises UsageError for one that is too short."""
    from ui.people import usable_password

    if from_standard_input:
        return usable_password(sys.stdin.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise UsageError("Nobody is there to type a password.", "Use --password-stdin.")
    return usable_password(click.prompt("Password", hide_input=True, confirmation_prompt=True))
