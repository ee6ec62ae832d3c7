"""``assistant chat``: a conversation in the terminal, or with a file of questions on standard input.

A line is a question, or a command that begins with a slash.
"""

import difflib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assistant.artifacts.cards import BASE
from assistant.cli.options import adapter_option, corpus_option, opened_service, workspace_options
from assistant.config import Settings
from assistant.errors import AssistantError, UsageError
from assistant.render.streaming import GrowingText, differs
from assistant.render.transcript import answer_lines, conversation_markdown, footnotes, passage_lines, trace_lines
from assistant.text.printing import visible
from assistant.types import Answer, Grounded, Message, Retrieved, Words
from assistant.workspace import Workspace

if TYPE_CHECKING:
    from assistant.service.opened import OpenedAssistant

_PROMPT = "> "
_REMEMBERED_LINES = 1000  # some 80 kB
SLASH_COMMANDS = {
    "/sources": "the passages that the last answer was made from",
    "/why": "how the last answer came about",
    "/adapter NAME": "answer with this adapter from now on; 'base' is the model without any",
    "/corpus NAME": "ask another corpus; begins a new conversation",
    "/save FILE.md": "write the conversation to a file",
    "/new": "forget what was said, and begin anew",
    "/help": "these commands",
    "/quit": "end; so does Ctrl-D. Ctrl-C stops an answer",
}


@click.command("chat", epilog="Example: assistant chat --corpus sample")
@adapter_option
@corpus_option
@workspace_options
def chat_command(adapter: str | None, corpus: str, workspace: Workspace, settings: Settings) -> None:
    """Talk with the documents: questions may lean on what was said before. /help lists what else can be typed.

    Without a terminal, one question or command a line is read from standard input.
    """
    from assistant.engines.opening import check_adapter, check_engine
    from assistant.service.opened import OpenedAssistant

    def check(name: str | None) -> None:
        check_adapter(settings, workspace.adapters, name)

    check_engine(settings.engine)
    check(adapter)
    with opened_service(workspace, [corpus], settings) as service:
        talk = Talk(partial(OpenedAssistant, service), check, corpus, adapter)
        if sys.stdin.isatty():
            with remembered_lines(workspace.root / "chat_history"):
                talk_at_terminal(talk)
        else:
            talk_from_lines(talk)


def talk_at_terminal(talk: "Talk") -> None:
    """Ask for lines until the end. An error is told and the conversation goes on; Ctrl-C stops an answer only."""
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
            click.echo(f"Error: {visible(str(error))}", err=True)


def talk_from_lines(talk: "Talk") -> None:
    """Take standard input line by line, and show each before what comes of it. Raises what ``Talk.take`` raises."""
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


