"""How the assistant says that the documents hold no answer, and how it knows that a model said so."""

from assistant.config import AnswerSettings
from assistant.language import detect


def refusal_text(question: str, settings: AnswerSettings) -> str:
    """The refusal of the house, in the language of the question."""
    texts = settings.refusal
    return texts.get(detect(question, texts), next(iter(texts.values())))


def declines(said: str, settings: AnswerSettings) -> bool:
    """Whether the model itself refused, in the words that it was trained to refuse in."""
    return said.startswith(tuple(settings.refusal.values()))
