"""``assistant chat``: a conversation in the terminal, or with a file of questions on standard input."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assistant.cli.options import adapter_option, corpus_option, opened_service, workspace_options
from assistant.config import Settings
from assistant.errors import AssistantError
from assistant.workspace import Workspace

if TYPE_CHECKING:
    from assistant.cli.talk import Talk

_PROMPT = "> "
_REMEMBERED_LINES = 1000


@click.command("chat", epilog="Example: assistant chat --corpus sample")
@adapter_option
@corpus_option
@workspace_options
def command(adapter: str | None, corpus: str, workspace: Workspace, settings: Settings) -> None:
    """Talk with the documents: questions may lean on what was said before. /help lists what else can be typed.

    Without a terminal, one question or command a line is read from standard input.
    """
    from assistant.cli.talk import Talk
    from assistant.engines.opening import check_adapter, check_engine

    def check(name: str | None) -> None:
        check_adapter(settings, workspace.adapters, name)

    check_engine(settings.engine)
    check(adapter)
    with opened_service(workspace, corpus, settings) as service:
        talk = Talk(service.assistant, check, corpus, adapter)
        if sys.stdin.isatty():
            with remembered_lines(workspace.root / "chat_history"):
                talk_at_terminal(talk)
        else:
            talk_from_lines(talk)


def talk_at_terminal(talk: "Talk") -> None:
    """Ask for lines until the end. An error is told and the conversation goes on; Ctrl-C stops an answer only."""
    from assistant.cli.talk import told

    click.echo("Ask something. /help lists the commands.")
    while not talk.is_over:
        try:
            line = input(_PROMPT)
        except (EOFError, KeyboardInterrupt) as ended:
            click.echo("")
            if isinstance(ended, EOFError):
                return
            continue
        try:
            talk.take(line)
        except KeyboardInterrupt:
            click.echo("\n(stopped)")
        except AssistantError as error:
            told(error)


def talk_from_lines(talk: "Talk") -> None:
    """Take standard input line by line, and show each before what comes of it. Raises what ``Talk.take`` raises."""
    from assistant.text.printing import visible

    with click.open_file("-", encoding="utf-8", errors="replace") as lines:
        for line in filter(str.strip, lines):
            click.echo(click.style(f"{_PROMPT}{visible(line.strip())}", bold=True))
            talk.take(line)
            click.echo("")
            if talk.is_over:
                return


@contextmanager
def remembered_lines(file: Path) -> Iterator[None]:
    """Lines can be edited and called back, also those of earlier conversations, which ``file`` keeps for its owner."""
    try:
        import readline
    except ImportError:  # Windows has none; lines can be typed all the same
        yield
        return
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_RDONLY, 0o600))
        file.chmod(0o600)
        readline.read_history_file(file)
    readline.set_history_length(_REMEMBERED_LINES)
    try:
        yield
    finally:
        with suppress(OSError):  # a workspace that cannot be written can still be asked
            readline.write_history_file(file)
            file.chmod(0o600)
