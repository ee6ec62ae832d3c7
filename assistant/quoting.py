"""An answer in the documents' own words, for when a model has none that they support.

Each sentence of the passages is scored by the weight of the question's words that it and its headings hold, plus
the similarity of its vector to the question's. The best one is quoted, with the one after it where both are short.
"""

from collections.abc import Sequence

from assistant.embedder import Embedder
from assistant.grounding import Weights, cite, weighted_coverage
from assistant.language import content_stems, stems
from assistant.sentences import line_sentence_spans
from assistant.types import Evidence, Sentence

_LONGEST_QUOTE = 300
# Shorter pieces are headings, labels and lone table cells.
_SHORTEST_SENTENCE = 25


def quote(
    question: str,
    hits: Sequence[Evidence],
    embedder: Embedder,
    weights: Weights,
) -> Sentence | None:
    """The sentence of the passages that fits the question best, cited; None when there is no sentence at all."""
    spans = [
        (hit, start, end)
        for hit in hits
        for start, end in line_sentence_spans(hit.text)
        if end - start >= _SHORTEST_SENTENCE
    ]
    if not spans:
        return None
    vectors = embedder.embed_texts([f"{hit.heading}\n{hit.text[start:end]}" for hit, start, end in spans])
    similarities = vectors @ embedder.embed_question(question)
    wanted = {language: weights(content_stems(question, language)) for language in {hit.language for hit in hits}}
    scores = [
        float(similarity)
        + weighted_coverage(wanted[hit.language], set(stems(f"{hit.context} {hit.text[start:end]}", hit.language)))
        for similarity, (hit, start, end) in zip(similarities, spans, strict=True)
    ]
    best = max(range(len(spans)), key=scores.__getitem__)
    hit, start, end = spans[best]
    if best + 1 < len(spans) and spans[best + 1][0] is hit and spans[best + 1][2] - start <= _LONGEST_QUOTE:
        end = spans[best + 1][2]
    return Sentence(" ".join(hit.text[start:end].split()), True, "", (cite(hit, start, end),))
