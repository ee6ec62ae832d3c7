"""Whether words of a passage say the same in a sentence: decisive words, joined things, roles, what a number is of.

Words that decide what a sentence promises: without them it says something else, however few they are.

Two things of which a passage may say it of one: "Students and guests get a discount".

Who does what to whom. Three things are looked at, each only where the words tell it: a noun of the sentence stands
where the passage has another one ("to the insurer" for "to the water police"); what the passage does something to or
for ("to the police", "dem Vermieter") does it in the sentence, or the other way round; and two nouns around an English
verb have changed places.

What each number is said of: €20,000 "per family", 12 months "(Fixed)", "students" pay €7. That stands behind it, after
"per", "for", "in" or in brackets, and before it. Two numbers of one kind are told apart by the words that only one of
them has: a sentence that gives one of them the words of the other exchanges them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice, takewhile

from assistant.text.languages import alternatives
from assistant.text.lexicon import forms, own, table, vocabulary, whole_words
from assistant.text.names import names
from assistant.text.quantities import in_figures, is_said, placed, quantities, unit_of
from assistant.text.words import stems, words

# No name of a thing is longer, and no sentence joins more.
_LONGEST_THING, _MOST_JOINED = 80, 4
_LONGEST_NOUN = 3
# In characters: each word is looked at together with others.
_LONGEST_SENTENCE = 1_000
_NOUN = r"((?:[^\W\d_][\w-]*)(?: [^\W\d_][\w-]*){0,2})"
_CLAUSE_END = re.compile(r"[;\n]|[.!?](?=\s)")
_MOST_PAIRS = 1_000  # of two lists of figures each one would be held against each other


def missing_word(sentence: str, passage: str, language: str) -> str:
    """The first decisive word that a sentence holds and a passage does not say; empty when there is none."""
    return next((word for word, saying in _decisive(sentence, language) if not saying.search(passage)), "")


@lru_cache(maxsize=64)  # a sentence is held against every place of the passages
def _decisive(sentence: str, language: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The decisive words of a sentence, each with all words by which a passage says as much."""
    groups = _groups(language).items()
    return tuple((found[0], saying) for decisive, saying in groups if (found := decisive.search(sentence)))


def is_restricted(sentence: str, passage: str, language: str) -> bool:
    """Whether a passage says on a condition only what a sentence says without any."""
    only = whole_words(forms("restrictions", language))
    return only.search(sentence) is None and only.search(passage) is not None


@cache
def _groups(language: str) -> Mapping[re.Pattern[str], re.Pattern[str]]:
    """Groups of words that say the same, each with all words by which a passage says as much."""
    others = table("counted_otherwise", language)
    groups = [(words, "") for words in table("decisive", language).values()]
    groups += [(words, others[name]) for name, words in table("counted", language).items()]
    return {whole_words(words): whole_words("|".join(filter(None, (words, other)))) for words, other in groups if words}


def parted(sentence: str, passage: str, language: str) -> Iterator[str]:
    """A sentence with only one of two things that it joins, each in turn; nothing of those that the passage joins."""
    sentence, said = " ".join(sentence.split()), f" {' '.join(words(passage))} "
    joins = re.finditer(rf"\s({forms('joining', language)})\s", sentence, re.IGNORECASE)
    for match in islice(joins, _MOST_JOINED):
        before = sentence[max(0, match.start() - _LONGEST_THING) : match.start()].split()
        behind = sentence[match.end() : match.end() + _LONGEST_THING].split()
        left = _last(before, language)
        again = int(bool(left) and before[: -len(left)][-1:] == behind[:1])  # "to a clerk or to the desk"
        right = _first(behind[again:], language)
        beside = words(" ".join([*before[-1:], match[1], *behind[: again + 1]]))
        if left and right and f" {' '.join(beside)} " not in said:
            start, rest = sentence[: match.start()], sentence[match.end() :]
            yield start + rest[len(" ".join([*behind[:again], *right])) :]
            yield start.removesuffix(" ".join(left)) + rest[len(" ".join(behind[:again])) :].lstrip()


def _last(some: Sequence[str], language: str) -> list[str]:
    """The thing that some words end with: back to its article, or to the word of grammar before it."""
    articles = vocabulary("articles", language)
    grammar = vocabulary("stopwords", language) - articles
    kept: list[str] = []
    for word in reversed(some):
        if (kept and kept[0].casefold() in articles) or word.casefold() in grammar:
            break
        kept.insert(0, word)
    return kept if _names_a_thing(kept, language) else []


def _first(some: Sequence[str], language: str) -> list[str]:
    """The thing that some words begin with: up to the next word of grammar."""
    articles, grammar = vocabulary("articles", language), vocabulary("stopwords", language)
    kept: list[str] = []
    for word in some:
        if word.casefold() in grammar and (kept or word.casefold() not in articles):
            break
        kept.append(word)
    return kept if _names_a_thing(kept, language) else []


def _names_a_thing(some: Sequence[str], language: str) -> bool:
    is_plain = not any(character.isdigit() or character in "()" for word in some for character in word)
    return is_plain and not vocabulary("stopwords", language).issuperset(map(str.casefold, some))


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
    passive = whole_words(forms("passive", language))
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


