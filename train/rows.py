"""Pairs as tokens: what the model is shown, and what it is to say.

    Row(id="a1", prompt=(1, 9690, …), response=(504, 2786, …, 2))

The loss counts on the response alone, end of turn included. A row is never cut and never left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jinja2 import TemplateError

from assistant.artifacts.pairs import Pair, Split
from assistant.engines.template import ChatTemplate
from assistant.errors import TrainingError
from assistant.untrusted.turns import harmless

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Row:
    """One pair as tokens; ``response`` ends with the end of the turn."""

    id: str
    prompt: tuple[int, ...]
    response: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response)


def rows_of(pairs: Iterable[Pair], split: Split, template: ChatTemplate, system: str, window: int | None) -> list[Row]:
    """The pairs of one split as rows, in order.

    Raises TrainingError when a row has more tokens than ``window``, or nothing to learn from.
    """
    rows = [_row(pair, template, system) for pair in pairs if pair.split == split]
    too_long = [row for row in rows if window is not None and len(row) > window]
    if too_long:
        too_long.sort(key=len, reverse=True)
        named = ", ".join(f"'{row.id}' has {len(row)}" for row in too_long[:_MOST_NAMED])
        raise TrainingError(
            f"{len(too_long)} of {len(rows)} {split} pairs do not fit into the model's window of {window} tokens: "
            f"{named}{', …' if len(too_long) > _MOST_NAMED else ''}.",
            "Shorten or delete them, make pairs that show fewer passages, or take another model.",
        )
    return rows


def _row(pair: Pair, template: ChatTemplate, system: str) -> Row:
    control = template.control_tokens
    try:
        prompt = template.prompt_ids(pair.messages(system, control))
    except TemplateError as error:
        raise TrainingError(
            f"The chat template refuses the pair '{pair.id}': {error}.", "Mend its history or delete it."
        ) from None
    response = template.response_ids(harmless(pair.response, control))
    if len(response) < 2 or not prompt:
        raise TrainingError(f"The pair '{pair.id}' has no tokens to learn from.", "Mend its response or delete it.")
    return Row(pair.id, tuple(prompt), tuple(response))


def loss_tokens(rows: Sequence[Row]) -> int:
    """How many tokens of ``rows`` count in the loss."""
    return sum(len(row.response) for row in rows)
