"""Evidence made by hand."""

from assistant.artifacts.pairs import Pair
from assistant.types import Evidence


def evidence(text: str, rank: int = 1, **changes: object) -> Evidence:
    """A hit with ``text``; anything else can be set by name."""
    values: dict[str, object] = {
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
    return Evidence(**{**values, **changes})  # type: ignore[arg-type]


def evidence_of(pair: Pair) -> list[Evidence]:
    """The passages of a pair as grounding sees them."""
    return [
        evidence(passage.text, rank, document=passage.document, context=passage.context, language=pair.language)
        for rank, passage in enumerate(pair.passages, 1)
    ]
