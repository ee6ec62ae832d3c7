"""``assistant ui``, ``serve`` and ``mcp``: ways in for people and programs; ``users`` and ``tokens``: who is let in."""

import re
import sys
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assistant import config
from assistant.cli.options import (
    assignment_options,
    audit_log,
    json_option,
    print_json,
    workspace_options,
)
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.text.printing import counted
from assistant.workspace import Workspace

if TYPE_CHECKING:
    from ui.api.bearer_tokens import TokenScope
    from ui.people import People, Role
    from ui.personal_data import PersonalCounts, PersonalData

# As in ui.people and ui.api.bearer_tokens, which are not loaded for --help.
_ROLES = ("expert", "editor", "admin")
_SCOPES = ("search", "answer", "admin")


@click.command("ui", epilog="Example: assistant ui --port 7860")
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: ui.host]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.  [default: ui.port]")
@click.option(
    "--auth",
    "users_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Who may sign in, as 'assistant users add' writes it.  [default: ui.users_file]",
)
@click.option(
    "--api", "with_api", is_flag=True, help="Serve 'assistant serve' below /api too: base URL ADDRESS/api/v1."
)
@assignment_options
def ui_command(
    host: str | None,
    port: int | None,
    users_file: Path | None,
    with_api: bool,
    workspace: Workspace,
    assignments: tuple[str, ...],
) -> None:
    """Open the app: ask, see the source beside the answer, teach; documents, training and reports.

    Without a users file only this machine is let in, and whoever sits at it may do everything. Ctrl-C ends it.
    """
    from assistant.service import open_service
    from ui.api.bearer_tokens import read_tokens
    from ui.app import create_app, listening_socket
    from ui.context import make_context
    from ui.logs import write_logs
    from ui.requests import Proxies
    from ui.server import ClientLimits, address_of, server_of

    given = {"host": host, "port": port, "users_file": users_file}
    own = [f"ui.{name}={value}" for name, value in given.items() if value is not None]
    settings, origins = config.load(workspace.config_file, assignments=[*assignments, *own])
    tokens = read_tokens(settings.serve, workspace) if with_api else None
    with open_service(workspace, settings) as service:
        context = make_context(workspace, settings, origins, service)
        limits = ClientLimits(settings.ui.connections, is_proxy=Proxies(settings.ui).trusts)
        with listening_socket(context) as listening:
            address = address_of(listening)

            def started() -> None:
                click.echo(f"The app is open: {address}  (workspace {workspace.root}; Ctrl-C ends it)")
                if tokens is not None:
                    click.echo(f"Programs ask {address}/api/v1; {address}/api/docs says how.")

            click.echo("Loading the models ...", err=True)
            write_logs(settings.log)
            with suppress(KeyboardInterrupt):  # Ctrl-C ends it as it should
                server_of(create_app(context, tokens), started, limits, patience_seconds=5).run([listening])


@click.command("serve", epilog="Example: assistant serve --port 8000")
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: serve.host]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.  [default: serve.port]")
@workspace_options
def serve_command(host: str | None, port: int | None, workspace: Workspace, settings: Settings) -> None:
    """Serve all corpora and adapters over HTTP, in OpenAI's protocol: base URL http://ADDRESS:PORT/v1.

    The model's name is CORPUS or CORPUS/ADAPTER, of several corpora CORPUS+CORPUS. Programs that speak MCP find their
    tools at http://ADDRESS:PORT/mcp. Who needs a token gets one by 'assistant tokens create'; while there is none, only
    this machine is let in. Ctrl-C lets running answers end.
    """
    from assistant.service import open_service
    from ui.api.bearer_tokens import read_tokens
    from ui.api.endpoints import listening_socket, make_server
    from ui.logs import write_logs
    from ui.server import address_of

    changes = {"host": host, "port": port}
    serving = settings.serve.model_copy(update={name: value for name, value in changes.items() if value is not None})
    settings = settings.model_copy(update={"serve": serving})
    tokens = read_tokens(serving, workspace)
    if not workspace.corpus_names():
        click.echo(f"{workspace.root} holds no corpus yet; run: assistant ingest FOLDER", err=True)
    with listening_socket(serving, tokens) as listening, open_service(workspace, settings) as service:
        address = address_of(listening)

        def started() -> None:
            click.echo(f"Serving {workspace.root} on {address}/v1; {address}/docs says how to ask. Ctrl-C ends it.")

        write_logs(settings.log)
        with suppress(KeyboardInterrupt):  # Ctrl-C ends it as it should
            make_server(service, tokens, started).run([listening])


@click.command("mcp", epilog="Example: assistant mcp --workspace ./.assistant")
@workspace_options
def mcp_command(workspace: Workspace, settings: Settings) -> None:
    """Serve 'search' and 'ask' as tools to a program that speaks MCP, over standard input and output.

    Such a program starts this command itself; docs/api.md shows what to write into its settings. 'assistant serve' does
    the same over HTTP, with tokens.
    """
    try:
        from ui.mcp_server import create_local_server
    except ModuleNotFoundError as error:
        if error.name not in ("mcp", "mcp_types"):
            raise
        raise UsageError("The package 'mcp' is not installed.", "pip install 'domain-assistant[mcp]'") from None
    from assistant.service import open_service

    with open_service(workspace, settings) as service:
        create_local_server(service).run()


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
    click.echo(f"'{user.name}' may sign in as {user.role}. Users are in {people.file}.")
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
        print_json({"file": str(people.file), "users": rows})
        return
    for one in accounts:
        groups = "".join(f"  @{group}" for group in one.groups)
        elsewhere = "the provider" if one.name.startswith(OIDC) else "a proxy"
        how = "" if one.password else f"  (signed in by {elsewhere})"
        click.echo(f"{one.name}  {one.role}{groups}{how}{'  (locked)' if one.locked else ''}")
    click.echo(f"{len(accounts)} users in {people.file}." if accounts else "Nobody has to sign in.")


