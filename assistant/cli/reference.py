"""The command reference, docs/commands.md, written from the commands themselves: ``make docs``."""

import click

from assistant.cli import COMMANDS, assistant

_WIDTH = 100  # the same in every terminal, or the page would change with it
_HEADER = """# Commands

Written by `make docs`; a test fails when it is out of date. Exit status: 0 done, 1 failed, 2 wrong usage or
configuration, 3 a gate failed, 4 too little evidence to decide.
"""


def reference() -> str:
    """Help texts of all commands as Markdown."""
    context = click.Context(
        assistant,
        info_name="assistant",
        terminal_width=_WIDTH,
        **assistant.context_settings,
    )
    parts = [_HEADER]
    for name in COMMANDS:
        command = assistant.get_command(context, name)
        if command is not None:
            parts.extend(_sections(command, name, context))
    return "\n".join(parts)


def _sections(command: click.Command, name: str, parent: click.Context) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH)
    path = context.command_path
    sections = [f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"]
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                sections.extend(_sections(found, child, context))
    return sections


if __name__ == "__main__":
    click.echo(reference(), nl=False)
