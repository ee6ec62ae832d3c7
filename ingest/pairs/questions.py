"""From chunks to the questions that are taken: found or generated, filtered, and asked of the retriever.

The cheap filters look at one candidate alone; then those that several chunks answer are told apart from the rest, and
only what is left costs a search.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from assistant.config import PairsSettings
from assistant.store.catalog import StoredChunk
from assistant.text.words import content_stems
from assistant.types import Evidence
from assistant.work.progress import progress_bar
from ingest.pairs.candidate import Candidate, share_of
from ingest.pairs.context import Asked, chosen
from ingest.pairs.drops import Drops
from ingest.pairs.filters import fault

# So many times more questions are asked of the retriever than are wanted, since some will not find their chunk.
_SPARE = 1.5

Search = Callable[[str], Sequence[Evidence]]


def sound_candidates(
    candidates: Iterable[Candidate], chunks: Mapping[int, StoredChunk], drops: Drops
) -> list[Candidate]:
    """The candidates without a fault, each question once, and none that chunks answer in different ways."""
    sound: list[Candidate] = []
    for candidate in candidates:
        chunk = chunks[candidate.chunk]
        reason = fault(candidate, chunk.text, chunk.context)
        if reason:
            drops.add(reason, candidate)
        else:
            sound.append(candidate)
    return _distinct(sound, drops)


def _distinct(candidates: Sequence[Candidate], drops: Drops) -> list[Candidate]:
    same: dict[tuple[str, frozenset[str]], list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        stems = frozenset(content_stems(candidate.instruction, candidate.language))
        same[candidate.kind if candidate.kind == "yes-no" else "", stems].append(candidate)
    kept = []
    for group in same.values():
        is_ambiguous = len({candidate.chunk for candidate in group}) > 1
        if not is_ambiguous:
            kept.append(group[0])
        for candidate in group if is_ambiguous else group[1:]:
            drops.add("asked of several chunks" if is_ambiguous else "near-duplicate", candidate)
    return kept


def in_turn(chunks: Iterable[StoredChunk], seed: int) -> list[StoredChunk]:
    """Chunks in the order in which they are asked about: evenly from everywhere, whatever number is reached."""
    return sorted(chunks, key=lambda chunk: share_of(seed, chunk.document, chunk.text))


def ask(
    candidates: Iterable[Candidate],
    chunks: Sequence[StoredChunk],
    most: int | None,
    search: Search,
    settings: PairsSettings,
    drops: Drops,
) -> dict[int, list[Asked]]:
    """The questions about each chunk that find it again, at most ``per_chunk``, and about ``most`` in all."""
    by_chunk: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        by_chunk[candidate.chunk].append(candidate)
    wanted = [chunk.id for chunk in chunks if chunk.id in by_chunk]
    tries = round(settings.per_chunk * _SPARE)
    taken: dict[int, list[Asked]] = {}
    count = 0
    with progress_bar("Asking the retriever", len(wanted)) as bar:
        for chunk in wanted:
            if most is not None and count >= most:
                break
            some = chosen(by_chunk[chunk], tries, settings.seed)
            asked = [Asked(candidate, tuple(search(candidate.instruction))) for candidate in some]
            taken[chunk] = _that_find(asked, settings, drops)
            count += len(taken[chunk])
            bar.advance()
    return {chunk: asked for chunk, asked in taken.items() if asked}


def _that_find(asked: Iterable[Asked], settings: PairsSettings, drops: Drops) -> list[Asked]:
    finding = []
    for one in asked:
        if settings.round_trip and one.candidate.chunk not in {hit.chunk for hit in one.hits[: settings.round_trip]}:
            drops.add("does not find its chunk", one.candidate)
        else:
            finding.append(one)
    by_question = {one.candidate.instruction: one for one in finding}
    few = chosen([one.candidate for one in finding], settings.per_chunk, settings.seed)
    return [by_question[candidate.instruction] for candidate in few]
