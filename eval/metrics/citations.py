"""Citations as ALCE judges them (Gao et al. 2023), with a support function in place of its language model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from assistant.grounding.markers import Reading
from assistant.text.sentences import sentence_spans
from assistant.types import Evidence
from eval.gold import Group, ranks
from eval.metrics.score import NO_EVIDENCE, REFUSED, Score, score

P = TypeVar("P")
"""A passage, of whatever type the support function takes."""
Supports = Callable[[str, Sequence[P]], bool]
"""Whether passages together say what a sentence says."""

_MOST_CITATIONS = 3
_SAYS_NOTHING = "the answer has no sentence"
_CITES_NOTHING = "the answer cites nothing"


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """A sentence without markers, and the numbers (1-based) of the passages that it cites, each once."""

    text: str
    numbers: tuple[int, ...]


def cited_sentences(said: str) -> list[CitedSentence]:
    """The sentences of what a model said, with the markers in or behind them."""
    reading = Reading()
    reading.feed(said)
    spans = sentence_spans(reading.text)
    numbers: list[list[int]] = [[] for _ in spans]
    for marker in reading.markers:
        place = max((place for place, (start, _) in enumerate(spans) if start < marker.place), default=0)
        if spans:
            numbers[place].extend(marker.numbers)
    return [
        CitedSentence(reading.text[start:end], tuple(dict.fromkeys(cited)))
        for (start, end), cited in zip(spans, numbers, strict=True)
    ]


def citation_recall(sentences: Sequence[CitedSentence], passages: Sequence[P], supports: Supports[P]) -> float | None:
    """Share of the sentences that their citations, taken together, support; None without sentences.

    A sentence that cites nothing, or a number of no passage, is not supported; of many citations the first three
    count.
    """
    verdicts = [_is_supported(sentence, passages, supports) for sentence in sentences]
    return sum(verdicts) / len(verdicts) if verdicts else None


def citation_precision(
    sentences: Sequence[CitedSentence], passages: Sequence[P], supports: Supports[P]
) -> float | None:
    """Share of the citations that their sentence needs; None without citations, where ALCE has 0.

    A citation counts if its sentence is supported and it alone supports the sentence, or the others without it do
    not. As in ALCE, a sentence with a number of no passage is left out, and of many citations the first three count.
    """
    valid = [sentence for sentence in sentences if sentence.numbers and _in_range(sentence, passages)]
    cited = sum(len(_counted(sentence)) for sentence in valid)
    needed = sum(_needed(sentence, passages, supports) for sentence in valid)
    return needed / cited if cited else None


def cites_gold(gold: Sequence[Group], cited: Sequence[Evidence]) -> float | None:
    """Share of the cited passages that meet a gold group; None without citations or gold."""
    right = [any(rank is not None for rank in ranks(gold, [passage])) for passage in cited]
    return sum(right) / len(right) if right and gold else None


def citation_scores(
    sentences: Sequence[CitedSentence], passages: Sequence[P], refused: bool, supports: Supports[P]
) -> dict[str, Score]:
    """Recall and precision of one answer; a refusal has neither."""
    if refused or not passages:
        why = REFUSED if refused else NO_EVIDENCE
        return {"citation_recall": Score(None, why), "citation_precision": Score(None, why)}
    return {
        "citation_recall": score(citation_recall(sentences, passages, supports), _SAYS_NOTHING),
        "citation_precision": score(citation_precision(sentences, passages, supports), _CITES_NOTHING),
    }


def _in_range(sentence: CitedSentence, passages: Sequence[P]) -> bool:
    return all(1 <= number <= len(passages) for number in sentence.numbers)


def _counted(sentence: CitedSentence) -> tuple[int, ...]:
    return sentence.numbers[:_MOST_CITATIONS]


def _is_supported(sentence: CitedSentence, passages: Sequence[P], supports: Supports[P]) -> bool:
    if not sentence.numbers or not _in_range(sentence, passages):
        return False
    return supports(sentence.text, [passages[number - 1] for number in _counted(sentence)])


def _needed(sentence: CitedSentence, passages: Sequence[P], supports: Supports[P]) -> int:
    """How many of the citations of a sentence count."""
    if not _is_supported(sentence, passages, supports):
        return 0
    cited = [passages[number - 1] for number in _counted(sentence)]
    if len(cited) == 1:
        return 1
    return sum(
        supports(sentence.text, [passage]) or not supports(sentence.text, cited[:place] + cited[place + 1 :])
        for place, passage in enumerate(cited)
    )
