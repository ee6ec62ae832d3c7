"""Cases that a person has only to confirm: proposed from pairs about documents that no adapter has learnt from.

A draft carries the tag ``draft``. Who has read a case, mended it and agrees takes the tag out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from assistant.artifacts.evaluations import DRAFT
from assistant.artifacts.pairs import Pair
from assistant.artifacts.row_files import write_lines
from assistant.workspace import make_folder
from eval.cases import Case, GoldSpan
from eval.metrics.grounding import cited_sentences

_SOURCES = {"structure", "generated", "refusal"}
_NO_CASES = {"search", "held-out", "near-miss"}
"""Kinds of pairs that are no question to the whole corpus: words to search for, and what is answered by passages that
the pair leaves out."""


def drafted(pairs: Iterable[Pair], most: int) -> list[Case]:
    """At most so many cases of the test split, those of each kind in turn, so that few show all kinds."""
    usable = [
        pair
        for pair in pairs
        if pair.split == "test" and pair.source in _SOURCES and pair.kind not in _NO_CASES and not pair.history
    ]
    cases = [case for pair in _kinds_in_turn(usable) if (case := _case(pair))]
    return cases[:most]


def write_cases(file: Path, cases: Sequence[Case]) -> None:
    """Write cases as JSON lines; what was there before is replaced."""
    make_folder(file.parent)
    rows = []
    for case in cases:
        gold = [
            [{key: value for key, value in asdict(span).items() if value not in ("", None)} for span in group]
            for group in case.gold
        ]
        row = {**asdict(case), "gold": gold}
        rows.append({key: value for key, value in row.items() if value or key == "unanswerable"})
    write_lines(file, rows)


def _case(pair: Pair) -> Case | None:
    """The case of a pair; None for one that has no quote to find its evidence by."""
    unanswerable = pair.source == "refusal"
    if not unanswerable and (pair.golden is None or not pair.quote):
        return None
    gold = () if pair.golden is None else ((GoldSpan(pair.passages[pair.golden - 1].document, pair.quote),),)
    return Case(
        id=f"{DRAFT}-{pair.id}",
        question=pair.instruction,
        answers=() if unanswerable else (" ".join(one.text for one in cited_sentences(pair.response)),),
        gold=() if unanswerable else gold,
        unanswerable=unanswerable,
        kind=pair.kind,
        language=pair.language or "en",
        tags=(DRAFT,),
    )


def _kinds_in_turn(pairs: Sequence[Pair]) -> list[Pair]:
    seen: dict[str, int] = {}
    turns = []
    for place, pair in enumerate(pairs):
        seen[pair.kind] = seen.get(pair.kind, 0) + 1
        turns.append((seen[pair.kind], place))
    return [pairs[place] for _, place in sorted(turns)]
