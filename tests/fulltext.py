"""What full text holds of live chunks, read past the code that searches it."""

import sqlite3

import numpy as np

Held = dict[int, dict[str, tuple[int, int]]]
"""By chunk and term: how often in its context, how often in its text."""


def held_in(connection: sqlite3.Connection) -> Held:
    """What the segments hold, without what is gone from them."""
    held: Held = {}
    for segment, first, lengths in connection.execute("SELECT id, first, lengths FROM segments").fetchall():
        for place, length in enumerate(np.frombuffer(lengths, "<u2").tolist()):
            if length:
                assert first + place not in held, "in one segment only"
                held[first + place] = {}
        for term, chunks in connection.execute("SELECT term, chunks FROM postings WHERE segment = ?", (segment,)):
            for chunk, context, body in np.frombuffer(chunks, "<u4, u1, u1").tolist():
                if chunk in held:
                    held[chunk][term] = context, body
    return held
