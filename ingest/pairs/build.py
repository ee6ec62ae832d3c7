"""A corpus becomes instruction pairs: the stages in order.

    chunks ──▶ candidates ──▶ filters ──▶ retriever (round trip, negatives) ──▶ evidence lists ──▶ pairs, refusals
           ──▶ leak test ──▶ pairs/NAME.jsonl

What stands unchanged in the documents keeps its pairs; what a person edited is never touched.
"""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from assistant import __version__
from assistant.artifacts.command_reports import PairsReport
from assistant.artifacts.pairs import SPLITS, Pair, PairsHeader, Source, Split, leaking, read_header, write_pairs
from assistant.config import Settings
from assistant.engines import Engine
from assistant.errors import PairsError, UsageError
from assistant.prompt import build_messages
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import written_here
from assistant.types import Evidence, Filter, Passage
from assistant.workspace import write_lock
from ingest.pairs.bundled import general_pairs, reading_pairs
from ingest.pairs.candidates import CandidatePair, Drops, share_of
from ingest.pairs.corpus import Corpus, hashes_of, read_corpus
from ingest.pairs.earlier import Before, before_of, splits_before
from ingest.pairs.evidence_lists import Workbench
from ingest.pairs.from_documents import Models, document_pairs
from ingest.pairs.generated_answers import Verifier
from ingest.pairs.report import report_of
from ingest.pairs.teacher import Rejected, Replies, digest_of, named_teacher, opened_teacher, replies_file
from ingest.pairs.user_sets import Taught, read_taught, taught_pairs

# Raised when the same documents would give other pairs: those of before are then made anew.
RECIPE_VERSION = 7
# How many hits are looked at for each passage of a list: some are of another split, or answer too.
_DEPTH = 3
_MOST_NAMED = 900  # documents in one statement of SQLite, as in assistant/store/sql.py


def make_pairs(
    retriever: Retriever,
    engine: Engine,
    file: Path,
    settings: Settings,
    *,
    explain: Path | None = None,
    strict: bool = False,
    corrections: Path | None = None,
) -> PairsReport:
    """Write the pairs of a corpus to ``file``, and what was dropped to ``explain``.

    ``engine`` counts the tokens of prompts. ``strict`` refuses a user's file for one bad row; ``corrections`` is such a
    file, of answers that people corrected. Raises PairsError when none came out, UsageError for a ``hold_out`` that
    fits no document, an ``explain`` in no folder, or a file of another corpus, and what Retriever.search raises; then
    the old file stands.
    """
    started = time.perf_counter()
    if explain and not explain.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {explain.absolute().parent}.", "Make it, or write elsewhere.")
    drops = Drops()
    with write_lock(file.parent):
        catalog = written_here(retriever.catalog)
        taught = read_taught(settings.pairs, strict, corrections)
        recipe = recipe_of(settings)
        if recipe["teacher"] and settings.pairs.retold:  # what it tells again changes with the examples
            recipe["voice"] = digest_of(repr(taught.voice))
        earlier = read_header(file) if file.exists() else None
        if earlier and earlier.corpus != catalog.name:  # what people changed in it would be lost
            raise UsageError(
                f"The pairs '{file.stem}' are made from corpus '{earlier.corpus}', not from '{catalog.name}'.",
                f"Name another set with --name, or move {file} elsewhere.",
            )
        corpus = read_corpus(catalog, settings.pairs, splits_before(file, recipe, hashes_of(catalog)))
        before = before_of(file, corpus, recipe)
        if explain and before.is_current:
            before = replace(before, kept=(), is_current=False)  # equal ones are made again, and why others are not
        try:
            pairs = _pairs(retriever, engine, file, settings, corpus, before, taught, drops)
        finally:
            if explain:
                drops.write(explain)
        live = hashes_of(catalog).keys()  # something may have been forgotten meanwhile
        pairs = [pair for pair in pairs if pair.documents <= live]
        dropped = earlier.dropped if earlier and before.is_current else drops.counts
        header = _header(corpus, settings, recipe, pairs, dropped)
        write_pairs(file, pairs, header)
    # A newer program is nothing that was given.
    settings_before = earlier.settings if earlier else {}
    others = [key for key, value in recipe.items() if settings_before.get(key, value) != value and key != "recipe"]
    seconds = round(time.perf_counter() - started, 3)
    report = report_of(file, header, pairs, before.edited, before.stale, seconds, before.kept, others, taught.bad)
    known = {pair.id for pair in before.kept}
    admitted = sum(pair.source == "generated" and pair.id not in known for pair in pairs)
    return replace(report, written=drops.written + admitted)


