"""Rules that make a follow-up stand by itself, for English and German.

    "and for students?"   after  "What does the card cost for adults?"   →  "What does the card cost for students?"
    "can it be extended?" after  "How long is the probation period?"     →  "can the probation period be extended?"
    "yes"                 after  "… Shall I list the documents?"         →  "the documents (…)?"
    "why?"                after  "Is the roof insured?"                  →  "why (the roof insured)?"

A question that names a subject of its own is left alone. In other languages, of which the rules know no words, a
short question gets the one before it in front.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.conversation.agreement import agrees, is_courtesy, offered, without_courtesy
from assistant.conversation.choices import chosen, is_no_phrase
from assistant.conversation.likeparts import with_like_part
from assistant.conversation.topics import clause, topic
from assistant.text.functionwords import (
    CONDITIONS,
    CONJUNCTIONS,
    DETERMINERS,
    GRAMMAR,
    NO_SUBJECT,
    POINTERS,
    PREPOSITIONS,
    QUESTION_WORDS,
    SPEAKERS,
    VERBS,
)
from assistant.text.words import detect, words

# Longer ones name their subject, and a page that was pasted is no follow-up.
_LONGEST_FOLLOW_UP = 24
_LONGEST_FRAGMENT = 8
_LONGEST_CONDITION = 12
_LONGEST_FOREIGN_FOLLOW_UP = 6
_MOST_SUBJECTS = 2
_LEAST_GRAMMAR = 0.3
# A question that names no more may lean on the one before it in ways that no rule sees; docs/conversation.md.
_FEW_SUBJECTS = 3
_RULED_LANGUAGES = frozenset({"en", "de", ""})

_LEADING_ON = re.compile(r"(?:and|or|but|so|und|oder|aber)\b[\s,]*(?=\S)", re.IGNORECASE)
_LIKEWISE = re.compile(
    r"(?:what about|how about|(?:the )?same (?=for|with|in|at)"
    r"|was ist mit|wie (?:sieht|ist|steht) (?:es|das) (?:mit|bei|um)"
    r"|(?:does|gilt) (?:this|that|it|das|dies) (?:also |auch )(?:apply )?(?=for|to|für|bei|in))\s*",
    re.IGNORECASE,
)
_WHAT_IF = re.compile(r"what (?=if\b)|was (?=wenn\b)", re.IGNORECASE)
_EXPLAINS = re.compile(r"\b(?:mean|means|bedeutet|heißt|define|definition)\b", re.IGNORECASE)
# An "it" that stands for nothing: "how long does it take to renew a passport".
_EXPLETIVE = re.compile(
    r"\bit\b(?: \w+)? (?:takes?|costs?|possible|necessary|allowed|ok|okay|enough|true|required|better|worth|mandatory"
    r"|safe|legal|matters?)\b.* (?:to|that|if|when|for)\b"
    r"|\b(?:gibt|geht|handelt) es\b|\bes (?:gibt|geht)\b"
    r"|\bes \w*(?:möglich|nötig|erlaubt|notwendig|sinnvoll|wichtig|wahr|richtig|pflicht)\b.*,",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=\s)[A-ZÄÖÜ][\w-]* [A-ZÄÖÜ]\w")
# What stands for a thing and can be replaced by its name.
_PRONOUNS = frozenset("it they them he him er ihn ihm".split())
# The polite "Sie" and an "Es" in front are others.
_GERMAN_PRONOUNS = frozenset({"es", "sie"})
# At the end these ask whether something holds as well, whatever the question itself names: "My car is older. Same?"
_AS_WELL = frozenset("same too either genauso dasselbe auch".split())
_ANY = frozenset("a an any ein eine einem einen einer eines".split())
_ADDING = frozenset("also too else instead either neither auch noch stattdessen".split())


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A question as it stands by itself; ``rule`` says what made it so, and is empty when nothing had to be done.

    ``certain`` is False where the rules could do no more than put beside it what was said before. ``fallback`` is
    another wording, to be searched with less weight in case the rules are wrong: the question as it was asked; or the
    one before it with a question that names little and was left alone. ``is_reply`` is True where only a word was given
    to what was asked back: then nothing but ``standalone`` is a question.
    """

    standalone: str
    rule: str = ""
    certain: bool = True
    fallback: str = ""
    is_reply: bool = False


