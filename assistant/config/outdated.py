"""Settings of earlier releases: what they are called now, or why they are gone.

A file that was written for an earlier release goes on to work, and each such setting is told once in the log. A name
that no release knew is no matter of this module: it is refused, with the nearest one.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

_log = logging.getLogger(__name__)
Entry = tuple[str, Any, str]
"""Key, value, and where that was said."""


@dataclass(frozen=True, slots=True)
class Successor:
    """What became of a setting: another name, another meaning of its values, or its end."""

    now: str = ""
    """The setting that takes its place, or itself; empty for one that is gone."""
    value: Callable[[Any], Any] = lambda value: value
    """The value as it is written now."""
    reason: str = ""
    """Why it is gone."""


_CALIBRATED = Successor(reason="whether evidence is enough is learnt from each corpus; answer.caution refuses more")
IN_CONFIG: Mapping[str, Successor] = {
    "ingest.chunk_tokens": Successor("ingest.window_tokens"),
    "ingest.min_chunk_tokens": Successor("ingest.min_window_tokens"),
    "retrieval.passage_characters": Successor("ingest.chunk_characters"),
    "answer.min_coverage": _CALIBRATED,
    "answer.min_similarity": _CALIBRATED,
    # Texts stood for all languages; null for a model's own.
    "answer.refusal": Successor("answer.refusal", lambda value: {"en": value} if isinstance(value, str) else value),
    "answer.unsupported": Successor("answer.unsupported", lambda value: "strict" if value == "quote" else value),
    "embedder.query_prefix": Successor("embedder.query_prefix", lambda value: "auto" if value is None else value),
    "embedder.document_prefix": Successor("embedder.document_prefix", lambda value: "auto" if value is None else value),
}
"""Of ``assistant.config``."""
IN_RUN_FILES: Mapping[str, Successor] = {
    # How often each example is shown; now, how often again.
    "tone_repeats": Successor("tone_epochs", lambda value: value - 1 if isinstance(value, int) else value),
}
"""Of ``train.run_file``."""


def current(entries: Iterable[Entry], changes: Mapping[str, Successor]) -> list[Entry]:
    """The entries of one place by their names of now; where an old and a new name stand, the new one counts."""
    old, new = [], []
    for key, value, source in entries:
        change = changes.get(key)
        if change is None:
            new.append((key, value, source))
        elif not change.now:
            _tell(f"{key} ({source}) is gone: {change.reason}. Take it out.")
        elif (now := (change.now, change.value(value), source)) != (key, value, source):
            _tell(f"{key} ({source}) counts as {change.now}={now[1]!r}, as it is written now. Change it.")
            old.append(now)
        else:
            new.append(now)
    return [*old, *new]


@cache
def _tell(message: str) -> None:
    """Settings are read several times in a process."""
    _log.warning("%s", message)
