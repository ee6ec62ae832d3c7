"""Lines of JSON as values, and values as lines; what cannot be used is told in one line that names the place."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from assistant.errors import AssistantError, first_fault
from assistant.workspace import replaced_atomically

Value = TypeVar("Value")


def parsed(line: str, value: TypeAdapter[Value], place: str, error_class: type[AssistantError]) -> Value:
    """The value of one line. Raises ``error_class`` with the place, the first key that is wrong, and why."""
    try:
        return value.validate_json(line)
    except ValidationError as error:
        fault = first_fault(error, "the line")
        raise error_class(f"{place}: {fault}.", "Mend the line or delete it.") from None


def write_lines(file: Path, rows: Iterable[object]) -> None:
    """Replace a file whole by rows as JSON, one a line; a killed writer leaves the old one."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with replaced_atomically(file) as beside, beside.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(lines)
