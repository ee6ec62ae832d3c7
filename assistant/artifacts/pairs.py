"""Instruction pairs on disk: what `assistant pairs` writes, people edit, and `assistant train` reads.

    pairs/NAME.jsonl          one pair a line
    pairs/NAME.header.json    what they were made from, how many were dropped and why

A pair holds the passages it is shown with, so that the file can be moved to another machine and trained on there.

The leak test: nothing that one split holds may tell another what it is asked. Between two splits no passage, no
question, no near-duplicate of a question, and no words that prove an answer may be the same. What would leak is taken
out of the less precious split.
"""

import hashlib
import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from assistant.artifacts.cards import AdapterCard, adapter_folder, read_card
from assistant.artifacts.row_files import parsed, write_lines
from assistant.errors import AdapterError, PairsError, one_line
from assistant.prompt import as_said, build_messages
from assistant.store.blocks import blocks_in
from assistant.text.words import content_stems
from assistant.types import HEADING_SEPARATOR, Evidence, Message, Passage
from assistant.workspace import Workspace, make_folder, replaced_atomically

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
Source = Literal[
    "generated", "structure", "set", "feedback", "tone", "refusal", "reading", "general", "vote", "thumb", "synthetic",
    "data",
]  # fmt: skip
"""``data`` is trained on as it is, and stands in no set of pairs."""
LEAKS = ("passage", "question", "near-duplicate question", "answer span")
_NEAR = 0.8  # four stems of five are the same; not measured
_FEWEST_SPAN_WORDS = 5  # shorter answers are alike by chance
# Of at least so many questions, what more than half of them say is the task that they share, and makes no two alike:
# with it, 89 of 100 rows of one task were near-duplicates (docs/log.md).
_FEWEST_ALIKE = 20
_PRECIOUS = {"test": 0, "validation": 1, "train": 2}


@dataclass(frozen=True, slots=True)
class Pair:
    """One training example: a question with the passages it is shown with, and the response wanted.

    A preference has a response that is not wanted, too; of a thumb there is one of the two alone.
    """

    id: str
    instruction: str
    response: str
    source: Source
    split: Split = "train"
    kind: str = ""
    """What kind of question it is: ``fact``, ``procedure``, ``condition``, ``near-miss`` …"""
    passages: tuple[Passage, ...] = ()
    golden: int | None = None
    """Number (1-based) of the passage that answers; None where none does."""
    quote: str = ""
    """The words of the golden passage that prove the response."""
    history: tuple[Message, ...] = ()
    system: str = ""
    """Only where the pair brings its own; empty takes ``answer.system``, of data none."""
    language: str = ""
    document: str = ""
    """Path, relative to the ingested folder, of the document it comes from; empty if from none."""
    edited: bool = False
    """Set by a person who changed the pair: it is kept as it is from then on."""
    rejected: str = ""
    """A response to the same prompt that is worse."""

    @property
    def documents(self) -> frozenset[str]:
        """Paths of the documents that it shows or comes from; those of reading exercises are made up."""
        if self.source == "reading":
            return frozenset()
        return frozenset({self.document, *(passage.document for passage in self.passages)} - {""})

    def messages(self, system: str, control_tokens: Collection[str] = ()) -> list[Message]:
        """What the model is shown before it responds: the one prompt; of data, what it says itself and no more."""
        if self.source == "data":
            told = [Message("system", self.system)] if self.system else []
            return as_said([*told, *self.history, Message("user", self.instruction)], control_tokens)
        return build_messages(self.system or system, self.passages, self.history, self.instruction, control_tokens)


def evidence_of(passage: Passage, rank: int, language: str) -> Evidence:
    """A passage as evidence that no search has scored, for what grounds answers; ``rank`` is its number in the pair."""
    heading = passage.context.partition("\n")[0].rpartition(HEADING_SEPARATOR)[2]
    return Evidence(
        rank=rank, score=0.0, dense=None, lexical=None, dense_rank=None, lexical_rank=None, chunk=rank,
        document=passage.document, path=passage.document, title="", date="", language=language,
        context=passage.context, heading=heading, place="", page_starts=(), start=passage.start, end=passage.end,
        text=passage.text, blocks=tuple(blocks_in(passage.text, passage.start)),
    )  # fmt: skip


_PAIR = TypeAdapter(Pair)


