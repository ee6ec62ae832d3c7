"""What is wrong with an answer that a model read; the cheapest question first, the first fault found is the reason.

form ──▶ language ──▶ the fact that was asked for, with figures and conditions ──▶ support, citation

Support and citations are judged as they are when people ask: by ``assistant.grounding``, over the passages shown.
"""

import re

from assistant.artifacts.pairs import evidence_of
from assistant.config import AnswerSettings
from assistant.grounding.grounder import Grounder
from assistant.grounding.meaning import Meaning
from assistant.grounding.quoting import Places
from assistant.refusal.wording import declines
from assistant.retrieval.retriever import Retriever
from assistant.text.words import content_stems, may_be_in
from ingest.pairs.candidate import Candidate
from ingest.pairs.context import EvidenceList, cited
from ingest.pairs.filters import numbers

_FEWEST_WORDS, _LONGEST_ANSWER = 4, 420
_END = re.compile(r"[.!?…][\"'”’»)\]]*$")
_OF_PASSAGES = re.compile(
    r"\b(?:passages?|Textstellen?|Passagen?|(?:provided|given) (?:text|information|context)|as an AI)\b|\[\d",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:if|unless|only|except|provided|until|up to|at most|at least|within|before|after|when|without|not|no|never"
    r"|wenn|falls|sofern|nur|außer|es sei denn|bis|höchstens|mindestens|innerhalb|binnen|vor|nach|ohne|nicht|kein\w*"
    r"|nie)\b",
    re.IGNORECASE,
)
_AGREES = 0.5
# Of the content words of the fact.
_LEAST_SAID = 0.85


class Verifier:
    """Holds answers against the passages that they are read from."""

    def __init__(self, retriever: Retriever, settings: AnswerSettings) -> None:
        self._embedder = retriever.embedder
        self._weights = retriever.weights
        self._likeness = Meaning(retriever.embedder).likeness
        self._settings = settings

    def fault(self, asked: Candidate, shown: EvidenceList, answer: str) -> str:
        """What is wrong with ``answer``; empty if nothing is. ``asked`` holds the fact that the question is about."""
        return (
            _bad_form(answer, self._settings)
            or ("" if may_be_in(answer, asked.language) else "other language")
            or _left_out(answer, asked)
            or self._unsupported(answer, asked, shown)
        )

    def _unsupported(self, answer: str, asked: Candidate, shown: EvidenceList) -> str:
        golden = shown.golden or 1
        hits = [evidence_of(one, rank, asked.language) for rank, one in enumerate(shown.passages, 1)]
        places = Places(asked.instruction, hits, self._embedder, self._weights)
        least = self._settings.support_coverage
        grounder = Grounder(hits, self._weights, least, None, places.behind, asked.instruction, self._likeness)
        for _ in (*grounder.feed(cited(answer, golden)), *grounder.finish()):
            pass
        if grounder.is_over or not grounder.sentences:
            return "repeats itself or says nothing"
        if not all(sentence.supported for sentence in grounder.sentences):
            return "unsupported"
        if not all(golden in {one.hit for one in sentence.citations} for sentence in grounder.sentences):
            return "another passage says it"
        if not all(sentence.to_the_point for sentence in grounder.sentences):
            return "beside the question"
        return ""


def agree(answer: str, other: str, asked: Candidate) -> bool:
    """Whether two readings say the same, beyond what the question says: the same figures, and half of the words."""
    known = numbers(asked.instruction)
    if numbers(answer) - known != numbers(other) - known:
        return False
    return _overlap(answer, other, asked.language) >= _AGREES


def _bad_form(answer: str, settings: AnswerSettings) -> str:
    if not answer or declines(answer, settings):
        return "declines"
    if len(answer.split()) < _FEWEST_WORDS or len(answer) > _LONGEST_ANSWER or not _END.search(answer):
        return "no whole sentence"
    return "speaks of the passages" if _OF_PASSAGES.search(answer) else ""


def _left_out(answer: str, asked: Candidate) -> str:
    """What of the fact neither the answer nor its question says: figures, its conditions, or too many of its words.

    A model that answers another question than the one asked, or a part of it, is known by that (docs/log.md).
    """
    said = f"{asked.instruction} {answer}"
    if not numbers(asked.response) <= numbers(said):
        return "leaves out figures"
    if _CONDITION.search(asked.response) and not _CONDITION.search(answer):
        return "leaves out the condition"
    fact = set(content_stems(asked.response, asked.language))
    part = len(fact & set(content_stems(said, asked.language))) / len(fact) if fact else 1.0
    return "leaves out a part" if part < _LEAST_SAID else ""


def _overlap(one: str, other: str, language: str) -> float:
    """Which part of the content words of the shorter text the other one has; 1 where it has none."""
    shorter, longer = sorted((set(content_stems(text, language)) for text in (one, other)), key=len)
    return len(shorter & longer) / len(shorter) if shorter else 1.0
