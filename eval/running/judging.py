"""What scores need beside arithmetic: whether passages support a sentence, meaning, and the voice of the house."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from assistant.artifacts.pairs import Pair
from assistant.grounding.meaning import Meaning
from assistant.grounding.quoting import cell_in_words
from assistant.grounding.spans import spans
from assistant.grounding.support import support
from assistant.grounding.tables import Row
from assistant.retrieval.retriever import Retriever
from assistant.types import Answer, Evidence
from eval.cases import Case
from eval.metrics.score import REFUSED, Score
from eval.metrics.similarity import Embed, embedded_once
from eval.metrics.voice import Voice, VoiceText, learn_voice, masked
from eval.results import System

NO_VOICE = Score(None, "no house voice was given: none of the adapters was trained on tone examples")
_NO_WORDS = Score(None, "the answer has no words")


def supports_by(retriever: Retriever, least_coverage: float) -> Callable[[str, Sequence[Evidence], str], bool]:
    """Whether any of some passages supports a sentence that answers a question, by what grounds answers too.

    What a passage says word for word it supports, however long it is, and a row of a table as quotations put it: so are
    answers that quote.
    """

    @lru_cache(maxsize=4096)
    def weights_of(terms: frozenset[str]) -> Mapping[str, float]:
        return retriever.weights(sorted(terms))

    def weights(terms: Iterable[str]) -> Mapping[str, float]:
        return weights_of(frozenset(terms))

    likeness = Meaning(retriever.embedder).likeness
    known: dict[tuple[str, str, str, int, int], bool] = {}

    def is_supported(sentence: str, hit: Evidence, question: str) -> bool:
        key = (sentence, question, hit.document, hit.start, hit.end)
        if key not in known:
            found = support(sentence, hit, weights, least_coverage, question, likeness)
            known[key] = found.holds or _quotes(sentence, hit.text) or _quotes_row(sentence, hit)
        return known[key]

    return lambda sentence, hits, question: any(is_supported(sentence, hit, question) for hit in hits)


def embed_of(cases: Iterable[Case], answers: Iterable[Answer], embed: Embed) -> Embed:
    """An embedding of all answers and gold answers, computed once."""
    texts = [gold for case in cases for gold in case.answers]
    return embedded_once(["", *texts, *(answer.text for answer in answers)], embed)


def voice_of(cases: Sequence[Case], answers: Mapping[System, Sequence[Answer]], pairs: Iterable[Pair]) -> Voice | None:
    """The voice of the house: tone examples that adapters learnt from against answers of the base model.

    None without either. The base model's own answers have taught the classifier and look further from the house than
    they are; compare adapters with each other, or read the AUC beside it.
    """
    # Each once: adapters may have learnt from the same pairs.
    house = list(dict.fromkeys(_house_text(pair) for pair in pairs if pair.source == "tone"))
    base = [
        VoiceText(_masked(answer, case.language), case.cluster, is_house=False)
        for system, some in answers.items()
        if system.adapter is None and system.kind in {"closed book", "retrieval"}
        for case, answer in zip(cases, some, strict=True)
        if not answer.refused and not answer.quoted and answer.text.strip()
    ]
    return learn_voice([*house, *base]) if house and base else None


def voice_score(voice: Voice | None, answer: Answer, language: str) -> Score:
    """How likely an answer is in the voice of the house."""
    if answer.refused:
        return Score(None, REFUSED)
    if not answer.text.strip():
        return _NO_WORDS
    return voice.score(_masked(answer, language)) if voice else NO_VOICE


def _quotes(sentence: str, text: str) -> bool:
    """Whether a text has a sentence word for word, however it is broken into lines; "5 euros" is not in "15 euros"."""
    words = r"\s+".join(map(re.escape, sentence.split()))
    return bool(words) and re.search(rf"(?<!\w)(?<!\d[.,]){words}(?!\w)", text) is not None


def _quotes_row(sentence: str, hit: Evidence) -> bool:
    """Whether a sentence is a row of a passage's table: its first cell, then others of it in order."""
    return any(_is_row(sentence, span.row) for span in spans(hit) if span.row)


def _is_row(sentence: str, row: Row) -> bool:
    left = sentence.removeprefix(f"{row.label}: ")
    if left == sentence:
        return False
    for cell in row.cells:
        told = cell_in_words(*cell)
        left = left.removeprefix(told if left == told else f"{told}; ")
    return not left


def _masked(answer: Answer, language: str) -> str:
    topic = " ".join([answer.question, *(hit.text for hit in answer.hits)])
    return masked(answer.text, topic, language)


def _house_text(pair: Pair) -> VoiceText:
    topic = " ".join([pair.instruction, *(passage.text for passage in pair.passages)])
    document = pair.document or next((passage.document for passage in pair.passages), "") or pair.id
    return VoiceText(masked(pair.response, topic, pair.language or "en"), document, is_house=True)
