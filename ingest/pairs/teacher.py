"""Models that write and judge pairs, and what they wrote: in files beside a set of pairs.

    NAME.replies     each reply as it comes; a run that is killed goes on where it was
    NAME.rejected    {"reason": "leaves out the condition", "instruction": "…", "response": "…", "passages": […], …}

A rejected answer to the question of an admitted pair is the worse of two answers to the same prompt.

It is the configured base, one of the catalogue, or any chat model of LangChain.

An endpoint that is down, slow or busy is asked again, later each time and not before the moment it names itself (a
minute at most). What it said is kept by the caller as it comes, so that a run that ends here goes on where it was. A
prompt that it refuses, as one that is too long for it or that its filter does not like, costs only itself.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import compress
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from assistant.artifacts.pairs import Pair
from assistant.artifacts.row_files import write_lines
from assistant.config import PairsSettings, Settings
from assistant.engines import Engine
from assistant.engines.opening import open_engine, speaks
from assistant.engines.thinking import answer_in
from assistant.errors import ModelError, PairsError, one_line
from assistant.models.catalogue import entry_of
from assistant.models.servers import seconds_to_wait
from assistant.store.index import StoredChunk
from assistant.types import Message
from assistant.work.progress import note, progress_bar
from assistant.workspace import make_file

# Raised when a prompt or what is read from replies changes: replies of before are then asked for anew.
PROMPT_VERSION = 2
RejectedLine = dict[str, object]
AUTO, BASE = "auto", "base"
_BATCH = 16  # prompts before their replies are kept: so many are lost when a run is stopped
_AT_ONCE = 4  # requests beside each other; services limit them. Not measured
# Answers that will be the same however often, and whatever, is asked for.
_FINAL = frozenset({401, 403, 404, 405})
# Answers that will be the same for this prompt; after so many in a row, for any.
_REFUSED = frozenset({400, 413, 422})
_MOST_REFUSED = 8

Sleep = Callable[[float], None]


class Teacher(Protocol):
    """Replies to prompts."""

    @property
    def name(self) -> str:
        """What its replies are kept under."""

    def replies(self, prompts: Sequence[Sequence[Message]], longest: int) -> Iterator[str]:
        """One reply for each prompt, in order, as they come; ``longest`` is in tokens.

        Empty for a prompt that the model refuses. Raises PairsError when the model does not answer, ModelError when it
        cannot be used at all.
        """


class EngineTeacher:
    """A language model that our own engines run."""

    def __init__(self, engine: Engine, model: str) -> None:
        self._engine = engine
        self.name = f"{BASE}:{model}"

    def replies(self, prompts: Sequence[Sequence[Message]], longest: int) -> Iterator[str]:
        """Replies in batches; prompts that begin alike and stand together are read once as far as they do.

        Empty for a prompt that the model's window has no room for.
        """
        fits = [self._engine.count(prompt) < self._engine.window for prompt in prompts]
        if not all(fits):
            note(f"{self.name} reads {self._engine.window} tokens: {fits.count(False)} longer prompts are left out.")
        for first in range(0, len(prompts), _BATCH):
            batch = slice(first, first + _BATCH)
            said = iter(self._engine.complete([*compress(prompts[batch], fits[batch])], longest))
            yield from (next(said) if fit else "" for fit in fits[batch])


class ChatTeacher:
    """A chat model of LangChain: ``openai:gpt-…``, ``ollama:…``, or a model behind an OpenAI-compatible address."""

    def __init__(self, name: str, settings: PairsSettings, sleep: Sleep = time.sleep) -> None:
        """Raises ModelError when the provider is unknown or its package is not installed."""
        from langchain.chat_models import init_chat_model

        self.name = f"{name}@{settings.teacher_url}" if settings.teacher_url else name
        self._attempts = settings.teacher_attempts
        self._sleep = sleep
        options: dict[str, Any] = {"timeout": settings.teacher_seconds, "max_retries": 0, "temperature": 0}
        if settings.teacher_url:
            name = name if ":" in name else f"openai:{name}"
            options |= {"base_url": settings.teacher_url, "api_key": os.environ.get("OPENAI_API_KEY") or "none"}
        try:
            self._model = init_chat_model(name, **options)
        except ImportError as error:
            raise ModelError(
                f"{name} needs a package: {_in_a_line(error)}", "pip install 'domain-assistant[teacher]'"
            ) from None
        except Exception as error:  # a missing key, an unknown provider: each has an error of its own
            raise ModelError(
                f"{name} cannot be used: {_in_a_line(error)}", "Write base, PROVIDER:MODEL, or set pairs.teacher_url."
            ) from None
        self._refused = 0

    def replies(
        self,
        prompts: Sequence[Sequence[Message]],
        longest: int,  # noqa: ARG002 - what a model thinks first would count
    ) -> Iterator[str]:
        """Replies to a few prompts at a time."""
        with ThreadPoolExecutor(_AT_ONCE) as beside:
            for first in range(0, len(prompts), _AT_ONCE):
                yield from beside.map(self._reply, prompts[first : first + _AT_ONCE])

    def _reply(self, prompt: Sequence[Message]) -> str:
        for attempt in range(1, self._attempts + 1):
            try:
                content = self._model.invoke([(message.role, message.content) for message in prompt]).content
                if not isinstance(content, str):
                    content = "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in content)
                self._refused = 0
                return answer_in(content)
            except Exception as error:  # each provider has errors of its own
                status = getattr(error, "status_code", None)
                status = status or getattr(getattr(error, "response", None), "status_code", None)
                self._refused += status in _REFUSED
                if status in _FINAL or self._refused > _MOST_REFUSED:
                    raise ModelError(f"{self.name} refuses: {_in_a_line(error)}", "Check its name and key.") from None
                if status in _REFUSED:
                    note(f"{self.name} refuses one prompt: {_in_a_line(error)}")
                    return ""
                if attempt == self._attempts:
                    raise PairsError(
                        f"{self.name} did not answer in {attempt} attempts: {_in_a_line(error)}",
                        "What it wrote so far is kept; run this again when it is there.",
                    ) from None
                headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", None) or {}
                wait = seconds_to_wait(headers.get("retry-after", ""), attempt)
                note(f"{self.name}: {_in_a_line(error)}; asked again in {wait:.0f} s.")
                self._sleep(wait)
        raise AssertionError("unreachable: teacher_attempts is at least 1")


def named_teacher(settings: Settings) -> str:
    """The teacher that the settings name; ``auto`` is the base where it answers in its own words, else none."""
    named = settings.pairs.teacher
    return named if named != AUTO else BASE if speaks(settings.engine) else ""


def opened_teacher(name: str, settings: Settings, engine: Engine) -> Teacher:
    """The model that ``pairs.teacher`` or ``pairs.judge`` names; ``engine`` runs the configured language model.

    Nothing is loaded yet. Raises ModelError when the model is not known or its package is not installed.
    """
    if name == BASE:
        return EngineTeacher(engine, settings.engine.model)
    known = None if settings.pairs.teacher_url else entry_of(name)
    if known and known.kind == "language model":
        chosen = settings.engine.model_copy(update={"model": name, "url": "", "runtime": "auto"})
        return EngineTeacher(open_engine(settings.model_copy(update={"engine": chosen})), name)
    return ChatTeacher(name, settings.pairs)


def _in_a_line(error: BaseException) -> str:
    return one_line(error) or type(error).__name__


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
