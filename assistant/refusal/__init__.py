"""How the assistant says that the documents hold no answer, and how it knows that this was said.

Whether the evidence can answer is judged before a model is asked (``assistant.refusal.answerability``).

A refusal begins with the words of the house, which models are trained on, and says which words of the question stand
in no passage.
"""

from collections.abc import Iterable, Sequence

from assistant.config import AnswerSettings
from assistant.text.languages import LANGUAGES, data
from assistant.text.words import answered_in, text_in
from assistant.types import HEADING_SEPARATOR, Evidence, Sentence

_MOST_WORDS = 4  # what is said of them stays one line


def refusal_text(question: str, settings: AnswerSettings, missing: Sequence[str] = ()) -> str:
    """The refusal of the house in the language of the question.

    ``missing`` are the words of the question that no passage holds: they help to ask better.
    """
    refusal = text_in(settings.refusal, answered_in(question, settings.refusal))
    return " ".join([refusal, *looked_for(question, settings, missing)])


def looked_for(question: str, settings: AnswerSettings, missing: Sequence[str]) -> tuple[str, ...]:
    """That no passage mentions some words of a question, in the language of a refusal; nothing where there are none."""
    language = answered_in(question, settings.refusal)
    helped = language if language in LANGUAGES and language in settings.refusal else next(iter(settings.refusal))
    if helped not in LANGUAGES or not missing:
        return ()
    words = data(helped, "answers")
    listed = ", ".join(words["quoted"].format(word) for word in missing[:_MOST_WORDS])
    return (words["looked_for"].format(words=listed),)


def elsewhere(question: str, settings: AnswerSettings, languages: Iterable[str]) -> tuple[str, ...]:
    """That documents are in these ``languages`` too, where a question finds little, in the language of a refusal."""
    own, others = answered_in(question, settings.refusal), list(languages)
    if own not in LANGUAGES or not others:
        return ()
    words = data(own, "answers")
    return (words["elsewhere"].format(languages=", ".join(words[f"in_{one}"] for one in others)),)


def closest_text(
    question: str, settings: AnswerSettings, closest: Sequence[Sentence], shown: Sequence[Evidence]
) -> str:
    """The sentences that come closest to a question: a line each, behind the place that it stands in."""
    language = answered_in(question, settings.closest)
    opening = text_in(settings.closest, language)
    words = data(language if language in LANGUAGES else LANGUAGES[0], "answers")
    hits, lines = {hit.rank: hit for hit in shown}, [opening]
    for sentence in closest:
        for one in sentence.citations:  # "Motor terms · § 7 Deadlines (terms.pdf, p. 4)"
            hit = hits[one.hit].part(one.start, one.end)
            named, section = hit.title or hit.document, hit.heading.rsplit(HEADING_SEPARATOR, 1)[-1]
            under = f" · {section}" if section not in ("", named) else ""
            page = f", {words['page'].format(hit.page_range)}" if hit.pages else ""
            lines.append(f"- {named}{under} ({hit.document}{page}): {sentence.text}")
    return "\n".join(lines)


def open_part(question: str, settings: AnswerSettings, part: str, *, has_place: bool) -> str:
    """That a part of a question stays open, in its language; ``has_place``: the closest place follows."""
    language = answered_in(question, settings.closest)
    words = data(language if language in LANGUAGES else LANGUAGES[0], "answers")
    left: str = words["open"].format(part=words["quoted"].format(part.rstrip(" ?")))
    return f"{left} {text_in(settings.closest, language)}" if has_place else left


def declines(said: str, settings: AnswerSettings) -> bool:
    """Whether a text is no answer: it refuses in the words that models are trained to refuse in."""
    return said.startswith(_openings(settings))


def may_decline(begun: str, settings: AnswerSettings) -> bool:
    """Whether what a model has said so far is no answer, or may become none."""
    return declines(begun, settings) or any(opening.startswith(begun) for opening in _openings(settings))


def _openings(settings: AnswerSettings) -> tuple[str, ...]:
    return tuple(settings.refusal.values())
