"""``assistant serve``: the HTTP API."""

from contextlib import suppress

import click

from assistant.cli.options import workspace_options
from assistant.config import Settings
from assistant.workspace import Workspace


@click.command("serve", epilog="Example: assistant serve --port 8000")
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: serve.host]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.  [default: serve.port]")
@workspace_options
def command(host: str | None, port: int | None, workspace: Workspace, settings: Settings) -> None:
    """Serve all corpora and adapters over HTTP, in OpenAI's protocol: base URL http://ADDRESS:PORT/v1.

    The model's name is CORPUS or CORPUS/ADAPTER. Tokens stand in serve.token_file or ASSISTANT_TOKEN; without any, only
    this machine is let in. Ctrl-C lets running answers end.
    """
    from assistant.service import open_service
    from ui.api.gate import read_tokens
    from ui.api.server import address_of, listening_socket, make_server

    changes = {"host": host, "port": port}
    serving = settings.serve.model_copy(update={name: value for name, value in changes.items() if value is not None})
    settings = settings.model_copy(update={"serve": serving})
    tokens = read_tokens(serving)
    if not workspace.corpus_names():
        click.echo(f"{workspace.root} holds no corpus yet; run: assistant ingest FOLDER", err=True)
    with listening_socket(serving, tokens) as listening, open_service(workspace, settings) as service:
        address = address_of(listening)

        def started() -> None:
            click.echo(f"Serving {workspace.root} on {address}/v1; {address}/docs says how to ask. Ctrl-C ends it.")

        with suppress(KeyboardInterrupt):  # Ctrl-C ends it as it should
            make_server(service, tokens, started).run([listening])
