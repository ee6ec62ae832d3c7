"""Characters that a stored text never holds, white space, and dates.

What is invisible cannot be quoted, breaks searching, and can smuggle text past a reader's eye
(zero-width and tag characters, bidirectional overrides); it is removed before anything is stored.
"""

import re
import unicodedata
from contextlib import suppress
from datetime import date, datetime
from email.utils import parsedate_to_datetime

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff"
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]"
)
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_ISO = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?(?![\d/.])")
_PDF = re.compile(r"(?:D:)?(\d{4})(\d\d)(\d\d)")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})\b")
_FORMATS = ("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%Y/%m/%d", "%m/%d/%Y")


def clean(text: str) -> str:
    """NFC text without invisible, control and surrogate characters; line ends are ``\\n``."""
    text = _LINE_ENDS.sub("\n", text)
    text = _SURROGATES.sub("\ufffd", text)
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
