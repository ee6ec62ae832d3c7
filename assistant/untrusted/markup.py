"""What a model says, as plain words: without tags that it copied, and without targets that a screen could open.

An answer may be shown by a program that renders Markdown. A document can get a model to say ``![x](https://…?q=…)``:
the picture would be fetched, and what stands in its address would be gone. So a link keeps its words and loses its
target; an address that is written out is text that people can judge, and stays. Where an answer leaves for a program
that may render it, it stands as code (``unlinked``).

The text may still be growing. What could yet become markup is held back at its end, so that the plain words of a
beginning are always a beginning of the plain words of the whole.
"""

import re
from collections.abc import Sequence

from assistant.untrusted import skeleton, traced_skeleton

_TAGS = """
passage a abbr audio base body bos br button div embed end_of_turn eos form frame frameset head hr html iframe img image
input link math meta object p s script select source span start_of_turn style svg sys template textarea think tool_call
tool_response video
""".split()
_NAMES = "|".join(sorted(_TAGS, key=len, reverse=True))


def _beginnings(names: Sequence[str]) -> str:
    return "|".join(sorted({name[:length] for name in names for length in range(len(name) + 1)}, reverse=True))


# A tag that never ends reaches to the end of its line. "< /passage" is how the prompt breaks up one of a stranger.
_TAG = rf"<\s*(?:/\s*)?passage\b[^<>\n]*>?|</?(?:{_NAMES})\b[^<>\n]*>?|<\|[^|<>\n]{{1,40}}\|>"
_BEGUN = rf"<\s*(?:/\s*)?(?:{_beginnings(_TAGS[:1])})\Z|(?<!<)<+/?(?:{_beginnings(_TAGS)})\Z|<\|[^|<>\n]{{0,40}}\|?\Z"
_COMMENT = r"<!--.*?(?:-->|\Z)|<!?-?\Z"
# The target of an inline link or picture: [words](target "title"), [words](<target>).
_TARGET = (
    r"(?<=\])\(\s*(?:<[^<>\n]{0,2000}+(?:>|\Z)|(?>[^\s()]*?[:/\\.#&%]))[^)]{0,2000}+(?:\)|\Z)"
    r"|(?<=\])\(\s*[^\s()]*\Z"
)
# [name]: target defines where [name] and ![name] lead; with a blank before the colon it does not.
_DEFINITION = r"(?P<definition>(?<=\]):)"
_MARKUP = re.compile("|".join((_COMMENT, _BEGUN, _TAG, _TARGET, _DEFINITION)), re.IGNORECASE | re.DOTALL)
# What each of these has; most texts have none.
_SIGN = re.compile(r"<|\][:(]")
# All of it begins with one of these.
_BEGINS = re.compile(r"[<\]]")
# Behind these it is known whether something before them is markup; Chinese and Japanese have no blanks.
_PARTS = " \n。"
# So many characters are read again with each word behind them; more only when they are twice as many.
_READ_AGAIN = 1_000
# Markup within markup within markup, deeper than this, is there to take time: a text ends before it.
_MOST_PASSES = 16


def without_markup(text: str) -> str:
    """``text`` without tags and turn markers, and without the targets of Markdown links and pictures."""
    for _ in range(_MOST_PASSES):
        if not _SIGN.search(skeleton(text)):
            return text
        seen, origins = traced_skeleton(text)
        kept, at = [], 0
        for match in _MARKUP.finditer(seen):
            kept.append(text[at : origins[match.start()]])
            kept.append(" :" if match["definition"] else "")
            at = origins[match.end() - 1] + 1
        plain = "".join([*kept, text[at:]])
        if plain == text:
            return text
        text = plain  # what was taken out may have parted something: [x](ht<img>tps://…)
    seen, origins = traced_skeleton(text)
    sign = _SIGN.search(seen)
    return text[: origins[sign.start()]] if sign else text


class GrowingWords:
    """The plain words of a text that grows at its end: only the end is read again."""

    def __init__(self) -> None:
        self._settled = self._next = self._again = 0
        self._plain = self._open = ""
        """The words up to where they are settled, and those behind it as they were read last."""
        self._is_open = False
        """Whether something behind it may be, or become, markup."""

    def read(self, text: str, *, is_whole: bool = False) -> str:
        """The same as ``without_markup(text)``; ``text`` begins with what was read before.

        Of much that may all be markup it may be only a beginning, unless the text ``is_whole``.
        """
        if not self._is_open:
            seen, origins = traced_skeleton(text[self._settled :])
            sign = _BEGINS.search(seen)
            end = self._settled + origins[sign.start()] if sign else max(self._settled, len(text))
            self._plain += text[self._settled : end]
            self._settled, self._again, self._is_open = end, 0, sign is not None
        end = max(text.rfind(one, self._settled) for one in _PARTS) + 1
        if self._is_open and end > self._next:
            new = text[self._settled : end]
            plain = without_markup(new)
            # Markup that may go on behind a blank takes a word there with it, or gives free what was held back.
            if without_markup(f"{new}x") == f"{plain}x":
                self._settled, self._again, self._is_open = end, 0, False
                self._plain += plain
            self._next = end + (end - self._settled)  # what stays open is looked at again when it is twice as long
        length = len(text) - self._settled
        if is_whole or length <= _READ_AGAIN or len(text) >= self._again:
            self._open = without_markup(text[self._settled :])
            self._again = len(text) + length
        return self._plain + self._open


# What programs that render Markdown part from what stands around it: no address goes beyond one of these.
_PIECE = re.compile(r"[^\s|<>`\"“”„«»()\[\]]+")
# What such programs make a link of when it is only written out: addresses, hosts, mail, and any of it in entities.
_ADDRESS = re.compile(
    r"//|@|www\.|&#?\w{2,31};|(?:\A|[^.])\.(?:[^\W\d_]{2}|biz|com|edu|gov|net|org|pro|web|xxx|aero|asia|coop|info|museum|name"
    r"|shop|xn--[\w-]+)(?![^\W_])",
    re.IGNORECASE,
)
# A tag or link in brackets, what a link begins with, its target, and its definition.
_LEADING = re.compile(r"(?<=<)(?=[a-z/!?])|(?<=!)(?=\[)|(?<=\])(?=[(:\[])|\A(?=[(:\[])", re.IGNORECASE)
_AROUND = ".,;:!?'*_~"


def unlinked(text: str) -> str:
    """Text as Markdown in which nothing leads or loads anything, in whatever program renders it.

    A blank parts what would be a tag, a picture or a link, and addresses are code: they stay readable. Texts that were
    treated may be put one behind the other.
    """
    # No other code begins or ends with two backticks, so that none can end within ours.
    text = re.sub(r"(?<!`)``(?!`)", "`", text.replace("\\`", "\\ `"))
    return _LEADING.sub(" ", _PIECE.sub(_as_code, text))


def _as_code(match: re.Match[str]) -> str:
    piece, text = match[0], match.string
    # A backslash may end an address, or be none to who reads its sign.
    if not any(map(_ADDRESS.search, (piece, piece.replace("\\", "")))):
        return piece
    address = piece.strip(_AROUND) or piece
    opening, _, end = piece.partition(address)
    if not opening and text.startswith("`", match.start() - 1):
        opening = " "
    if not end and text.startswith("`", match.end()):
        end = " "
    return f"{opening}``{address}``{end}"
