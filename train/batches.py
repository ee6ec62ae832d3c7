"""Which rows are computed together, and how: steps, packed sequences, micro-batches.

Rows that begin alike (the same system text and passages) are packed into one sequence, in which the part that they
share stands once and each row goes on behind it as a branch:

    tokens     S S S P P P  q r r  q q r r r        S system, P passages, q question, r response
    segment    0 0 0 0 0 0  1 1 1  2 2 2 2 2
    position   0 1 2 3 4 5  6 7 8  6 7 8 9 10

A branch sees the prefix and itself, so that loss and gradients are those of separate rows. An optimiser step takes a
fixed number of rows; its sequences are computed in micro-batches of a limited number of padded tokens.
"""

import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise

from train.rows import Row

# A row joins others when at least this part of its prompt is the same.
_LEAST_SHARED = 0.5


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows in one sequence, whose first ``prefix`` tokens are the same and stand once."""

    prefix: int
    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return self.prefix + sum(len(row) - self.prefix for row in self.rows)


def alone(rows: Iterable[Row]) -> list[Packed]:
    """Each row as a sequence of its own."""
    return [Packed(0, (row,)) for row in rows]


def packed(rows: Iterable[Row], most_rows: int, most_tokens: int) -> list[Packed]:
    """Rows that begin alike in one sequence each; every row is in exactly one.

    Neighbours in the order of their prompts are joined, those that have most in common first, as long as that saves
    tokens. At least one token of each prompt stays in the branch: what a row says first is predicted inside it. A
    sequence has at most ``most_rows`` rows and, if it has several, ``most_tokens`` tokens.
    """
    ordered = sorted(rows, key=lambda row: (row.prompt, row.id))
    alike = [_alike(one.prompt, other.prompt) for one, other in pairwise(ordered)]
    # A sequence holds neighbours: it is known by its last place, and the ends of a run know each other.
    ending = {place: Packed(0, (row,)) for place, row in enumerate(ordered)}
    first = {place: place for place in ending}
    last = dict(first)
    for place in sorted(range(len(alike)), key=lambda place: -alike[place]):
        left, right = ending[place], ending[last[place + 1]]
        joined = _joined(left, right, alike[place])
        if joined and len(joined.rows) <= most_rows and len(joined) <= most_tokens:
            begin, end = first[place], last[place + 1]
            del ending[place]
            ending[end], first[end], last[begin] = joined, begin, end
    return list(ending.values())


def _joined(left: Packed, right: Packed, alike: int) -> Packed | None:
    """Two sequences as one, if that saves tokens and their rows have enough in common."""
    rows = (*left.rows, *right.rows)
    prefix = min(alike, *(len(row.prompt) - 1 for row in rows))
    saved = (len(left.rows) - 1) * left.prefix + (len(right.rows) - 1) * right.prefix
    enough = _LEAST_SHARED * max(len(row.prompt) for row in rows)
    return Packed(prefix, rows) if prefix >= enough and (len(rows) - 1) * prefix > saved else None


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences have in common from their start."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def steps(rows: Sequence[Row], batch: int, seed: int, share: bool) -> Iterator[list[Row]]:
    """The rows of each optimiser step, epoch after epoch without end: every row once an epoch, in a new order.

    A step has ``batch`` rows, the last one of an epoch may have fewer. With ``share``, rows that begin alike stay in
    one step, but fill at most half of it, so that a step is not about a single list of passages.
    """
    most = max(batch // 2, 1) if share else 1
    clusters = [one.rows for one in packed(rows, most, most * max(map(len, rows)))]
    for epoch in count():
        yield from _epoch(clusters, batch, random.Random(f"{seed}/{epoch}"))


def _epoch(clusters: Sequence[tuple[Row, ...]], batch: int, chance: random.Random) -> Iterator[list[Row]]:
    """Clusters in a random order, filled into steps of ``batch`` rows; one is split only where none fits."""
    queues: dict[int, deque[tuple[int, tuple[Row, ...]]]] = {}
    for turn, cluster in enumerate(chance.sample(clusters, len(clusters))):
        queues.setdefault(len(cluster), deque()).append((turn, cluster))
    step: list[Row] = []
    rest: tuple[Row, ...] = ()
    while rest or any(queues.values()):
        room = batch - len(step)
        if not rest:
            sizes = [size for size, queue in queues.items() if queue]
            fitting = [size for size in sizes if size <= room] or sizes
            _, rest = queues[min(fitting, key=lambda size: queues[size][0][0])].popleft()
        step.extend(rest[:room])
        rest = rest[room:]
        if len(step) == batch:
            yield step
            step = []
    if step:
        yield step


def steps_an_epoch(rows: int, batch: int) -> int:
    """How many steps show each of ``rows`` rows once."""
    return -(-rows // batch)


def computed_together(rows: Sequence[Row], most_tokens: int, share: bool) -> list[tuple[Packed, ...]]:
    """The micro-batches of one step: rows packed where they ``share`` a beginning, longest first."""
    return micro_batches(packed(rows, len(rows), most_tokens) if share else alone(rows), most_tokens)


def micro_batches(sequences: Iterable[Packed], most_tokens: int) -> list[tuple[Packed, ...]]:
    """Sequences of similar length together, longest first, with at most ``most_tokens`` padded tokens.

    A sequence that is longer stands alone. Those with one row are kept apart from those with several: they need no
    mask, and attention without one is faster.
    """
    batches: list[tuple[Packed, ...]] = []
    for one in sorted(sequences, key=lambda one: (len(one.rows) > 1, len(one), one.rows[0].id), reverse=True):
        last = batches[-1] if batches else ()
        alike = bool(last) and (len(last[0].rows) > 1) == (len(one.rows) > 1)
        if alike and (len(last) + 1) * len(last[0]) <= most_tokens:
            batches[-1] = (*last, one)
        else:
            batches.append((one,))
    return batches
