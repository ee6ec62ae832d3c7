"""Pairs from documents: answered ones, and refusals beside them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from assistant.artifacts.pairs import SPLITS, Pair, Split
from assistant.config import PairsSettings, Settings
from assistant.store.catalog import StoredChunk
from assistant.text.words import text_in
from ingest.pairs.answer_checks import Verifier
from ingest.pairs.candidate import Candidate, number_of
from ingest.pairs.context import EvidenceList, Workbench, cited, evidence_list
from ingest.pairs.corpus import Corpus
from ingest.pairs.drops import Drops
from ingest.pairs.earlier import Before
from ingest.pairs.general import foreign_questions
from ingest.pairs.generated_answers import Lists, answered
from ingest.pairs.generated_questions import STATED, written
from ingest.pairs.identity import identified
from ingest.pairs.judge import judged
from ingest.pairs.questions import ask, in_turn, sound_candidates
from ingest.pairs.refusals import Unanswerable, unanswerable
from ingest.pairs.rejected import Rejected
from ingest.pairs.replies import Replies
from ingest.pairs.structure import Finder
from ingest.pairs.teacher import Teacher

# What is asked so in the documents stays where a model writes the other questions.
_BY_PEOPLE = frozenset({"faq", "definition"})
# Of ten questions of no document, which each split may use.
_FOREIGN: Mapping[Split, range] = {"train": range(8), "validation": range(8, 9), "test": range(9, 10)}


@dataclass(frozen=True, slots=True)
class Models:
    """What writes questions and answers, what judges them, and what was said before."""

    teacher: Teacher | None
    judge: Teacher | None
    replies: Replies
    verifier: Verifier


def document_pairs(
    corpus: Corpus,
    models: Models,
    before: Before,
    bench: Workbench,
    settings: Settings,
    drops: Drops,
    rejected: Rejected,
) -> Iterator[Pair]:
    """Pairs about the chunks that none of ``before`` is about."""
    if before.is_current:
        return
    chosen = settings.pairs
    chunks = {chunk.id: chunk for chunk in corpus.chunks}
    new = [chunk for chunk in corpus.chunks if (chunk.document, chunk.text) not in before.answered]
    drops.leave_out(set(chunks) - {chunk.id for chunk in new})
    turn = [chunk for chunk in in_turn(new, chosen.seed) if chunk.document not in corpus.older]
    room = max(0, chosen.most - len(before.kept)) if chosen.most else None
    found = list(_structure(corpus.chunks, chosen.seed))
    if models.teacher:
        some = turn if room is None else turn[: -(-room // chosen.per_chunk)]
        found = _written(some, found, models.teacher, models.replies, chosen, drops)
    candidates = sound_candidates(_current(found, corpus, drops), chunks, drops)
    asked = ask(candidates, turn, room, bench.search, chosen, drops)
    lists: Lists = [(evidence_list(chunks[number], of_it, bench), of_it) for number, of_it in asked.items()]

    def reject(shown: EvidenceList, candidate: Candidate, reason: str) -> None:
        rejected.add(_answered(shown, candidate, corpus.splits[candidate.document]), reason)

    if models.teacher:
        read = models.teacher, models.replies, models.verifier
        lists = list(answered(lists, *read, settings.answer.system, chosen.seed, drops, reject))
    if models.judge:
        lists = list(judged(lists, models.judge, models.replies, drops))
    foreign = foreign_questions()
    for split in SPLITS:
        here = [one for one in lists if corpus.splits[chunks[one[0].chunk].document] == split]
        own = {language: _slice(questions, split, bench.seed) for language, questions in foreign.items()}
        for shown, of_it in here:
            yield from (_answered(shown, one.candidate, split) for one in of_it)
        for row in unanswerable(here, own, settings.pairs.refusals, bench.seed):
            if bench.fits(row.passages, row.question):
                yield _refused(row, split, settings.answer.refusal)


def _written(
    chunks: Sequence[StoredChunk],
    found: Sequence[Candidate],
    teacher: Teacher,
    replies: Replies,
    settings: PairsSettings,
    drops: Drops,
) -> list[Candidate]:
    """Questions of a model, and of what was found in the form of documents what people wrote as questions there."""
    stated: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in found:
        if candidate.kind in STATED:
            stated[candidate.chunk].append(candidate)
    asked = written(chunks, stated, teacher, replies, settings.generated_per_chunk, settings.seed, drops)
    some = {chunk.id for chunk in chunks}
    return [*asked, *(one for one in found if one.kind in _BY_PEOPLE and one.chunk in some)]


def _structure(chunks: Sequence[StoredChunk], seed: int) -> Iterator[Candidate]:
    finder = Finder(chunks, seed)
    before: Sequence[StoredChunk | None] = [None, *chunks]
    for previous, chunk in zip(before, chunks, strict=False):
        is_next = previous is not None and (previous.document, previous.heading) == (chunk.document, chunk.heading)
        yield from finder.candidates(chunk, is_next)


def _current(candidates: Iterable[Candidate], corpus: Corpus, drops: Drops) -> Iterator[Candidate]:
    """Without those from an edition that a newer one has taken the place of."""
    for candidate in candidates:
        if candidate.document in corpus.older:
            drops.add("superseded edition", candidate)
        else:
            yield candidate


def _slice(questions: Sequence[str], split: Split, seed: int) -> list[str]:
    """The questions of no document that one split may use: no two splits share one."""
    return [question for question in questions if number_of(seed, question) % 10 in _FOREIGN[split]]


def _answered(shown: EvidenceList, candidate: Candidate, split: Split) -> Pair:
    number = shown.golden
    pair = Pair(
        id="",
        instruction=candidate.instruction,
        response=candidate.response if number is None else cited(candidate.response, number),
        source=candidate.source,
        split=split,
        kind=candidate.kind,
        passages=shown.passages,
        golden=number,
        quote=candidate.quote,
        language=candidate.language,
        document=candidate.document,
    )
    return identified(pair)


def _refused(row: Unanswerable, split: Split, texts: Mapping[str, str]) -> Pair:
    pair = Pair(
        id="",
        instruction=row.question,
        response=text_in(texts, row.language),
        source="refusal",
        split=split,
        kind=row.kind,
        passages=row.passages,
        language=row.language,
        document=row.document,
    )
    return identified(pair)
