"""Bytes to text: byte-order mark, declared encoding, UTF-8, then a guess that is told as a warning."""

import codecs
import re
from collections import Counter

from .limits import Refused

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_SAMPLE = 1 << 18
# What Western European texts have beyond ASCII; other alphabets, read as cp1252, have more than these.
_WESTERN = frozenset("äöüÄÖÜßàâçèéêëîïôùûÀÂÇÈÉÊËÎÔÛœæáíóúñÁÍÓÚÑåøÅØÆìò€§°«»„“”‚‘’–—…·\xa0")
_MOST_FOREIGN = 0.25
"""Share of signs beyond ASCII in a text of Western Europe at most: German statutes have .018 (2.9 million letters)."""
_WIDE_SAMPLE, _MANY, _FEW = 4096, 0.7, 0.1
"""Bytes that tell UTF-16, and the shares that name an alphabet in the one half of their places and in the other."""
_LAST_ALPHABET = 8
"""Cyrillic, Greek, Hebrew and Arabic lie below, and no text in bytes has so low ones."""
# They are .4 to .6 of the letters of Russian, Ukrainian and Bulgarian; read as Cyrillic, other alphabets have less.
_FREQUENT_CYRILLIC = frozenset("оеаинтс")
_CYRILLIC_SHARE = 0.4
# No word is written in two alphabets; other encodings, read as Cyrillic, give such words.
_MIXED = re.compile(r"[a-z][а-яё]|[а-яё][a-z]", re.IGNORECASE)
_FEWEST_CYRILLIC = 12
MAX_JUNK_SHARE = 0.02
"""Share of control and replacement characters above which a file is binary, not text."""


def decode(data: bytes, declared: str = "") -> tuple[str, tuple[str, ...]]:
    """Text and warnings. Raises ``Refused`` when the bytes are not text in any likely encoding."""
    text, told = _decoded(data, declared)
    check_text(text)
    return text, (told,) if told else ()


def check_text(text: str) -> None:
    """Raise ``Refused`` when what was decoded is no text."""
    junk = len(_CONTROLS.findall(text))
    if junk > MAX_JUNK_SHARE * len(text) + 2:
        raise Refused(
            f"is not text: {junk:,} of {len(text):,} characters are control or undecodable ones",
            "Save it as UTF-8 text, or give it the suffix of its real format.",
        )


def _decoded(data: bytes, declared: str) -> tuple[str, str]:
    """Text, and what has to be said of it: sure signs first, then what is likely, then a guess."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data.decode(name, errors="replace").removeprefix("\ufeff"), ""
    # In UTF-16 every second byte names the alphabet, as 0 does Latin and 4 Cyrillic.
    half = len(sample := data[:_WIDE_SAMPLE]) // 2
    if half >= 4:
        even, odd = _alphabets(sample[0::2]), _alphabets(sample[1::2])
        for name, many, few in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
            if many > _MANY * half and few < _FEW * half:
                return data.decode(name, errors="replace"), f"decoded as {name} (guessed)"
    for name in ("utf-8", declared):
        if text := _strict(data, name):
            return text, ""
    text = data.decode("utf-8", errors="replace")
    bad = text.count("\ufffd")
    if sum(character > "\x7f" for character in text) > 2 * bad:  # good characters of several bytes outnumber the bad
        return text, f"{bad:,} bytes are not UTF-8 and were replaced"
    # In a few sentences the guess from frequencies is often wrong, for German one in three. So first text in which
    # nothing is foreign to Western Europe. The sign ¤ is what the euro of ISO 8859-15 looks like.
    name, text = "cp1252", _strict(data, "cp1252")
    if "¤" in text:
        name, text = "iso8859_15", _strict(data, "iso8859_15")
    foreign = [character for character in text if character > "\x7f"]
    if not text or not set(foreign) <= _WESTERN or len(foreign) > _MOST_FOREIGN * len(text):
        name, text = _cyrillic(data)
    if not text:
        from charset_normalizer import from_bytes

        best = from_bytes(data[:_SAMPLE]).best()
        # Several encodings give the same text; among them Windows Latin 1 is by far the most common.
        names = best.could_be_from_charset if best else ["cp1252"]
        name = "cp1252" if "cp1252" in names else names[0]
        text = data.decode(name, errors="replace")
    return text, f"decoded as {name} (guessed)"


def _strict(data: bytes, name: str) -> str:
    """The decoded text, or nothing when the bytes are not in this encoding or its name is unknown."""
    try:
        return codecs.lookup(name).decode(data, "strict")[0] if name else ""
    except (LookupError, UnicodeError, TypeError, AttributeError):
        return ""


def _alphabets(column: bytes) -> int:
    """How many bytes are those that begin a character of Latin and of one more alphabet in UTF-16."""
    counts = Counter(byte for byte in column if byte <= _LAST_ALPHABET)
    others = [count for byte, count in counts.items() if byte]
    return counts[0] + max(others, default=0)


def _cyrillic(data: bytes) -> tuple[str, str]:
    """Encoding and text that has the letters of Slavic languages as often as they do; nothing where none has."""
    best, share, name = "", 0.0, ""
    for one in ("cp1251", "koi8_r", "cp866", "iso8859_5"):
        text = _strict(data, one)
        foreign = [character for character in text[:_SAMPLE] if character > "\x7f"]
        # Other alphabets, and the wrong Cyrillic encoding, give capitals inside words.
        frequent = sum((character in _FREQUENT_CYRILLIC) - character.isupper() for character in foreign)
        if len(foreign) >= _FEWEST_CYRILLIC and not _MIXED.search(text) and frequent > share * len(foreign):
            best, share, name = text, frequent / len(foreign), one
    return (name, best) if share >= _CYRILLIC_SHARE else ("", "")
