"""The language of a text: what the file declares, where the text does not plainly say otherwise."""

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

MIN_LETTERS = 40
"""Shorter texts are not guessed: a product name or a table of numbers has no language."""
SURE = 0.9
CONTRADICTION_LETTERS = 400
_SAMPLE_CHARACTERS = 4_000
_DECLARED = re.compile(r"^([a-z]{2})(?:$|[-_])", re.IGNORECASE)
_NOT_WORDS = re.compile(r"https?://\S+|(?<!\S)\S+@\S+|[\d_|]+")


def language_of(text: str, declared: str = "") -> str:
    """ISO 639-1 code, or nothing when the text is short or mixed and nothing is declared.

    A declared code is believed unless a longer text is surely in another language: page templates
    often say ``lang="en"`` over German text.
    """
    match = _DECLARED.match(declared.strip())
    code = match.group(1).lower() if match else ""
    if len(text) > 2 * _SAMPLE_CHARACTERS:  # a title page alone may be in another language than the text
        middle = len(text) // 2
        text = f"{text[:_SAMPLE_CHARACTERS]} {text[middle : middle + _SAMPLE_CHARACTERS]}"
    sample = _NOT_WORDS.sub(" ", text)
    letters = sum(map(str.isalpha, sample))
    if letters < MIN_LETTERS or (code and letters < CONTRADICTION_LETTERS):
        return code
    guessed, probability = _identifier().classify(sample)
    return str(guessed) if probability >= SURE else code


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
