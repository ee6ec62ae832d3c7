"""Questions made to stand by themselves: follow-ups, by rules or by a model, and those that one question joins.

    "can it be extended?" after  "How long is the probation period?"     →  "can it be extended (the probation period)?"
    "and for students?"   after  "What does the card cost for adults?"   →  "for students (the card cost for adults)?"
    "yes"                 after  "… Shall I list the documents?"         →  "the documents (…)?"
    "why?"                after  "Is the roof insured?"                  →  "why (the roof insured)?"

The rules are for the languages that have a folder of words. A question that names a subject of its own is left alone.
In other languages, of which the rules know no words, a short question gets the one before it in front.

    "Within what time do I report it, and who pays?"   →  "Within what time do I report it", "who pays"

What is told before questions that are joined ("A burglary of €12,000: …") is known to each.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, takewhile

from assistant.conversation.smalltalk import agrees, is_courtesy, offered, small_talk, without_courtesy
from assistant.engines import Engine
from assistant.text.languages import LANGUAGES, data
from assistant.text.lexicon import forms, grammar, no_subject, vocabulary
from assistant.text.sentences import asks, sentence_spans
from assistant.text.words import answered_in, content_stems, detect, words
from assistant.types import Message, well_formed
from assistant.untrusted.injection import harmless

# In words. Longer ones name their subject, and a page that was pasted is no follow-up. Set while the rules were made on
# 67 follow-ups (docs/log.md), not measured one by one.
_LONGEST_FOLLOW_UP = 24
_LONGEST_FRAGMENT = 8
_LONGEST_CONDITION = 12
_LONGEST_FOREIGN_FOLLOW_UP = 6
_LONGEST_TOPIC = 24  # it grows along a chain of follow-ups; what the chain began with stands last, and is kept
_LATEST_QUESTION_WORD = 3  # "up to how much"
_MOST_SUBJECTS = 2  # a question with more says what it is about
# Of the words of two questions in a row: .34 and more in 250 of 251 English and German ones (sample), .26 at most in 29
# French ones.
_LEAST_GRAMMAR = 0.3
# A question that names no more may lean on the one before it in ways that no rule sees; docs/conversation.md.
_FEW_SUBJECTS = 3
_NAME = re.compile(r"(?<=\s)[A-ZÄÖÜ][\w-]* [A-ZÄÖÜ]\w")
# A chain of follow-ups longer than this has lost its beginning for people too.
_LOOKED_BACK = 24
# People ask at the end of what they paste, and offer at the end of what they say.
_LAST_CHARACTERS = 600
_REWRITE = (
    "You get a conversation and its last question. Write the last question again so that it can be understood without"
    " the conversation, in its language. Write only the question."
)
# The last two turns: some 800 tokens, read in 2 s with 1.5 billion parameters (docs/engines.md).
_REWRITE_MESSAGES = 4
_REWRITE_CHARACTERS = 600
_REWRITE_TOKENS = 64  # a question has fewer
_TRANSLATE = (
    "Translate the question of the user into {language}. Keep names of products, numbers and amounts as they are. Reply"
    " with the translation alone."
)
# A small model answers the question, or makes one up, as soon as it says more words that nobody said.
_LEAST_KNOWN = 0.6
# Nobody asks more at once; a page that was pasted does.
_MOST = 3
# So many prepositions may lead to a question word: "up to what amount".
_LEADING = 2


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A question as it stands by itself; ``rule`` says what made it so, and is empty when nothing had to be done.

    ``certain`` is False where the rules could do no more than put beside it what was said before. ``fallback`` is
    another wording, to be searched with less weight in case the rules are wrong: the question as it was asked; or the
    one before it with a question that names little and was left alone.
    """

    standalone: str
    rule: str = ""
    certain: bool = True
    fallback: str = ""
    before: str = ""
    """The question before a follow-up, as it stands by itself."""
    said: str = ""
    """What was answered to that."""


def stand_alone(question: str, before: str, said: str) -> Rewriting:
    """A question with what it leaves out.

    ``before`` is the question before it, standing by itself; ``said`` is what was answered to that. Both may be empty.
    """
    asked = " ".join(question.split())
    if not before or len(asked.split()) > _LONGEST_FOLLOW_UP:
        return Rewriting(question)
    language = answered_in(f"{before} {asked}", LANGUAGES)
    if _is_foreign(before, asked, language):
        if len(words(asked)) > _LONGEST_FOREIGN_FOLLOW_UP:
            return Rewriting(question)
        return Rewriting(f"{before} {asked}", "with the question before it", certain=False)
    about = topic(before, language)
    if is_courtesy(asked):
        return _agreed(asked, before, about, said) if agrees(asked) else Rewriting(question)
    core = without_courtesy(asked)
    leading_on = _patterns(language).leading_on.match(core)
    core = core[leading_on.end() :] if leading_on else core
    found = (
        _under_condition(core, before, language, bool(leading_on))
        or _with_fragment(core, about or before, language, bool(leading_on))
        or _with_pronoun(core, about, language)
        or _without_subject(core, about, language, bool(leading_on))
    )
    named = len(set(words(asked)) - no_subject(language))
    if found:
        return replace(found, fallback=asked if named else "")
    return Rewriting(question, fallback=f"{before} {asked}" if named <= _FEW_SUBJECTS else "")


