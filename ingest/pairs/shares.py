"""How the sources of pairs are mixed: none is more than its share of all."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from assistant.artifacts.pairs import Pair, Source
from assistant.errors import UsageError
from ingest.pairs.candidate import share_of


def beyond_shares(pairs: Sequence[Pair], shares: Mapping[Source, float], seed: int) -> set[str]:
    """Ids of the pairs to leave out so that no source has more than its share of the rest; edited ones always stay.

    Whole evidence lists stay, as far as that goes: their prompt is run once. Raises UsageError where nothing would be
    left, since all sources are limited and their shares do not come to 1.
    """
    room = _room(Counter(pair.source for pair in pairs), shares)
    by_source: dict[Source, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_source[pair.source].append(pair)
    beyond: set[str] = set()
    for source, most in room.items():
        order = sorted(by_source[source], key=lambda pair: (not pair.edited, *_drawn(pair, seed)))
        beyond.update(pair.id for pair in order[most:] if not pair.edited)
    return beyond


def _room(counts: Mapping[Source, int], shares: Mapping[Source, float]) -> dict[Source, int]:
    """How many pairs of each limited source there may be: the most for which all shares are kept."""
    total = sum(counts.values())
    while True:
        room = {source: min(counts[source], math.floor(share * total)) for source, share in shares.items()}
        kept = sum(count for source, count in counts.items() if source not in shares) + sum(room.values())
        if kept == total:
            break
        total = kept
    if counts and not total:
        told = ", ".join(f"{source} {share:g}" for source, share in shares.items() if counts[source])
        raise UsageError(
            f"pairs.shares={told} leaves no pair: there is nothing else that could fill the rest.",
            "Give a source more, or make pairs of another one too (--data, --tone, --teacher).",
        )
    return room


def _drawn(pair: Pair, seed: int) -> tuple[float, float]:
    texts = [f"{passage.document}\0{passage.text}" for passage in pair.passages] or [pair.id]
    return share_of(seed, "shares", *texts), share_of(seed, pair.id)
