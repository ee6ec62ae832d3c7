"""``assistant config``: which settings hold and where each comes from."""

import json

import click

from assistant import config
from assistant.cli.options import json_option
from assistant.config.file import change_settings
from assistant.workspace import locate


@click.group("config", epilog="Example: assistant config show")
def command() -> None:
    """Show and change settings."""


@command.command("show", epilog="Example: assistant config show --json")
@click.option("--workspace", "folder", metavar="FOLDER", help="Where everything is kept.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Try a setting.")
@json_option
def show(folder: str | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Print every setting: its value, where the value comes from, and what it does."""
    settings, origins = config.load(locate(folder).config_file, assignments=assignments)
    rows = [(origin.key, config.value_of(settings, origin.key), origin.source) for origin in origins]
    if as_json:
        content = {key: {"value": value, "source": source} for key, value, source in rows}
        click.echo(json.dumps(content, ensure_ascii=False, indent=2))
        return
    for key, value, source in rows:
        click.echo(
            click.style(f"{key} = {json.dumps(value, ensure_ascii=False)}", bold=source != "default") + f"  ({source})"
        )
        click.echo(f"    {config.description_of(key)}")


@command.command("set", epilog="Example: assistant config set retrieval.k=5")
@click.argument("assignments", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option("--workspace", "folder", metavar="FOLDER", help="Where everything is kept.")
def set_(assignments: tuple[str, ...], folder: str | None) -> None:
    """Write settings into the workspace's config.yaml; a model of the catalogue that they name is fetched."""
    from assistant import models
    from assistant.models.catalogue import SETTINGS, catalogue

    workspace = locate(folder)
    config.load(workspace.config_file, environment={}, assignments=assignments)
    for key, _, value in (assignment.partition("=") for assignment in assignments):
        if key in SETTINGS.values() and value in catalogue():
            models.fetch(value)
    change_settings(workspace, assignments)
    click.echo(f"Written to {workspace.config_file}: {', '.join(assignments)}")
