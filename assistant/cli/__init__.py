"""The command: thin, lazily imported, with one place for errors and exit statuses.

The module of a command is imported when the command is called, so that ``assistant --help`` loads neither torch nor
anything else heavy. There it is named as here, with ``_command`` behind: ``assistant.cli.ask.search_command``.
"""

import _thread
import importlib
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from functools import partial

import click

from assistant import __version__
from assistant.errors import AssistantError

# Command → its module here, and one line of help, which is shown without importing that.
COMMANDS = {
    "init": ("setup", "Make a workspace that answers: a model, and sample documents to try."),
    "ingest": ("ingest", "Add, update and forget documents; only what changed is read."),
    "search": ("ask", "Show ranked evidence for a question, with the score of each retriever."),
    "ask": ("ask", "Answer a question from the documents, with citations, or refuse."),
    "chat": ("talk", "Talk with the documents in the terminal."),
    "documents": ("ingest", "List what a corpus holds."),
    "forget": ("ingest", "Take folders out of a corpus again, or all of it; their files stay."),
    "pairs": ("pairs", "Make instruction pairs from a corpus, and show them."),
    "train": ("train", "Make an adapter from instruction pairs."),
    "models": ("setup", "List, fetch, show and remove models that can be named."),
    "adapters": ("train", "List, show, compose, export and remove adapters."),
    "eval": ("eval", "Measure how good answers are; a report, and a gate against regressions."),
    "ui": ("serving", "Open the app in a browser: ask, check the source, teach, and see to the rest."),
    "serve": ("serving", "Serve all of it to programs over HTTP, in OpenAI's protocol."),
    "feedback": ("feedback", "Look at what people said about answers, and decide what is learnt from it."),
    "users": ("permissions", "Say who may sign in to the app, and what they may do."),
    "rights": ("permissions", "Say who may read and change which corpus, adapter and report."),
    "tokens": ("serving", "Say which programs may ask over HTTP, and what."),
    "mcp": ("serving", "Serve 'search' and 'ask' as tools to other assistants."),
    "config": ("setup", "Show and change settings."),
    "audit": ("permissions", "Show and export who asked what, and who changed what."),
    "backup": ("setup", "Write the whole workspace to one file, while it is used."),
    "restore": ("setup", "Make a workspace from a backup."),
    "migrate": ("ingest", "Bring corpora to a store that several machines read, or the state to a database; or back."),
    "doctor": ("setup", "Say what is wrong, and the command that mends it."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"assistant.cli.{module}"), f"{cmd_name}_command")
        if not isinstance(command, click.Command):
            raise TypeError(f"assistant.cli.{module}.{cmd_name}_command is no command")
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.possibilities:
                raise
            name = error.option_name
            raise click.UsageError(
                f"There is no option '{name}' before the command. Write it behind: assistant COMMAND {name} …"
            ) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        import difflib

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else " 'assistant --help' lists the commands."
            raise click.UsageError(f"There is no command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, what) in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="assistant")
def assistant() -> None:
    """Answer questions from your own documents, with evidence, on your own machine.

    \b
    Start:  assistant ingest ./docs
            assistant ask "What is the deadline for a claim?"

    Everything is kept in one folder, the workspace: .assistant here, or the one that --workspace, behind the
    command, or ASSISTANT_WORKSPACE names.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit status (see DESIGN: 0, 1, 2, 3, 4)."""
    before, sys.unraisablehook = sys.unraisablehook, _interrupt_later
    try:
        status = assistant.main(arguments, prog_name="assistant", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except AssistantError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_status)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped. What was done so far is kept.", err=True)
        sys.exit(AssistantError.exit_status)
    except (OSError, sqlite3.Error) as error:
        click.echo(f"Error: {' '.join(str(error).split())}. Check rights and free space; 'assistant doctor'.", err=True)
        sys.exit(AssistantError.exit_status)
    finally:
        sys.unraisablehook = before


def _interrupt_later(ignored: "sys.UnraisableHookArgs") -> None:
    """Ctrl-C while Python takes an object away would be dropped with a traceback: it is heard a moment later."""
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        main_thread = threading.main_thread().ident or 0
        # A signal ends what the thread waits for, too; Windows knows none.
        awake = partial(signal.pthread_kill, main_thread) if hasattr(signal, "pthread_kill") else _thread.interrupt_main
        threading.Timer(0.05, awake, (signal.SIGINT,)).start()
    else:
        sys.__unraisablehook__(ignored)