def stand_alone(question: str, before: str, said: str) -> Rewriting:
    """A question with what it leaves out.

    ``before`` is the question before it, standing by itself; ``said`` is what was answered to that. Both may be empty.
    """
    asked = " ".join(question.split())
    if not before or len(asked.split()) > _LONGEST_FOLLOW_UP:
        return Rewriting(question)
    if _is_foreign(before, asked):
        return _after_foreign(question, asked, before)
    if is_courtesy(asked):
        return _agreed(asked, before, said) if agrees(asked) else Rewriting(question)
    core = without_courtesy(asked)
    leading_on = _LEADING_ON.match(core)
    core = core[leading_on.end() :] if leading_on else core
    about = topic(before, said)
    found = (
        _under_condition(core, before, bool(leading_on))
        or _with_fragment(core, before, bool(leading_on))
        or _with_pronoun(core, about, clause(before, said))
        or _without_subject(core, about, bool(leading_on))
    )
    named = len(set(words(asked)) - NO_SUBJECT)
    if found:
        return replace(found, fallback=asked if named else "")
    return Rewriting(question, fallback=f"{before} {asked}" if named <= _FEW_SUBJECTS else "")


def replied(reply: str, before: str, readings: Sequence[str]) -> Rewriting | None:
    """The question that was asked back, with what was meant by it; None where the reply is a question of its own.

    ``before`` is that question, standing by itself, and ``readings`` is what it was said to mean.
    """
    asked = " ".join(reply.split())
    if meant := chosen(asked, readings):
        return Rewriting(f"{_unended(before)} ({meant})?", f"'{asked}' says what was meant", is_reply=True)
    core = without_courtesy(asked)
    if is_no_phrase(core) or is_courtesy(asked) or _LEADING_ON.match(core) or _LIKEWISE.match(core):
        return None
    standalone = f"{_unended(before)} ({_unended(core)})?"
    return Rewriting(standalone, "says more about the question before it", certain=False, is_reply=True)


def _is_foreign(before: str, asked: str) -> bool:
    """Whether a conversation has few English and German words of grammar, and is known to be in another language."""
    said = words(f"{before} {asked}")
    grammar = [word for word in said if word in NO_SUBJECT]
    return len(grammar) < _LEAST_GRAMMAR * len(said) and detect(f"{before} {asked}") not in _RULED_LANGUAGES


def _after_foreign(question: str, asked: str, before: str) -> Rewriting:
    if len(words(asked)) > _LONGEST_FOREIGN_FOLLOW_UP:
        return Rewriting(question)
    return Rewriting(f"{before} {asked}", "with the question before it", certain=False)


def _agreed(asked: str, before: str, said: str) -> Rewriting:
    """What the answer offered last; the question before it once more, when nothing was offered."""
    offer = offered(said)
    if not offer:
        return Rewriting(before, f"'{asked}' goes on with the question before it", certain=False)
    return Rewriting(f"{offer} ({topic(before)})?", f"'{asked}' takes up what was offered")


def _under_condition(core: str, before: str, leads_on: bool) -> Rewriting | None:
    """The question before it, with "if I have two?" behind it."""
    what_if = _WHAT_IF.match(core)
    condition = (core[what_if.end() :] if what_if else core).rstrip(" ?.!")
    given = words(condition)
    if given[:1] == [] or given[0] not in CONDITIONS or len(given) > _LONGEST_CONDITION or "," in condition:
        return None
    if not (what_if or leads_on) and set(given[1:2]) & VERBS:
        return None  # "When was it founded?"
    return Rewriting(f"{_unended(before)}, {condition}?", "the question before it, under another condition")


def _with_fragment(core: str, before: str, leads_on: bool) -> Rewriting | None:
    """A question without a verb: the one before it, with this in the place of what is like it."""
    likewise = _LIKEWISE.match(core)
    fragment = core[likewise.end() :].rstrip(" ?.!").removesuffix(" aus") if likewise else core.rstrip(" ?.!")
    given = words(fragment)
    # Behind another word "costs" is a noun: "for taxi costs".
    verbs = set(given[:1]) & VERBS or set(given[1:]) & (VERBS - {"costs"})
    if not given or len(given) > _LONGEST_FRAGMENT or verbs or set(given) & (QUESTION_WORDS | _PRONOUNS | POINTERS):
        return None
    is_phrase = given[0] in PREPOSITIONS
    if not (likewise or leads_on or is_phrase):
        return None
    if replaced := with_like_part(before, fragment):
        return Rewriting(replaced, f"the question before it, with '{fragment}' instead")
    added = f" {fragment}" if is_phrase or given[0] in _ADDING else f" ({fragment})"
    return Rewriting(f"{_unended(before)}{added}?", f"the question before it, with '{fragment}' added", certain=False)


