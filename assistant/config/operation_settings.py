"""How the program is operated: what it writes about itself, what it keeps of people, and where."""

from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from assistant.config.settings import Section


def _postgres(text: str) -> str:
    """``text``. Raises ValueError for an address of another kind, and for one with a password in it."""
    parts = urlsplit(text)
    if text and (parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/") or not text.isprintable()):
        raise ValueError("no address of a database, as in postgresql://assistant@db/assistant")
    if parts.password is not None or "password=" in parts.query:
        raise ValueError("a password has no place in it: put it into a file, and name that in state.password_file")
    return text


class LogSettings(Section):
    """What 'assistant ui' and 'assistant serve' write about themselves on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description="From when on something is written: info has a line for each request and answer."
    )
    format: Literal["text", "json"] = Field("text", description="Lines for people, or a JSON document a line.")
    traces_url: str = Field(
        "",
        description="Address that a trace of each answer is sent to (OTLP over HTTP), as in"
        " http://127.0.0.1:4318/v1/traces; empty: none.",
    )
    contents: bool = Field(
        False, description="Whether questions and answers are written too, and the words of every error."
    )


class AuditSettings(Section):
    """What is kept of who asked and changed what."""

    keep_days: int = Field(
        90, ge=0, le=36_500, description="So long it is kept who asked and changed what; 0 keeps nothing."
    )
    questions: bool = Field(
        False, description="Whether the text of questions is kept there; else its length, and a hash under a secret."
    )


JobKind = Literal[
    "ingest", "forget", "pairs", "check", "train", "compose", "export", "remove", "eval", "compare", "draft", "draw",
    "doctor", "fetch",
]  # fmt: skip
"""The kinds of long work that the app starts."""


class StateSettings(Section):
    """Where people, sessions, limits, conversations, feedback, audit log and jobs are kept."""

    url: Annotated[str, AfterValidator(_postgres)] = Field(
        "",
        description="PostgreSQL database that several machines share, without its password, as in"
        " postgresql://assistant@db/assistant; needs the postgres extra; empty: files of the workspace.",
    )
    password_file: str = Field(
        "",
        description="File with the password; empty takes the variable ASSISTANT_STATE_PASSWORD, if there is one, else"
        " what libpq finds, as in ~/.pgpass.",
    )
    takes: tuple[JobKind, ...] = Field(
        get_args(JobKind),
        description="Kinds of long work that 'assistant ui' does on this machine where state.url is set, as in"
        " [train, eval] on one with a GPU; what others start waits for such a machine.",
    )
