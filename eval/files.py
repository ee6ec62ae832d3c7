"""JSON files of a run's folder as values."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from assistant.errors import UsageError

Value = TypeVar("Value")


def content_of(file: Path) -> bytes:
    """What stands in a file. Raises UsageError when it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Name the folder of a run.") from None


def validated(adapter: TypeAdapter[Value], content: bytes, file: Path) -> Value:
    """The value that a file's content stands for. Raises UsageError with the first thing that is wrong."""
    try:
        return adapter.validate_json(content)
    except ValidationError as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{file} is damaged: {reason}", "Run the evaluation again.") from None
