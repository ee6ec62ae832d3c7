"""A document says "we pay you"; who asks says "do you pay me". The words of a question change sides.

Where a pronoun may be either case, so that it cannot be told what it becomes, there is no question.
"""

import re

# English

_AFTER_WHICH_I = (
    r"(?:if|when|that|which|unless|because|before|after|while|whether|what|how|where|until|once|as|do|did|can|may|must"
    r"|are|have|will|should|were|shall|for whom|whom)"
)
_AFTER_WHICH_ME = (
    r"(?:to|for|from|with|of|by|at|on|against|about|between|tells?|informs?|sends?|asks?|gives?|pays?|offers?|helps?"
    r"|shows?|charges?|costs?|reach|allows?|protects?|covers?|obliges?|lets?|reminds?|supports?|calls?|serves?|affects?"
    r"|owes?)"
)
_SHORT_FORMS = {"re": "m", "ll": "ll", "ve": "ve", "d": "d"}
_SWAPPED = {
    "your": "my", "yours": "mine", "yourself": "myself", "we": "you", "our": "your", "us": "you", "ours": "yours",
}  # fmt: skip


def english_question(question: str) -> str | None:
    """A question in the words of the person who asks; None where "you" may be either case."""
    text = re.sub(r"\byou(['’])(re|ll|ve|d)\b", lambda found: f"I{found[1]}{_SHORT_FORMS[found[2]]}", question)
    text = re.sub(rf"\b({_AFTER_WHICH_I}) you are\b", r"\1 I am", text, flags=re.IGNORECASE)
    text = re.sub(r"\bare you\b", "am I", text, flags=re.IGNORECASE)
    text = re.sub(rf"\b({_AFTER_WHICH_I}) you\b", r"\1 I", text, flags=re.IGNORECASE)
    text = re.sub(rf"\b({_AFTER_WHICH_ME}) you\b", r"\1 me", text, flags=re.IGNORECASE)
    text = re.sub(r"\byou are\b", "I am", text)
    text = re.sub(r"\byou (have|must|can|may|will|do|should|cannot)\b", r"I \1", text)
    if re.search(r"\byou\b", text, re.IGNORECASE):
        return None
    return re.sub(
        rf"\b(?:{'|'.join(_SWAPPED)})\b", lambda word: _SWAPPED[word.group().lower()], text, flags=re.IGNORECASE
    )


# German

_FOR_ME = {
    "können": "kann", "müssen": "muss", "wollen": "will", "sollen": "soll", "dürfen": "darf", "mögen": "mag",
    "sind": "bin", "werden": "werde", "haben": "habe", "möchten": "möchte", "waren": "war", "hatten": "hatte",
    "wurden": "wurde", "konnten": "konnte", "mussten": "musste",
}  # fmt: skip
# Verbs with an accusative, where "uns" becomes "Sie" and not "Ihnen".
_ACCUSATIVE = re.compile(r"informier|benachrichtig|verständig|beauftrag|bevollmächtig|ermächtig|bitte")


def german_question(question: str) -> str | None:
    """A question in the words of the person who asks; None where a pronoun may be either case, or it has no end."""
    text = re.sub(r"\b(\w+(?:en|ern|eln|sind)) Sie\b", lambda found: f"{_for_me(found[1])} ich", question, count=1)
    if re.search(r"\b(?:nur|erst|soweit|auch)\?$|-\?$", text):
        return None
    if re.search(r"\bSie\b", text) or (re.search(r"\bsich\b", text) and re.search(r"\bich\b", text)):
        return None
    swapped = {"wir": "Sie", "uns": "Sie" if _ACCUSATIVE.search(text) else "Ihnen", "Ihnen": "mir"}
    text = re.sub(r"\b(?:wir|uns|Ihnen)\b", lambda found: swapped[found.group()], text)
    return re.sub(r"\b(?:Ihr(e[mnrs]?)?|unser(e[mnrs]?)?)\b", _possessive, text)


def german_clause(clause: str) -> str:
    """A subordinate clause for "ich", if its subject is "Sie": its last word is the verb."""
    if not re.match(r"Sie\b", clause):
        return clause
    *words, verb = clause.split()
    return " ".join(["ich", *words[1:], _for_me(verb)])


def _for_me(verb: str) -> str:
    """The form of a verb for "ich", from the one for "Sie"."""
    if verb in _FOR_ME:
        return _FOR_ME[verb]
    return verb[:-1] if verb.endswith("en") else re.sub(r"(e[rl])n$", r"\1e", verb)


def _possessive(found: re.Match[str]) -> str:
    if found.group().startswith("Ihr"):
        return f"mein{found[1] or ''}"
    return f"Ihr{found[2] or ''}"
