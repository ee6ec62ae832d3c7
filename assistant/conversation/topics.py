"""What a question is about, in its own words: what a pronoun in the next question stands for."""

from assistant.conversation.agreement import MARKER
from assistant.conversation.functionwords import POINTERS, QUESTION_WORDS, SPEAKERS, VERBS
from assistant.language import words
from assistant.sentences import sentence_spans

_LONGEST_TOPIC = 24
_SHORT_ANSWER = 8
_LATEST_QUESTION_WORD = 3
_ASKS_FOR_NAME = frozenset("which who whom whose wer wen wem welche welchem welchen welcher welches".split())
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
    name = _name_in(said) if _ASKS_FOR_NAME & set(words(question)[:1]) else ""
    return ", ".join(part for part in (name, about) if part)


def _without_opening(sentence: str) -> str:
    parts = sentence.rstrip(" ?.!").split()
    # "Up to how much", "for which": the question word need not be the first.
    asked = [place for place, part in enumerate(parts[:_LATEST_QUESTION_WORD]) if _folded(part) in QUESTION_WORDS]
    parts = parts[asked[-1] + 1 :] if asked else parts
    while parts and (_folded(parts[0]) in _OPENING or (len(parts) > 1 and _folded(parts[1]) in SPEAKERS)):
        parts.pop(0)
    return " ".join(parts)


def _name_in(said: str) -> str:
    answer = MARKER.sub("", said).strip().rstrip(".!")
    return answer if len(answer.split()) <= _SHORT_ANSWER and "?" not in answer else ""


def _folded(part: str) -> str:
    return part.casefold().strip(",")
