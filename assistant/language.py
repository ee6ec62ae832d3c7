"""Languages of texts, and texts as terms for full-text search.

A term is a word folded to lower case without accents that merely decorate, cut to its stem in the language
of its text (Snowball stemmers). Index and questions go through the same function.
"""

import functools
import re
import unicodedata
from collections.abc import Iterable

import Stemmer

from assistant.stopwords import STOPWORDS

_WORD = re.compile(r"[^\W_]+")
_THOUSANDS = re.compile(r"(?<=\d)[.,\u00a0\u202f'’](?=\d{3}(?!\d))")
_STEMMERS = {
    "ar": "arabic", "da": "danish", "de": "german", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
DEFAULT_LANGUAGE = "en"
_SURE = 0.8
_SAMPLE_CHARACTERS = 8_000


@functools.cache
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(_STEMMERS.get(language, _STEMMERS[DEFAULT_LANGUAGE]))


def words(text: str) -> list[str]:
    """The words of ``text`` in order, folded but not stemmed; ``1,234`` and ``1.234`` are the word ``1234``."""
    return _WORD.findall(_THOUSANDS.sub("", unicodedata.normalize("NFKC", text).casefold()))


def terms(text: str, language: str) -> list[str]:
    """The stems of ``text`` in order, as the full-text index holds them."""
    return list(_stemmer(language).stemWords(words(text)))


def query_terms(text: str, languages: Iterable[str]) -> list[str]:
    """The distinct stems of a question in every language of a corpus, in order of first use.

    Words that only make it a question are left out, unless nothing else is there: in documents they are rare
    enough to look like what the question is about.
    """
    asked = words(text)
    content = [word for word in asked if word not in STOPWORDS] or asked
    return list(dict.fromkeys(term for language in languages for term in _stemmer(language).stemWords(content)))


def detect(text: str, among: Iterable[str] = ()) -> str:
    """ISO 639-1 code of the language of ``text``; empty when it is too short or too mixed to tell.

    ``among`` restricts the answer; questions are short, and a corpus speaks few languages.
    """
    candidates = tuple(sorted(set(among)))
    if len(candidates) == 1:
        return candidates[0]
    sample = text[:_SAMPLE_CHARACTERS]
    if sum(character.isalpha() for character in sample) < 3:
        return ""
    language, probability = _identifier(candidates).classify(sample)
    return str(language) if probability >= _SURE else ""


@functools.cache
def _identifier(languages: tuple[str, ...]):  # type: ignore[no-untyped-def]  # noqa: ANN202 - py3langid has no types
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if languages:
        identifier.set_languages(list(languages))
    return identifier