def topic(question: str, language: str = "") -> str:
    """What a question is about, in its own words: "the probation period" of "How long is the probation period?"."""
    flat = question.replace(" (", ", ").replace(")", "")
    parts = [_without_opening(flat[start:end], language) for start, end in sentence_spans(flat)]
    return " ".join(", ".join(part for part in parts if part).split()[-_LONGEST_TOPIC:])


def _without_opening(sentence: str, language: str) -> str:
    opening = frozenset[str]().union(
        *(vocabulary(kind, language) for kind in ("question_words", "verbs", "pronouns", "demonstratives", "degrees"))
    )
    parts = sentence.rstrip(" ?.!").split()
    folded = [part.casefold().strip(",") for part in parts]
    # "Up to how much", "for which": the question word need not be the first.
    asking = vocabulary("question_words", language)
    first = max((place + 1 for place, word in enumerate(folded[:_LATEST_QUESTION_WORD]) if word in asking), default=0)
    pronouns = vocabulary("pronouns", language)
    while first < len(parts) and (folded[first] in opening or not pronouns.isdisjoint(folded[first + 1 : first + 2])):
        first += 1
    return " ".join(parts[first:])


@dataclass(frozen=True, slots=True)
class _FollowUpPatterns:
    leading_on: re.Pattern[str]
    likewise: re.Pattern[str]
    what_if: re.Pattern[str]
    explaining: re.Pattern[str]
    expletives: re.Pattern[str]


@cache
def _patterns(language: str) -> _FollowUpPatterns:
    kinds = ("leading_on", "likewise", "what_if", "explaining", "expletives")
    leading_on, likewise, what_if, explaining, expletives = (forms(kind, language) for kind in kinds)
    its = (
        rf"(?:{leading_on})\b[\s,]*(?=\S)",
        rf"(?:{likewise})\s*",
        what_if,
        rf"\b(?:{explaining})\b",
        expletives,
    )
    return _FollowUpPatterns(*(re.compile(one, re.IGNORECASE) for one in its))


def _is_foreign(before: str, asked: str, language: str) -> bool:
    """Whether a conversation has few words of grammar that the rules know, and is known to be in another language."""
    said = words(f"{before} {asked}")
    known = no_subject(language)
    return sum(word in known for word in said) < _LEAST_GRAMMAR * len(said) and detect(f"{before} {asked}") not in (
        "",
        *LANGUAGES,
    )


def _agreed(asked: str, before: str, about: str, said: str) -> Rewriting:
    """What the answer offered last; the question before it once more, when nothing was offered."""
    offer = offered(said)
    if not offer:
        return Rewriting(before, f"'{asked}' goes on with the question before it", certain=False)
    return Rewriting(f"{offer} ({about})?", f"'{asked}' takes up what was offered")


def _under_condition(core: str, before: str, language: str, leads_on: bool) -> Rewriting | None:
    """The question before it, with "if I have two?" behind it."""
    what_if = _patterns(language).what_if.match(core)
    condition = (core[what_if.end() :] if what_if else core).rstrip(" ?.!")
    given = words(condition)
    is_condition = given[:1] != [] and given[0] in vocabulary("conditions", language)
    if not is_condition or len(given) > _LONGEST_CONDITION or "," in condition:
        return None
    if not (what_if or leads_on) and set(given[1:2]) & vocabulary("verbs", language):
        return None  # "When was it founded?"
    return Rewriting(f"{_unended(before)}, {condition}?", "the question before it, under another condition")


def _with_fragment(core: str, about: str, language: str, leads_on: bool) -> Rewriting | None:
    """A question without a verb: the one before it, asked of something else."""
    likewise = _patterns(language).likewise.match(core)
    fragment = core[likewise.end() if likewise else 0 :].rstrip(" ?.!")
    for left in vocabulary("left_of_likewise", language) if likewise else ():
        fragment = fragment.removesuffix(f" {left}")
    given = words(fragment)
    verbs = vocabulary("verbs", language)
    others = verbs - vocabulary("verbs_or_nouns", language)
    asking = frozenset[str]().union(
        *(vocabulary(kind, language) for kind in ("question_words", "anaphora", "demonstratives"))
    )
    has_verb = set(given[:1]) & verbs or set(given[1:]) & others
    if not given or len(given) > _LONGEST_FRAGMENT or has_verb or set(given) & asking:
        return None
    is_phrase = given[0] in vocabulary("prepositions", language)
    if not (likewise or leads_on or is_phrase):
        return None
    return _beside(fragment, about, f"asks the question before it for '{fragment}'")


