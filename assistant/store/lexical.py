"""Full-text search: BM25 over the terms of live chunks, and how many chunks hold each term.

Postings are kept in *segments*: for each term the chunks that hold it, ascending, and how often. A publishing adds one,
joined with those before it that are no larger, so that they stay few and a changed document costs what it holds. A
chunk that goes loses its length; its postings go when its segment is written anew.

A search adds up what the terms give to each chunk, the rarest first. Once no other chunk can come among the best by the
terms that are left, only those found are looked up in these ("MaxScore", Turtle and Flood 1995). Scores are those of
SQLite's FTS5, which walks through all chunks that hold any term (docs/log.md).
"""

import json
import math
import sqlite3
import threading
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, groupby
from operator import itemgetter
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from assistant.text.words import stems, terms

# Words of title and headings count more than words of the text; measured in docs/retrieval.md.
_CONTEXT_WEIGHT = 1.5
# k1 and b of BM25 (Robertson and Zaragoza 2009), as FTS5 has them, and what a term that most chunks hold weighs there.
_SATURATION, _LENGTH_PART, _LEAST_WEIGHT = 1.2, 0.75, 1e-6
# Of chunks in a segment (at most 65,536, as places have two bytes), and of terms that are told apart at once.
_MOST_CHUNKS, _MOST_AT_ONCE = 32_768, 1 << 21
# A term of so many chunks is worth a look at whom it can still help; so few of them, of its chunks, are looked up in it
# rather than that it is walked through (docs/log.md).
_WORTH_A_LOOK, _FEW = 1 / 32, 1 / 8
# To read a chunk's words costs as much as some 20,000 postings; more chunks than that are not read for a phrase.
_READING_COSTS, _MOST_READ = 20_000, 256

_ID, _LENGTH, _LONGEST = np.dtype("<u4"), np.dtype("<u2"), 65_535
_POSTING, _MOST_COUNTED = np.dtype([("place", "<u2"), ("context", "u1"), ("body", "u1")]), 255
"""Which of the chunks of a segment holds a term, and how often in its context and text."""
_GIVEN = "(SELECT value FROM json_each(?))"

Ids = npt.NDArray[np.int64]
Places = npt.NDArray[np.uint32]
"""Of chunks among all of the segments, in order; ids have gaps, and never end to grow."""
Scores = npt.NDArray[np.float32]
Postings = tuple[Places, npt.NDArray[np.void]]
"""Of a term: where those that hold it stand, ascending, and how often they do."""
ChunkTerms = tuple[int, Sequence[str], Sequence[str]]
"""Id of a chunk, terms of its context, terms of its text."""


@dataclass(frozen=True, slots=True)
class _Segment:
    id: int
    chunks: npt.NDArray[np.uint32]
    """Ids, ascending; those of a later segment are greater."""
    lengths: npt.NDArray[np.uint16]
    """In terms; 0 of a chunk that is not live any more."""

    @property
    def live(self) -> int:
        return int(np.count_nonzero(self.lengths))


