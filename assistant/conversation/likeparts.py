"""The part of a question that a fragment like "and for students?" is to stand for: like for like.

The last question is "What does the card cost for adults?", the fragment "for students": what has the same preposition
gives way. In the same manner a number gives way to a number with its unit, a name to a name, a noun with an article to
one with the same kind of article.
"""

import re
from collections.abc import Iterator, Sequence

from assistant.text.functionwords import (
    CONJUNCTIONS,
    DETERMINERS,
    PREPOSITIONS,
    QUESTION_WORDS,
    SAME_PREPOSITIONS,
    SPEAKERS,
    VERBS,
)
from assistant.text.lexicon import vocabulary

_NUMBER = re.compile(r"\d[\d.,]*")
_YEAR = re.compile(r"(?:19|20)\d\d")
_PARTICIPLE = re.compile(r"\w+ed|paid|given|taken|held|kept|lost|sent|stolen|known|allowed")
# Nouns that differ in their first part only: Nachtarbeit, Sonntagsarbeit.
_SHARED_ENDING = 5
# A topic that stands behind a question does so in brackets, part by part.
_ENDED = re.compile(r"(?<![,;:)])[,;:)]+$")
_PAYING = frozenset("pay pays paid zahlt zahlen bezahlt bezahlen".split())
_PEOPLE = frozenset(
    """
    adults apprentices babies children couples employees families fathers guests kids members men mothers parents
    pensioners people pupils seniors singles students teachers teenagers tourists trainees visitors women
    angestellte arbeitnehmer auszubildende eltern erwachsene familien frauen gäste jugendliche kinder lehrer männer
    mitarbeiter mitglieder mütter paare rentner schüler senioren studenten studierende touristen väter
    """.split()
)
_POSSESSIVE = re.compile(r"my|our|your|his|her|its|their|(?:mein|dein|sein|ihr|unser)(?:e[mnrs]?)?")
_GERMAN = frozenset(
    """
    als auch auf aus bei bin bis dass dem den der des die ein eine einem einen einer für ich im ist mein meine meinen
    mit muss nicht oder sich sind und vom von wann warum was welche welcher welches wenn wer wie wird wo zum zur zahlt
    """.split()
)
Span = tuple[int, int]


def with_like_part(question: str, fragment: str) -> str | None:
    """``question`` with ``fragment`` in the place of what is like it; None when nothing is."""
    words, given = question.rstrip(" ?.!").split(), fragment.split()
    span = _like_span(words, given)
    if span is None:
        return None
    instead = " ".join(_fitting(words[slice(*span)], given))
    opened = "(" if words[span[0]].startswith("(") else ""
    ended = _ENDED.search(words[span[1] - 1])
    replaced = f"{opened}{instead}{ended[0] if ended else ''}"
    return " ".join([*words[: span[0]], replaced, *words[span[1] :]]) + "?"


def is_german(words: Sequence[str]) -> bool:
    """Whether some of the words are function words of German."""
    return any(_folded(word) in _GERMAN for word in words)


def _like_span(words: Sequence[str], given: Sequence[str]) -> Span | None:
    preposition = _folded(given[0]) if _folded(given[0]) in PREPOSITIONS else ""
    core = _without_article(given[1:] if preposition else given)
    if not core or _folded(core[-1]) in {"one", "ones"}:
        return None
    span = (
        _like_number(words, core)
        or _like_ending(words, core)
        or _like_name(words, core, bool(preposition))
        or (_after_preposition(words, preposition, _is_name(core, words)) if preposition else _like_noun(words, given))
    )
    return span if span and _fits(words, span, core) else None


def _fits(words: Sequence[str], span: Span, core: Sequence[str]) -> bool:
    """Whether a part can give way: nothing but a number to a number; what is paid for not to people."""
    old = words[slice(*span)]
    if _NUMBER.match(core[0]) and not any(map(_NUMBER.match, old)):
        return False
    pays = not _PAYING.isdisjoint(map(_folded, words))
    return not (pays and _folded(core[-1]) in _PEOPLE and _folded(old[-1]) not in _PEOPLE)


def _fitting(old: Sequence[str], given: Sequence[str]) -> Sequence[str]:
    """What is given, with or without preposition and article as the part that it replaces has them."""
    preposition = _folded(given[0]) in PREPOSITIONS
    if preposition and _folded(old[0]) not in PREPOSITIONS:
        given = given[1:]
    if not preposition and _folded(old[0]) in PREPOSITIONS:
        given = [old[0], *given]
    return given


def _like_number(words: Sequence[str], core: Sequence[str]) -> Span | None:
    """A year for a year, a number for one with the same unit."""
    if not _NUMBER.match(core[0]):
        return None
    for place, word in enumerate(words):
        if _YEAR.fullmatch(core[0]) and _YEAR.fullmatch(_trimmed(word)):
            return place, place + 1
        followed = words[place + 1 : place + 2]
        if _NUMBER.match(word) and len(core) > 1 and [_folded(one) for one in followed] == [_folded(core[1])]:
            return place, place + 2
    return None


def _like_ending(words: Sequence[str], core: Sequence[str]) -> Span | None:
    """Words with the same head: "full-time employees", "part-time employees"."""
    head = _folded(core[-1])
    german = is_german(words)
    for start, end in _noun_runs(words):
        last = _folded(words[end - 1])
        compound = german and last != head and last[-_SHARED_ENDING:] == head[-_SHARED_ENDING:]
        if compound and len(head) > _SHARED_ENDING:
            return end - 1, end
        if last == head and len(core) > 1:
            return max(start, end - len(core)), end
    return None