def _people(workspace: Workspace, settings: Settings) -> "People":
    from ui.people import People, users_file

    return People(users_file(workspace, settings.ui))


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


@click.group("tokens", epilog="Example: assistant tokens create crm --corpus claims --expires 90d")
def tokens_command() -> None:
    """Say which programs may ask 'assistant serve', and what.

    A token of the scope 'search' finds passages; one of 'answer' also gets answers; one of 'admin' may do all that can
    be done, as to see the counts at /metrics. For a token of some corpora, no other corpus is there. A server that runs
    sees each change at the next request.
    """


@tokens_command.command("create", epilog="Example: assistant tokens create crm --corpus claims --expires 90d")
@click.argument("name")
@click.option("--scope", type=click.Choice(_SCOPES), default="answer", show_default=True, help="What it may do.")
@click.option("--corpus", "corpora", multiple=True, metavar="NAME", help="Only this; may be repeated.  [default: all]")
@click.option("--expires", metavar="DAYS|DATE", help="After so many days, as in 90d, or with the day 2026-12-31 (UTC).")
@workspace_options
def create_token(
    name: str,
    scope: "TokenScope",
    corpora: tuple[str, ...],
    expires: str | None,
    workspace: Workspace,
    settings: Settings,
) -> None:
    """Make a token, and print it: this once, only its hash is kept."""
    from assistant.service import open_corpus
    from ui.api.bearer_tokens import TokenFile

    for corpus in corpora:
        open_corpus(workspace, corpus).close()
    tokens = TokenFile(workspace)
    end = _end_of(expires, tokens.now()) if expires is not None else None
    is_first = not tokens.tokens() and not settings.serve.token_file
    token = tokens.create(name, scope, tuple(dict.fromkeys(corpora)) or None, end)
    of = f" of {', '.join(corpora)}" if corpora else ""
    until = f" until {end:%Y-%m-%d %H:%M} UTC" if end else ""
    click.echo(
        f"'{name}' has the scope '{scope}'{of}{until}. It is kept as a hash and cannot be shown again:", err=True
    )
    click.echo(token)
    if is_first:
        click.echo("A server that let in whoever is at this machine asks for a token from now on.", err=True)


@tokens_command.command("list", epilog="Example: assistant tokens list --json")
@workspace_options
@json_option
def list_tokens(workspace: Workspace, settings: Settings, as_json: bool) -> None:  # noqa: ARG001
    """List the tokens, and when each was last used; never the tokens themselves."""
    from ui.api.bearer_tokens import TokenFile

    file = TokenFile(workspace)
    tokens = [token for _, token in sorted(file.tokens().items())]
    if as_json:
        rows = [
            {
                "name": one.name,
                "scope": one.scope,
                "corpora": one.corpora,
                **{
                    key: at and at.isoformat()
                    for key, at in (("created", one.created), ("expires", one.expires), ("used", one.used))
                },
            }
            for one in tokens
        ]
        print_json({"file": str(file.file), "tokens": rows})
        return
    for one in tokens:
        corpora = "all corpora" if one.corpora is None else ", ".join(one.corpora)
        is_over = one.expires is not None and one.expires <= file.now()
        end = f"{'expired' if is_over else 'expires'} {one.expires:%Y-%m-%d %H:%M}" if one.expires else "never expires"
        used = f"last used {one.used:%Y-%m-%d %H:%M}" if one.used else "not used yet"
        click.echo(f"{one.name}  {one.scope}  {corpora}  created {one.created:%Y-%m-%d}  {end}  {used}")
    click.echo(f"{len(tokens)} tokens in {file.file}; times are UTC." if tokens else "There is no token.")


@tokens_command.command("revoke", epilog="Example: assistant tokens revoke crm")
@click.argument("name")
@workspace_options
def revoke_token(name: str, workspace: Workspace, settings: Settings) -> None:
    """Let nobody in with the token NAME, from the next request on."""
    from ui.api.bearer_tokens import TokenFile

    tokens = TokenFile(workspace)
    tokens.revoke(name)
    click.echo(f"'{name}' lets nobody in any more.")
    if not tokens.tokens() and not settings.serve.token_file:
        click.echo("There is no token left: a server that starts now lets in whoever is at this machine.", err=True)


def _end_of(text: str, now: datetime) -> datetime:
    """When a token expires, of so many days or the last day. Raises UsageError for what is neither, or over."""
    days = re.fullmatch(r"(\d{1,5})d", text)
    try:
        day = datetime.combine(date.fromisoformat(text), time(), UTC) if days is None else now
        end = day + timedelta(int(days[1]) if days else 1)
    except (ValueError, OverflowError):
        raise UsageError(f"'{text}' is no end for a token.", "Write days, as in 90d, or a day: 2026-12-31.") from None
    if end <= now:
        raise UsageError(f"A token until {text} would have expired.", "Choose a later day.")
    return end