@dataclass(frozen=True, slots=True)
class PairsHeader:
    """What a set of pairs was made from."""

    corpus: str
    generation: int
    """Of the corpus, when the pairs were made."""
    generator: str
    """The model that wrote the generated pairs; empty if none did."""
    seed: int
    documents: dict[str, str]
    """Path → content hash of every document that a pair shows or comes from."""
    counts: dict[str, int]
    """Pairs by source."""
    dropped: dict[str, int]
    """Candidates that were not taken, by reason."""
    settings: dict[str, object]
    version: str
    """Of this program."""
    state: str = ""
    """Of all texts of the corpus; empty where it was made before there was one."""
    preferences: bool = False
    """Whether the pairs say which response is better."""


def read_pairs(file: Path) -> list[Pair]:
    """All pairs of a file, in order.

    Raises PairsError that names the first line that cannot be used: cut, of a wrong type, or with an id that another
    line has.
    """
    pairs: list[Pair] = []
    lines: dict[str, int] = {}
    try:
        with file.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                pair = _parsed(line, f"{file}, line {number}")
                if pair.id in lines:
                    raise PairsError(
                        f"{file}, line {number}: the id '{pair.id}' stands in line {lines[pair.id]} too.",
                        "Give each pair an id of its own.",
                    )
                lines[pair.id] = number
                pairs.append(pair)
    except FileNotFoundError:
        raise PairsError(f"There are no pairs in {file}.", "Run: assistant pairs") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PairsError(f"{file} cannot be read: {error}.", "It has to be a UTF-8 file of JSON lines.") from None
    return pairs


def overview(file: Path, sources: Collection[Source]) -> tuple[dict[str, int], list[Pair]]:
    """How many pairs a file holds by source, and the first training pair of each of some sources.

    What the header counts is believed while the file is no younger: then no more is read than has to be.
    Raises what ``read_pairs`` raises.
    """
    header = read_header(file)
    if header is None or file.stat().st_mtime_ns > header_file(file).stat().st_mtime_ns:
        pairs = read_pairs(file)
        found = {pair.source: pair for pair in reversed(pairs) if pair.split == "train" and pair.source in sources}
        return dict(Counter(pair.source for pair in pairs)), list(reversed(found.values()))
    # As ``write_pairs`` writes it; within a text the quotes would be escaped.
    marks = {f'"source": "{source}", "split": "train"' for source in sources if source in header.counts}
    first = []
    with file.open(encoding="utf-8", errors="replace") as lines:
        while marks and (line := next(lines, "")):
            if mark := next((mark for mark in marks if mark in line), ""):
                marks.discard(mark)
                first.append(_parsed(line, str(file)))
    return dict(header.counts), first


def _parsed(line: str, place: str) -> Pair:
    pair = parsed(line, _PAIR, place, PairsError)
    if not pair.instruction.strip() or not (pair.response or pair.rejected).strip():
        raise PairsError(f"{place}: instruction or response is empty.", "Mend the line or delete it.")
    if pair.response.strip() == pair.rejected.strip():
        raise PairsError(f"{place}: response and rejected are the same.", "Mend the line or delete it.")
    if pair.golden is not None and not 1 <= pair.golden <= len(pair.passages):
        raise PairsError(
            f"{place}: golden is {pair.golden}, but there are {len(pair.passages)} passages.", "Mend the line."
        )
    return pair


