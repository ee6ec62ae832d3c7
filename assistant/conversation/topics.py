"""What a question is about, in its own words: what a pronoun in the next question stands for."""

from assistant.conversation.agreement import MARKER
from assistant.text.functionwords import (
    DETERMINERS,
    GRAMMAR,
    POINTERS,
    PREPOSITIONS,
    QUESTION_WORDS,
    SPEAKERS,
    VERBS,
)
from assistant.text.sentences import sentence_spans
from assistant.text.words import words

_LONGEST_TOPIC = 24
_SHORT_ANSWER = 8
_LATEST_QUESTION_WORD = 3
_ASKS_FOR_NAME = frozenset("which who whom whose wer wen wem welche welchem welchen welcher welches".split())
# With one of them the verb itself stands behind the subject: "does Home Premium | pay".
_AUXILIARIES = frozenset(
    """
    can could did do does may might must shall should will would
    darf dürfen kann können könnte muss müssen soll sollen sollte
    """.split()
)
_OPENING = (QUESTION_WORDS | VERBS | SPEAKERS | POINTERS) | frozenset(
    "much many long far often high old there please es viel viele hoch lange oft weit bitte auch".split()
)


def topic(question: str, said: str = "") -> str:
    """A question without the words that make it one; in front the answer to "which" and "who", if it is short.

    "How long is the probation period?" is about "the probation period".
    """
    flat = question.replace(" (", ", ").replace(")", "")
    parts = [_without_opening(flat[start:end]) for start, end in sentence_spans(flat)]
    about = " ".join(", ".join(part for part in parts if part).split()[-_LONGEST_TOPIC:])
    return ", ".join(part for part in (_named(question, said), about) if part)


def clause(question: str, said: str = "") -> str:
    """The same topic in parts, where it is a clause that cannot stand in the place of a pronoun; else empty.

    "What does Home Premium pay for hotel costs?" is about "Home Premium, hotel costs".
    """
    about = topic(question).split()
    folded = [_folded(part) for part in about]
    opening = {_folded(part) for part in question.split()[: len(question.split()) - len(about)]}
    is_object = bool(opening & SPEAKERS) and folded[:1] != [] and folded[0] in DETERMINERS  # "Can I bring | a dog"
    has_verb = (bool(opening & _AUXILIARIES) and not is_object) or bool(set(folded) & (_AUXILIARIES | SPEAKERS))
    if not about or not (has_verb or folded[0] in PREPOSITIONS):
        return ""
    parts: list[list[str]] = [[]]
    for part, word in zip(about, folded, strict=True):
        # "Costs" is a noun here: the question has its verb in front.
        if word in SPEAKERS or (word in VERBS - {"costs"} and part.islower()):
            parts.append([])
        elif parts[-1] or len(parts) == 1 or word not in PREPOSITIONS:
            parts[-1].append(part)
    return ", ".join(filter(None, [_named(question, said), *(" ".join(part).rstrip(",") for part in parts)]))


def _without_opening(sentence: str) -> str:
    parts = sentence.rstrip(" ?.!").split()
    # "Up to how much", "for which": the question word need not be the first.
    asked = [place for place, part in enumerate(parts[:_LATEST_QUESTION_WORD]) if _folded(part) in QUESTION_WORDS]
    first = asked[-1] + 1 if asked else 0
    while first < len(parts) and (
        _folded(parts[first]) in _OPENING or (first + 1 < len(parts) and _folded(parts[first + 1]) in SPEAKERS)
    ):
        first += 1
    return " ".join(parts[first:])


def _named(question: str, said: str) -> str:
    """The short answer to a question that asks for a name."""
    if not _ASKS_FOR_NAME & set(words(question)[:1]):
        return ""
    answer = MARKER.sub("", said).strip().rstrip(".!")
    is_name = len(answer.split()) <= _SHORT_ANSWER and "?" not in answer and not GRAMMAR.issuperset(words(answer))
    return answer if is_name else ""


def _folded(part: str) -> str:
    return part.casefold().strip(",")
