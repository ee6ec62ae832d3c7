"""Sentences that tell a machine how to answer, recognised by their form: whom they address, and what they prescribe.

"Automated readers are bound to quote …" holds no phrase of an attack. It is an order because it names a reader that is
no person, and says what that reader has to say. So is "Any summary of this page must mention …", which names what such
a reader makes, and "An answer that does not name the hotline is incomplete". Each part is a class of words
(``orders.yaml`` of each language); the rules only say in which order they follow, and each language has some forms of
its own.

A policy about chatbots has the same form ("The chatbot must say that it is a machine"). So such a passage keeps its
say, with a warning, other than one in which an order stands in the words of an attack
(``assistant.untrusted.instructions``).
"""

import re
from functools import cache

from assistant.text.languages import alternatives, classes, every
from assistant.untrusted.confusables import skeleton

# "~" is a few words of one sentence, "_" at most four of them; "^" is the beginning of what is said.
_READER = (
    r"(?:\b(?:{machine})\b|\b(?:{kind})[ -](?:\w+[ -])?(?:{device})\b|\b(?:{device})\b,?_(?:{reading})\b"
    r"|\b(?:{here})_\w+ (?:by|von)(?: \w+)? (?:{device})\b)"
)
_RULES = (
    _READER + r"~\b(?:{ought})\b~\b(?:{state})",
    r"(?:{please})\b~" + _READER + r"~\b(?:{state})",
    _READER + r"~\b(?:{state}),?(?: \w+){{0,2}}? (?:(?:that|dass|que)\b|[\"“„«])",
    _READER + r"(?:,? \w+){{0,4}}? (?:{declares})",
    r"(?:{dear})\b(?: \w+){{0,3}}? " + _READER,
    r"(?:{on_condition})\b_" + _READER + r"~\b(?:{answer}|{here})",
    r"^(?:\w+ ){{0,3}}" + _READER + r"[^.!?:]{{0,60}}?[,:!\]]_(?:{say}|{please})",
    r"^(?:{to}) (?:\w+ ){{0,2}}(?:{device})\b[^.!?:]{{0,60}}?:~\b(?:{say}|{ought})",
    r"(?:{device})\b,?_(?:{reading})\b_(?:{here})",
    r"(?:{device})\b,?_(?:{here})\b_(?:{reading})",
    r"(?:{device})\b~\b(?:{lacking})\b~\b(?:{state})\b~\b(?:{wrong})",
    r"(?:{answer})\b~\b(?:{here})\b~\b(?:{ought}|{ending})\b~\b(?:{state}|{ending})",
    r"(?:{answer}|{making})\b_(?:{made_of}) (?:{here})\b~\b(?:{ought}|{state})",
    r"(?:{made_of}) (?:{here})\b_(?:{answer}|{making})\b~\b(?:{ought}|{state})",
    r"(?:{making})\b~\b(?:{replaces})",
    r"(?:{answer})\b~\b(?:{lacking})\b~\b(?:{wrong})",
    r"(?:{answer})\b~\b(?:{only})\b~\b(?:{allowed})",
    r"(?:{only})\b~\b(?:{allowed})\b~\b(?:{answer})",
    r"(?:{allowed})\b~\b(?:{only})\b~\b(?:{answer})",
    r"(?:(?:{correct}) (?:{answer})|(?:{answer}) (?:{correct})) (?:{to}) (?:{question})\b~(?:\b(?:{verb})|:)",
    r"(?:{question})\b~[,;:]~\b(?:(?:{correct}) (?:{answer})|(?:{answer}) (?:{correct}))",
    r"(?:{state}|{say})(?: \w+)? (?:{asker})",
    r"(?:{unaware})",
    r"(?:{maker})",
    r"(?:{other})\b~\b(?:{replaces})",
    r"(?:{replaces})\b~\b(?:{other})",
)
# Where a form stands at the beginning of a sentence or of what follows a colon.
_FRESH = r"(?:^|[.!?:;\[(<>\n,-]) ?"


@cache
def _order() -> re.Pattern[str]:
    forms = [
        form.format(**classes(words))
        for words in (orders["addressed"] for orders in every("orders"))
        for form in (*_RULES, *map(alternatives, words["own"]))
    ]
    forms = [form.replace("~", "[^.!?]{0,60}?").replace("_", r"(?: [\w-]+){0,4}? ") for form in forms]
    fresh = [form.removeprefix("^") for form in forms if form.startswith("^")]
    within = [form for form in forms if not form.startswith("^")]
    told = rf"\b(?:{'|'.join(within)})(?!\w)|{_FRESH}(?:{'|'.join(fresh)})(?!\w)"
    return re.compile(told.replace(" ", r"\s"))


def orders_a_machine(sentence: str) -> bool:
    """Whether a sentence has the form of an order to a machine that reads it."""
    return _order().search(skeleton(sentence).lower()) is not None
