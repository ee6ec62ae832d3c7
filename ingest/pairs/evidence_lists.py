"""The passages that pairs are shown with: the one that answers among hard negatives from our own retriever.

All questions about one chunk share one list, so that training can run it once for all of them.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from assistant.artifacts.pairs import Split
from assistant.store.index import StoredChunk
from assistant.text.lexicon import vocabulary
from assistant.text.printing import with_marker
from assistant.text.sentences import sentence_spans
from assistant.text.words import stems
from assistant.types import Evidence, Passage
from ingest.pairs.candidates import CandidatePair, share_of

# From this share of its telling stems on, a passage may say what a response says, or answer what a question asks. A
# higher one leaves answers among the hard negatives, a lower one few negatives. Not measured.
_SAYS_THE_SAME = 0.75
_IS_ABOUT = 0.75
_SUPPORTED = 0.5  # people answer in words of their own; the numbers have to be there
_FEWEST_WORDS = 3  # a shorter sentence says nothing that a citation could show
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

Fits = Callable[[Sequence[Passage], str], bool]
"""Whether the prompt of some passages and a question is within the budget."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A candidate with what the retriever finds for its question, best first."""

    candidate: CandidatePair
    hits: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Workbench:
    """What evidence lists are made with."""

    search: Callable[[str], Sequence[Evidence]]
    search_in: Callable[[str, Split], Sequence[Evidence]]
    """The same among the documents of one split."""
    splits: Mapping[str, Split]
    """Of every document."""
    older: frozenset[str]
    """Superseded editions: they may contradict what is right, and so do not answer."""
    size: int
    """Passages in a list."""
    seed: int
    shuffled: float
    """Share of the lists in which the place of the golden passage is drawn."""
    fits: Fits

    def may_show(self, hit: Evidence, split: Split) -> bool:
        """Whether a passage may stand in a pair of a split: no text is shown in two of them."""
        return self.splits.get(hit.document) == split


@dataclass(frozen=True, slots=True)
class EvidenceList:
    """Passages as they are shown; ``golden`` is the number (1-based) of the one that answers."""

    passages: tuple[Passage, ...]
    golden: int
    chunk: int
    """The chunk that the questions are about, shown or not."""
    spare: tuple[Passage, ...] = ()
    """Further negatives, best first, which found no room."""

    @property
    def answering(self) -> Passage:
        """The passage that answers."""
        return self.passages[self.golden - 1]


Lists = Sequence[tuple[EvidenceList, Sequence[Searched]]]
"""Evidence lists, each with the questions that share it."""


def passage_of(chunk: StoredChunk | Evidence) -> Passage:
    """A chunk as a model is shown it."""
    return Passage(chunk.document, chunk.start, chunk.end, chunk.context, chunk.text)


def evidence_list(chunk: StoredChunk, asked: Sequence[Searched], bench: Workbench) -> EvidenceList:
    """One list for all questions about a chunk: its passage, and what the retriever finds beside it.

    Most lists stand as the retriever ranks them, nearly always with the golden passage at the top: there a model may
    look first. In the others its place is drawn by the seed: a model may not rely on it.
    """
    split = bench.splits[chunk.document]
    golden, candidates = passage_of(chunk), [one.candidate for one in asked]
    scores: dict[int, float] = defaultdict(float)
    found: dict[int, Evidence] = {}
    for one in asked:
        for hit in one.hits:
            scores[hit.chunk] += 1 / hit.rank
            if hit.chunk != chunk.id and bench.may_show(hit, split):
                found[hit.chunk] = hit
    order = sorted(found, key=lambda number: (-scores[number], number))
    others = [passage_of(found[number]) for number in order]
    if len(others) < bench.size:  # a small split: most of what was found is in another
        more = bench.search_in(candidates[0].instruction, split)
        others += [passage_of(hit) for hit in more if hit.chunk not in {chunk.id, *found}]
    kept, spare = beside([golden], others, candidates, bench)
    above = {passage_of(found[number]) for number in order if scores[number] > scores[chunk.id]}
    place = sum(one in above for one in kept)
    drawn = share_of(bench.seed, golden.document, golden.text)
    if drawn < bench.shuffled:
        place = int(drawn / bench.shuffled * (len(kept) + 1))
    return EvidenceList((*kept[:place], golden, *kept[place:]), place + 1, chunk.id, tuple(spare))


def beside(
    golden: Sequence[Passage], others: Sequence[Passage], candidates: Sequence[CandidatePair], bench: Workbench
) -> tuple[list[Passage], list[Passage]]:
    """Those of ``others`` that answer no candidate, best first: as many as there is room for, and the rest."""
    clean = [
        passage
        for passage in others
        if passage.document in bench.older or not any(says(passage, candidate) for candidate in candidates)
    ]
    kept = clean[: bench.size - len(golden)]
    while kept and not all(bench.fits([*golden, *kept], candidate.instruction) for candidate in candidates):
        kept.pop()
    return kept, clean[len(kept) :]


def says(passage: Passage, candidate: CandidatePair) -> bool:
    """Whether a passage may hold the answer of a candidate: its quote, or its numbers and most of its words."""
    shown = folded(f"{passage.context}\n{passage.text}")
    if folded(candidate.quote) in shown:
        return True
    wanted = _telling(candidate.response, candidate.language)
    if not wanted or not numbers(candidate.response) <= numbers(shown):
        return False
    return len(wanted & _telling(shown, candidate.language)) >= _SAYS_THE_SAME * len(wanted)


def names_all(passage: Passage, candidate: CandidatePair) -> bool:
    """Whether a passage is about nearly all that a question names, so that it may answer in a way of its own."""
    wanted = _telling(candidate.instruction, candidate.language)
    shown = _telling(f"{passage.context} {passage.text}", candidate.language)
    return bool(wanted) and len(wanted & shown) >= _IS_ABOUT * len(wanted)


def _telling(text: str, language: str) -> set[str]:
    words = " ".join(word for word in re.findall(r"\w+", text.lower()) if word not in vocabulary("stopwords"))
    return set(stems(words, language))


def supports(passage: Passage, sentence: str, language: str) -> bool:
    """Whether a passage holds the numbers of a sentence and half of its words."""
    shown = folded(f"{passage.context}\n{passage.text}")
    wanted = _telling(sentence, language)
    has_words = len(wanted & _telling(shown, language)) >= _SUPPORTED * len(wanted)
    return bool(wanted) and has_words and numbers(sentence) <= numbers(shown)


def folded(text: str) -> str:
    """``text`` with each run of white space as one blank."""
    return " ".join(text.split())


def numbers(text: str) -> set[str]:
    """The numbers of a text, as they are written in it."""
    return set(_NUMBER.findall(text))


def cited(response: str, number: int, is_supported: Callable[[str], bool] = bool) -> str:
    """A response with the marker of a passage in each sentence, before its full stop: there grounding reads it.

    Only those are marked that ``is_supported`` says yes to; by default all but the shortest, as "Yes."
    """
    marked, end = "", 0
    for start, stop in sentence_spans(response):
        sentence = response[start:stop]
        if len(sentence.split()) >= _FEWEST_WORDS and is_supported(sentence):
            sentence = with_marker(sentence, [number])
        marked += response[end:start] + sentence
        end = stop
    return marked + response[end:]