def _pairs(
    retriever: Retriever,
    engine: Engine,
    file: Path,
    settings: Settings,
    corpus: Corpus,
    before: Before,
    taught: Taught,
    drops: Drops,
) -> list[Pair]:
    """All pairs, in the order of the file. Raises PairsError when there are none."""
    chosen = settings.pairs
    bench = _workbench(retriever, engine, corpus, settings)
    bench.search(corpus.name)  # refuses an empty corpus, or one whose embedder is gone, before a teacher is asked
    replies = Replies(replies_file(file))
    replies.keep_only(corpus.chunks)
    teacher, judge = (
        opened_teacher(name, settings, engine) if name else None for name in (named_teacher(settings), chosen.judge)
    )
    models = Models(teacher, judge, replies, Verifier(retriever, settings.answer), taught.voice)
    rejected = Rejected(file, before.answered)
    made = list(document_pairs(corpus, models, before, bench, settings, drops, rejected))
    if not before.is_current:
        rejected.write()
    by_people = taught_pairs(taught, bench, corpus.languages, chosen)
    pairs = _sound([*before.edited, *before.kept, *made, *by_people], drops)
    if chosen.shares:  # refusals keep theirs of what is left
        shares: dict[Source, float] = {"refusal": chosen.refusals}
        beyond = beyond_shares(pairs, shares | chosen.shares, chosen.seed)
        for pair in pairs:
            if pair.id in beyond:
                _drop(pair, "more than the share of its source", drops)
        pairs = [pair for pair in pairs if pair.id not in beyond]
    if not pairs:
        raise PairsError(
            f"No pairs came out of the {len(corpus.chunks)} chunks of '{corpus.name}'"
            f" ({sum(drops.counts.values())} candidates dropped).",
            "See why with --explain FILE; --teacher MODEL writes questions where the documents hold none.",
        )
    most = _beside(chosen.reading, [pair for pair in pairs if pair.source != "reading"])
    exercises = reading_pairs(
        most,
        corpus.languages,
        chosen.refusals,
        settings.answer.refusal,
        chosen.validation,
        bench.fits,
        chosen.seed,
    )
    pairs += exercises
    chats = general_pairs(_beside(chosen.general, pairs), corpus.languages, chosen.seed)
    return _in_order(_sound([*pairs, *chats], drops))


def _beside(share: float, pairs: Sequence[Pair]) -> float:
    """How many others make up ``share`` of all, if they come to ``pairs``."""
    return share / (1 - share) * len(pairs)


def recipe_of(settings: Settings) -> dict[str, object]:
    """All settings that change what pairs come out of the same documents, as the header keeps them."""
    answer = settings.answer
    return {
        "recipe": RECIPE_VERSION,
        **settings.pairs.model_dump(mode="json", exclude={"teacher_seconds", "teacher_attempts"}),
        "teacher": named_teacher(settings),
        "engine": settings.engine.model,
        "evidence": answer.evidence,
        "prompt_tokens": answer.prompt_tokens,
        "refusal": dict(answer.refusal),
    }


def _workbench(retriever: Retriever, engine: Engine, corpus: Corpus, settings: Settings) -> Workbench:
    answer = settings.answer
    depth = max(answer.evidence * _DEPTH, settings.pairs.round_trip)

    def fits(passages: Sequence[Passage], question: str) -> bool:
        messages = build_messages(answer.system, passages, [], question, engine.control_tokens)
        return engine.count(messages) <= answer.prompt_tokens

    only = {split: Filter(tuple(sorted(corpus.paths(split)))) for split in SPLITS}

    def search_in(question: str, split: Split) -> list[Evidence]:
        # A split of more documents than a query may name fills its lists without.
        documents = only[split].documents
        return retriever.search(question, depth, only[split]) if 0 < len(documents) <= _MOST_NAMED else []

    return Workbench(
        search=lambda question: retriever.search(question, depth),
        search_in=search_in,
        splits=corpus.splits,
        older=corpus.older,
        size=answer.evidence,
        seed=settings.pairs.seed,
        shuffled=settings.pairs.shuffled,
        fits=fits,
    )


