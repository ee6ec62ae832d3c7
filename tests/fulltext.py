"""What full text holds of live chunks, read past the code that searches it."""

import sqlite3

import numpy as np

Held = dict[int, dict[str, tuple[int, int]]]
"""By chunk and term: how often in its context, how often in its text."""


def held_in(connection: sqlite3.Connection) -> Held:
    """What the segments hold, without what is gone from them."""
    held: Held = {}
    for segment, chunks, lengths in connection.execute("SELECT id, chunks, lengths FROM segments").fetchall():
        ids = np.frombuffer(chunks, "<u4").tolist()
        for chunk, length in zip(ids, np.frombuffer(lengths, "<u2").tolist(), strict=True):
            if length:
                assert chunk not in held, "in one segment only"
                held[chunk] = {}
        for term, chunks in connection.execute("SELECT term, chunks FROM postings WHERE segment = ?", (segment,)):
            for place, context, body in np.frombuffer(chunks, "<u2, u1, u1").tolist():
                if ids[place] in held:
                    held[ids[place]][term] = context, body
    return held