class LexicalIndex:
    """The full text of one generation: one in a process, for all who search it, each by a connection of its own.

    To be made, and asked, in a snapshot of that generation.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        segments = _segments(connection)
        self._firsts = _firsts_of(segments)
        self._ids = np.concatenate([np.empty(0, _ID), *(one.chunks for one in segments)])
        lengths = np.concatenate([np.empty(0, _LENGTH), *(one.lengths for one in segments)])
        self._chunks = int(np.count_nonzero(lengths))
        self.terms = int(lengths.sum(dtype=np.int64))
        """In all chunks together."""
        in_means = lengths / (self.terms / max(1, self._chunks) or 1.0)
        saturation = _SATURATION * (1 - _LENGTH_PART + _LENGTH_PART * in_means)
        # Nothing is much to a chunk that is not live.
        self._saturation = np.where(lengths > 0, saturation, np.inf).astype(np.float32)

    def search(
        self,
        connection: sqlite3.Connection,
        query: Sequence[str],
        phrases: Sequence[str],
        limit: int,
        among: Sequence[int] | Ids | None = None,
    ) -> list[tuple[int, float]]:
        """The best chunks for any of the terms: (chunk id, BM25 score), best first; only ``among`` ids, if given.

        A phrase, of stems with blanks between them, counts as a term of its own.
        """
        saturation = self._saturation
        if among is not None:
            saturation, places = np.full_like(saturation, np.inf), _places(self._ids, np.sort(among))
            saturation[places] = self._saturation[places]
        scores, found = self._scores(connection, query, phrases, limit, saturation)
        if len(found) > limit:
            found = found[np.argpartition(scores[found], -limit)[-limit:]]
        found = found[np.lexsort((found, -scores[found]))]
        return list(zip(self._ids[found].tolist(), scores[found].tolist(), strict=True))

    def _scores(
        self,
        connection: sqlite3.Connection,
        query: Sequence[str],
        phrases: Sequence[str],
        limit: int,
        saturation: Scores,
    ) -> tuple[Scores, Places]:
        """What terms and phrases give to each chunk, and the places of some among which the best ``limit`` are.

        To these it is all, to others perhaps less. ``saturation`` says of each chunk how many times of a term give
        half of what it can give.
        """
        of_phrases = {phrase: self._holding(connection, phrase.split()) for phrase in phrases}
        frequencies = frequencies_of(connection, query)
        frequencies |= {phrase: len(places) for phrase, (places, _) in of_phrases.items() if len(places)}
        rarest_first = sorted(frequencies, key=lambda term: (frequencies[term], term))
        most = [(_SATURATION + 1) * _weight(frequencies[term], self._chunks) for term in rarest_first]
        scores, candidates, least, looked = np.zeros_like(saturation), None, 0.0, sum(most) / 2
        for place, term in enumerate(rarest_first):
            # A look is vain while more is left than was given; each is at half of what was left at the one before.
            if frequencies[term] > _WORTH_A_LOOK * len(scores) and (left := sum(most[place:])) < looked:
                (candidates, least), looked = _within_reach(scores, candidates, least, limit, left), left / 2
            places, times = of_phrases[term] if term in of_phrases else self._postings(connection, term)
            if candidates is not None and len(candidates) < _FEW * len(places):
                some = _places(places, candidates)
                places, times = places[some], times[some]
            weighed = np.float32(_CONTEXT_WEIGHT) * times["context"] + times["body"]
            scores[places] += np.float32(most[place]) * weighed / (weighed + saturation[places])
        return scores, np.flatnonzero(scores > 0).astype(np.uint32) if candidates is None else candidates

    def _postings(self, connection: sqlite3.Connection, term: str) -> Postings:
        rows = connection.execute("SELECT segment, chunks FROM postings WHERE term = ? ORDER BY segment", (term,))
        return _joined(rows, self._firsts)

    def _holding(self, connection: sqlite3.Connection, phrase: Sequence[str]) -> Postings:
        """Which chunks hold some stems one after another, and how often."""
        frequencies = frequencies_of(connection, phrase)
        if not frequencies or len(frequencies) < len({*phrase}):
            return np.empty(0, np.uint32), np.empty(0, _POSTING)
        rarest, *others = sorted(frequencies, key=lambda term: (frequencies[term], term))
        places = self._postings(connection, rarest)[0]
        for term in others:
            if frequencies[term] <= _READING_COSTS * len(places):
                its = self._postings(connection, term)[0]
                places = its[_places(its, places)]
        places = places[np.isfinite(self._saturation[places])][:_MOST_READ]
        place_of = dict(zip(self._ids[places].tolist(), places.tolist(), strict=True))
        rows = connection.execute(
            f"SELECT document_id, id, context, start, end FROM chunks WHERE id IN {_GIVEN} ORDER BY id",
            (json.dumps([*place_of]),),
        )
        held, counts = [], []
        for document, of_document in groupby(rows, itemgetter(0)):
            language, text = _text_of(connection, document)
            for _, chunk, context, start, end in of_document:
                times = [times_in(phrase, stems(part, language)) for part in (context, text[start:end])]
                if any(times):
                    held.append(place_of[chunk])
                    counts.append((0, *(min(_MOST_COUNTED, one) for one in times)))
        return np.array(held, np.uint32), np.array(counts, _POSTING)


def _joined(rows: Iterable[tuple[int, bytes]], firsts: Mapping[int, int]) -> Postings:
    """The postings of a term in some (segment, postings there), with the place of each segment's first chunk."""
    segments, held = list(zip(*rows, strict=True)) or ((), ())
    postings = np.frombuffer(b"".join(held), _POSTING)
    counts = [len(one) // _POSTING.itemsize for one in held]
    return postings["place"] + np.repeat(np.array([firsts[one] for one in segments], np.uint32), counts), postings


def _firsts_of(segments: Sequence[_Segment]) -> dict[int, int]:
    """The place of the first chunk of each segment, by its id."""
    ends = accumulate(len(one.chunks) for one in segments)
    return {one.id: end - len(one.chunks) for one, end in zip(segments, ends, strict=True)}


def _within_reach(
    scores: Scores, candidates: Places | None, least: float, limit: int, left: float
) -> tuple[Places | None, float]:
    """The candidates that may be among the best ``limit`` with what is ``left`` to be given; None: any chunk may.

    And what the last of the best has by now, which was ``least`` at the look before.
    """
    some = scores if candidates is None else scores[candidates]
    above = some[some > least]
    if len(above) >= limit:
        least = float(np.partition(above, -limit)[-limit])
    if least <= left:
        return candidates, least
    places = np.flatnonzero(some + left >= least)
    return places.astype(np.uint32) if candidates is None else candidates[places], least


def _places(some: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> Ids:
    """Where in some ascending numbers those of the ``wanted``, ascending as well, stand that are among them."""
    places = np.searchsorted(some, wanted)
    places = places[places < len(some)]
    is_there: npt.NDArray[np.bool_] = some[places] == wanted[: len(places)]
    return places[is_there]


# What is searched now, by catalog file and generation.
_opened: WeakValueDictionary[tuple[tuple[int, int], int], LexicalIndex] = WeakValueDictionary()
_opening = threading.Lock()


def open_index(connection: sqlite3.Connection, file: tuple[int, int], generation: int) -> LexicalIndex:
    """The full text of a generation of a catalog's file: one in this process."""
    with _opening:
        opened = _opened.get((file, generation))
        if opened is None:
            opened = _opened[file, generation] = LexicalIndex(connection)
        return opened


def frequencies_of(connection: sqlite3.Connection, query: Collection[str]) -> dict[str, int]:
    """How many live chunks hold each term; terms that occur nowhere are left out."""
    return dict(
        connection.execute(f"SELECT term, chunks FROM frequencies WHERE term IN {_GIVEN}", (json.dumps([*query]),))
    )


def index_terms(connection: sqlite3.Connection, documents: Iterable[int]) -> None:
    """Take staged documents into full text, by their ids. Call inside a transaction."""
    _index(connection, chain.from_iterable(_terms_of(connection, document) for document in documents))


def fill_postings(connection: sqlite3.Connection) -> bool:
    """Take what an older catalog had in FTS5; nothing is left to be done. Call inside a transaction."""
    connection.execute("DELETE FROM frequencies")
    rows = connection.execute("SELECT rowid, context, body FROM lexical ORDER BY rowid")
    _index(connection, ((chunk, context.split(), body.split()) for chunk, context, body in rows))
    return False


def _index(connection: sqlite3.Connection, chunks: Iterable[ChunkTerms]) -> None:
    numbers, ids, sizes, found = dict[str, int](), array("I"), array("I"), array("I")
    for chunk, *parts in chunks:
        ids.append(chunk)
        for part in parts:
            sizes.append(len(part))
            found.extend(numbers.setdefault(term, len(numbers)) for term in part)
        if len(found) >= _MOST_AT_ONCE or len(ids) == _MOST_CHUNKS:
            _add_segment(connection, [*numbers], ids, sizes, found)
            numbers, ids, sizes, found = {}, array("I"), array("I"), array("I")
    if ids:
        _add_segment(connection, [*numbers], ids, sizes, found)


def _add_segment(
    connection: sqlite3.Connection, names: Sequence[str], ids: "array[int]", sizes: "array[int]", found: "array[int]"
) -> None:
    """A segment of chunks: their ids, the number of terms in context and text of each, and these by place in ``names``.

    Told apart are pairs of term and chunk, each as one number.
    """
    parts = np.repeat(np.arange(len(sizes)), sizes)  # of a chunk the even one is its context
    keys, places = np.unique(np.asarray(found, np.int64) * len(ids) + parts // 2, return_inverse=True)
    postings, is_body = np.empty(len(keys), _POSTING), parts % 2 > 0
    postings["place"] = keys % len(ids)
    for part, its in (("context", places[~is_body]), ("body", places[is_body])):
        postings[part] = np.bincount(its, minlength=len(keys)).clip(max=_MOST_COUNTED)
    held = np.bincount(keys // len(ids), minlength=len(names))
    ends = np.cumsum(held)
    lengths = np.asarray(sizes, np.int64).reshape(-1, 2).sum(axis=1)
    _write(
        connection,
        ((name, postings[end - count : end].tobytes()) for name, count, end in zip(names, held, ends, strict=True)),
        np.asarray(ids),
        lengths.clip(1, _LONGEST),  # one without terms is live as well
    )
    connection.executemany(
        "INSERT INTO frequencies VALUES (?, ?) ON CONFLICT DO UPDATE SET chunks = chunks + excluded.chunks",
        zip(names, held.tolist(), strict=True),
    )
    _join_small(connection)


def forget_terms(connection: sqlite3.Connection, chunks: Collection[int]) -> None:
    """Take chunks out of full text whose documents are still there. Call inside a transaction."""
    held, gone = Counter[str](), set(chunks)
    documents = connection.execute(
        f"SELECT DISTINCT document_id FROM chunks WHERE id IN {_GIVEN}", (json.dumps([*chunks]),)
    ).fetchall()
    for (document,) in documents:
        for chunk, context, body in _terms_of(connection, document):
            if chunk in gone:
                held.update({*context, *body})
    for one in _segments(connection):
        is_gone = np.isin(one.chunks, [*gone])
        if is_gone.any():
            one.lengths[is_gone] = 0
            connection.execute("UPDATE segments SET lengths = ? WHERE id = ?", (one.lengths.tobytes(), one.id))
    connection.executemany(
        "UPDATE frequencies SET chunks = chunks - ? WHERE term = ?", ((count, term) for term, count in held.items())
    )
    connection.executemany("DELETE FROM frequencies WHERE term = ? AND chunks <= 0", ((term,) for term in held))


def _join_small(connection: sqlite3.Connection) -> None:
    """Write anew, as one, the last segments as far as none is larger than all behind it; and each that is half gone."""
    others, joined, live = _segments(connection), list[_Segment](), 0
    while others and (not joined or (others[-1].live <= live and others[-1].live + live <= _MOST_CHUNKS)):
        live += others[-1].live
        joined.insert(0, others.pop())
    for some in (joined, *([one] for one in others)):
        if len(some) > 1 or (some and some[0].live <= len(some[0].chunks) // 2):
            _rewrite(connection, some)


def _rewrite(connection: sqlite3.Connection, segments: Sequence[_Segment]) -> None:
    """One segment of what is live in some that follow on each other."""
    given, firsts = (json.dumps([one.id for one in segments]),), _firsts_of(segments)
    lengths = np.concatenate([one.lengths for one in segments])
    is_live = lengths > 0
    new_places = np.cumsum(is_live) - 1
    rows = connection.execute(
        f"SELECT term, segment, chunks FROM postings WHERE segment IN {_GIVEN} ORDER BY term, segment", given
    ).fetchall()
    connection.execute(f"DELETE FROM segments WHERE id IN {_GIVEN}", given)
    postings = []
    for term, its in groupby(rows, itemgetter(0)):
        places, old = _joined(((segment, held) for _, segment, held in its), firsts)
        new = old[is_live[places]]
        new["place"] = new_places[places[is_live[places]]]
        postings.append((term, new.tobytes()))
    chunks = np.concatenate([one.chunks for one in segments])
    _write(connection, postings, chunks[is_live], lengths[is_live], segments[0].id)


def _write(
    connection: sqlite3.Connection,
    postings: Iterable[tuple[str, bytes]],
    chunks: npt.NDArray[Any],
    lengths: npt.NDArray[Any],
    number: int | None = None,
) -> None:
    """A segment of some live chunks, behind the others or under the ``number`` of those it takes the place of."""
    if not len(chunks):
        return
    cursor = connection.execute(
        "INSERT INTO segments VALUES (?, ?, ?)",
        (number, chunks.astype(_ID).tobytes(), lengths.astype(_LENGTH).tobytes()),
    )
    connection.executemany(
        "INSERT INTO postings VALUES (?, ?, ?)", ((cursor.lastrowid, term, held) for term, held in postings if held)
    )


def _segments(connection: sqlite3.Connection) -> list[_Segment]:
    return [
        _Segment(id_, np.frombuffer(chunks, _ID), np.frombuffer(lengths, _LENGTH).copy())
        for id_, chunks, lengths in connection.execute("SELECT id, chunks, lengths FROM segments ORDER BY id")
    ]


def _terms_of(connection: sqlite3.Connection, document: int) -> Iterator[ChunkTerms]:
    """The terms of the chunks of a document, in order: of the context of each, and of its text."""
    language, text = _text_of(connection, document)
    rows = connection.execute(
        "SELECT id, context, start, end FROM chunks WHERE document_id = ? ORDER BY id", (document,)
    ).fetchall()
    for chunk, context, start, end in rows:
        yield chunk, terms(context, language), terms(text[start:end], language)


def _text_of(connection: sqlite3.Connection, document: int) -> tuple[str, str]:
    """The language and the text of a document, to be cut in Python: substr() would walk through all for each chunk."""
    row: tuple[str, str] = connection.execute(
        "SELECT language, text FROM documents WHERE id = ?", (document,)
    ).fetchone()
    return row


def _weight(held: int, chunks: int) -> float:
    """Of a term, by how many of the chunks hold it: its inverse document frequency."""
    weight = math.log((chunks - held + 0.5) / (held + 0.5))
    return weight if weight > 0 else _LEAST_WEIGHT


def scores_of(context: Scores, body: Scores, held: Sequence[int], chunks: int, lengths: Scores) -> Scores:
    """BM25 scores (n,) of chunks by how often terms stand in their context and text (n, terms), as a search has them.

    ``held`` of all ``chunks`` hold each term; ``lengths`` (n,) are those of the chunks, in mean ones.
    """
    weighed = _CONTEXT_WEIGHT * context.clip(max=_MOST_COUNTED) + body.clip(max=_MOST_COUNTED)
    saturation = _SATURATION * (1 - _LENGTH_PART + _LENGTH_PART * lengths[:, None])
    weights = (_SATURATION + 1) * np.array([_weight(one, chunks) for one in held], np.float32)
    scores: Scores = (weights * weighed / (weighed + saturation)).sum(axis=1)
    return scores


def times_in(phrase: Sequence[str], text: Sequence[str]) -> int:
    """How often a text has some words one after another."""
    starts = (start for start, word in enumerate(text) if word == phrase[0])
    return sum(text[start : start + len(phrase)] == phrase for start in starts)