@dataclass(frozen=True, slots=True)
class Said:
    """A quantity with the stems of what it is said of."""

    quantity: str
    before: frozenset[str]
    behind: frozenset[str]
    around: frozenset[str]
    """All of its part of the sentence."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """A part of a sentence between commas and conjunctions: quantities in it are said of the names in it."""

    quantities: frozenset[str]
    names: frozenset[frozenset[str]]


@dataclass(frozen=True, slots=True)
class _BearerPatterns:
    segment_end: re.Pattern[str]
    behind: re.Pattern[str]
    """"18 children (Nursery)", "€9 per person", "12 months for crowns": behind the number and what it counts."""
    single: re.Pattern[str]
    several: re.Pattern[str]


@cache
def _patterns(language: str) -> _BearerPatterns:
    kinds = ("parting", "said_of", "a_single", "once", "several_times")
    parting, said_of, single, once, several = (forms(kind, language) for kind in kinds)
    noun = r"(?P<noun>[^\W\d_]+)"
    return _BearerPatterns(
        re.compile(rf"[;|\n]|[,.!?](?=\s)|\b(?:{parting})\b"),
        re.compile(
            r"(?:\s+[^\W\d_]+){0,2}?\s*(?:\((?P<label>[^()\d]{1,40})\)"
            rf"|(?<!\w)(?:{said_of})\s+(?P<phrase>[^\W\d_]+(?:[\s-][^\W\d_]+){{0,3}}))",
            re.IGNORECASE,
        ),
        re.compile(rf"\b(?:{single}|1)\s{noun}|\b(?P<once>{once})\b", re.IGNORECASE),
        re.compile(rf"(?<![\d.,])(?:[2-9]|[1-9]\d+)\s{noun}|\b(?P<twice>{several})\b", re.IGNORECASE),
    )


@lru_cache(maxsize=4096)
def said(text: str, language: str) -> tuple[Said, ...]:
    """The quantities of a text in order, each with what it is said of."""
    found = []
    for part in _parts(text, language):
        for quantity, before, behind in placed(part, language):
            match = _patterns(language).behind.match(behind)
            attribute = (match["label"] or match["phrase"]) if match else ""
            around = _content(f"{before} {behind}", language)
            found.append(Said(quantity, _content(before, language), _content(attribute, language), around))
    return tuple(found)


def exchanged(claim: tuple[Said, ...], passage: tuple[Said, ...]) -> tuple[str, str] | None:
    """A quantity of a claim that the passage says of something else, and the one that it says of this; None if there is
    none, or so many that neither is a sentence."""
    if len(claim) * len(passage) > _MOST_PAIRS:
        return None
    for one in claim:
        own = [other for other in passage if other.quantity == one.quantity]
        rivals = [
            other
            for other in passage
            if other.quantity != one.quantity and unit_of(other.quantity) == unit_of(one.quantity)
        ]
        for rival in rivals:
            if own and all(_fits_better(one.around, rival, other) for other in own):
                return one.quantity, rival.quantity
    return None


def _fits_better(around: frozenset[str], rival: Said, own: Said) -> bool:
    """Whether what a claim says around a number is what only the rival is said of."""
    pairs = ((rival.before, own.before), (rival.behind, own.behind), (rival.around, own.around))
    return any(its - mine and mine and _share(around, its - mine) > _share(around, mine - its) for its, mine in pairs)


def _share(some: frozenset[str], of: frozenset[str]) -> float:
    return len(some & of) / len(of) if of else 1.0


def _content(text: str, language: str) -> frozenset[str]:
    grammar = vocabulary("stopwords", language)
    return frozenset(
        stems(" ".join(word for word in words(text) if word not in grammar and not word.isdigit()), language)
    )


def fewer(claim: str, passage: str, language: str) -> str:
    """What a claim says there is one of, where the passage says there are several; empty if nothing."""
    its = _patterns(language)
    if not (single := _counted(its.single, claim, language)):
        return ""
    several = _counted(its.several, in_figures(passage, language), language) - _counted(its.single, passage, language)
    return min(single & several, default="")


def _counted(pattern: re.Pattern[str], text: str, language: str) -> set[str]:
    return {"times" if not match["noun"] else stems(match["noun"], language)[0] for match in pattern.finditer(text)}


def misnamed(said_of: Iterable[tuple[str, frozenset[str]]], passage: str, language: str) -> str:
    """A quantity that the passage says of another name, while it says another one of this name; empty if none."""
    segments = _segments(passage, language)
    for quantity, name in said_of:
        its = [segment for segment in segments if is_said(quantity, segment.quantities)]
        of_name = [segment for segment in segments if name in segment.names]
        if not its or not of_name or any(segment in of_name or not segment.names for segment in its):
            continue
        rivals = {one for segment in of_name for one in segment.quantities if unit_of(one) == unit_of(quantity)}
        if rivals:
            return f"the passage says {', '.join(sorted(rivals))} of {' '.join(sorted(name))}, not {quantity}"
    return ""


def said_of_names(text: str, language: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The quantities of a text with the name that each is said of, where there is one."""
    segments = _segments(text, language)
    everywhere = {name for segment in segments for name in segment.names}
    for segment in segments:
        its = segment.names or everywhere
        if len(its) == 1:
            yield from ((quantity, next(iter(its))) for quantity in segment.quantities)


@lru_cache(maxsize=4096)
def _segments(text: str, language: str) -> tuple[_Segment, ...]:
    return tuple(
        _Segment(
            frozenset(quantities(part, language)),
            frozenset(frozenset(words(" ".join(name))) for name in names(part, language)),
        )
        for part in _parts(text, language)
    )


def _parts(text: str, language: str) -> Iterator[str]:
    """A text between the ends of its segments, without what is blank."""
    return (part for part in _patterns(language).segment_end.split(text) if part.strip())