class Talk:
    """A conversation with one corpus at a time, for one thread."""

    def __init__(
        self,
        open_assistant: "Callable[[str], OpenedAssistant]",
        check_adapter: Callable[[str | None], None],
        corpus: str,
        adapter: str | None,
    ) -> None:
        """``open_assistant`` gives a corpus by name; ``check_adapter`` raises for an adapter that there is not."""
        self.is_over = False
        self._open_assistant = open_assistant
        self._check_adapter = check_adapter
        self._corpus = corpus
        self._adapter = adapter
        self._history: list[Message] = []
        self._answers: list[Answer] = []
        self._saved: set[Path] = set()
        self._assistant = open_assistant(corpus)

    def take(self, line: str) -> None:
        """Answer a question, or do what a command says; an empty line does nothing.

        Raises UsageError for a command that there is not or that cannot be done, and what ``Assistant.stream`` raises.
        KeyboardInterrupt stops the answer: then nothing was said.
        """
        line = line.strip()
        if line.startswith("/"):
            self._obey(*line.split(maxsplit=1))
        elif line:
            self._answer(line)

    def _answer(self, question: str) -> None:
        shown: list[str] = []

        def show(text: str) -> None:
            shown.append(text)
            click.echo(text, nl=False)

        growing = GrowingText(show)
        with closing(self._assistant.stream(question, self._history, adapter=self._adapter)) as updates:
            for number, update in enumerate(updates):
                if number == 0 and isinstance(update, Retrieved | Answer) and update.standalone_question != question:
                    click.echo(click.style(f"({visible(update.standalone_question)})", dim=True))
                match update:
                    case Words():
                        growing.words(update.text)
                    case Grounded():
                        growing.sentence(update.sentence)
                    case Answer():
                        growing.end()
                        answer = update
        if not growing.heard:
            _echo_lines(answer_lines(answer))
        elif differs(answer, growing.heard):
            if not take_back("".join(shown)):
                why = answer.refusal_reason if answer.refused else "the documents do not support these words"
                click.echo(f"\n\n({visible(why)}; instead:)\n")
            _echo_lines(answer_lines(answer))
        else:
            click.echo("\n")
            _echo_lines(footnotes(answer))
        self._answers.append(answer)
        self._history += [Message("user", answer.question), Message("assistant", answer.text)]

    def _obey(self, command: str, argument: str = "") -> None:
        match command:
            case "/sources":
                _echo_lines(passage_lines(self._last().hits) or ["No passage was found."])
            case "/why":
                _echo_lines(trace_lines(self._last()))
            case "/adapter":
                name = _required(argument, "/adapter NAME")
                adapter = None if name == BASE else name
                self._check_adapter(adapter)
                self._adapter = adapter
                click.echo(f"Answers come from {visible(name)} now.")
            case "/corpus":
                name = _required(argument, "/corpus NAME")
                self._assistant, self._corpus = self._open_assistant(name), name
                self._forget()
            case "/save":
                self._save(Path(_required(argument, "/save FILE.md")).expanduser())
            case "/new":
                self._forget()
            case "/help":
                _echo_lines([f"  {name:15} {what}" for name, what in SLASH_COMMANDS.items()])
            case "/quit" | "/exit":
                self.is_over = True
            case _:
                near = difflib.get_close_matches(command, [name.split()[0] for name in SLASH_COMMANDS], n=1)
                remedy = f"Did you mean {near[0]}?" if near else "See /help."
                raise UsageError(f"There is no command {command}.", remedy)

    def _last(self) -> Answer:
        if not self._answers:
            raise UsageError("Nothing was asked yet.", "Ask something.")
        return self._answers[-1]

    def _forget(self) -> None:
        self._history.clear()
        self._answers.clear()
        click.echo(f"A new conversation about corpus '{visible(self._corpus)}'.")

    def _save(self, file: Path) -> None:
        self._last()
        text = conversation_markdown(self._answers, self._corpus)
        try:
            # What is there already is only written over if it came from here.
            with file.open("w" if file in self._saved else "x", encoding="utf-8") as target:
                target.write(text)
        except FileExistsError:
            raise UsageError(f"{file} exists.", "Name another file.") from None
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror}.", "Name another file.") from None
        self._saved.add(file)
        click.echo(f"Saved to {visible(str(file))}.")


def _echo_lines(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(line)


def _required(argument: str, usage: str) -> str:
    if not argument.strip():
        raise UsageError("Something is missing.", f"Write {usage}")
    return argument.strip()


_UP, _CLEAR_BELOW = "\x1b[{}A", "\x1b[J"


def take_back(shown: str) -> bool:
    """Remove what was written last, from the beginning of its first line on; False where that cannot be done.

    ``shown`` begins a line, and nothing else was written or typed since. A pipe keeps what it got, and so does a screen
    that has scrolled it away.
    """
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    try:
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return False
    if columns < 1 or (rows := rows_of(shown, columns)) > lines:
        return False
    sys.stdout.write("\r" + (_UP.format(rows - 1) if rows > 1 else "") + _CLEAR_BELOW)
    sys.stdout.flush()
    return True


def rows_of(text: str, columns: int) -> int:
    """How many rows of a screen a text takes; a wide character that does not fit into a row begins the next one."""
    from rich.cells import cell_len

    rows = 0
    for line in text.split("\n"):
        rows, filled = rows + 1, 0
        for character in line:
            width = cell_len(character)
            rows, filled = (rows + 1, width) if filled + width > columns else (rows, filled + width)
    return rows
