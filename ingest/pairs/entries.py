"""Questions from lines of the form ``term – meaning`` and ``key: value``."""

import re
from collections.abc import Iterator

from ingest.pairs.blocks import Block
from ingest.pairs.candidate import one_of

_ENTRY = re.compile(r"^(?P<key>[^:–—.;?!|]{2,60}?)(?P<mark>\s*:\s+|\s+[–—]\s+)(?P<value>\S.{2,400})$")
_LABELS = frozenset(
    """
    subject from to cc bcc date notes note example examples e-mail email telephone phone tel fax re sent attachments
    next step question answer q a betreff von an datum hinweis beispiel telefon frage antwort nächster schritt stand
    """.split()
)
_DEFINITION = {
    "en": (
        "What does “{term}” mean?",
        "What is meant by “{term}”?",
        "How is “{term}” defined?",
        "Explain the term “{term}”.",
        "{term} – what is that?",
        "What is the meaning of {term}?",
    ),
    "de": (
        "Was bedeutet „{term}“?",
        "Was versteht man unter „{term}“?",
        "Wie ist „{term}“ definiert?",
        "Erklären Sie mir den Begriff „{term}“.",
        "{term} – was ist das?",
    ),
}
_VALUE = {
    "en": (
        "{heading}: what applies to {key}?",
        "What does it say about {key} under “{heading}”?",
        "What is given for {key} ({heading})?",
        "{heading} – {key}?",
    ),
    "de": (
        "{heading}: was gilt für „{key}“?",
        "Was steht unter „{heading}“ zu „{key}“?",
        "{heading} – {key}?",
    ),
}


def entries(block: Block, language: str, topic: str, *key: object) -> Iterator[tuple[str, str, str, str]]:
    """(kind, question, response, quote) of the lines of a block; ``topic`` is what its section is about."""
    if language not in _DEFINITION or block.kind == "table":
        return
    for line in block.lines:
        found = _ENTRY.match(line.bare)
        if found is None or not _is_key(found.group("key")):
            continue
        term, value = found.group("key").strip(), found.group("value").strip()
        quote = line.bare
        is_definition = "–" in found.group("mark") or "—" in found.group("mark")
        if is_definition and value[:1].isupper() and len(value.split()) > 3:
            question = one_of(_DEFINITION[language], *key, term).format(term=term)
            yield "definition", question, _meaning(term, value, language), quote
        elif topic and not is_definition:
            question = one_of(_VALUE[language], *key, term).format(heading=topic, key=term)
            yield "entry", question, _ended(f"{term}: {value}"), quote


def _is_key(text: str) -> bool:
    words = text.lower().split()
    if set(words) & {"this", "these", "that", "dies", "diese", "dieser", "dieses"}:
        return False
    return len(words) <= 6 and not set(words) <= _LABELS and not text.startswith(("http", "§")) and text[0].isalnum()


def _meaning(term: str, value: str, language: str) -> str:
    """A definition as a sentence: only what grammar allows for sure, else term and meaning side by side."""
    articles = {"en": ("A ", "An ", "The ", "Our ", "Your "), "de": ("Der ", "Die ", "Das ", "Ein ", "Eine ")}
    if value.startswith(articles[language]):
        word = "means" if language == "en" else "bedeutet:"
        text = value if language == "de" else value[0].lower() + value[1:]
        return _ended(f"{term} {word} {text}")
    return _ended(f"{term}: {value}")


def _ended(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text.rstrip(';,')}."
