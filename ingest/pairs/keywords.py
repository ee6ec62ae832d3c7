"""Search-style questions: the few words that somebody types who looks for a sentence."""

import math
import re
from collections import Counter
from collections.abc import Iterable

from assistant.text.lexicon import vocabulary
from assistant.text.words import stems
from ingest.pairs.candidate import number_of

_FEWEST, _MOST = 3, 5
# They say nothing of what a sentence is about, but are rare enough to look as if they did.
_WEAK = frozenset(
    """
    after again all also always another before both during each either else even every first following including last
    later like make more most much must need never new one only other otherwise own same several since still take than
    though too two under unless until upon use used using want way well whether while however over within without
    alle allem allen aller alles andere anderen bereits bis dabei dafür daher dazu denen deren dessen dieselbe ebenso
    einzelne erst etwa falls ferner ggf immer innerhalb insbesondere jeweils kein keine keinem keinen keiner mehr
    mindestens nicht nichts nie nur ohne seit selbst sofern sonst soweit sowie stets trotz während wegen
    weitere weiteren zwei zwischen
    """.split()
)
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")


class Rarity:
    """How telling each stem is in a corpus: its inverse document frequency over chunks."""

    def __init__(self, chunks: Iterable[tuple[str, str]]) -> None:
        """``chunks`` are (text, language)."""
        self._seen: Counter[str] = Counter()
        self._count = 0
        for text, language in chunks:
            self._seen.update(set(stems(text, language)))
            self._count += 1

    def of(self, stem: str) -> float:
        """Inverse document frequency, as BM25 counts it."""
        seen = self._seen[stem]
        return math.log(1 + (self._count - seen + 0.5) / (seen + 0.5))


def keywords(sentence: str, topic: str, language: str, rarity: Rarity, *key: object) -> str:
    """A search for ``sentence``: its most telling words in their order, after one of its topic; empty if it has few."""
    found = _telling_words(sentence, language)
    wanted = _FEWEST + number_of(*key, sentence) % (_MOST - _FEWEST + 1)
    if len(found) < _FEWEST:
        return ""
    by_weight = sorted(found, key=lambda word: -rarity.of(stems(word, language)[0]))[:wanted]
    chosen = [word for word in found if word in set(by_weight)]
    said = {stems(word, language)[0] for word in found}
    about = [word for word in _telling_words(topic, language) if stems(word, language)[0] not in said]
    if about:
        chosen = [max(about, key=lambda word: rarity.of(stems(word, language)[0])), *chosen[: wanted - 1]]
    return " ".join(chosen)


def _telling_words(text: str, language: str) -> list[str]:
    """Those that say what a text is about, each stem once, in their order."""
    found = (word.lower() for word in _WORD.findall(text))
    weak = vocabulary("stopwords") | _WEAK
    telling = [word for word in found if len(word) > 2 and word not in weak and not word[0].isdigit()]
    return list({stems(word, language)[0]: word for word in reversed(telling)}.values())[::-1]
