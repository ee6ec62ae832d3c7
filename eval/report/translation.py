"""The words of a report: in English as they stand in code and templates; other languages have them by the English ones.

    words = words_in("de")
    words("{count} misleading", count=3)      3 irreführend

What a language does not have (``assistant/text/languages/de/report.yaml``) stays in English, as do words that a run
has written down: problems of the cases, and why a light of the gate is as it is.
"""

from typing import Protocol

from assistant.text.languages import Language, data


class Wording(Protocol):
    """Words of ours in the language of a report."""

    def __call__(self, text: str, /, **values: object) -> str:
        """An English text with ``values`` in its places, in the language."""
        ...


def words_in(language: Language) -> Wording:
    """The words of one language."""
    known: dict[str, str] = data(language, "report") or {}

    def words(text: str, /, **values: object) -> str:
        found = known.get(text, text)
        return found.format(**values) if values else found

    return words


ENGLISH = words_in("en")
