"""What models wrote, in files beside a set of pairs: each reply as it comes, and the answers that were not admitted.

    NAME.replies     a run that is killed goes on where it was
    NAME.rejected    {"reason": "leaves out the condition", "instruction": "…", "response": "…", "passages": […], …}

A rejected answer to the question of an admitted pair is the worse of two answers to the same prompt.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from assistant.artifacts.jsonlines import write_lines
from assistant.artifacts.pairs import Pair
from assistant.store.catalog import StoredChunk
from assistant.types import Message
from assistant.work.progress import progress_bar
from assistant.workspace import make_file
from ingest.pairs.teacher import Teacher

# Raised when a prompt or what is read from replies changes: replies of before are then asked for anew.
PROMPT_VERSION = 2
RejectedLine = dict[str, object]


@dataclass(frozen=True, slots=True)
class TeacherPrompt:
    """A prompt, and the text of the documents that it is about."""

    text: str
    prompt: Sequence[Message]


@dataclass(frozen=True, slots=True)
class StoredReply:
    """One reply as it is kept."""

    key: str
    """Of prompt and model."""
    about: str
    """Digest of the text that it is about: once no document says that, the reply goes."""
    reply: str


_REPLY = TypeAdapter(StoredReply)


class Replies:
    """What models replied: one JSON line each, appended as it comes, so that a killed run loses nothing."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, StoredReply] = {}
        text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
        for line in text.split("\n"):
            with suppress(ValidationError):  # a line that a killed run cut off is as if it had not been written
                reply = _REPLY.validate_json(line)
                self._known[reply.key] = reply

    def all(self, teacher: Teacher, asked: Sequence[TeacherPrompt], longest: int, label: str) -> list[str]:
        """The reply to each prompt, of at most ``longest`` tokens, in order; what is known is not asked again."""
        keys = []
        for one in asked:
            said = [PROMPT_VERSION, teacher.name, [message.content for message in one.prompt]]
            keys.append(digest_of(json.dumps(said, ensure_ascii=False)))
        missing = {key: one for key, one in zip(keys, asked, strict=True) if key not in self._known}
        if missing:
            make_file(self._file)
            prompts = [one.prompt for one in missing.values()]
            with progress_bar(label, len(missing)) as bar, self._file.open("a", encoding="utf-8") as stream:
                stream.write("\n")  # behind a line that a killed run may have cut
                for (key, one), reply in zip(missing.items(), teacher.replies(prompts, longest), strict=True):
                    self._known[key] = StoredReply(key, digest_of(one.text), reply)
                    if reply:  # a prompt that was refused is asked again by the next run
                        stream.write(json.dumps(asdict(self._known[key]), ensure_ascii=False) + "\n")
                        stream.flush()
                    bar.advance()
        return [self._known[key].reply for key in keys]

    def keep_only(self, chunks: Iterable[StoredChunk]) -> None:
        """Drop the replies about texts that no chunk has any more."""
        live = {digest_of(chunk.text) for chunk in chunks}
        kept = [reply for reply in self._known.values() if reply.about in live and reply.reply]
        if len(kept) < len(self._known):
            self._known = {reply.key: reply for reply in kept}
            write_lines(self._file, map(asdict, kept))


def replies_file(pairs: Path) -> Path:
    """Where the replies behind a set of pairs are."""
    return pairs.with_suffix(".replies")


def digest_of(text: str) -> str:
    """32 hex digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Rejected:
    """Collects what is not admitted, and keeps what an earlier run left about texts that are not asked about again."""

    def __init__(self, pairs: Path, answered: Collection[tuple[str, str]]) -> None:
        """``answered`` are the (document, text) of chunks that keep their pairs."""
        self._file = rejected_file(pairs)
        self._lines: list[RejectedLine] = []
        for line in _read_rejected(self._file):
            golden = line["golden"]
            if isinstance(golden, int) and _shown(line)[golden - 1] in answered:
                self._lines.append(line)

    def add(self, pair: Pair, reason: str) -> None:
        """Keep one."""
        self._lines.append({"reason": reason, **asdict(pair)})

    def write(self) -> None:
        """Replace the file; where nothing was rejected there is none."""
        _write(self._file, self._lines)


def forget_rejected(pairs: Path, chunks: Iterable[StoredChunk]) -> None:
    """Drop what shows texts that no chunk has any more."""
    live = {(chunk.document, chunk.text) for chunk in chunks}
    file = rejected_file(pairs)
    _write(file, [line for line in _read_rejected(file) if all(shown in live for shown in _shown(line))])


def rejected_file(pairs: Path) -> Path:
    """Where the answers are that were not admitted to a set of pairs."""
    return pairs.with_suffix(".rejected")


def _read_rejected(file: Path) -> Iterator[RejectedLine]:
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def _write(file: Path, lines: list[RejectedLine]) -> None:
    if lines:
        write_lines(file, lines)
    else:
        file.unlink(missing_ok=True)


def _shown(line: RejectedLine) -> list[tuple[str, str]]:
    passages = line["passages"]
    return [(one["document"], one["text"]) for one in passages] if isinstance(passages, list) else []