def _with_pronoun(core: str, about: str, language: str) -> Rewriting | None:
    """What a pronoun stands for, behind the question, unless the question itself says what that is."""
    if not about or _patterns(language).expletives.search(core):
        return None
    parts = _unended(core).split()
    for place, part in enumerate(parts):
        word = part.casefold().strip(",;:") if not part.isupper() else ""  # the IT department
        is_last = place == len(parts) - 1
        if is_last and word in vocabulary("as_well", language):
            return _beside(core, about, f"'{part}' compares with what was said before")
        if _names_something(parts[:place], language):
            return None
        stands = word in vocabulary("anaphora", language) or (place and part in vocabulary("inner_anaphora", language))
        is_sure = is_last or word not in vocabulary("doubtful_demonstratives", language)
        points = word in vocabulary("demonstratives", language)
        if stands or (points and (is_sure or _is_before_phrase(parts, place, language))):
            return _beside(core, about, f"'{part}' points to what was said before")
    return None


def _is_before_phrase(parts: Sequence[str], place: int, language: str) -> bool:
    """Whether a word stands as in "how much is that for 10 days", "was macht das bei zwei Kindern" or "that period"."""
    if set(words(" ".join(parts[place + 1 : place + 2]))) & vocabulary("relations", language):
        return True
    around = [part.casefold() for part in parts[max(place - 1, 0) : place + 2]]
    verbs, prepositions = vocabulary("verbs", language), vocabulary("prepositions", language)
    return len(around) == 3 and around[0] in verbs and around[2] in prepositions


def _names_something(parts: Sequence[str], language: str) -> bool:
    """Whether these words hold a whole clause that names what a pronoun behind it can stand for."""
    joining = vocabulary("conditions", language) | vocabulary("conjunctions", language)
    borders = [place for place, part in enumerate(parts) if part[-1] in ",;:.!?" or part.casefold() in joining]
    return bool(borders) and bool(set(words(" ".join(parts[: borders[-1] + 1]))) - no_subject(language))


def _without_subject(core: str, about: str, language: str, leads_on: bool) -> Rewriting | None:
    """A question that does not name what it asks about, as "is there a fee?": the one before it does."""
    asked = words(core)
    adding = vocabulary("adding", language)
    subjects = [word for word in asked if word not in no_subject(language) and word not in adding]
    has_verb = not vocabulary("verbs", language).isdisjoint(asked)
    explains = _patterns(language).explaining.search(core)
    if not about or len(subjects) > _MOST_SUBJECTS or explains or (has_verb and _NAME.search(core)):
        return None
    is_bare = not has_verb and (len(asked) == 1 or not vocabulary("question_words", language).isdisjoint(asked))
    # It ends in what somebody does to a thing that is not named: "Can I extend?".
    is_deed = len(asked) > 1 and asked[-2] in vocabulary("pronouns", language) and asked[-1] not in grammar(language)
    leans = leads_on or not adding.isdisjoint(asked) or is_bare or is_deed
    if subjects and not (leans or (len(subjects) == 1 and _is_of_something(asked, language))):
        return None
    return _beside(core, about, "does not name what it asks about")


def _beside(core: str, about: str, rule: str) -> Rewriting:
    return Rewriting(f"{_unended(core)} ({about})?", rule, certain=False)


def _is_of_something(asked: Sequence[str], language: str) -> bool:
    """Whether its noun is one of something else: "what is the limit", "is there a fee"."""
    noun = next(place for place, word in enumerate(asked) if word not in no_subject(language))
    before = asked[:noun]
    definite = vocabulary("determiners", language) - vocabulary("indefinite", language)
    return not vocabulary("existential", language).isdisjoint(before) or (noun > 0 and before[-1] in definite)


def _unended(question: str) -> str:
    return question.rstrip(" ?.!")


def latest(history: Sequence[Message], most: int) -> list[Message]:
    """The latest messages of a conversation that have at most ``most`` characters together."""
    sizes = accumulate(len(message.content) for message in reversed(history))
    kept = sum(1 for _ in takewhile(lambda size: size <= most, sizes))
    return list(history[len(history) - kept :])


