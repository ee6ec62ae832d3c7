"""Whether a word at the head of a sentence keeps its capital letter once it stands elsewhere.

Counted in the documents themselves: a word that is also written small within sentences is no name, and in German no
noun. So the same rule serves all languages.
"""

import re
from collections import Counter
from collections.abc import Iterable

_WITHIN = re.compile(r"(?<=[\w,;)] )[^\W\d_][\w'’-]*")
_FIRST = re.compile(r"[^\W\d_][\w'’-]*")


class Casing:
    """How often each word is written small, and how often with a capital, inside sentences."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._small: Counter[str] = Counter()
        self._large: Counter[str] = Counter()
        for text in texts:
            for word in _WITHIN.findall(text):
                (self._small if word[0].islower() else self._large)[word.lower()] += 1

    def lowered(self, text: str, language: str) -> str:
        """``text`` with its first letter small, if its first word is one that is written so."""
        found = _FIRST.match(text)
        if found is None or not found.group()[0].isupper() or found.group()[1:] != found.group()[1:].lower():
            return text
        if language == "de" and found.group().startswith(("Ihr", "Sie")):
            return text  # a form of address, whose small twin is another word
        word = found.group().lower()
        small, large = self._small[word], self._large[word]
        # Where nothing is known: in German it is likely a noun; elsewhere a name only if the next word is large too.
        is_name = language == "de" or text[found.end() + 1 : found.end() + 2].isupper()
        is_small = small >= large if small or large else not is_name
        return text[0].lower() + text[1:] if is_small else text
