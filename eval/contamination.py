"""Whether an adapter was trained on what it is tested with: what it has learnt from, and which cases that tells.

A case is *held out* when no pair shows or comes from one of its gold documents. A held-out case *leaks* when a pair
asks the same question, or nearly the same, or shares thirteen words in a row with it (the usual length; Brown et al.
2020). Pairs of the test split teach nothing and are not looked at; those of the validation split chose the adapter.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assistant.artifacts.cards import AdapterCard, adapter_folder, read_card
from assistant.artifacts.data_sets import DataNamed, DataSource, read_data_set
from assistant.artifacts.pairs import Pair, learnt_from_these, pairs_hash, read_pairs
from assistant.config import Settings
from assistant.config.train_settings import TrainSettings
from assistant.engines.opening import uses_server
from assistant.errors import AssistantError, PairsError
from assistant.text.words import content_stems, words
from assistant.workspace import Workspace
from eval.cases import Case
from eval.matching import folded

_OF_DATA = ("data", "validation_data", "validation_share", "columns", "seed")
LeakKind = Literal["same question", "near-duplicate question", "13 words in a row"]

_GRAM_WORDS = 13  # as of GPT-3's test sets (Brown et al. 2020)
# Share of common content stems from which two questions are nearly the same; as between the splits of pairs.
_NEAR = 0.8


@dataclass(frozen=True, slots=True)
class Learnt:
    """The pairs of the adapters under test, as far as they are still known."""

    pairs: Mapping[str, Sequence[Pair]]
    """Adapter → its pairs as they are today."""
    unknown: tuple[str, ...] = ()
    """Adapters whose pairs are gone, or that a server runs."""
    changed: tuple[str, ...] = ()
    """Adapters whose pairs are not those any more that they learnt from."""

    @property
    def is_certain(self) -> bool:
        """Whether every adapter learnt from these pairs and no others."""
        return not self.unknown and not self.changed


@dataclass(frozen=True, slots=True)
class Leak:
    """A case, a pair that tells it, and what they share."""

    case: str
    pair: str
    kind: LeakKind
    shared: str


def learnt_by(adapters: Iterable[str], workspace: Workspace, settings: Settings) -> Learnt:
    """The pairs of adapters. Raises AdapterError for one that is not there, PairsError for pairs that are damaged."""
    pairs: dict[str, Sequence[Pair]] = {}
    unknown, changed = [], []
    for adapter in adapters:
        if uses_server(settings.engine):
            unknown.append(adapter)
            continue
        card = read_card(adapter_folder(workspace.adapters, adapter))
        files = [workspace.pairs_file(name) for name in card.pair_sets]
        if card.config.get("data"):
            try:
                pairs[adapter] = read_data_set(_data_of(card)).pairs
            except AssistantError:  # it lies elsewhere today
                unknown.append(adapter)
                continue
            is_same = pairs_hash(pairs[adapter]) == card.pairs_hash
        elif files and all(file.exists() for file in files):
            pairs[adapter] = [pair for file in files for pair in read_pairs(file)]
            is_same = learnt_from_these(card, workspace)
        else:
            unknown.append(adapter)
            continue
        if not is_same:
            changed.append(adapter)
    return Learnt(pairs, tuple(unknown), tuple(changed))


def _data_of(card: AdapterCard) -> DataNamed:
    """What an adapter learnt from. Raises PairsError for a set of the hub that is not on this machine any more."""
    told = TrainSettings.model_validate({key: card.config[key] for key in _OF_DATA if key in card.config})
    data, validation = ([_source(name, card) for name in names] for names in (told.data, told.validation_data))
    return DataNamed(data, validation, dict[str, str](told.columns.items()), told.validation_share, told.seed)


def _source(name: str, card: AdapterCard) -> DataSource:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if name not in card.hub_data:
        return DataSource(name, Path(name).expanduser())
    owner, repository, *part = name.split("/")
    try:
        folder = snapshot_download(f"{owner}/{repository}", repo_type="dataset", local_files_only=True)
    except LocalEntryNotFoundError:
        raise PairsError(f"{name} is not on this machine.", "Download it again.") from None
    return DataSource(name, Path(folder, *part), is_of_hub=True)


def held_out(cases: Iterable[Case], pairs: Iterable[Pair]) -> list[Case]:
    """The cases about documents that nothing was learnt from; unanswerable ones are about none."""
    seen = frozenset[str]().union(*(pair.documents for pair in pairs if pair.split != "test"))
    return [case for case in cases if not case.documents & seen]


def unlearnt(cases: Iterable[Case], pairs: Sequence[Pair]) -> list[Case]:
    """The cases that are held out and do not leak: nothing told any of them to who learnt these pairs."""
    some = held_out(cases, pairs)
    leaked = {leak.case for leak in leaks(some, pairs)}
    return [case for case in some if case.id not in leaked]


def leaks(cases: Sequence[Case], pairs: Iterable[Pair]) -> list[Leak]:
    """The first leak of each case that has one, in the order of the cases."""
    learnt = [pair for pair in pairs if pair.split != "test"]
    # What a follow-up asks is in the conversation before it.
    alone = [pair for pair in learnt if not pair.history]
    same = {folded(pair.instruction): pair for pair in reversed(alone)}
    near = _PairQuestions(alone)
    overlaps = _overlaps(cases, learnt)
    found: list[Leak] = []
    for case in cases:
        if pair := same.get(folded(_question(case))):
            found.append(Leak(case.id, pair.id, "same question", pair.instruction))
        elif pair := near.nearest(case):
            found.append(Leak(case.id, pair.id, "near-duplicate question", pair.instruction))
        elif case.id in overlaps:
            found.append(overlaps[case.id])
    return found


def _question(case: Case) -> str:
    return case.standalone_question or case.question


class _PairQuestions:
    """The questions of pairs by their content stems; a lone letter is what an apostrophe leaves behind."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs
        self._sizes: list[int] = []
        self._by_stem: defaultdict[str, list[int]] = defaultdict(list)
        for number, pair in enumerate(pairs):
            found = self._stems(pair.instruction, pair.language)
            self._sizes.append(len(found))
            for stem in found:
                self._by_stem[stem].append(number)

    def nearest(self, case: Case) -> Pair | None:
        """The pair whose question shares most of its content stems with a case's (Jaccard), if these are enough."""
        wanted = self._stems(_question(case), case.language)
        shared = Counter(number for stem in wanted for number in self._by_stem.get(stem, ()))
        likeness = {number: common / (len(wanted) + self._sizes[number] - common) for number, common in shared.items()}
        best = max(likeness, key=lambda number: (likeness[number], -number), default=None)
        return None if best is None or likeness[best] < _NEAR else self._pairs[best]

    @staticmethod
    def _stems(question: str, language: str) -> list[str]:
        return [stem for stem in content_stems(question, language) if len(stem) > 1 or stem.isdigit()]


def _overlaps(cases: Sequence[Case], pairs: Sequence[Pair]) -> dict[str, Leak]:
    """The first run of words that each case shares with a pair, by the id of the case."""
    cases_of: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for case in cases:
        quotes = (span.quote for group in case.gold for span in group)
        for text in (_question(case), *case.answers, *quotes):
            for gram in _grams(text):
                cases_of[gram].append(case.id)
    # Each text once: many pairs show the same passages.
    taught: dict[str, Pair] = {}
    for pair in pairs:
        for text in (pair.instruction, pair.response, *(passage.text for passage in pair.passages)):
            taught.setdefault(text, pair)
    found: dict[str, Leak] = {}
    for text, pair in taught.items():
        for gram in _grams(text):
            for case_id in cases_of.get(gram, ()):
                found.setdefault(case_id, Leak(case_id, pair.id, "13 words in a row", " ".join(gram)))
    return found


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    found = words(text)
    return (tuple(found[first : first + _GRAM_WORDS]) for first in range(len(found) - _GRAM_WORDS + 1))
