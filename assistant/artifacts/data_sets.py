"""People's own data sets as pairs to train on as they are, without a corpus: each answer of a conversation is one.

    ("house.jsonl", house.jsonl)  ──▶  Pair("house.jsonl, line 7, answer 2", history=…, instruction, response)

A share of the conversations, drawn by their first question, is validated on, unless files for that are named. In a
folder the name of a file or of the folder that it is in tells its split: ``train.jsonl``, ``test/0.parquet``.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from assistant.artifacts.chat_rows import Conversation, conversations_in
from assistant.artifacts.pairs import Pair, Split, leaking
from assistant.artifacts.row_files import ROW_SUFFIXES, Unusable
from assistant.errors import PairsError

# More than the window of any model that is trained has room for: of such a row not even the tokens are counted.
_LONGEST = 1_000_000
_SPLIT_WORDS: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "eval", "evaluation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DataSource:
    """A file or a folder of files, and what people call it."""

    name: str
    path: Path
    is_of_hub: bool = False


@dataclass(slots=True)
class DataSet:
    """What can be trained on, and what cannot."""

    pairs: list[Pair] = field(default_factory=list)
    dropped: dict[str, list[str]] = field(default_factory=dict)
    """Reason → places of the rows that are left out for it."""
    of_hub: tuple[str, ...] = ()
    """Names of the sources that are sets of the Hugging Face hub; others may look alike."""

    def drop(self, reason: str, place: str) -> None:
        """Note that a row is left out."""
        self.dropped.setdefault(reason, []).append(place)


@dataclass(frozen=True, slots=True)
class DataNamed:
    """What is to be read, and how."""

    data: Sequence[DataSource]
    validation: Sequence[DataSource] = ()
    """To validate on alone; else ``share`` of the conversations in ``data`` is drawn by ``seed``."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """What files call their columns (``TrainSettings.columns``)."""
    share: float = 0.0
    seed: int = 0


def read_data_set(named: DataNamed) -> DataSet:
    """All conversations that are named, with nothing that the splits share.

    Raises PairsError when nothing can be trained on, or a file that is named cannot be read.
    """
    of_hub = [source.name for source in (*named.data, *named.validation) if source.is_of_hub]
    found, chats = DataSet(of_hub=tuple(dict.fromkeys(of_hub))), dict[str, list[Pair]]()
    first: list[Pair] = []
    later: list[Pair] = []
    for number, (place, split, conversation) in enumerate(_conversations(named, found)):
        chats[str(number)] = pairs = _pairs(conversation, place, split)
        asked = conversation.messages[0].content
        first.append(replace(pairs[0], id=str(number), instruction=asked))
        later += [replace(pair, id=str(number)) for pair in pairs if pair.history]
    # "Tell me more" is asked of anything: two later questions are alike with their answers, else one is a first one.
    whole = [replace(pair, instruction=f"{pair.instruction}\n{pair.response}") for pair in later]
    learnt_later = [pair for pair in first if pair.split != "train"] + [pair for pair in later if pair.split == "train"]
    asked_later = [pair for pair in first if pair.split == "train"] + [pair for pair in later if pair.split != "train"]
    for probes in (first, learnt_later, asked_later, whole):
        for pair, what in leaking(probes):
            if leaked := chats.pop(pair.id, []):
                found.drop(f"leak: {what}", leaked[0].id)
    found.pairs = [pair for pairs in chats.values() for pair in pairs]
    if not any(pair.split == "train" for pair in found.pairs):
        names = ", ".join(source.name for source in named.data)
        why = "".join(f" {places[0]}: {reason}." for reason, places in found.dropped.items())
        raise PairsError(
            f"{names} holds nothing to train on.{why}",
            "Name its columns, as in columns=instruction:asked,response:said, or see docs/training.md.",
        )
    return found


def _conversations(named: DataNamed, found: DataSet) -> Iterator[tuple[str, Split, Conversation]]:
    """(place, split, conversation) of each usable row, in order."""
    # By where it lies: a file that is named twice is read once, and what is held out anywhere is held out.
    files: dict[Path, tuple[str, Path, Split | None]] = {}
    for name, file, split in (one for source in named.data for one in _files(source)):
        if split or file.resolve() not in files:
            files[file.resolve()] = name, file, split
    for name, file, _ in (one for source in named.validation for one in _files(source)):
        files.pop(file.resolve(), None)
        files[file.resolve()] = name, file, "validation"
    is_drawn = not any(split == "validation" for _, _, split in files.values())
    for name, file, split in files.values():
        try:
            for place_in_file, conversation in conversations_in(file, _LONGEST, named.columns):
                place = name + place_in_file.removeprefix(file.name)
                if isinstance(conversation, Unusable):
                    found.drop(conversation.reason, place)
                    continue
                question = " ".join(conversation.messages[0].content.split()).lower()
                chance = random.Random(f"{named.seed}/{question}").random()
                drawn: Split = "validation" if is_drawn and chance < named.share else "train"
                yield place, split or drawn, conversation
        except PairsError as error:
            if any(source.path == file for source in (*named.data, *named.validation)):
                raise
            found.drop("a file that cannot be read", error.message)  # the others of its folder can


def _files(source: DataSource) -> Iterator[tuple[str, Path, Split | None]]:
    """(name, file, split as the name tells it) of each file of a source. Raises PairsError for a folder with none."""
    if not source.path.is_dir():
        yield source.name, source.path, None
        return
    inside = data_files(source.path)
    if not inside:
        raise PairsError(f"{source.name} holds no data.", f"Name a folder with files of: {', '.join(ROW_SUFFIXES)}.")
    for path in inside:
        split = split_named(path)
        yield f"{source.name}/{path.as_posix()}", source.path / path, None if split == "train" else split


def data_files(folder: Path) -> list[Path]:
    """The files of data in a folder and those below it, relative to it, sorted; hidden ones are none."""
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.suffix.lower() in ROW_SUFFIXES)
    return [path for path in paths if not any(part.startswith(".") for part in path.parts)]


def split_named(path: Path) -> Split | None:
    """The split that a word in a path names, the last one that does; None where none does."""
    text = "".join(letter if letter.isalnum() else " " for letter in path.as_posix().lower())
    return next((_SPLIT_WORDS[word] for word in reversed(text.split()) if word in _SPLIT_WORDS), None)


def _pairs(conversation: Conversation, place: str, split: Split) -> list[Pair]:
    """One pair for each answer that is learnt; the text that is answered from stands before the first question."""
    first, *later = conversation.messages
    if conversation.context:
        first = replace(first, content=f"{conversation.context}\n\n{first.content}")
    spoken = (first, *later)
    answers = [number for number in range(1, len(spoken), 2) if number not in conversation.unlearnt]
    return [
        Pair(
            id=f"{place}, answer {number // 2 + 1}" if len(answers) > 1 else place,
            instruction=spoken[number - 1].content,
            response=spoken[number].content,
            source="data",
            split=split,
            history=spoken[: number - 1],
            system=conversation.system,
            language=conversation.language,
        )
        for number in answers
    ]