def rewritten(question: str, history: Sequence[Message]) -> Rewriting:
    """A follow-up with what it leaves out, taken from the turns before it, each of which may be a follow-up itself."""
    before, said = "", ""
    for message in history[-_LOOKED_BACK:]:
        if message.role == "assistant":
            said = message.content
        elif message.role == "user":
            turn = stand_alone(message.content, before, said[-_LAST_CHARACTERS:])
            if turn.rule or not (is_courtesy(message.content) or small_talk(message.content)):
                before, said = turn.standalone[-_LAST_CHARACTERS:], ""
    return replace(stand_alone(question, before, said[-_LAST_CHARACTERS:]), before=before, said=said)


def rewritten_by_model(question: str, history: Sequence[Message], engine: Engine) -> Rewriting | None:
    """The same from a model; None when what it says has too little to do with what was said.

    Raises what ``Engine.complete`` raises.
    """
    turns = [*history[-_REWRITE_MESSAGES:], Message("user", question)]
    said = [f"{turn.role.capitalize()}: {turn.content[:_REWRITE_CHARACTERS]}" for turn in turns]
    asked = harmless("\n".join([*said, "", f"Last question: {question}"]), engine.control_tokens)
    line = _line(engine, _REWRITE, asked)
    stems = set(content_stems(line, "en"))
    past = set(content_stems(" ".join(turn.content for turn in history[-_REWRITE_MESSAGES:]), "en"))
    known = stems & (past | set(content_stems(question, "en")))
    if not stems & past or len(known) < _LEAST_KNOWN * len(stems):
        return None
    return Rewriting(line, "written anew by the model")


def translated(question: str, language: str, engine: Engine) -> str:
    """A question in another of our languages, as a model puts it; empty when what it says is not in that language.

    Raises what ``Engine.complete`` raises.
    """
    order = _TRANSLATE.format(language=data("en", "answers")[f"in_{language}"])
    line = _line(engine, order, harmless(question, engine.control_tokens))
    return line if detect(line, LANGUAGES) == language else ""


def _line(engine: Engine, order: str, asked: str) -> str:
    """The first line that a model says to a text."""
    (reply,) = engine.complete([[Message("system", order), Message("user", asked)]], _REWRITE_TOKENS)
    return next((line.strip() for line in well_formed(reply).splitlines() if line.strip()), "")


@dataclass(frozen=True, slots=True)
class JoinedQuestion:
    """One of the questions that are joined: in its own words, and as it stands by itself."""

    asked: str
    standalone: str


def joined_questions(question: str) -> tuple[JoinedQuestion, ...]:
    """The two or three questions that a question joins, in order; none where it is one."""
    language = answered_in(question, LANGUAGES)
    sentences = [" ".join(question[start:end].split()) for start, end in sentence_spans(question)]
    told = " ".join(one.rstrip(".") for one in sentences if not asks(one))
    asked = [part for one in sentences if asks(one) for part in _parted(one, language)]
    if not 1 < len(asked) <= _MOST:
        return ()
    before, colon, first = asked[0].partition(": ")
    if colon and not _asks(before, language):
        told, asked[0] = f"{told} {before}".strip(), first
    alone = [f"{one} ({told})?" if told else f"{one}?" for one in asked]
    if not told:
        alone[1:] = [stand_alone(one, alone[0], "").standalone for one in alone[1:]]
    return tuple(map(JoinedQuestion, asked, alone))


def _parted(sentence: str, language: str) -> Iterator[str]:
    """The parts of a question before each "and" behind which another one begins."""
    its = sentence.rstrip(" ?").split()
    joining = vocabulary("asking_besides", language)
    begin = 0
    for place, word in enumerate(its):
        if word.casefold() in joining and _begins(its[place + 1 : place + 2 + _LEADING], language):
            part = " ".join(its[begin:place])
            if _asks(part, language):
                yield part.rstrip(" ,;")
                begin = place + 1
    yield " ".join(its[begin:])


def _asks(part: str, language: str) -> bool:
    """Whether a part is a question about something by itself."""
    its = words(part)
    opens = bool(its) and its[0] in vocabulary("verbs", language)
    is_question = opens or not vocabulary("question_words", language).isdisjoint(its)
    return is_question and not grammar(language).issuperset(its)


def _begins(some: Sequence[str], language: str) -> bool:
    """Whether words open a question: with a question word, or with a verb before who or what it is about."""
    first, *others = [word.casefold().strip(",;:") for word in some[: _LEADING + 1]] or [""]
    leading = vocabulary("prepositions", language)
    for word in (first, *others):
        if word in vocabulary("question_words", language):
            return True
        if word not in leading:
            break
    kinds = ("pronouns", "anaphora", "determiners", "existential", "degrees")
    return first in vocabulary("verbs", language) and any(
        word in vocabulary(kind, language) for word in others[:1] for kind in kinds
    )
