"""``assistant ui``, ``serve`` and ``mcp``: ways in for people and programs; ``tokens``: which programs are let in."""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assistant import config
from assistant.cli.options import assignment_options, json_option, print_json, workspace_options
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.workspace import Workspace, serving

if TYPE_CHECKING:
    from ui.api.bearer_tokens import TokenScope

# As in ui.api.bearer_tokens, which is not loaded for --help.
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
    from assistant.service import open_service, with_shared
    from ui.api.bearer_tokens import read_tokens
    from ui.app import create_app, listening_socket
    from ui.context import make_context
    from ui.logs import write_logs
    from ui.requests import Proxies
    from ui.server import ClientLimits, address_of, server_of

    given = {"host": host, "port": port, "users_file": users_file}
    own = [f"ui.{name}={value}" for name, value in given.items() if value is not None]
    settings, origins = config.load(workspace.config_file, assignments=[*assignments, *own])
    workspace = with_shared(config.stated(workspace, settings), settings)
    tokens = read_tokens(settings.serve, workspace) if with_api else None
    with serving(workspace.root), open_service(workspace, settings) as service:
        _tell_left_behind(workspace)
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
    own = settings.serve.model_copy(update={name: value for name, value in changes.items() if value is not None})
    settings = settings.model_copy(update={"serve": own})
    tokens = read_tokens(own, workspace)
    if not workspace.corpus_names():
        click.echo(f"{workspace.root} holds no corpus yet; run: assistant ingest FOLDER", err=True)
    with (
        serving(workspace.root),
        listening_socket(own, tokens) as listening,
        open_service(workspace, settings) as service,
    ):
        _tell_left_behind(workspace)
        address = address_of(listening)

        def started() -> None:
            click.echo(f"Serving {workspace.root} on {address}/v1; {address}/docs says how to ask. Ctrl-C ends it.")

        write_logs(settings.log)
        with suppress(KeyboardInterrupt):  # Ctrl-C ends it as it should
            make_server(service, tokens, started).run([listening])


def _tell_left_behind(workspace: Workspace) -> None:
    """Say that the database holds nobody yet where files of the workspace do."""
    if (state := workspace.state) is not None:
        from ui.migration import left_behind

        if left_behind(workspace):
            bring = f"assistant migrate --state --to '{state.url}' --workspace '{workspace.root}'"
            click.echo(f"The database holds nothing yet, and files of {workspace.root} do. Bring it: {bring}", err=True)


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
        print_json({"file": file.place, "tokens": rows})
        return
    for one in tokens:
        corpora = "all corpora" if one.corpora is None else ", ".join(one.corpora)
        is_over = one.expires is not None and one.expires <= file.now()
        end = f"{'expired' if is_over else 'expires'} {one.expires:%Y-%m-%d %H:%M}" if one.expires else "never expires"
        used = f"last used {one.used:%Y-%m-%d %H:%M}" if one.used else "not used yet"
        click.echo(f"{one.name}  {one.scope}  {corpora}  created {one.created:%Y-%m-%d}  {end}  {used}")
    click.echo(f"{len(tokens)} tokens in {file.place}; times are UTC." if tokens else "There is no token.")


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
