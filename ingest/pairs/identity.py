"""The id of a pair is made from what it says, so that one that a person has changed is known by it."""

import hashlib
import json
import re
from dataclasses import replace

from assistant.artifacts.pairs import Pair

_MARKER = re.compile(r" \[\d+\]")


def identified(pair: Pair) -> Pair:
    """A pair with the id that its text gives it: 16 hex digits."""
    return replace(pair, id=_made(pair))


def is_edited(pair: Pair) -> bool:
    """Whether a person has changed a pair, added it, or marked it as theirs."""
    return pair.edited or pair.id != _made(pair)


def _made(pair: Pair) -> str:
    # Not the number of the passage: the same pair may be shown with another list once other documents have changed.
    said = [pair.source, pair.kind, pair.document, pair.instruction, _MARKER.sub("", pair.response)]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()[:16]
