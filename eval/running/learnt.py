"""What the adapters under test have learnt from, as far as that is still known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assistant.artifacts.cards import AdapterCard, adapter_folder, read_card
from assistant.artifacts.pairs import Pair, pairs_hash, read_pairs
from assistant.config import Settings
from assistant.engines.opening import uses_server
from assistant.errors import AdapterError
from assistant.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Learnt:
    """The pairs of some adapters."""

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


def learnt_by(adapters: Iterable[str], workspace: Workspace, settings: Settings) -> Learnt:
    """The pairs of adapters. Raises AdapterError for one that is not there, PairsError for pairs that are damaged."""
    pairs: dict[str, Sequence[Pair]] = {}
    unknown, changed = [], []
    for adapter in adapters:
        if uses_server(settings.engine):
            unknown.append(adapter)
            continue
        card = read_card(adapter_folder(workspace.adapters, adapter))
        files = [workspace.pairs_file(name) for name in card.pairs.split(", ")]
        if not all(file.exists() for file in files):
            unknown.append(adapter)
            continue
        pairs[adapter] = [pair for file in files for pair in read_pairs(file)]
        if not _is_as_then(card, workspace):
            changed.append(adapter)
    return Learnt(pairs, tuple(unknown), tuple(changed))


def _is_as_then(card: AdapterCard, workspace: Workspace) -> bool:
    """Whether an adapter learnt from its pairs as they are today; of a sum of adapters, whether all of these did."""
    if not card.components:
        return pairs_hash(read_pairs(workspace.pairs_file(card.pairs))) == card.pairs_hash
    try:
        parts = [read_card(adapter_folder(workspace.adapters, name)) for name, _ in card.components]
    except AdapterError:
        return False
    # A part that is younger than the sum was trained again since.
    return all(part.created <= card.created and _is_as_then(part, workspace) for part in parts)
