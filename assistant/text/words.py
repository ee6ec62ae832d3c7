"""Languages of texts, and texts as terms for full-text search.

A term is a word folded to lower case and cut to its stem in the language of its text (Snowball stemmers). Languages
that write compounds as one word get the 4-grams of their words as terms too, since "frist" has to find
"kündigungsfrist"; for German that does better than decompounding (McNamee and Mayfield 2004; docs/retrieval.md).
Index and questions go through the same functions.
"""

import copy
import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import Stemmer

from assistant.text.languages import LANGUAGES
from assistant.text.lexicon import read_with, vocabulary

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

WORD = re.compile(r"[^\W_]+")
"""A run of letters and digits."""
THOUSANDS = re.compile(r"(?<=\d)[.,\u00a0\u202f'’](?=\d{3}(?!\d))")
"""What parts the thousands of a number."""
_STEMMERS = {
    "ar": "arabic", "da": "danish", "de": "german", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
DEFAULT_LANGUAGE = "en"
_COMPOUNDING = frozenset({"da", "de", "fi", "hu", "nl", "no", "sv"})
_GRAM = 4  # letters, measured against stems and splitting, not against other lengths (docs/log.md)
# Stands for the border of a word in its grams; a letter that full-text search keeps, and no language writes so.
_BORDER = "0"
# Keeps a gram from being taken for a word of four letters.
_GRAM_MARK = "00"
_LONGEST_PHRASE = 32  # stems; a heading that asks has fewer
_SURE = 0.8  # not measured; where no language is told, words of English and German are read
_SAMPLE_CHARACTERS = 8_000  # two pages tell a language as well as a book


@functools.cache
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(_STEMMERS.get(language, _STEMMERS[DEFAULT_LANGUAGE]))


def words(text: str) -> list[str]:
    """The words of ``text`` in order, folded but not stemmed; ``1,234`` and ``1.234`` are the word ``1234``."""
    return WORD.findall(unicodedata.normalize("NFKC", THOUSANDS.sub("", text)).casefold())


def terms(text: str, language: str) -> list[str]:
    """The terms of ``text`` in order, as the full-text index holds them."""
    found = words(text)
    return [*_stemmer(language).stemWords(found), *_grams(found, language)]


def query_terms(text: str, languages: Iterable[str], language: str = "") -> list[str]:
    """The distinct terms of a question in the languages of a corpus, in order of first use.

    ``language`` is the question's own, if known: in others, only whole words of it can mean the same. Words that
    only make it a question are left out, unless nothing else is there: in documents they are rare enough to
    look like what the question is about.
    """
    languages = tuple(languages)
    content = _content_words(text, (language,) if language else languages)
    found = [stem for one in languages for stem in _stemmer(one).stemWords(content)]
    grams = [gram for one in ([language] if language else languages) for gram in _grams(content, one)]
    return list(dict.fromkeys([*found, *grams]))


def content_stems(text: str, language: str) -> list[str]:
    """The distinct stems of what a question is about, in order of first use."""
    return list(dict.fromkeys(_stemmer(language).stemWords(_content_words(text, (language,)))))


@functools.cache
def _in_any(kind: str, languages: tuple[str, ...]) -> frozenset[str]:
    return frozenset[str]().union(*(vocabulary(kind, language) for language in languages or ("",)))


def _content_words(text: str, languages: tuple[str, ...]) -> list[str]:
    asked = words(text)
    grammar, asking, degrees = (_in_any(kind, languages) for kind in ("stopwords", "question_words", "degrees"))
    return [
        word
        for before, word in pairwise(("", *asked))
        if word not in grammar and not (before in asking and word in degrees)  # "how long" (docs/log.md)
    ] or asked


def stems(text: str, language: str) -> list[str]:
    """The stems of the words of ``text`` in order, whatever the index holds: for comparing texts."""
    return list(_stemmer(language).stemWords(words(text)))


def _grams(some: Iterable[str], language: str) -> list[str]:
    if language not in _COMPOUNDING:
        return []
    bordered = (f"{_BORDER}{word}{_BORDER}" for word in some)
    return [
        _GRAM_MARK + word[first : first + _GRAM] for word in bordered for first in range(max(1, len(word) - _GRAM + 1))
    ]


def whole_questions(text: str, languages: Iterable[str]) -> list[str]:
    """The question as one phrase in every language: a section headed by it is the one that is meant."""
    phrases = (" ".join(stems(text, language)[:_LONGEST_PHRASE]) for language in languages)
    return [phrase for phrase in dict.fromkeys(phrases) if " " in phrase]


def text_in(texts: Mapping[str, str], language: str) -> str:
    """The text in a language; the first one serves all others."""
    return texts.get(language) or next(iter(texts.values()))


def detect(text: str, among: Iterable[str] = ()) -> str:
    """ISO 639-1 code of the language of ``text``; empty when it is too short or too mixed to tell.

    ``among`` restricts the answer; questions are short, and a corpus speaks few languages.
    """
    # What a file declares may be no language at all ("jp"); the identifier refuses codes it does not know.
    candidates = tuple(sorted(set(among) & _known_languages()))
    if len(candidates) == 1:
        return candidates[0]
    sample = text[:_SAMPLE_CHARACTERS]
    if sum(character.isalpha() for character in sample) < 3:
        return ""
    language, probability = language_identifier(candidates).classify(sample)
    return str(language) if probability >= _SURE else ""


def may_be_in(text: str, language: str) -> bool:
    """Whether a text is in a language, as far as it tells; any may be where ``language`` is empty.

    It is told from the languages of the assistant alone, since models fall into these.
    """
    return not language or detect(text, {*LANGUAGES, language}) in {"", language}


def answered_in(text: str, among: Iterable[str]) -> str:
    """The language of those ``among`` in which a text is to be answered; empty where it is not told.

    Short texts look like many languages. So one that is read by itself counts only where as many words of a text are
    grammar of it as of English and German.
    """
    its = words(text)

    def grammar(language: str) -> int:
        return sum(word in vocabulary("stopwords", language) for word in its)

    least = max(grammar(""), 1)
    return detect(text, [one for one in among if read_with(one) == read_with("") or grammar(one) >= least])


@functools.cache
def _known_languages() -> frozenset[str]:
    return frozenset(map(str, language_identifier().labels))


@functools.cache
def language_identifier(among: tuple[str, ...] = ()) -> "LanguageIdentifier":
    """What tells the language of a text, ``among`` some or all that it knows; its model is read once (.3 s)."""
    if among:
        identifier = copy.copy(language_identifier())
        identifier.set_languages(list(among))
        return identifier
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
