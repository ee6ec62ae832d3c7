"""What a model in training says to a few validation pairs: checkpoints are chosen by answers, not by loss.

The loss says how likely the wanted words are, and falls also while answers become worse. Here the likeliest answers are
written, and held against their passages as they are when people ask.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assistant.artifacts.pairs import Pair, evidence_of
from assistant.config import AnswerSettings
from assistant.config.train_settings import TrainSettings
from assistant.engines.template import ChatTemplate
from assistant.grounding.grounder import ground
from assistant.grounding.repetition import Repetition, goes_in_circles
from assistant.refusal import declines
from assistant.text.printing import CITATION
from assistant.text.quantities import quantities
from assistant.text.words import content_stems, may_be_in
from train.batches import TokenRow

if TYPE_CHECKING:
    import torch

_LONGEST_ANSWER = 64
"""In tokens; bounds the time of a validation."""
_SAYS_THE_SAME = 0.5  # a right answer may choose other words; its quantities have to be there


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """How many of the questions a model answered in which way."""

    sane: int
    """Answers that do not go in circles, and are in the language of their question."""
    usable: int
    """Answers that say what the pair says, with its figures, and are supported; refusals where that is right."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Validation pairs that are answered."""

    asked: Sequence[tuple[TokenRow, Pair]]
    template: ChatTemplate
    settings: AnswerSettings

    def of(self, model: Any, most_tokens: int, dtype: "torch.dtype") -> AnswerCounts:
        """What ``model`` says to all of them. At most ``most_tokens`` of prompts are computed at once."""
        import torch

        model.eval()
        said: list[str] = []
        place = next(model.parameters()).device.type
        with torch.no_grad(), torch.autocast(place, dtype, enabled=dtype != torch.float32):
            batches: list[list[TokenRow]] = []  # rows of like length together, padded to the longest
            for row, _ in self.asked:  # from the shortest to the longest
                if batches and len(batches[-1]) < most_tokens // (len(row.prompt) + _LONGEST_ANSWER):
                    batches[-1].append(row)
                else:
                    batches.append([row])
            for batch in batches:
                said += _said(model, batch, self.template)
        pairs = [pair for _, pair in self.asked]
        sane = [not is_degenerate(text, pair) for text, pair in zip(said, pairs, strict=True)]
        usable = [
            fine and is_usable(text, pair, self.settings) for fine, text, pair in zip(sane, said, pairs, strict=True)
        ]
        return AnswerCounts(sum(sane), sum(usable))


def answers_of(
    rows: Sequence[TokenRow],
    pairs: Sequence[Pair],
    template: ChatTemplate,
    answer: AnswerSettings,
    settings: TrainSettings,
) -> Answers | None:
    """``settings.validation_answers`` of the validation ``rows``, drawn by the seed, those from documents first.

    None where there are none with passages, or none is wanted.
    """
    by_id = {pair.id: pair for pair in pairs}
    asked = [(row, by_id[row.id]) for row in rows if by_id[row.id].passages]
    random.Random(settings.seed).shuffle(asked)
    # Exercises are about other documents than those that people will ask about.
    asked.sort(key=lambda one: one[1].source in {"reading", "tone"})
    chosen = sorted(asked[: settings.validation_answers], key=lambda one: len(one[0].prompt))
    return Answers(chosen, template, answer) if chosen else None


def is_degenerate(text: str, pair: Pair) -> bool:
    """Whether an answer repeats itself, says nothing, or is in another language than its question."""
    repetition = Repetition()
    repetition.read(text.strip())
    if not text.strip() or repetition.end < len(text.strip()) or goes_in_circles(text):
        return True
    return not may_be_in(text, pair.language)


def is_usable(text: str, pair: Pair, settings: AnswerSettings) -> bool:
    """Whether an answer does for a person what the pair's response does."""
    if pair.golden is None:
        return declines(text, settings)
    if declines(text, settings):
        return False
    hits = [evidence_of(one, rank, pair.language) for rank, one in enumerate(pair.passages, 1)]
    sentences = ground(text, hits, lambda stems: dict.fromkeys(stems, 1.0), settings.support_coverage)
    cited = {citation.hit for sentence in sentences for citation in sentence.citations}
    if not all(sentence.supported for sentence in sentences) or pair.golden not in cited:
        return False
    wanted, known, told = (CITATION.sub("", one) for one in (pair.response, pair.instruction, text))
    words, others, said = (set(content_stems(one, pair.language)) for one in (wanted, known, told))
    has_words = len((words - others) & said) >= _SAYS_THE_SAME * len(words - others)
    return has_words and set(quantities(wanted)) - set(quantities(known)) <= set(quantities(told))


def _said(model: Any, rows: Sequence[TokenRow], template: ChatTemplate) -> list[str]:
    import torch

    device = next(model.parameters()).device
    width = max(len(row.prompt) for row in rows)
    end = template.end_of_turn
    ids = torch.tensor([[end] * (width - len(row.prompt)) + list(row.prompt) for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row.prompt)) + [1] * len(row.prompt) for row in rows], device=device)
    said = model.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=_LONGEST_ANSWER,
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        eos_token_id=end,
        pad_token_id=end,
    )
    return [template.decoded([token for token in one if token != end]) for one in said[:, width:].tolist()]
