"""Options that several commands share, and what they lead to: settings, workspace, its service."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from assistant import config
from assistant.artifacts.cards import BASE
from assistant.config import Settings
from assistant.errors import ConfigError, UsageError
from assistant.types import Filter
from assistant.workspace import DEFAULT_CORPUS, Workspace, checked_source, locate

if TYPE_CHECKING:
    from assistant.artifacts.audit import AuditLog
    from assistant.service import Service

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_SECONDS = 365 * _SECONDS["d"]
_DURATION = re.compile(rf"([1-9]\d{{0,5}})([{''.join(_SECONDS)}])")

Command = TypeVar("Command", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """A time as in 30m, 1h or 1d, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = _DURATION.fullmatch(str(value))
        seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
        if not 0 < seconds <= _LONGEST_SECONDS:
            raise click.BadParameter(f"'{value}' is no time: write it as in 30m, 1h or 1d, 365d at most.", ctx, param)
        return float(seconds)


class Source(click.ParamType[str]):
    """A folder, a file, or an address."""

    name = "source"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        return checked_source(value)


# Commands that change nothing and give nothing away; all others stand in the audit log, when they begin.
READING = frozenset(
    {
        *("search", "ask", "chat", "documents", "doctor", "mcp", "audit list"),
        *(
            "config show",
            "adapters list",
            "adapters show",
            "feedback list",
            "users list",
            "tokens list",
            "pairs show",
            "rights show",
        ),
    }
)
# Of their arguments these name what they are about, and these are of no interest or hold what documents say.
_ABOUT = ("name", "corpus", "adapter")
_UNRECORDED = frozenset({*_ABOUT, "as_json", "settings", "edited"})


def audit_log(workspace: Workspace) -> "AuditLog":
    """The audit log of a workspace, as its settings have it kept."""
    from assistant.artifacts.audit import AuditLog

    settings = Settings()
    with suppress(ConfigError):  # which the command itself tells
        settings = config.load(workspace.config_file)[0]
    kept = settings.audit
    return AuditLog(
        workspace.root, kept.keep_days, config.stated(workspace, settings).state, with_questions=kept.questions
    )


def workspace_option(command: Command) -> Command:
    """--workspace, as ``workspace: Workspace``; what the command is called with is kept in the audit log."""

    @_same_name(command)
    def recorded(*args: Any, workspace: Workspace, **kwargs: Any) -> Any:
        action = click.get_current_context().command_path.partition(" ")[2]
        is_whole = click.get_current_context().invoked_subcommand is None
        if is_whole and action not in READING and workspace.root.is_dir():
            from assistant.artifacts.audit import actor

            if who := actor():
                about = next((str(kwargs[name]) for name in _ABOUT if kwargs.get(name)), "")
                details = {key: value for key, value in kwargs.items() if value and key not in _UNRECORDED}
                audit_log(workspace).record(who, action, about, **details)
        return command(*args, workspace=workspace, **kwargs)

    return click.option(
        "--workspace",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        callback=lambda _context, _option, folder: locate(folder),
        help="Where everything is kept.",
    )(recorded)  # type: ignore[return-value]


def assignment_options(command: Command) -> Command:
    """--workspace and --set, as ``workspace: Workspace`` and ``assignments: tuple[str, ...]``."""
    decorate = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a setting for this run, as in retrieval.k=5; 'assistant config show' lists them.",
    )
    return workspace_option(decorate(command))


def workspace_options(command: Command) -> Command:
    """--workspace and --set, as ``workspace: Workspace`` and ``settings: Settings``."""

    @_same_name(command)
    def with_settings(*args: Any, workspace: Workspace, assignments: tuple[str, ...], **kwargs: Any) -> Any:
        settings, _ = config.load(workspace.config_file, assignments=assignments)
        workspace = config.stated(workspace, settings)
        if settings.store.url:
            from assistant.service import with_shared

            workspace = with_shared(workspace, settings)
        return command(*args, workspace=workspace, settings=settings, **kwargs)

    return assignment_options(with_settings)  # type: ignore[return-value]


def corpus_option(command: Command) -> Command:
    """--corpus, as ``corpus: str``."""
    decorate = click.option("--corpus", default=DEFAULT_CORPUS, show_default=True, metavar="NAME", help="Which corpus.")
    return decorate(command)


def corpora_option(command: Command) -> Command:
    """--corpus, as often as one likes, as ``corpora: tuple[str, ...]``, each once."""
    decorate = click.option(
        "--corpus",
        "corpora",
        multiple=True,
        default=[DEFAULT_CORPUS],
        show_default=True,
        metavar="NAME",
        callback=lambda _context, _option, names: tuple(dict.fromkeys(names)),
        help="Which corpus; given again, those are searched together.",
    )
    return decorate(command)


def json_option(command: Command) -> Command:
    """--json, as ``as_json: bool``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document for programs.")(command)


def print_json(content: object) -> None:
    """What a command says to programs."""
    click.echo(json.dumps(content, ensure_ascii=False, indent=2))


def adapter_option(command: Command) -> Command:
    """--adapter, as ``adapter: str | None``; None is the base model."""
    return click.option(
        "--adapter",
        metavar="NAME",
        callback=lambda _context, _option, name: None if name == BASE else name,
        help="Answer with this adapter; 'base' is the model without any.  [default: base]",
    )(command)


def question_options(command: Command) -> Command:
    """What documents are asked, as ``only: Filter | None``; --batch, as ``batch: Path | None``."""

    @click.option("--folder", metavar="GLOB", help="Only documents whose path fits, as in 'policies/*'.")
    @click.option("--document", "documents", multiple=True, metavar="PATH", help="Only this document; may be repeated.")
    @click.option(
        "--where",
        multiple=True,
        metavar="KEY=VALUE",
        help="Only documents with this metadata, as in language=de.",
    )
    @click.option("--since", default="", metavar="DATE", help="Only documents dated then or later: 2025-12-31 or 2025.")
    @click.option(
        "--until", default="", metavar="DATE", help="Only documents dated then or earlier; 2025 is all of it."
    )
    @click.option(
        "--batch",
        type=click.Path(path_type=Path, allow_dash=True),
        metavar="FILE",
        help="One question a line, or JSON lines; - reads standard input.",
    )
    @_same_name(command)
    def with_filter(
        *args: Any,
        folder: str | None,
        documents: tuple[str, ...],
        where: tuple[str, ...],
        since: str,
        until: str,
        **kwargs: Any,
    ) -> Any:
        metadata = {}
        for assignment in where:
            name, equals, value = assignment.partition("=")
            if not equals or not name:
                raise UsageError(f"'{assignment}' is no filter.", "Write KEY=VALUE, as in language=de.")
            metadata[name] = value
        # One that would let everything through is none.
        return command(*args, only=Filter(documents, folder or "", metadata, since, until) or None, **kwargs)

    return with_filter  # type: ignore[return-value]


def _same_name(command: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Keep name, help and the options attached so far."""
    from functools import update_wrapper

    return lambda wrapper: update_wrapper(wrapper, command)


@contextmanager
def opened_service(workspace: Workspace, corpora: Sequence[str], settings: Settings) -> "Iterator[Service]":
    """The service of a workspace, in which the corpora exist. A wrong reranker is told here and not after the first
    search."""
    from assistant import models
    from assistant.service import open_corpus, open_service

    if settings.retrieval.reranker and not settings.retrieval.reranker_url:
        models.embedder_folder(settings.retrieval.reranker)
    for corpus in corpora:
        open_corpus(workspace, corpus).close()
    with open_service(workspace, settings) as service:
        yield service
