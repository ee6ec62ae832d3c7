"""Where gold evidence stands, and at which rank a list of passages has brought it.

A gold group is met by any of its spans, and a span by the passages that hold half of its characters, or its quote.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from assistant.types import Evidence
from eval.cases import Case, GoldSpan
from eval.folding import occurrences

Group = tuple[GoldSpan, ...]


def located(cases: Iterable[Case], text_of: Callable[[str], str | None]) -> tuple[list[Case], list[str]]:
    """The cases with the characters that each quote stands at, and what is wrong with their gold, a line each.

    ``text_of`` gives the stored text of a document, None if there is no such document. A quote that stands in several
    places is met by any of them.
    """
    problems: list[str] = []
    found = [
        replace(case, gold=tuple(tuple(_placed(case.id, group, text_of, problems)) for group in case.gold))
        for case in cases
    ]
    return found, problems


def ranks(gold: Sequence[Group], hits: Sequence[Evidence]) -> tuple[int | None, ...]:
    """For each gold group the rank (1-based) at which the hits so far have met it; None where they do not."""
    return tuple(_best(_rank(span, hits) for span in group) for group in gold)


def gold_problem(case: str, what: str = "") -> str:
    """How a problem with the gold of a case is told; without ``what`` the words that all of them begin with."""
    return f"case '{case}': {what}"


def _placed(case: str, group: Group, text_of: Callable[[str], str | None], problems: list[str]) -> Iterable[GoldSpan]:
    for span in group:
        text = text_of(span.document)
        if text is None:
            problems.append(gold_problem(case, f"there is no document '{span.document}'"))
            yield span
            continue
        if span.end is not None and span.end > len(text):
            problems.append(gold_problem(case, f"'{span.document}' ends before character {span.end}"))
        places = occurrences(span.quote, text) if span.quote and span.start is None else []
        if span.quote and span.start is None and not places:
            problems.append(gold_problem(case, f"'{span.document}' does not say “{span.quote[:60]}”"))
        yield from (replace(span, start=start, end=end) for start, end in places)
        if not places:
            yield span


def _best(found: Iterable[int | None]) -> int | None:
    return min((rank for rank in found if rank is not None), default=None)


def _rank(span: GoldSpan, hits: Sequence[Evidence]) -> int | None:
    shown: set[int] = set()
    for rank, hit in enumerate(hits, 1):
        if hit.document != span.document:
            continue
        if _says(span, hit):
            return rank
        if span.start is not None and span.end is not None:
            shown.update(range(max(span.start, hit.start), min(span.end, hit.end)))
            if 2 * len(shown) >= span.end - span.start:
                return rank
    return None


def _says(span: GoldSpan, hit: Evidence) -> bool:
    if span.quote:
        return bool(occurrences(span.quote, f"{hit.context}\n{hit.text}"))
    if span.start is not None:
        return False
    return span.page is None or span.page in hit.pages