def write_pairs(file: Path, pairs: Iterable[Pair], header: PairsHeader) -> None:
    """Replace a set of pairs and its header; a full disk or a kill leaves the old ones.

    Both are on disk before either takes its name. Only a kill between the two renames leaves an old header beside new
    pairs.
    """
    make_folder(file.parent)
    with replaced_atomically(header_file(file)) as beside:
        beside.write_text(json.dumps(asdict(header), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        write_lines(file, map(_row, pairs))
        os.utime(beside)  # the younger of the two, until somebody edits the pairs


def header_file(file: Path) -> Path:
    """Where the header of a set of pairs is."""
    return file.with_suffix(".header.json")


def read_header(file: Path) -> PairsHeader | None:
    """What the pairs of ``file`` were made from; None for a file that a person brought along without a header.

    Raises PairsError when the header is damaged.
    """
    beside = header_file(file)
    if not beside.exists():
        return None
    try:
        return TypeAdapter(PairsHeader).validate_json(beside.read_bytes())
    except (OSError, ValidationError) as error:
        raise PairsError(f"{beside} is damaged: {one_line(error)}", "Run assistant pairs again.") from None


def pairs_hash(pairs: Sequence[Pair]) -> str:
    """16 hex digits that change with any pair or their order."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(json.dumps(_row(pair), ensure_ascii=False, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _row(pair: Pair) -> dict[str, object]:
    """A pair as it is written: one that is no preference as it was before there were any."""
    row = asdict(pair)
    return row if pair.rejected else {key: value for key, value in row.items() if key != "rejected"}


def holds_preferences(file: Path) -> bool:
    """Whether a set says which response is better; False for one that cannot be read."""
    with suppress(PairsError):
        header = read_header(file)
        return header.preferences if header else any(pair.rejected for pair in read_pairs(file))
    return False


def learnt_from_these(card: AdapterCard, workspace: Workspace) -> bool:
    """Whether an adapter learnt from its pairs as they are today, and so did all adapters that it was made of.

    What an adapter of another program learnt from is not known.

    Raises PairsError for pairs that are not there or cannot be read.
    """
    name = card.config.get("pairs") if card.started_from else card.pairs
    if not name:
        return False
    if not card.components:
        file = workspace.pairs_file(str(name))
        known = file.stat() if file.exists() else None
        if _hash_of(file, known and (known.st_mtime_ns, known.st_size)) != card.pairs_hash:
            return False
    names = [name for name, _ in card.components] or list(filter(None, [card.started_from]))
    try:
        parts = [read_card(adapter_folder(workspace.adapters, name)) for name in names]
    except AdapterError:
        return False
    # A part that is younger than what was made of it was trained again since.
    return all(part.created <= card.created and learnt_from_these(part, workspace) for part in parts)


@lru_cache(maxsize=64)
def _hash_of(file: Path, _stamp: tuple[int, int] | None) -> str:
    return pairs_hash(read_pairs(file))


def leaks(pairs: Sequence[Pair]) -> dict[str, int]:
    """How many pairs share something with a pair of a more precious split, by what it is."""
    found = dict.fromkeys(LEAKS, 0)
    for _, what in leaking(pairs):
        found[what] += 1
    return found


def leaking(pairs: Sequence[Pair]) -> list[tuple[Pair, str]]:
    """The pairs that share something with one of a more precious split, and what: the first found of each."""
    seen: dict[tuple[str, str], int] = {}
    found = []
    near = _SimilarQuestions(pairs)
    for pair in sorted(pairs, key=lambda pair: _PRECIOUS[pair.split]):
        rank = _PRECIOUS[pair.split]
        marks = [("passage", _folded(passage.text)) for passage in pair.passages]
        marks.append(("question", _folded(pair.instruction)))
        if len(pair.quote.split()) >= _FEWEST_SPAN_WORDS:
            marks.append(("answer span", _folded(pair.quote)))
        what = next((mark[0] for mark in marks if seen.get(mark, rank) < rank), "")
        if not what and near.is_near(pair):
            what = "near-duplicate question"
        if what:
            found.append((pair, what))
        for mark in marks:
            seen.setdefault(mark, rank)
    return found


def _folded(text: str) -> str:
    return " ".join(text.split()).lower()


class _SimilarQuestions:
    """Finds questions of other splits that share most of their stems, by their rarest ones.

    A pair of sets of Jaccard similarity t shares one of the first ``n - ceil(t n) + 1`` stems of each, in any common
    order (prefix filtering; Bayardo, Ma and Srikant 2007).
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        stems = {id(pair): frozenset(content_stems(pair.instruction, pair.language)) for pair in pairs}
        self._counts = Counter(stem for some in stems.values() for stem in some)
        most = max(_FEWEST_ALIKE, len(pairs) / 2)
        task = frozenset(stem for stem, count in self._counts.items() if count > most)
        self._stems = {key: some - task for key, some in stems.items()}
        self._by_stem: dict[str, list[Pair]] = defaultdict(list)
        for pair in pairs:
            if pair.split != "train":  # which nothing leaks from
                for stem in self._prefix(pair):
                    self._by_stem[stem].append(pair)

    def is_near(self, pair: Pair) -> bool:
        mine, rank = self._stems[id(pair)], _PRECIOUS[pair.split]
        for stem in self._prefix(pair):
            for other in self._by_stem[stem]:
                its = self._stems[id(other)]
                shared = len(mine & its)
                if _PRECIOUS[other.split] < rank and shared / (len(mine) + len(its) - shared) >= _NEAR:
                    return True
        return False

    def _prefix(self, pair: Pair) -> list[str]:
        stems = sorted(self._stems[id(pair)], key=lambda stem: (self._counts[stem], stem))
        return stems[: len(stems) - math.ceil(_NEAR * len(stems)) + 1]
