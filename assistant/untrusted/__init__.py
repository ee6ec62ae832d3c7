"""Texts of strangers, documents and models alike: what they must not do; and how the eye takes them.

Attackers write a word so that people or models read it and a comparison does not: in full-width or mathematical
letters, with Cyrillic letters that look Latin, with accents, with zero-width characters inside. The *skeleton* of a
text (the word is that of Unicode Technical Standard 39) is what to compare instead. It is for looking only: what is
stored, shown and quoted stays as it was written.
"""

import unicodedata
from functools import lru_cache

# The few confusables that matter for Latin words and markup; compatibility forms are known to NFKD already.
_ALIKE = str.maketrans(
    {
        **dict(zip("аеорсухіјѕԁһӏԛԝɡıոսհօ", "aeopcyxijsdhlqwginuho", strict=True)),
        **dict(zip("АВЕКМНОРСТУХІЈЅԚԜ", "ABEKMHOPCTYXIJSQW", strict=True)),
        **dict(zip("ονρτυικχα", "ovptuikxa", strict=True)),
        **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
        **dict.fromkeys("‹˂ᐸ⟨〈❮≺", "<"),
        **dict.fromkeys("›˃ᐳ⟩〉❯≻", ">"),
        **dict.fromkeys("ǀ∣│⏐❘┃", "|"),
        **dict.fromkeys("⁄∕⧸╱", "/"),
    }
)
# Marks on letters, format and control characters, and letters without ink.
_UNSEEN = frozenset({"Mn", "Me", "Cf", "Cc", "Cs"})
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")


def skeleton(text: str) -> str:
    """``text`` in plain characters; case and white space stay."""
    is_plain = text.isascii() and text.replace("\n", "").isprintable()
    return text if is_plain else "".join(map(_seen, text))


def traced_skeleton(text: str) -> tuple[str, list[int]]:
    """The skeleton, and for each of its characters the place in ``text`` that it comes from."""
    pieces = list(map(_seen, text))
    return "".join(pieces), [at for at, piece in enumerate(pieces) for _ in piece]


@lru_cache(maxsize=4096)
def _seen(character: str) -> str:
    if character.isspace():
        return "\n" if character in "\n\r\u2028\u2029" else " "
    parts = unicodedata.normalize("NFKD", character).translate(_ALIKE)
    return "".join(part for part in parts if unicodedata.category(part) not in _UNSEEN and part not in _FILLERS)
