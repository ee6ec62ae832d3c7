"""Evidence made by hand."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from assistant.artifacts.pairs import Pair
from assistant.grounding.support import support
from assistant.store.blocks import blocks_in
from assistant.types import Evidence


def evidence(text: str, rank: int = 1, **changes: object) -> Evidence:
    """A hit with ``text``; anything else can be set by name."""
    values: dict[str, Any] = {
        "rank": rank,
        "score": 1.0,
        "dense": 0.6,
        "lexical": 3.0,
        "dense_rank": rank,
        "lexical_rank": rank,
        "chunk": rank,
        "document": f"terms-{rank}.md",
        "path": f"/docs/terms-{rank}.md",
        "title": "Terms",
        "date": "",
        "language": "en",
        "context": "Terms > § 1 Cover",
        "heading": "§ 1 Cover",
        "place": "",
        "page_starts": (),
        "start": 100,
        "end": 100 + len(text),
        "text": text,
    }
    values |= changes
    headings = [(values["start"], values["start"], values["heading"])]
    values.setdefault("blocks", tuple(blocks_in(text, values["start"], headings)))
    return Evidence(**values)


def saying(hit: Evidence, text: str) -> Evidence:
    """The same hit with another text."""
    blocks = tuple(blocks_in(text, hit.start, [(hit.start, hit.start, hit.heading)]))
    return replace(hit, text=text, end=hit.start + len(text), blocks=blocks)


def evidence_of(pair: Pair) -> list[Evidence]:
    """The passages of a pair as grounding sees them."""
    return [
        evidence(passage.text, rank, document=passage.document, context=passage.context, language=pair.language)
        for rank, passage in enumerate(pair.passages, 1)
    ]


def weights(terms: Iterable[str]) -> Mapping[str, float]:
    """Each term counts the same."""
    return dict.fromkeys(terms, 1.0)


def is_supported(sentence: str, hit: Evidence) -> bool:
    """Whether a passage supports a sentence at the usual threshold."""
    return support(sentence, hit, weights, 0.6).holds
