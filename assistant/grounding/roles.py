"""Who does what to whom: a sentence that has the words of a passage may still have put them in other places.

Three things are looked at, each only where the words tell it: a noun of the sentence stands where the passage has
another one ("to the insurer" for "to the water police"); what the passage does something to or for ("to the police",
"dem Vermieter") does it in the sentence, or the other way round; and two nouns around an English verb have changed
places.
"""

import re
from collections.abc import Iterator, Sequence, Set
from functools import lru_cache
from itertools import takewhile

from assistant.text.languages import alternatives
from assistant.text.lexicon import forms, own, vocabulary
from assistant.text.quantities import in_figures
from assistant.text.words import stems, words

_LONGEST_NOUN = 3
# In characters: each word is looked at together with others.
_LONGEST_SENTENCE = 1_000
_NOUN = r"((?:[^\W\d_][\w-]*)(?: [^\W\d_][\w-]*){0,2})"
_CLAUSE_END = re.compile(r"[;\n]|[.!?](?=\s)")


def misplaced(claim: str, passage: str, language: str, premise: Set[str] = frozenset()) -> str:
    """What stands in the claim where the passage has something else; empty if nothing is seen.

    What the passage calls otherwise than the question, with the stems ``premise``, is nothing that the claim replaced.
    """
    if len(claim) > _LONGEST_SENTENCE or len(passage) > _LONGEST_SENTENCE:
        return ""
    there = [(clause, _tokens(clause, language)) for clause in _CLAUSE_END.split(passage) if clause.strip()]
    for said in _CLAUSE_END.split(claim):
        claimed = _tokens(said, language)
        if not claimed or not there:
            continue
        known = frozenset(stem for stem, _ in claimed)
        clause, its = max(there, key=lambda one: len(known & frozenset(stem for stem, _ in one[1])))
        found = _replaced(claimed, its, premise) or _exchanged(said, clause, language)
        if not found and not own("free_order", language):
            found = _reversed(claimed, its, said, clause, language)
        if found:
            return found
    return ""


@lru_cache(maxsize=4096)
def _tokens(text: str, language: str) -> tuple[tuple[str, bool], ...]:
    """The words that carry meaning as stems, each with whether an article stands before it or it begins the text."""
    found: list[tuple[str, bool]] = []
    opens = True
    openers = vocabulary("noun_openers", language)
    for word in words(in_figures(text, language)):
        if word in openers or word in vocabulary("stopwords", language):
            opens = word in openers
            continue
        found.append((stems(word, language)[0], opens))
        opens = False
    return tuple(found)


def _replaced(claim: Sequence[tuple[str, bool]], passage: Sequence[tuple[str, bool]], premise: Set[str]) -> str:
    """A noun of the claim between two words that have another noun between them in the passage."""
    there = [stem for stem, _ in passage]
    claimed = {stem for stem, _ in claim}
    for first, last in _missing(claim, frozenset(there)):
        if not claim[first][1] or last - first > _LONGEST_NOUN:
            continue
        left = claim[first - 1][0] if first else None
        right = claim[last][0] if last < len(claim) else None
        if left is None and right is None:
            continue
        for begin, end in _gaps(there, left, right):
            gap = there[begin:end]
            run = [stem for stem, _ in claim[first:last]]
            if premise >= frozenset(run):
                continue
            if passage[begin][1] and claimed.isdisjoint(gap) and _are_other_nouns(run, gap):
                return " ".join(stem for stem, _ in claim[first:last])
    return ""


def _are_other_nouns(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether none of some words is a number, or a part of one of the others, as in "Jahresbeitrag"."""
    if not all(map(str.isalpha, [*some, *others])):
        return False
    return not any(one.endswith(other) or other.endswith(one) for one in some for other in others)


def _missing(claim: Sequence[tuple[str, bool]], there: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Runs of the claim that the passage does not hold, as half-open places."""
    first = None
    for place in range(len(claim) + 1):
        is_missing = place < len(claim) and claim[place][0] not in there
        if is_missing and first is None:
            first = place
        elif not is_missing and first is not None:
            yield first, place
            first = None


def _gaps(there: Sequence[str], left: str | None, right: str | None) -> Iterator[tuple[int, int]]:
    """Where a passage has one to three words between two: or before the right one at its beginning, behind the left
    one at its end."""
    begins = [0] if left is None else [place + 1 for place, stem in enumerate(there) if stem == left]
    ends = {len(there)} if right is None else {place for place, stem in enumerate(there) if stem == right}
    yield from ((begin, end) for begin in begins for end in range(begin + 1, begin + 1 + _LONGEST_NOUN) if end in ends)


def _exchanged(claim: str, passage: str, language: str) -> str:
    """A noun that receives in one of two texts and acts in the other."""
    to, its_to = (_nouns("receivers", text, language) for text in (claim, passage))
    acting, its_acting = (_nouns("actors", text, language) for text in (claim, passage))
    given = (to & its_acting) - its_to if its_to else frozenset()
    return min(given | (acting & its_to) - its_acting, default="")


def _nouns(kind: str, text: str, language: str) -> frozenset[str]:
    """The stems of the nouns that stand where ``kind`` says, each up to the first word of grammar behind it."""
    pattern = alternatives(own(kind, language)).replace("<noun>", _NOUN)
    grammar = vocabulary("stopwords", language)
    heads = (
        takewhile(lambda word: word not in grammar, words(match[1]))
        for match in re.finditer(pattern, text, re.IGNORECASE)
    )
    return frozenset(stem for head in heads for stem in stems(" ".join(head), language))


def _reversed(
    claim: Sequence[tuple[str, bool]], passage: Sequence[tuple[str, bool]], said: str, there: str, language: str
) -> str:
    """A word whose neighbours have changed sides, in two sentences of which neither or both are passive."""
    passive = re.compile(rf"\b(?:{forms('passive', language)})\b", re.IGNORECASE)
    if bool(passive.search(said)) != bool(passive.search(there)):
        return ""
    for place in range(1, len(claim) - 1):
        left, pivot, right = (stem for stem, _ in claim[place - 1 : place + 2])
        sides = [
            (
                {stem for stem, _ in passage[max(0, other - 2) : other]},
                {stem for stem, _ in passage[other + 1 : other + 3]},
            )
            for other, (stem, _) in enumerate(passage)
            if stem == pivot
        ]
        if sides and all(left in behind - before and right in before - behind for before, behind in sides):
            return pivot
    return ""
