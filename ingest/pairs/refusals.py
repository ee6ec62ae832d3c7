"""Questions that the passages shown do not answer, with the house refusal as response.

    held-out     the passage that answers is taken out of the list of its own question
    near-miss    the question of another chunk, asked of passages that the retriever finds for it too
    other-…      a question about another name, number or year than the passages have (``ingest.pairs.twins``)
    other-domain something that no document here is about

A refusal is hard when the passages are near, and clean when the answer is truly not in them; both are looked at.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from assistant.config import PairsSettings
from assistant.types import Passage
from ingest.pairs.candidates import CandidatePair, number_of, share_of
from ingest.pairs.evidence_lists import EvidenceList, Lists, Searched, names, says

# How the refusals are shared out among the kinds; near misses cost no list of their own.
_HELD_OUT, _NEAR_MISS = 0.45, 0.45
_HELD_OUT_TOGETHER = 3  # questions of one list, which share its prompt; more would refuse one text only
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
    known: str = ""
    """What the passages say of the near thing, with its citations."""


def unanswerable(
    lists: Lists,
    foreign: Mapping[str, Sequence[str]],
    twins: Iterable[Unanswerable],
    settings: PairsSettings,
) -> Iterator[Unanswerable]:
    """Refusals for the lists of one split, so many that they are a share of ``refusals`` of all pairs.

    ``foreign`` are questions of no document here, by language; ``twins`` are about the lists, and only so many are
    looked for as are wanted. Each question is used once a kind.
    """
    seed = settings.seed
    wanted = settings.refusals / (1 - settings.refusals) * sum(len(asked) for _, asked in lists)
    near = list(islice(twins, round(wanted * settings.twins)))
    yield from near
    wanted -= len(near)
    yield from islice(_held_out(lists, seed), round(wanted * _HELD_OUT))
    yield from islice(_near_misses(lists, seed), round(wanted * _NEAR_MISS))
    yield from islice(_other_domain(lists, foreign, seed), round(wanted * (1 - _HELD_OUT - _NEAR_MISS)))


def _held_out(lists: Lists, seed: int) -> Iterator[Unanswerable]:
    for shown, asked in sorted(lists, key=lambda one: share_of(seed, "held-out", _identity(one[0]))):
        rest = [passage for passage in shown.passages if passage is not shown.answering]
        passages = (*rest, *shown.spare[:1])
        for one in asked[:_HELD_OUT_TOGETHER]:
            candidate = one.candidate
            if passages and _is_clean(candidate, passages):
                yield Unanswerable("held-out", candidate.instruction, candidate.language, candidate.document, passages)


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
