"""Bytes become text as it is stored: its encoding, characters that it never holds, white space, dates, its language.

The encoding is told by a byte-order mark, what is declared, UTF-8, then by a guess that is told as a warning. What is
invisible cannot be quoted, breaks searching, and can smuggle text past a reader's eye (zero-width and tag characters,
bidirectional overrides); it is removed before anything is stored. The language is what the file declares, where the
text does not plainly say otherwise.
"""

import codecs
import re
import unicodedata
import zlib
from collections import Counter
from contextlib import suppress
from datetime import date, datetime
from email.utils import parsedate_to_datetime

from assistant.text.words import language_identifier

from .reading_limits import Refused

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = [*(chr(code) for code in range(32) if chr(code) not in "\t\n\v\f\r\x1b"), "\x7f", "\ufffd"]
_SAMPLE = 1 << 18  # an encoding shows itself long before; a guess from all of a large file takes long
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
_FEWEST_CYRILLIC = 12  # letters; of fewer a share says nothing
MAX_JUNK_SHARE = 0.02
"""Share of control and replacement characters above which a file is binary, not text."""
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff"
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]"
)
_LINE_ENDS = ("\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")
_ISO = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?(?![\d/.])")
_PDF = re.compile(r"(?:D:)?(\d{4})(\d\d)(\d\d)")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})\b")
_FORMATS = ("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%Y/%m/%d", "%m/%d/%Y")
MIN_LETTERS = 40
"""Shorter texts are not guessed: a product name or a table of numbers has no language."""
SURE = 0.9  # probability below which what the document declares stands
CONTRADICTION_LETTERS = 400  # a few sentences; of less, what the document declares is believed
_SAMPLE_CHARACTERS = 4_000  # of the beginning and of the middle, so that a long text takes no longer
_NOT_WORDS = re.compile(r"https?://\S+|(?<!\S)\S+@\S+|[\d_|]+")


def decode(data: bytes, declared: str = "") -> tuple[str, tuple[str, ...]]:
    """Text and warnings. Raises ``Refused`` when the bytes are not text in any likely encoding."""
    text, told = _decoded(data, declared)
    check_text(text)
    return text, (told,) if told else ()


def check_text(text: str) -> None:
    """Raise ``Refused`` when what was decoded is no text."""
    junk = sum(map(text.count, _CONTROLS))
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
        text = codecs.lookup(name).decode(data, "strict")[0] if name else ""
        return text if isinstance(text, str) else ""  # "zlib" and "hex" are codecs, too
    except (LookupError, ValueError, TypeError, AttributeError, zlib.error):
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


def clean(text: str) -> str:
    """NFC text without invisible, control and surrogate characters; line ends are ``\\n``."""
    for end in _LINE_ENDS:
        text = text.replace(end, "\n")
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", text))


def fold(text: str) -> str:
    """All runs of white space (no-break spaces too) as one blank."""
    return " ".join(text.split())


def fold_lines(text: str) -> str:
    """White space folded inside each line; empty lines dropped."""
    return "\n".join(line for line in map(fold, text.split("\n")) if line)


def shown(name: str, width: int = 80) -> str:
    """A file name fit for one line of a message: no line ends, no direction overrides, not over ``width``."""
    name = fold(clean(name)) or "(unnamed)"
    return name if len(name) <= width else f"{name[: width - 21]}…{name[-20:]}"


def iso_date(value: object) -> str:
    """``YYYY-MM-DD`` (or the year and month where that is all), or nothing for what is no date of a document."""
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat() if value.year > 1000 else ""
    text = str(value or "").strip()[:60]
    for pattern, order in ((_PDF, (1, 2, 3)), (_ISO, (1, 2, 3)), (_DOTTED, (3, 2, 1))):
        if match := pattern.match(text):
            year, month, day = (match[group] for group in order)
            try:
                date(int(year), int(month or 1), int(day or 1))
            except ValueError:
                return ""
            return "-".join([year, *(part.zfill(2) for part in (month, day) if part)])
    for form in _FORMATS:
        with suppress(ValueError):
            return datetime.strptime(text, form).date().isoformat()
    with suppress(ValueError, TypeError, IndexError, OverflowError):
        return parsedate_to_datetime(text).date().isoformat()
    return ""


def language_of(text: str, declared: str = "") -> str:
    """ISO 639-1 code, or nothing when the text is short or mixed and nothing is declared.

    A declared code is believed unless a longer text is surely in another language: page templates
    often say ``lang="en"`` over German text.
    """
    code = declared.strip().lower().replace("_", "-").partition("-")[0]
    code = code if len(code) == 2 and code.isascii() and code.isalpha() else ""
    if len(text) > 2 * _SAMPLE_CHARACTERS:  # a title page alone may be in another language than the text
        middle = len(text) // 2
        text = f"{text[:_SAMPLE_CHARACTERS]} {text[middle : middle + _SAMPLE_CHARACTERS]}"
    sample = _NOT_WORDS.sub(" ", text)
    letters = sum(map(str.isalpha, sample))
    if letters < MIN_LETTERS or (code and letters < CONTRADICTION_LETTERS):
        return code
    guessed, probability = language_identifier().classify(sample)
    return str(guessed) if probability >= SURE else code
