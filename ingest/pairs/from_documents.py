"""Pairs from documents: answered ones, and refusals beside them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assistant.artifacts.pairs import SPLITS, Pair, Split
from assistant.config import PairsSettings, Settings
from assistant.store.index import StoredChunk
from assistant.text.words import text_in
from ingest.pairs.bundled import foreign_questions
from ingest.pairs.candidates import CandidatePair, Drops, identified, number_of
from ingest.pairs.corpus import Corpus
from ingest.pairs.earlier import Before
from ingest.pairs.evidence_lists import EvidenceList, Lists, Workbench, cited, evidence_list
from ingest.pairs.generated_answers import Verifier, answered, judged, retold
from ingest.pairs.generated_questions import STATED, written
from ingest.pairs.refusals import Twins, Unanswerable, unanswerable
from ingest.pairs.selection import ask, in_turn, sound_candidates
from ingest.pairs.structure import Finder
from ingest.pairs.teacher import Rejected, Replies, Teacher
from ingest.pairs.user_sets import UserRow

# What is asked so in the documents stays where a model writes the other questions.
_BY_PEOPLE = frozenset({"faq", "definition"})
# Of ten questions of no document, which each split may use.
_FOREIGN: Mapping[Split, range] = {"train": range(8), "validation": range(8, 9), "test": range(9, 10)}


@dataclass(frozen=True, slots=True)
class Models:
    """What writes questions and answers, what judges them, what was said before, and how the house speaks."""

    teacher: Teacher | None
    judge: Teacher | None
    replies: Replies
    verifier: Verifier
    voice: Sequence[UserRow] = ()


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
    finder, section = Finder(corpus.chunks, chosen.seed), ("", "")
    found: list[CandidatePair] = []
    for chunk in corpus.chunks:
        found += finder.candidates(chunk, continues=section == (chunk.document, chunk.heading))
        section = chunk.document, chunk.heading
    if models.teacher:
        some = turn if room is None else turn[: -(-room // chosen.per_chunk)]
        found = _written(some, found, models.teacher, models.replies, chosen, drops)

    def current() -> Iterator[CandidatePair]:
        for candidate in found:
            if candidate.document in corpus.older:
                drops.add("superseded edition", candidate)
            else:
                yield candidate

    asked = ask(sound_candidates(current(), chunks, drops), turn, room, bench.search, chosen, drops)
    lists: Lists = [(evidence_list(chunks[number], of_it, bench), of_it) for number, of_it in asked.items()]

    def reject(shown: EvidenceList, candidate: CandidatePair, reason: str) -> None:
        rejected.add(_answered(shown, candidate, corpus.splits[candidate.document]), reason)

    if models.teacher:
        read = models.teacher, models.replies, models.verifier
        lists = list(answered(lists, *read, settings.answer.system, chosen.seed, drops, reject))
        if models.judge:
            lists = list(judged(lists, models.judge, models.replies, drops))
        if models.voice:
            lists = list(retold(lists, models.voice, *read, chosen.retold, chosen.seed, reject))
    foreign = foreign_questions()
    twins = Twins(corpus.chunks, bench.search, models.verifier, chosen.seed)
    for split in SPLITS:
        here = [one for one in lists if corpus.splits[chunks[one[0].chunk].document] == split]
        own = {  # no two splits share a question
            language: [one for one in questions if number_of(bench.seed, one) % 10 in _FOREIGN[split]]
            for language, questions in foreign.items()
        }
        for shown, of_it in here:
            yield from (_answered(shown, one.candidate, split) for one in of_it)
        for row in unanswerable(here, own, twins.of(here), chosen):
            if bench.fits(row.passages, row.question):
                yield _refused(row, split, settings.answer.refusal)


def _written(
    chunks: Sequence[StoredChunk],
    found: Sequence[CandidatePair],
    teacher: Teacher,
    replies: Replies,
    settings: PairsSettings,
    drops: Drops,
) -> list[CandidatePair]:
    """Questions of a model, and of what was found in the form of documents what people wrote as questions there."""
    stated: dict[int, list[CandidatePair]] = defaultdict(list)
    for candidate in found:
        if candidate.kind in STATED:
            stated[candidate.chunk].append(candidate)
    asked = written(chunks, stated, teacher, replies, settings.generated_per_chunk, settings.seed, drops)
    some = {chunk.id for chunk in chunks}
    return [*asked, *(one for one in found if one.kind in _BY_PEOPLE and one.chunk in some)]


def _answered(shown: EvidenceList, candidate: CandidatePair, split: Split) -> Pair:
    pair = Pair(
        id="",
        instruction=candidate.instruction,
        response=cited(candidate.response, shown.golden),
        source=candidate.source,
        split=split,
        kind=candidate.kind,
        passages=shown.passages,
        golden=shown.golden,
        quote=candidate.quote,
        language=candidate.language,
        document=candidate.document,
    )
    return identified(pair)


def _refused(row: Unanswerable, split: Split, texts: Mapping[str, str]) -> Pair:
    pair = Pair(
        id="",
        instruction=row.question,
        response=f"{text_in(texts, row.language)} {row.known}".rstrip(),
        source="refusal",
        split=split,
        kind=row.kind,
        passages=row.passages,
        language=row.language,
        document=row.document,
    )
    return identified(pair)
