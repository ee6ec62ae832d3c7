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
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from assistant.text.words import stems, terms

# Words of title and headings count more than words of the text; measured in docs/retrieval.md.
_CONTEXT_WEIGHT = 1.5
# k1 and b of BM25 (Robertson and Zaragoza 2009), as FTS5 has them, and what a term that most chunks hold weighs there.
_SATURATION, _LENGTH_PART, _LEAST_WEIGHT = 1.2, 0.75, 1e-6
# Of chunks in a segment, and of terms that are told apart at once: some 100 MB each.
_MOST_CHUNKS, _MOST_AT_ONCE = 32_768, 1 << 21
# A term of so many chunks is worth a look at whom it can still help; so few of them, of its chunks, are looked up in it
# rather than that it is walked through (docs/log.md).
_WORTH_A_LOOK, _FEW = 1 / 32, 1 / 8
# To read a chunk's words costs as much as some 20,000 postings; more chunks than that are not read for a phrase.
_READING_COSTS, _MOST_READ = 20_000, 256

_LENGTH, _LONGEST = np.dtype("<u2"), 65_535
_POSTING, _MOST_COUNTED = np.dtype([("chunk", "<u4"), ("context", "u1"), ("body", "u1")]), 255
_GIVEN = "(SELECT value FROM json_each(?))"

Ids = npt.NDArray[np.int64]
Chunks = npt.NDArray[np.uint32]
Scores = npt.NDArray[np.float32]
Postings = npt.NDArray[np.void]
"""Of a term: which chunks hold it, ascending, and how often in context and text."""
ChunkTerms = tuple[int, Sequence[str], Sequence[str]]
"""Id of a chunk, terms of its context, terms of its text."""


@dataclass(frozen=True, slots=True)
class _Segment:
    id: int
    first: int
    """Chunk."""
    lengths: npt.NDArray[np.uint16]
    """In terms, of the chunks from the first on; 0 for one that is not live."""
    written: int
    """How many were live when it was."""

    @property
    def live(self) -> int:
        return int(np.count_nonzero(self.lengths))