def _sound(pairs: Sequence[Pair], drops: Drops) -> list[Pair]:
    """Each pair once, and none that tells one split what another is asked; edited ones stay whatever they are."""
    once: dict[str, Pair] = {}
    for pair in pairs:
        once.setdefault(pair.id, pair)
    leaked = {pair.id: what for pair, what in leaking(list(once.values())) if not pair.edited}
    for id_, what in leaked.items():
        _drop(once.pop(id_), f"leak: {what}", drops)
    return list(once.values())


def _drop(pair: Pair, reason: str, drops: Drops) -> None:
    said = (pair.instruction, pair.response, pair.quote, pair.kind)
    drops.add(reason, CandidatePair(*said, 0, pair.document, pair.language, pair.source))


def _in_order(pairs: Sequence[Pair]) -> list[Pair]:
    """By document, and the pairs of one evidence list together: as a person reads them, and training runs them.

    What is from no document comes last.
    """
    owners: dict[tuple[Passage, ...], tuple[str, int]] = {}
    for pair in pairs:
        if pair.golden:
            owner = pair.document, pair.passages[pair.golden - 1].start
            owners[pair.passages] = min(owner, owners.get(pair.passages, owner))  # two chunks may be shown in one list

    def place(pair: Pair) -> tuple[object, ...]:
        owner = owners.get(pair.passages, (pair.document, -1))
        texts = [(passage.document, passage.text) for passage in pair.passages]
        return (not pair.documents, not pair.passages, *owner, texts, pair.golden is None, pair.source, pair.id)

    return sorted(pairs, key=place)


def _header(
    corpus: Corpus, settings: Settings, recipe: dict[str, object], pairs: Sequence[Pair], dropped: Mapping[str, int]
) -> PairsHeader:
    shown = frozenset[str]().union(*(pair.documents for pair in pairs))
    return PairsHeader(
        corpus=corpus.name,
        generation=corpus.generation,
        generator=named_teacher(settings),
        seed=settings.pairs.seed,
        documents={path: corpus.hashes[path] for path in sorted(shown) if path in corpus.hashes},
        counts=dict(Counter(pair.source for pair in pairs).most_common()),
        dropped=dict(dropped),
        settings=recipe,
        version=__version__,
        state=corpus.state,
    )


def beyond_shares(pairs: Sequence[Pair], shares: Mapping[Source, float], seed: int) -> set[str]:
    """Ids of the pairs to leave out so that no source has more than its share of the rest; edited ones always stay.

    Whole evidence lists stay, as far as that goes: their prompt is run once. Raises UsageError where nothing would be
    left, since all sources are limited and their shares do not come to 1.
    """
    counts = Counter(pair.source for pair in pairs)
    total = len(pairs)
    while True:  # the most pairs for which all shares are kept
        room = {source: min(counts[source], math.floor(share * total)) for source, share in shares.items()}
        kept = sum(count for source, count in counts.items() if source not in shares) + sum(room.values())
        if kept == total:
            break
        total = kept
    if counts and not total:
        told = ", ".join(f"{source} {share:g}" for source, share in shares.items() if counts[source])
        raise UsageError(
            f"pairs.shares={told} leaves no pair: there is nothing else that could fill the rest.",
            "Give a source more, or make pairs of another one too (--data, --tone, --teacher).",
        )
    by_source: dict[Source, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_source[pair.source].append(pair)
    beyond: set[str] = set()
    for source, most in room.items():

        def turn(pair: Pair) -> tuple[object, ...]:
            texts = [f"{passage.document}\0{passage.text}" for passage in pair.passages] or [pair.id]
            return not pair.edited, share_of(seed, "shares", *texts), share_of(seed, pair.id)

        order = sorted(by_source[source], key=turn)
        beyond.update(pair.id for pair in order[most:] if not pair.edited)
    return beyond
