"""Pairs as tokens, and which are computed together: steps, packed sequences, micro-batches.

    TokenRow(id="a1", prompt=(1, 9690, …), response=(504, 2786, …, 2))

The loss counts on the response alone, end of turn included. A row is never cut, and one of pairs never left out.

Rows that begin alike (the same system text and passages) are packed into one sequence, in which the part that they
share stands once and each row goes on behind it as a branch:

    tokens     S S S P P P  q r r  q q r r r        S system, P passages, q question, r response
    segment    0 0 0 0 0 0  1 1 1  2 2 2 2 2
    position   0 1 2 3 4 5  6 7 8  6 7 8 9 10

A branch sees the prefix and itself, so that loss and gradients are those of separate rows. An optimiser step takes a
fixed number of rows, of which several processes compute parts of equal tokens; the sequences of a part are computed in
micro-batches of a limited number of padded tokens.

A preference is one row with two responses to its prompt. They are two branches, of one sequence wherever rows share
what they begin with, and never apart: what is learnt from one depends on the other.
"""

import math
import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise, takewhile
from operator import eq

from jinja2 import TemplateError

from assistant.artifacts.data_sets import DataSet
from assistant.artifacts.pairs import Pair, Split
from assistant.engines.template import ChatTemplate
from assistant.errors import TrainingError
from assistant.untrusted.injection import harmless

_MOST_NAMED = 10  # enough to see what is too long; an error is to stay readable
# A row joins others when at least this part of its prompt is the same.
_LEAST_SHARED = 0.5
# Parts whose largest is this near to the least that it could be are not made more equal.
_NEARLY_EQUAL = 1.02


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One pair as tokens; a response ends with the end of the turn."""

    id: str
    prompt: tuple[int, ...]
    response: tuple[int, ...]
    against: tuple[int, ...] = ()
    """What the response is held against (train.preferences); empty where one alone is learnt."""
    is_wanted: bool = True
    """False for a response that is to be given less."""

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response) + len(self.against)

    @property
    def branches(self) -> "tuple[TokenRow, ...]":
        """The row once for each of its responses."""
        return (
            (replace(self, against=()), replace(self, response=self.against, against=())) if self.against else (self,)
        )


def rows_of(
    pairs: Iterable[Pair],
    split: Split,
    template: ChatTemplate,
    system: str,
    window: int | None,
    data: DataSet | None = None,
) -> list[TokenRow]:
    """The pairs of one split as rows, in order.

    Raises TrainingError when a row has more tokens than ``window``, or is refused by the chat template; of ``data`` it
    is left out and noted there.
    """
    control = template.control_tokens
    rows: list[TokenRow] = []
    too_long: list[TokenRow] = []
    for pair in (pair for pair in pairs if pair.split == split):
        try:
            prompt = template.prompt_ids(pair.messages(system, control))
        except TemplateError as error:
            if data:
                data.drop("the chat template refuses it", pair.id)
                continue
            raise TrainingError(
                f"The chat template refuses the pair '{pair.id}': {error}.", "Mend its history or delete it."
            ) from None
        row = TokenRow(pair.id, tuple(prompt), tuple(template.response_ids(harmless(pair.response, control))))
        if len(row.response) < 2 or not prompt:
            raise TrainingError(f"The pair '{pair.id}' has no tokens to learn from.", "Mend its response or delete it.")
        fits = window is None or len(row) <= window
        if data and not fits:
            data.drop(f"longer than the model's window of {window} tokens", pair.id)
        else:
            (rows if fits else too_long).append(row)
    if too_long:
        too_long.sort(key=len, reverse=True)
        named = ", ".join(f"'{row.id}' has {len(row)}" for row in too_long[:_MOST_NAMED])
        raise TrainingError(
            f"{len(too_long)} of {len(rows) + len(too_long)} {split} pairs do not fit into the model's window of "
            f"{window} tokens: {named}{', …' if len(too_long) > _MOST_NAMED else ''}.",
            "Shorten or delete them, make pairs that show fewer passages, or take another model.",
        )
    return rows


def loss_tokens(rows: Sequence[TokenRow]) -> int:
    """How many tokens of ``rows`` count in the loss."""
    return sum(len(branch.response) for row in rows for branch in row.branches)


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows in one sequence, whose first ``prefix`` tokens are the same and stand once."""

    prefix: int
    rows: tuple[TokenRow, ...]

    def __len__(self) -> int:
        return self.prefix + sum(len(branch) - self.prefix for branch in self.branches)

    @property
    def branches(self) -> list[TokenRow]:
        """What goes on behind the prefix, in order; without one each is a sequence of its own."""
        return [branch for row in self.rows for branch in row.branches]


def alone(rows: Iterable[TokenRow]) -> list[Packed]:
    """Each row by itself."""
    return [Packed(0, (row,)) for row in rows]


