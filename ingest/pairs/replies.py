"""What teachers and judges replied, in ``NAME.replies`` as it comes: a run that is killed goes on where it was."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from assistant.artifacts.jsonlines import write_lines
from assistant.store.catalog import StoredChunk
from assistant.types import Message
from assistant.work.progress import progress_bar
from assistant.workspace import make_file
from ingest.pairs.teacher import Teacher

# Raised when a prompt or what is read from replies changes: replies of before are then asked for anew.
PROMPT_VERSION = 2


@dataclass(frozen=True, slots=True)
class Asking:
    """A prompt, and the text of the documents that it is about."""

    text: str
    prompt: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply as it is kept."""

    key: str
    """Of prompt and model."""
    about: str
    """Digest of the text that it is about: once no document says that, the reply goes."""
    reply: str


_REPLY = TypeAdapter(Reply)


class Replies:
    """What models replied: one JSON line each, appended as it comes, so that a killed run loses nothing."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = _read(file)

    def all(self, teacher: Teacher, asked: Sequence[Asking], longest: int, label: str) -> list[str]:
        """The reply to each prompt, of at most ``longest`` tokens, in order; what is known is not asked again."""
        keys = [_key(teacher.name, one.prompt) for one in asked]
        missing = {key: one for key, one in zip(keys, asked, strict=True) if key not in self._known}
        if missing:
            make_file(self._file)
            prompts = [one.prompt for one in missing.values()]
            with progress_bar(label, len(missing)) as bar, self._file.open("a", encoding="utf-8") as stream:
                stream.write("\n")  # behind a line that a killed run may have cut
                for (key, one), reply in zip(missing.items(), teacher.replies(prompts, longest), strict=True):
                    self._known[key] = Reply(key, digest_of(one.text), reply)
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


def _key(teacher: str, prompt: Sequence[Message]) -> str:
    said = json.dumps([PROMPT_VERSION, teacher, [message.content for message in prompt]], ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def _read(file: Path) -> dict[str, Reply]:
    """The known replies; a line that a killed run cut off is as if it had not been written."""
    known: dict[str, Reply] = {}
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    for line in text.split("\n"):
        try:
            reply = _REPLY.validate_json(line)
        except ValidationError:
            continue
        known[reply.key] = reply
    return known
