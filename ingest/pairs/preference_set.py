"""Preferences into a set: what people prefer, and answers of our own making that are worse than those of pairs.

    people (assistant.feedback.lessons) ─┐
    pairs ──▶ worse answers ─────────────────┴─▶ splits ──▶ pairs/NAME.jsonl

A worse answer has one fault, and is otherwise the answer of its pair:

    citation       it names a passage that does not say so
    number         one of its numbers is another one, which no passage has
    unsupported    it goes on with a sentence that is said of something else

Each is held against the passages, as an answer is when people ask: what they support is not worse. The same pairs and
seed give the same set. A preference is in the split of the documents that it shows, as the pairs say; one that shows
documents of several splits is dropped, and so is what leaks between them, as where pairs are made.
"""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from assistant import __version__
from assistant.artifacts.command_reports import PairsReport
from assistant.artifacts.pairs import (
    SPLITS,
    Pair,
    PairsHeader,
    Split,
    evidence_of,
    holds_preferences,
    leaking,
    read_header,
    read_pairs,
    write_pairs,
)
from assistant.config import Settings
from assistant.errors import PairsError, UsageError
from assistant.feedback.lessons import grounded, preferences
from assistant.store.catalog import written_here
from assistant.store.index import Index
from assistant.text.printing import CITATION, with_marker
from assistant.text.sentences import sentence_spans
from assistant.types import Evidence
from assistant.workspace import Workspace, write_lock
from ingest.pairs.candidates import identified, is_edited, number_of, one_of
from ingest.pairs.corpus import hashes_of
from ingest.pairs.earlier import under_todays_names
from ingest.pairs.evidence_lists import numbers
from ingest.pairs.report import report_of

# So many foreign sentences are tried before an answer goes without one.
_TRIES = 5


def make_preferences(
    workspace: Workspace,
    index: Index,
    settings: Settings,
    file: Path,
    sets: Sequence[Path],
    people_only: bool = False,
) -> PairsReport:
    """Write the preferences of a corpus to ``file``: those of people, and pairs of ``sets`` with worse answers.

    ``sets`` say which documents are held out for validation and tests, also where no worse answers are made. What a
    person edited in ``file`` is kept. Raises PairsError when none came out, UsageError where ``file`` holds pairs of
    another kind or of another corpus.
    """
    started = time.perf_counter()
    if file.exists() and not holds_preferences(file):
        raise UsageError(f"{file} holds pairs that are no preferences.", "Name another set with --name.")
    catalog = written_here(index)
    seed, hashes = settings.pairs.seed, hashes_of(catalog)
    said = {(chunk.document, chunk.text) for chunk in catalog.live_chunks()}
    with write_lock(file.parent):
        edited = [replace(one, edited=True) for one in (read_pairs(file) if file.exists() else ()) if is_edited(one)]
        by_people, untaught = preferences(workspace, catalog, settings.answer.refusal)
        dropped = Counter(untaught)
        pairs, current = _pairs_of(sets, hashes, said)
        worse = [] if people_only else worse_answers(current, seed)
        if not people_only:
            dropped["pairs whose document has changed"] += len(pairs) - len(current)
        once = _sound([*by_people, *worse], edited, pairs, dropped)
        kept = [one for one in once.values() if one.documents <= hashes.keys()]
        dropped["a document was removed"] += len(once) - len(kept)
        header = PairsHeader(
            corpus=catalog.name,
            generation=catalog.generation(),
            generator="",
            seed=seed,
            documents={path: hashes[path] for path in sorted(frozenset[str]().union(*(one.documents for one in kept)))},
            counts=dict(Counter[str](one.source for one in kept).most_common()),
            dropped={reason: count for reason, count in dropped.most_common() if count},
            settings={"pairs": ", ".join(one.stem for one in sets)},
            version=__version__,
            preferences=True,
        )
        if not kept:
            told = ", ".join(f"{count} {reason}" for reason, count in header.dropped.items())
            raise PairsError(
                f"There are no preferences about '{catalog.name}': {told or 'nobody has said anything yet'}.",
                "Make pairs first (assistant pairs), or compare answers in the app.",
            )
        write_pairs(file, kept, header)
    stale = sum(one.edited and not _is_said(one, said) for one in kept)
    return report_of(file, header, kept, edited, stale, round(time.perf_counter() - started, 3))