def packed(rows: Iterable[TokenRow], most_rows: int, most_tokens: int) -> list[Packed]:
    """Rows that begin alike in one sequence each; every row is in exactly one.

    Neighbours in the order of their prompts are joined, those that have most in common first, as long as that saves
    tokens. At least one token of each prompt stays in the branch: what a row says first is predicted inside it. A
    sequence has at most ``most_rows`` rows and, if it has several, ``most_tokens`` tokens.
    """
    ordered = sorted(rows, key=lambda row: (row.prompt, row.id))
    alike = [sum(1 for _ in takewhile(bool, map(eq, one.prompt, other.prompt))) for one, other in pairwise(ordered)]
    # A sequence holds neighbours: it is known by its last place, and the ends of a run know each other.
    ending = {place: Packed(len(row.prompt) - 1 if row.against else 0, (row,)) for place, row in enumerate(ordered)}
    first = {place: place for place in ending}
    last = dict(first)
    for place in sorted(range(len(alike)), key=lambda place: -alike[place]):
        left, right = ending[place], ending[last[place + 1]]
        both = (*left.rows, *right.rows)
        joined = Packed(min(alike[place], *(len(row.prompt) - 1 for row in both)), both)
        has_much = joined.prefix >= _LEAST_SHARED * max(len(row.prompt) for row in both)
        saves = len(joined) < len(left) + len(right)
        if has_much and saves and len(both) <= most_rows and len(joined) <= most_tokens:
            begin, end = first[place], last[place + 1]
            del ending[place]
            ending[end], first[end], last[begin] = joined, begin, end
    return list(ending.values())


def steps(rows: Sequence[TokenRow], batch: int, seed: int, share: bool) -> Iterator[list[TokenRow]]:
    """The rows of each optimiser step, epoch after epoch without end: every row once an epoch, in a new order.

    A step has ``batch`` rows, the last one of an epoch may have fewer. With ``share``, rows that begin alike stay in
    one step, but fill at most half of it, so that a step is not about a single list of passages; such a cluster is
    split only where none fits.
    """
    most = max(batch // 2, 1) if share else 1
    clusters = [one.rows for one in packed(rows, most, most * max(map(len, rows)))]
    for epoch in count():
        queues: dict[int, deque[tuple[int, tuple[TokenRow, ...]]]] = {}
        for turn, cluster in enumerate(random.Random(f"{seed}/{epoch}").sample(clusters, len(clusters))):
            queues.setdefault(len(cluster), deque()).append((turn, cluster))
        step: list[TokenRow] = []
        rest: tuple[TokenRow, ...] = ()
        while rest or any(queues.values()):
            room = batch - len(step)
            if not rest:
                sizes = [size for size, queue in queues.items() if queue]
                fitting = [size for size in sizes if size <= room] or sizes
                _, rest = min((queues[size] for size in fitting), key=lambda queue: queue[0][0]).popleft()
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


def shares(rows: Sequence[TokenRow], processes: int, most_tokens: int, share: bool) -> list[list[TokenRow]]:
    """The rows of a step in one part a process, with work as equal as can be; a part may be empty.

    Sequences are dealt out, the longest first, each to the part that has the fewest tokens. Rows that ``share`` a
    beginning cost less together: their longest sequence is halved as long as the largest part has more than its share,
    and the way whose largest part is the smallest is taken.
    """
    sequences = packed(rows, len(rows), most_tokens) if share else alone(rows)
    least_possible = max(sum(map(len, sequences)) / processes, *map(len, rows))
    best: list[list[TokenRow]] = []
    smallest = math.inf
    while True:
        parts: list[list[TokenRow]] = [[] for _ in range(processes)]
        tokens = [0] * processes
        for one in sorted(sequences, key=len, reverse=True):
            emptiest = tokens.index(min(tokens))
            parts[emptiest] += one.rows
            tokens[emptiest] += len(one)
        if max(tokens) < smallest:
            smallest, best = max(tokens), parts
        several = [one for one in sequences if len(one.rows) > 1]
        if not several or smallest <= _NEARLY_EQUAL * least_possible:
            return best
        longest = max(several, key=len)
        sequences.remove(longest)
        half = len(longest.rows) // 2
        for some in (longest.rows[:half], longest.rows[half:]):
            sequences += packed(some, half + 1, most_tokens)


def computed_together(rows: Sequence[TokenRow], most_tokens: int, share: bool) -> list[tuple[Packed, ...]]:
    """The micro-batches of one step: rows packed where they ``share`` a beginning, longest first."""
    return micro_batches(packed(rows, len(rows), most_tokens) if share else alone(rows), most_tokens)


def micro_batches(sequences: Iterable[Packed], most_tokens: int) -> list[tuple[Packed, ...]]:
    """Sequences of similar length together, longest first, with at most ``most_tokens`` padded tokens.

    A sequence that is longer stands alone. Those with one branch are kept apart from those with several: they need no
    mask, and attention without one is faster.
    """
    batches: list[tuple[Packed, ...]] = []
    for one in sorted(sequences, key=lambda one: (one.prefix > 0, len(one), one.rows[0].id), reverse=True):
        last = batches[-1] if batches else ()
        alike = bool(last) and (last[0].prefix > 0) == (one.prefix > 0)
        if alike and (len(last) + 1) * len(last[0]) <= most_tokens:
            batches[-1] = (*last, one)
        else:
            batches.append((one,))
    return batches
