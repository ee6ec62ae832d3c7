"""Numbers that are written as words, in figures: ``forty-five`` is 45, ``zweitausendfünfhundert`` is 2500.

Which words of a text are numbers is told here, in English and German; what they come to is told by text2num. "One" and
"ein" are pronouns and articles more often than numbers, "first", "second" and "third" rank more often than they count:
they are numbers only as parts of others. "Achten" is to heed, and no eighth.
"""

import re
from functools import lru_cache

_SCALE = "hundred|thousand|million|billion"
_ENGLISH = (
    rf"(?:{_SCALE}|hundredth|thousandth|zero|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|(?:thir|four|fif|six|seven|eigh|nine)teen(?:th)?"
    r"|(?:twen|thir|for|fif|six|seven|eigh|nine)t(?:y|ieth))(?!\w)"
)
_GERMAN = (
    r"(?:million(?:en)?|milliarden?|(?:hundert|tausend|(?:zwan|vier|fünf|sech|sieb|acht|neun)zig|drei(?:ß|ss)ig"
    r"|(?:drei|vier|fünf|sech|sieb|acht|neun)?zehn|elf|zwölf|zwei|zwo|drei|vier|fünf|sechs|sieben|acht|neun"
    r"|(?<=hundert)eins|(?<=tausend)eins|(?<=und)eins|ein(?=und|hundert|tausend|einhalb)|(?<=\w)und)++)"
)
# "5 million" and "half a million" are no million.
_BEGINS = r"(?<!\w)(?<!\d[ -])(?<!half )(?<!half a )(?<!halbe )"
# No number has more words; a limit keeps the time that a text takes in proportion to its length.
_MOST_WORDS = 12
_IN_ENGLISH = re.compile(
    rf"{_BEGINS}(?:{_ENGLISH}|one(?= and a half\b|[ -](?:{_SCALE})\b))"
    r"(?:(?:[ -]|(?<=hundred) and |(?<=thousand) and |(?<=million) and )"
    rf"(?:{_ENGLISH}|(?:one|first|second|third)(?!\w))){{0,{_MOST_WORDS}}}(?P<half> and a half\b)?",
    re.IGNORECASE,
)
_IN_GERMAN = re.compile(
    rf"{_BEGINS}{_GERMAN}(?: {_GERMAN}(?!\w)){{0,{_MOST_WORDS}}}(?P<half>einhalb)?"
    r"(?:(?<!zwei)(?<!drei)(?<!acht)s?te[nmrs]?)?(?=\b|(?:tägig|wöchig|monatig|jährig|stündig|mal\b|fach))",
    re.IGNORECASE,
)
_ANDERTHALB = re.compile(r"\banderthalb", re.IGNORECASE)


@lru_cache(maxsize=4096)
def in_figures(text: str) -> str:
    """``text`` with figures for its number words: ``am fünfzehnten Mai`` becomes ``am 15. Mai``."""
    text = _IN_ENGLISH.sub(lambda match: _figures(match, "en"), text)
    return _IN_GERMAN.sub(lambda match: _figures(match, "de"), _ANDERTHALB.sub("eineinhalb", text))


def _figures(match: re.Match[str], language: str) -> str:
    from text_to_num import alpha2digit

    half = match["half"] or ""
    figures: str = alpha2digit(match[0].removesuffix(half), language, 0)
    return f"{figures}.5" if half else figures
