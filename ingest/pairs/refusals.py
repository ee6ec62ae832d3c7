"""Questions that the passages shown do not answer, with the house refusal as response.

    held-out     the passage that answers is taken out of the list of its own question
    near-miss    the question of another chunk, asked of passages that the retriever finds for it too
    altered      a question of a model, about another year, class or paragraph than the passages have
    other-domain something that no document here is about

A refusal is hard when the passages are near, and clean when the answer is truly not in them; both are looked at.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from assistant.types import Passage
from ingest.pairs.candidates import CandidatePair, number_of, share_of
from ingest.pairs.evidence_lists import EvidenceList, Lists, Searched, names, numbers, says

# How the refusals are shared out among the kinds; near misses cost no list of their own.
_HELD_OUT, _NEAR_MISS = 0.45, 0.45
_HELD_OUT_TOGETHER = 3  # questions of one list, which share its prompt; more would refuse one text only
_ALTERED = 0.25  # of the wanted ones at most, so that the other kinds stay
# What is named by a number has no other one; of an amount or a deadline a passage may say something all the same.
_NAMED = re.compile(
    r"(?:§ ?|\b[A-ZÄÖÜ]\w+[ -]|\b(?:class|zone|part|edition|year|step|level|form) |\b(?=(?:19|20)\d\d\b))"
    r"(\d{1,4})\b(?![.,]\d| ?[%€$])"
)
# Something can be said to such a question from any passage that is near.
_VAGUE = frozenset({"topic"})


@dataclass(frozen=True, slots=True)
class Unanswerable:
    """A question with passages that do not answer it. ``asked`` is None for one of no document."""

    kind: str
    question: str
    language: str
    document: str
    passages: tuple[Passage, ...]


def unanswerable(
    lists: Lists,
    foreign: Mapping[str, Sequence[str]],
    share: float,
    seed: int,
) -> Iterator[Unanswerable]:
    """Refusals for the lists of one split, so many that they are ``share`` of all pairs.

    ``foreign`` are questions of no document here, by language. Each question is used once a kind.
    """
    wanted = share / (1 - share) * sum(len(asked) for _, asked in lists)
    altered = list(_some(_altered(lists, seed), wanted * _ALTERED))
    yield from altered
    wanted -= len(altered)
    yield from _some(_held_out(lists, seed), wanted * _HELD_OUT)
    yield from _some(_near_misses(lists, seed), wanted * _NEAR_MISS)
    yield from _some(_other_domain(lists, foreign, seed), wanted * (1 - _HELD_OUT - _NEAR_MISS))


def _some(rows: Iterable[Unanswerable], count: float) -> Iterator[Unanswerable]:
    for number, row in enumerate(rows):
        if number + 0.5 > count:
            return
        yield row


def _held_out(lists: Lists, seed: int) -> Iterator[Unanswerable]:
    for shown, asked in sorted(lists, key=lambda one: share_of(seed, "held-out", _identity(one[0]))):
        rest = [passage for passage in shown.passages if passage is not shown.answering]
        passages = (*rest, *shown.spare[:1])
        for one in asked[:_HELD_OUT_TOGETHER]:
            candidate = one.candidate
            if passages and _is_clean(candidate, passages):
                yield Unanswerable("held-out", candidate.instruction, candidate.language, candidate.document, passages)


def _altered(lists: Lists, seed: int) -> Iterator[Unanswerable]:
    """One question a list, with a number that names something exchanged for one that no passage has."""
    for shown, asked in sorted(lists, key=lambda one: share_of(seed, "altered", _identity(one[0]))):
        there = numbers(" ".join(f"{one.context} {one.text}" for one in shown.passages))
        for candidate in (one.candidate for one in asked if one.candidate.source == "generated"):
            found = _NAMED.search(candidate.instruction)
            if found and found[1] in there:
                start, end = found.span(1)
                number = int(found[1])
                step = -1 if 1900 <= number < 2100 else 1  # years go back
                other = next(other for other in count(number + step, step) if str(other) not in there)
                question = f"{candidate.instruction[:start]}{other}{candidate.instruction[end:]}"
                yield Unanswerable("altered", question, candidate.language, candidate.document, shown.passages)
                break


def _near_misses(lists: Lists, seed: int) -> Iterator[Unanswerable]:
    """One question a list, of those that the retriever finds most of the list's passages for."""
    finders: dict[tuple[str, int], list[Searched]] = defaultdict(list)
    for _, asked in lists:
        for one in asked:
            for hit in one.hits:
                finders[hit.document, hit.start].append(one)
    used: set[str] = set()
    for shown, asked in sorted(lists, key=lambda one: share_of(seed, "near-miss", _identity(one[0]))):
        scores: dict[str, float] = defaultdict(float)
        by_question: dict[str, Searched] = {}
        for passage in shown.passages:
            for one in finders.get((passage.document, passage.start), ()):
                if one.candidate.chunk != shown.chunk:
                    scores[one.candidate.instruction] += 1
                    by_question[one.candidate.instruction] = one
        near = sorted(scores, key=lambda question: (-scores[question], number_of(question)))
        own = {other.candidate.instruction for other in asked} | used
        others = (by_question[question].candidate for question in near if question not in own)
        candidate = next((one for one in others if _is_clean(one, shown.passages)), None)
        if candidate is not None:
            used.add(candidate.instruction)
            yield Unanswerable(
                "near-miss", candidate.instruction, candidate.language, candidate.document, shown.passages
            )


def _is_clean(candidate: CandidatePair, passages: Sequence[Passage]) -> bool:
    """Whether a question is precise, and no passage has its answer or is about all that it names."""
    if candidate.kind in _VAGUE:
        return False
    return not any(says(passage, candidate) or names(passage, candidate) for passage in passages)


def _other_domain(lists: Lists, foreign: Mapping[str, Sequence[str]], seed: int) -> Iterator[Unanswerable]:
    left = {
        language: sorted(questions, key=lambda question: number_of(seed, question))
        for language, questions in foreign.items()
    }
    for shown, asked in sorted(lists, key=lambda one: share_of(seed, "other-domain", _identity(one[0]))):
        language = asked[0].candidate.language
        if left.get(language):
            yield Unanswerable("other-domain", left[language].pop(), language, "", shown.passages)


def _identity(shown: EvidenceList) -> str:
    return f"{shown.answering.document}\0{shown.answering.text}"