def _with_pronoun(core: str, about: str, clause_about: str) -> Rewriting | None:
    """A pronoun becomes what was talked about, unless the question itself says what it stands for.

    A clause does not fit into its place, and stands behind the question: ``clause_about``, empty where it is none.
    """
    if not about or _EXPLETIVE.search(core):
        return None
    parts = _unended(core).split()
    for place, part in enumerate(parts):
        word = part.casefold().strip(",;:") if not part.isupper() else ""  # the IT department
        is_last = place == len(parts) - 1
        if is_last and word in _AS_WELL:
            return _beside(core, about, f"'{part}' compares with what was said before")
        if _names_something(parts[:place]):
            return None
        if word in _PRONOUNS or (place and part in _GERMAN_PRONOUNS) or (is_last and _ends_with_thing(parts)):
            if clause_about:
                return _beside(core, clause_about, f"'{part}' stands for what was said before")
            replaced = " ".join([*parts[:place], about, *parts[place + 1 :]])
            return Rewriting(f"{replaced}?", f"'{part}' stands for '{about}'")
        is_pointer = is_last or word not in {"that", "there", "das"} or _is_thing_before_phrase(parts, place)
        if word in POINTERS and is_pointer:
            return _beside(core, clause_about or about, f"'{part}' points to what was said before")
    return None


def _ends_with_thing(parts: Sequence[str]) -> bool:
    """Whether a question ends in "is that", "for this", "kostet das": there it stands for a thing, not for a deed."""
    *_, verb, last = ["", *(part.casefold() for part in parts)]
    return last in {"this", "that", "these", "those", "das", "dies"} and verb in (VERBS | PREPOSITIONS) - {"do", "does"}


def _is_thing_before_phrase(parts: Sequence[str], place: int) -> bool:
    """Whether a word stands as in "how much is that for 10 days", "was macht das bei zwei Kindern"."""
    around = [part.casefold() for part in parts[max(place - 1, 0) : place + 2]]
    return len(around) == 3 and around[0] in VERBS and around[2] in PREPOSITIONS


def _names_something(parts: Sequence[str]) -> bool:
    """Whether these words hold a whole clause that names what a pronoun behind it can stand for."""
    borders = [place for place, part in enumerate(parts) if part[-1] in ",;:.!?" or part.casefold() in CONJUNCTIONS]
    return bool(borders) and bool(set(words(" ".join(parts[: borders[-1] + 1]))) - NO_SUBJECT)


def _without_subject(core: str, about: str, leads_on: bool) -> Rewriting | None:
    """A question that does not name what it asks about, as "is there a fee?": the one before it does."""
    asked = words(core)
    subjects = [word for word in asked if word not in NO_SUBJECT and word not in _ADDING]
    has_verb = bool(VERBS & set(asked))
    if not about or len(subjects) > _MOST_SUBJECTS or _EXPLAINS.search(core) or (has_verb and _NAME.search(core)):
        return None
    leans = leads_on or bool(_ADDING & set(asked)) or (not has_verb and bool(QUESTION_WORDS & set(asked)))
    if subjects and not (leans or _is_deed(asked) or (len(subjects) == 1 and _is_of_something(asked))):
        return None
    return _beside(core, about, "does not name what it asks about")


def _beside(core: str, about: str, rule: str) -> Rewriting:
    return Rewriting(f"{_unended(core)} ({about})?", rule, certain=False)


def _is_deed(asked: Sequence[str]) -> bool:
    """Whether it ends in what somebody does to a thing that is not named: "Can I extend?"."""
    return len(asked) > 1 and asked[-2] in SPEAKERS and asked[-1] not in GRAMMAR


def _is_of_something(asked: Sequence[str]) -> bool:
    """Whether its noun is one of something else: "what is the limit", "is there a fee"."""
    noun = next(place for place, word in enumerate(asked) if word not in NO_SUBJECT)
    before = asked[:noun]
    return bool({"there", "gibt"} & set(before)) or (noun > 0 and before[-1] in DETERMINERS - _ANY)


def _unended(question: str) -> str:
    return question.rstrip(" ?.!")
