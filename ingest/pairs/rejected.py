"""Answers that were not admitted, in ``NAME.rejected``: a pair a line, with the reason.

    {"reason": "leaves out the condition", "instruction": "…", "response": "…", "passages": […], …}

One with the question of an admitted pair is the worse of two answers to the same prompt.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from assistant.artifacts.jsonlines import write_lines
from assistant.artifacts.pairs import Pair
from assistant.store.catalog import StoredChunk

Line = dict[str, object]


class Rejected:
    """Collects what is not admitted, and keeps what an earlier run left about texts that are not asked about again."""

    def __init__(self, pairs: Path, answered: Collection[tuple[str, str]]) -> None:
        """``answered`` are the (document, text) of chunks that keep their pairs."""
        self._file = rejected_file(pairs)
        self._lines = [line for line in _read(self._file) if _golden(line) in answered]

    def add(self, pair: Pair, reason: str) -> None:
        """Keep one."""
        self._lines.append({"reason": reason, **asdict(pair)})

    def write(self) -> None:
        """Replace the file; where nothing was rejected there is none."""
        _write(self._file, self._lines)


def keep_only(pairs: Path, chunks: Iterable[StoredChunk]) -> None:
    """Drop what shows texts that no chunk has any more."""
    live = {(chunk.document, chunk.text) for chunk in chunks}
    file = rejected_file(pairs)
    _write(file, [line for line in _read(file) if all(shown in live for shown in _shown(line))])


def rejected_file(pairs: Path) -> Path:
    """Where the answers are that were not admitted to a set of pairs."""
    return pairs.with_suffix(".rejected")


def _read(file: Path) -> Iterator[Line]:
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _write(file: Path, lines: list[Line]) -> None:
    if lines:
        write_lines(file, lines)
    else:
        file.unlink(missing_ok=True)


def _shown(line: Line) -> list[tuple[str, str]]:
    passages = line["passages"]
    return [(one["document"], one["text"]) for one in passages] if isinstance(passages, list) else []


def _golden(line: Line) -> tuple[str, str] | None:
    golden = line["golden"]
    return _shown(line)[golden - 1] if isinstance(golden, int) else None
