"""The questions that one question joins.

    "Within what time do I report it, and who pays?"   →  "Within what time do I report it", "who pays"

What is told before them ("A burglary of €12,000: …") is known to each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assistant.conversation.followups import stand_alone
from assistant.text.languages import LANGUAGES
from assistant.text.lexicon import grammar, vocabulary
from assistant.text.sentences import asks, sentence_spans
from assistant.text.words import answered_in, words

# Nobody asks more at once; a page that was pasted does.
_MOST = 3
# So many prepositions may lead to a question word: "up to what amount".
_LEADING = 2


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