def _sound(
    made: Sequence[Pair], edited: Sequence[Pair], pairs: Sequence[Pair], dropped: Counter[str]
) -> dict[str, Pair]:
    """Preferences by id, in the split of what they show, and none that tells one split what another is asked.

    ``pairs`` say which that is. Edited ones stay whatever they are.
    """
    # The most precious one where pairs differ. What a person edited counts for documents that no other pair shows.
    splits: dict[str, Split] = {}
    for pair in sorted(pairs, key=lambda pair: (not pair.edited, SPLITS.index(pair.split))):
        splits.update(dict.fromkeys(pair.documents, pair.split))
    placed = []
    for one in made:
        own = {splits.get(document, "train") for document in one.documents} | ({one.split} - {"train"}) or {one.split}
        if len(own) == 1:
            placed.append(replace(one, split=own.pop()))
        else:
            dropped["leak: documents of several splits"] += 1
    once = {one.id: one for one in [*map(identified, placed), *edited]}
    held_out = [pair for pair in pairs if pair.split != "train"]
    for leaky, what in leaking([*once.values(), *held_out]):
        if leaky.id in once and not leaky.edited:
            del once[leaky.id]
            dropped[f"leak: {what}"] += 1
    return once


def _pairs_of(
    sets: Sequence[Path], hashes: Mapping[str, str], said: Collection[tuple[str, str]]
) -> tuple[list[Pair], list[Pair]]:
    """All pairs of some sets, and those of them that show only what documents say today; ``hashes`` are by path."""
    pairs: list[Pair] = []
    current: list[Pair] = []
    for file in sets:
        header = read_header(file)
        known = set(header.documents.values()) if header else set()
        unchanged = {path for path, hash_ in hashes.items() if hash_ in known}
        for pair in under_todays_names(read_pairs(file), header, hashes):
            pairs.append(pair)
            if pair.documents <= unchanged or _is_said(pair, said):
                current.append(pair)
    return pairs, current


def _is_said(pair: Pair, said: Collection[tuple[str, str]]) -> bool:
    return all((passage.document, passage.text) in said for passage in pair.passages)


def worse_answers(pairs: Sequence[Pair], seed: int) -> Iterator[Pair]:
    """For each pair that names a passage which answers it: itself, with an answer of each fault that it can have."""
    said: dict[tuple[Split, str], list[tuple[str, str]]] = defaultdict(list)
    for pair in pairs:
        if pair.golden:
            plain = CITATION.sub("", pair.response)
            said[pair.split, pair.language] += [(pair.document, plain[a:b]) for a, b in sentence_spans(plain)[:1]]
    for pair in pairs:
        if not pair.documents or pair.golden is None or f"[{pair.golden}]" not in pair.response:
            continue
        hits = [evidence_of(passage, place, pair.language) for place, passage in enumerate(pair.passages, 1)]
        if _lacks_support(pair.response, hits):
            continue
        for kind, worse in (
            ("citation", other_citation(pair, hits, seed)),
            ("number", other_number(pair, hits, seed)),
            ("unsupported", unsupported_sentence(pair, hits, said[pair.split, pair.language], seed)),
        ):
            if worse:
                yield replace(pair, source="synthetic", kind=kind, rejected=worse, edited=False, quote="")


def other_citation(pair: Pair, hits: Sequence[Evidence], seed: int) -> str:
    """The response with the number of a passage that supports none of it; empty where there is none."""
    supporting = {one.hit for hit in hits for sentence in grounded(pair.response, [hit]) for one in sentence.citations}
    others = [hit.rank for hit in hits if hit.rank not in supporting]
    if pair.golden not in supporting or not others:
        return ""
    return pair.response.replace(f"[{pair.golden}]", f"[{one_of(others, seed, 'citation', pair.id)}]")


def other_number(pair: Pair, hits: Sequence[Evidence], seed: int) -> str:
    """The response with another digit in one of its numbers; empty where it has none, or passages have all others."""
    there = numbers(" ".join(f"{hit.context} {hit.text}" for hit in hits))
    own = sorted(numbers(CITATION.sub("", pair.response)) & there)
    if not own:
        return ""
    number = one_of(own, seed, "number", pair.id)
    digits = [place for place, sign in enumerate(number) if sign.isdecimal()]
    changed = {f"{number[:at]}{digit}{number[at + 1 :]}" for at in digits for digit in "123456789"}
    others = sorted(changed - there)
    if not others:
        return ""
    # Not within another number, and not in a marker.
    whole = rf"(?<![\w.,\[]){re.escape(number)}(?![\w\]]|[.,]\d)"
    worse = re.sub(whole, one_of(others, seed, "other", pair.id), pair.response, count=1)
    return worse if _lacks_support(worse, hits) else ""


def unsupported_sentence(pair: Pair, hits: Sequence[Evidence], said: Sequence[tuple[str, str]], seed: int) -> str:
    """The response with a sentence behind it that is said in another document; empty where none was found."""
    begin = number_of(seed, "unsupported", pair.id)
    for step in range(min(_TRIES, len(said))):
        document, sentence = said[(begin + step) % len(said)]
        if document not in pair.documents and _lacks_support(sentence, hits):
            return f"{pair.response} {with_marker(sentence, [pair.golden or 1])}"
    return ""


def _lacks_support(text: str, hits: Sequence[Evidence]) -> bool:
    return not all(sentence.supported for sentence in grounded(text, hits))
