"""Answers whose sentences cite the passages that their markers name, and judges that look for their very words."""

from collections.abc import Sequence
from dataclasses import replace

from fakes import FakeEmbedder

from assistant.types import Answer, Citation, Evidence, Sentence
from eval.metrics.grounding import cited_sentences
from eval.running.scoring import ScoringContext


def _supports(sentence: str, passages: Sequence[Evidence], _question: str) -> bool:
    return any(sentence.rstrip(".") in passage.text for passage in passages)


JUDGES = ScoringContext(_supports, FakeEmbedder().embed_texts)


def cited_answer(said: str, hits: tuple[Evidence, ...], **changes: object) -> Answer:
    """What was said, with what its markers cite of the passages."""
    by_place = {place: Citation(hit.rank, hit.document, "", None, 0, 1, "x") for place, hit in enumerate(hits, 1)}
    sentences = tuple(
        Sentence(one.text, True, "", tuple(by_place[number] for number in one.numbers if number in by_place))
        for one in cited_sentences(said)
    )
    return replace(Answer("?", "?", said, sentences, hits), **changes)  # type: ignore[arg-type]
