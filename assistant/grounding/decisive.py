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


def missing_word(sentence: str, passage: str) -> str:
    """The first of these words that a sentence holds and a passage does not say; empty when there is none."""
    for group in _GROUPS:
        if (found := group.search(sentence)) and not group.search(passage):
            return found[0]
    return ""