def _like_name(words: Sequence[str], core: Sequence[str], has_preposition: bool) -> Span | None:
    """A name that shares a word with the one given, or of which the given one is the last part."""
    if not all(word[0].isupper() for word in core):
        return None
    names = list(_name_runs(words))
    given = {_folded(word) for word in core}
    for start, end in names:
        if len(core) > 1 and given & {_folded(word) for word in words[start:end]}:
            return start, end
    long_names = [(start, end) for start, end in names if end - start > 1]
    if is_german(words):
        names = []  # German writes every noun like a name
        long_names = long_names if has_preposition else []
    if len(core) == 1 and long_names:
        return long_names[-1][1] - 1, long_names[-1][1]
    return names[0] if len(names) == 1 and not has_preposition else None


def _after_preposition(words: Sequence[str], preposition: str, is_name: bool) -> Span | None:
    """What follows the same preposition, with it; of that only the name, if a name is to replace it."""
    same = {preposition}.union(*(kind for kind in SAME_PREPOSITIONS if preposition in kind))
    for place in range(len(words) - 1, -1, -1):
        if _folded(words[place]) in same:
            end = _run_end(words, place + 1, is_german(words))
            if end == place + 1:
                return None
            names = [name for name in _name_runs(words) if place < name[0] and name[1] <= end]
            return names[0] if is_name and len(names) == 1 else (place, end)
    return None


def _is_name(core: Sequence[str], words: Sequence[str]) -> bool:
    """Whether all of it has capital letters, in a language that has them for names only."""
    return all(word[0].isupper() for word in core) and not is_german(words)


def _like_noun(words: Sequence[str], given: Sequence[str]) -> Span | None:
    """A noun with an article for the last one with an article, one without for the first one without."""
    if _folded(given[0]) in DETERMINERS:
        # "How high is the deductible? And my cat?" does not ask how high a cat is.
        only_own = _is_possessive(given[0]) and _folded(words[0]) in QUESTION_WORDS
        for place in range(len(words) - 1, 0, -1):
            if _folded(words[place]) in DETERMINERS and (not only_own or _is_possessive(words[place])):
                return place, _run_end(words, place + 1, is_german(words))
        return None
    runs = [run for run in _noun_runs(words) if _folded(words[run[0] - 1]) not in DETERMINERS]
    named = set() if is_german(words) else set(_name_runs(words))
    return next((run for run in runs if run not in named), None)


def _is_possessive(word: str) -> bool:
    return bool(_POSSESSIVE.fullmatch(_folded(word)))


def _noun_runs(words: Sequence[str]) -> Iterator[Span]:
    """Spans of neighbouring words that name something, after the first word of the question."""
    german = is_german(words)
    place = 1
    while place < len(words):
        end = _run_end(words, place, german, with_articles=False)
        start = place
        if not german:
            # The verb of a question stands before its object: "Who approves invoices", "Can I take dogs".
            before = _folded(words[place - 1])
            is_subject = before in SPEAKERS or before in QUESTION_WORDS or words[place - 1][0].isupper()
            if end - start > 1 and is_subject and not _ENDED.search(words[place - 1]):
                start += before not in VERBS
        else:
            start = next((index for index in range(start, end) if words[index][0].isupper()), end)
        if start < end:
            yield start, end
        place = max(end, place + 1)


def _name_runs(words: Sequence[str]) -> Iterator[Span]:
    place = 1
    while place < len(words):
        end = place
        while (
            end < len(words)
            and _trimmed(words[end])[:1].isupper()
            and _folded(words[end]) not in vocabulary("stopwords")
        ):
            end += 1
            if _ENDED.search(words[end - 1]) or (words[end : end + 1] and words[end].startswith("(")):
                break
        if end > place:
            yield place, end
        place = max(end, place + 1)


def _run_end(words: Sequence[str], start: int, german: bool, with_articles: bool = True) -> int:
    """Where the noun that begins at ``start`` ends: before the next word of grammar, without a verb at its end."""
    first = start
    while with_articles and first < len(words) and _folded(words[first]) in DETERMINERS:
        first += 1
    end = first
    while end < len(words) and (not _is_grammar(words[end]) or _is_noun_costs(words, end)):
        if end > first and words[end].startswith("("):
            break
        end += 1
        if _ENDED.search(words[end - 1]):
            break
    while end > first and _is_verb_behind(words[end - 1], german, end - first > 1):
        end -= 1
    return end


def _is_noun_costs(words: Sequence[str], place: int) -> bool:
    """Whether "costs" is a noun: the verb of the question has come before it."""
    return _folded(words[place]) == "costs" and any(_folded(word) in VERBS for word in words[:place])


def _is_verb_behind(word: str, german: bool, has_more: bool) -> bool:
    if german:
        return word[0].islower()
    return has_more and bool(_PARTICIPLE.fullmatch(_folded(word)))


def _is_grammar(word: str) -> bool:
    folded = _folded(word)
    return folded in vocabulary("stopwords") or folded in PREPOSITIONS or folded in VERBS or folded in CONJUNCTIONS


def _without_article(words: Sequence[str]) -> Sequence[str]:
    return words[1:] if words and _folded(words[0]) in DETERMINERS else words


def _folded(word: str) -> str:
    return _trimmed(word).casefold()


def _trimmed(word: str) -> str:
    return word.strip(".,;:!?()\"'„“”")
