"""How the assistant says that the documents hold no answer, and how it knows that a model said so.

A refusal begins with the words of the house, which models are trained on. Then it helps: it says which words of the
question stand in no passage, or what an unclear question may mean.
"""

from collections.abc import Sequence

from assistant.config import AnswerSettings
from assistant.language import detect, text_in

_MOST_WORDS = 4
_LOOKED_FOR = {
    "en": "None of the passages found mentions {words}.",
    "de": "Keine der gefundenen Stellen nennt {words}.",
}
_ASKED_BACK = {
    "en": "The question can mean several things: {readings}. Which one do you mean?",
    "de": "Die Frage kann mehreres meinen: {readings}. Welches ist gemeint?",
}
_QUOTED = {"en": "“{}”", "de": "„{}“"}


def refusal_text(
    question: str, settings: AnswerSettings, missing: Sequence[str] = (), readings: Sequence[str] = ()
) -> str:
    """The refusal of the house in the language of the question, with what helps to ask better.

    ``missing`` are the words of the question that no passage holds; ``readings`` what it may mean.
    """
    texts = settings.refusal
    language = detect(question, texts)
    refusal = text_in(texts, language)
    helped = language if language in _QUOTED and language in texts else next(iter(texts))
    if helped not in _QUOTED:
        return refusal
    if readings:
        return f"{refusal} {_ASKED_BACK[helped].format(readings='; '.join(readings))}"
    if missing:
        words = ", ".join(_QUOTED[helped].format(word) for word in missing[:_MOST_WORDS])
        return f"{refusal} {_LOOKED_FOR[helped].format(words=words)}"
    return refusal


def declines(said: str, settings: AnswerSettings) -> bool:
    """Whether the model itself refused, in the words that it was trained to refuse in."""
    return said.startswith(tuple(settings.refusal.values()))


def may_decline(begun: str, settings: AnswerSettings) -> bool:
    """Whether what a model has said so far is a refusal, or may become one."""
    return declines(begun, settings) or any(refusal.startswith(begun) for refusal in settings.refusal.values())