class LexicalIndex:
    """The full text of one generation."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """To be made, and asked, in a snapshot of that generation."""
        self._connection = connection
        lengths = _lengths_of(_segments(connection))
        self._chunks = int(np.count_nonzero(lengths))
        in_means = lengths / (float(lengths.sum()) / max(1, self._chunks) or 1.0)
        saturation = _SATURATION * (1 - _LENGTH_PART + _LENGTH_PART * in_means)
        # Nothing is much to a chunk that is not live.
        self._saturation = np.where(lengths > 0, saturation, np.inf).astype(np.float32)

    def search(
        self, query: Sequence[str], phrases: Sequence[str], limit: int, among: Sequence[int] | Ids | None = None
    ) -> list[tuple[int, float]]:
        """The best chunks for any of the terms: (chunk id, BM25 score), best first; only ``among`` ids, if given.

        A phrase, of stems with blanks between them, counts as a term of its own.
        """
        saturation = self._saturation
        if among is not None:
            saturation, ids = np.full_like(saturation, np.inf), np.asarray(among, np.int64)
            saturation[ids] = self._saturation[ids]
        scores, found = self._scores(query, phrases, limit, saturation)
        if len(found) > limit:
            found = found[np.argpartition(scores[found], -limit)[-limit:]]
        found = found[np.lexsort((found, -scores[found]))]
        return list(zip(found.tolist(), scores[found].tolist(), strict=True))

    def _scores(
        self, query: Sequence[str], phrases: Sequence[str], limit: int, saturation: Scores
    ) -> tuple[Scores, Chunks]:
        """What terms and phrases give, by id of the chunk, and the chunks of which the best ``limit`` are some.

        Of these it is all, of others perhaps less. ``saturation``: how many times of a term give half of what it can
        give, by id of the chunk.
        """
        of_phrases = {phrase: self._holding(phrase.split()) for phrase in phrases}
        frequencies = frequencies_of(self._connection, query)
        frequencies |= {phrase: len(held) for phrase, held in of_phrases.items() if len(held)}
        rarest_first = sorted(frequencies, key=lambda term: (frequencies[term], term))
        most = [(_SATURATION + 1) * self._weight(frequencies[term]) for term in rarest_first]
        scores, candidates, looked = np.zeros_like(saturation), None, sum(most) / 2
        for place, term in enumerate(rarest_first):
            # A look is vain while more is left than was given; each is at half of what was left at the one before.
            if frequencies[term] > _WORTH_A_LOOK * len(scores) and (left := sum(most[place:])) < looked:
                candidates, looked = _within_reach(scores, candidates, limit, left), left / 2
            postings = of_phrases[term] if term in of_phrases else self._postings(term)
            chunks = _chunks_of(postings)
            if candidates is not None and len(candidates) < _FEW * len(chunks):
                some = _places(chunks, candidates)
                chunks, postings = chunks[some], postings[some]
            times = np.float32(_CONTEXT_WEIGHT) * postings["context"] + postings["body"]
            scores[chunks] += np.float32(most[place]) * times / (times + saturation[chunks])
        return scores, np.flatnonzero(scores > 0).astype(np.uint32) if candidates is None else candidates

    def _postings(self, term: str) -> Postings:
        rows = self._connection.execute("SELECT chunks FROM postings WHERE term = ? ORDER BY segment", (term,))
        return np.frombuffer(b"".join(row[0] for row in rows), _POSTING)

    def _weight(self, held: int) -> float:
        """Of a term, by how many chunks hold it: its inverse document frequency."""
        weight = math.log((self._chunks - held + 0.5) / (held + 0.5))
        return weight if weight > 0 else _LEAST_WEIGHT

    def _holding(self, phrase: Sequence[str]) -> Postings:
        """Which chunks hold some stems one after another, and how often."""
        frequencies = frequencies_of(self._connection, phrase)
        if not frequencies or len(frequencies) < len({*phrase}):
            return np.empty(0, _POSTING)
        rarest, *others = sorted(frequencies, key=lambda term: (frequencies[term], term))
        chunks = _chunks_of(self._postings(rarest))
        for term in others:
            if frequencies[term] <= _READING_COSTS * len(chunks):
                its = _chunks_of(self._postings(term))
                chunks = its[_places(its, chunks)]
        chunks = chunks[np.isfinite(self._saturation[chunks])][:_MOST_READ]
        rows = self._connection.execute(
            f"SELECT document_id, id, context, start, end FROM chunks WHERE id IN {_GIVEN} ORDER BY id",
            (json.dumps(chunks.tolist()),),
        )
        held = []
        for document, of_document in groupby(rows, itemgetter(0)):
            language, text = _text_of(self._connection, document)
            for _, chunk, context, start, end in of_document:
                times = [_times(phrase, stems(part, language)) for part in (context, text[start:end])]
                if any(times):
                    held.append((chunk, *(min(_MOST_COUNTED, one) for one in times)))
        return np.array(held, _POSTING)


def _chunks_of(postings: Postings) -> Chunks:
    return np.ascontiguousarray(postings["chunk"])


def _within_reach(scores: Scores, candidates: Chunks | None, limit: int, left: float) -> Chunks | None:
    """The candidates that may be among the best ``limit`` with what is ``left`` to be given; None: any chunk may."""
    found = np.flatnonzero(scores > 0).astype(np.uint32) if candidates is None else candidates
    least = np.partition(scores[found], -limit)[-limit] if len(found) >= limit else 0.0
    return found[scores[found] + left >= least] if least > left else candidates


def _places(chunks: Chunks, wanted: Chunks) -> Ids:
    """Where in some ascending chunks those of the ``wanted``, ascending as well, stand that are among them."""
    places = np.searchsorted(chunks, wanted)
    places = places[places < len(chunks)]
    is_there: npt.NDArray[np.bool_] = chunks[places] == wanted[: len(places)]
    return places[is_there]


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
        if len(found) >= _MOST_AT_ONCE:
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
    postings["chunk"] = np.asarray(ids)[keys % len(ids)]
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
        its = [chunk - one.first for chunk in gone if one.first <= chunk < one.first + len(one.lengths)]
        if its:
            one.lengths[its] = 0
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
        if len(some) > 1 or (some and some[0].live <= some[0].written // 2):
            _rewrite(connection, some)


def _rewrite(connection: sqlite3.Connection, segments: Sequence[_Segment]) -> None:
    """One segment of what is live in some that follow on each other."""
    lengths, given = _lengths_of(segments), (json.dumps([one.id for one in segments]),)
    rows = connection.execute(
        f"SELECT term, chunks FROM postings WHERE segment IN {_GIVEN} ORDER BY term, segment", given
    ).fetchall()
    connection.execute(f"DELETE FROM segments WHERE id IN {_GIVEN}", given)
    postings = []
    for term, its in groupby(rows, itemgetter(0)):
        old = np.frombuffer(b"".join(chunks for _, chunks in its), _POSTING)
        postings.append((term, old[lengths[old["chunk"]] > 0].tobytes()))
    live = np.flatnonzero(lengths)
    _write(connection, postings, live, lengths[live], segments[0].id)


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
    its = np.zeros(chunks[-1] + 1 - chunks[0], _LENGTH)
    its[chunks - chunks[0]] = lengths
    cursor = connection.execute(
        "INSERT INTO segments VALUES (?, ?, ?, ?)", (number, int(chunks[0]), its.tobytes(), len(chunks))
    )
    connection.executemany(
        "INSERT INTO postings VALUES (?, ?, ?)", ((cursor.lastrowid, term, held) for term, held in postings if held)
    )


def _segments(connection: sqlite3.Connection) -> list[_Segment]:
    rows = connection.execute("SELECT id, first, lengths, written FROM segments ORDER BY id")
    return [_Segment(id_, first, np.frombuffer(lengths, _LENGTH).copy(), n) for id_, first, lengths, n in rows]


def _lengths_of(segments: Sequence[_Segment]) -> npt.NDArray[np.uint16]:
    """The lengths of all chunks, by id."""
    lengths = np.zeros(max((one.first + len(one.lengths) for one in segments), default=0), _LENGTH)
    for one in segments:
        lengths[one.first : one.first + len(one.lengths)] = one.lengths
    return lengths


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


def _times(phrase: Sequence[str], text: Sequence[str]) -> int:
    """How often a text has some words one after another."""
    return f" {' '.join(text)} ".count(f" {' '.join(phrase)} ")
