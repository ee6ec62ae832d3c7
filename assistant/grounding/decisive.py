"""Words that decide what a sentence promises: without them it says something else, however few they are."""

import re

# Groups of words that say the same; one that a sentence holds has to be there, as itself or as another of its group.
_GROUPS = tuple(
    re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for words in (
        r"free of charge|for free|(?:is|are) free(?= ?[.,;!]|$)|no (?:extra )?(?:charge|fee|cost|premium)"
        r"|without (?:charge|fee|cost)s?"
        r"|kostenlos\w*|kostenfrei\w*|gebührenfrei\w*|beitragsfrei\w*|prämienfrei\w*|unentgeltlich\w*|gratis",
        r"at any time|any ?time|whenever|jederzeit",
        r"always|in (?:any|every) case|immer|stets|in jedem fall",
        r"never|nie|niemals",
        r"only|just once|solely|exclusively|nur|ausschließlich|lediglich",
        r"unlimited\w*|without (?:a )?limit|unbegrenzt\w*|unbeschränkt\w*",
    )
)

# Shares, multiples and periods that are no figures, and other words with which a passage says as much. "Once" and
# "first" are not among them: they begin too many sentences.
_COUNTED = tuple(
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), re.compile(rf"\b(?:{words}|{others})\b", re.IGNORECASE))
    for words, others in (
        (r"half|halves|halbe[nmrs]?|hälfte|\w*einhalb\w*|anderthalb\w*", r"50(?= ?%| per| prozent)|\d+[.,]5|1/2|½"),
        (r"thirds?|dritte[nmrs]?|drittel[ns]?", r"3rd|1/3|2/3"),
        (r"second|zweite[nmrs]?", r"2nd"),
        (r"double[ds]?|twice|doppelte?[nmrs]?|zweimal|zweifache?[nmrs]?", r"(?:two|2) times|2x|zwei mal|verdoppel\w*"),
        (r"triple[ds]?|dreimal|dreifache?[nmrs]?", r"(?:three|3) times|3x|drei mal|verdreifach\w*"),
        (r"daily|täglich\w*", r"(?:a|per|each|every) day|days?|(?:am|pro|je|jeden) tag"),
        (r"weekly|wöchentlich\w*", r"(?:a|per|each|every) week|weeks?|wochen?"),
        (r"monthly|monatlich\w*", r"months?|monat(?:en?|s)?"),
        (r"quarterly|vierteljährlich\w*", r"quarters?|quartal(?:e|s)?|(?:three|3) months|(?:drei|3) monate"),
        (r"annual(?:ly)?|yearly|jährlich\w*", r"years?|jahr(?:en?|s|es)?|jahres\w+"),
    )
)


def missing_word(sentence: str, passage: str) -> str:
    """The first of these words that a sentence holds and a passage does not say; empty when there is none."""
    for group in _GROUPS:
        if (found := group.search(sentence)) and not group.search(passage):
            return found[0]
    for group, said in _COUNTED:
        if (found := group.search(sentence)) and not said.search(passage):
            return found[0]
    return ""


_ONLY = re.compile(r"\b(?:only|unless|except|nur|außer|lediglich|ausschließlich)\b", re.IGNORECASE)


def is_restricted(sentence: str, passage: str) -> bool:
    """Whether a passage says on a condition only what a sentence says without any."""
    return _ONLY.search(sentence) is None and _ONLY.search(passage) is not None
