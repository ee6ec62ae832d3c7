"""``assistant ui``: the app in the browser."""

from contextlib import suppress
from pathlib import Path

import click

from assistant.cli.options import assignment_options
from assistant.config import load
from assistant.workspace import Workspace


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
def command(
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
    from ui.api.gate import read_tokens
    from ui.app import create_app, listening_socket
    from ui.context import make_context
    from ui.requests import Proxies
    from ui.server import ClientLimits, address_of, server_of

    given = {"host": host, "port": port, "users_file": users_file}
    own = [f"ui.{name}={value}" for name, value in given.items() if value is not None]
    settings, origins = load(workspace.config_file, assignments=[*assignments, *own])
    tokens = read_tokens(settings.serve) if with_api else None
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
            with suppress(KeyboardInterrupt):  # Ctrl-C ends it as it should
                server_of(create_app(context, tokens), started, limits, patience_seconds=5).run([listening])
