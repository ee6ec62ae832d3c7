"""``assistant mcp``: search and answers as tools for other programs."""

import click

from assistant.cli.options import workspace_options
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.workspace import Workspace


@click.command("mcp", epilog="Example: assistant mcp --workspace ./.assistant")
@workspace_options
def command(workspace: Workspace, settings: Settings) -> None:
    """Serve 'search' and 'ask' as tools to a program that speaks MCP, over standard input and output.

    Such a program starts this command itself; docs/api.md shows what to write into its settings.
    """
    try:
        from ui.mcp_server import create_server
    except ModuleNotFoundError as error:
        if error.name not in ("mcp", "mcp_types"):
            raise
        raise UsageError("The package 'mcp' is not installed.", "pip install 'domain-assistant[mcp]'") from None
    from assistant.service import open_service

    with open_service(workspace, settings) as service:
        create_server(service).run()
