"""Lines of JSON as values; what cannot be used is told in one line that names the place."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from assistant.errors import AssistantError

Value = TypeVar("Value")


def parsed(line: str, value: TypeAdapter[Value], place: str, error_class: type[AssistantError]) -> Value:
    """The value of one line. Raises ``error_class`` with the place, the first key that is wrong, and why."""
    try:
        return value.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the line"
        raise error_class(f"{place}: {key}: {first['msg']}.", "Mend the line or delete it.") from None
