"""Records with one text in every place that holds a text, whatever their type: nothing is left to forget."""

import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_DAY = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
_PLAIN: dict[Any, Any] = {
    bool: True, int: 1, float: 0.5, bytes: b"x", datetime: _DAY, date: _DAY.date(), type(None): None,
}  # fmt: skip
_OURS = {"status": "added"}
"""What the assistant's own commands say, which is a key of our texts."""


def filled(kind: Any, text: str) -> Any:
    """A value of a type, with ``text`` for each text in it."""
    if kind is Any or kind is object or kind is str:
        return text
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, Path):
        return Path(text.replace("\0", ""))
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        known = {name: value for name, value in _OURS.items() if hints.get(name) is str}
        places = (field.name for field in fields(kind) if field.init and field.name not in known)
        return kind(**known, **{name: filled(hints[name], text) for name in places})
    return _composed(kind, text)


def called(function: Callable[..., str], text: str, given: Mapping[str, Any]) -> str:
    """What a function makes of ``text`` in all its parameters but those that are ``given`` by name."""
    hints = get_type_hints(function)
    arguments = {
        name: given[name] if name in given else filled(hints[name], text)
        for name in inspect.signature(function).parameters
    }
    return function(**arguments)


def _composed(kind: Any, text: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return arguments[0]
    if origin in (Union, types.UnionType):
        return filled(next(one for one in arguments if one is not type(None)), text)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {filled(arguments[0], text): filled(arguments[1], text)}
    if origin is tuple and Ellipsis not in arguments:
        return tuple(filled(one, text) for one in arguments)
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return tuple(filled(arguments[0], text) for _ in range(2))
    raise TypeError(f"nothing is known of {kind}")
