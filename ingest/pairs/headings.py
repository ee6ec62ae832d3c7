"""Questions from headings: those that are questions themselves, and what a section says first."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.pairs.blocks import Block, sentences_of, topic_of
from ingest.pairs.candidate import one_of

_LONGEST_ANSWER = 320
_MOST_SENTENCES = 3
# Items of a list that answer a question; more would be no short answer.
_MOST_ITEMS = 8
_TOPIC_WORDS = 7

_NO_TOPICS = frozenset(
    "beispiel beispiele contents example examples glossar glossary hinweis hinweise index inhalt inhaltsverzeichnis"
    " note notes overview summary übersicht zusammenfassung".split()
)

# The last of each fit any words; the others want a noun.
_TOPIC = {
    "en": (
        "What applies to {topic}?",
        "What do the documents say about {topic}?",
        "What should I know about {topic}?",
        "Tell me about {topic}.",
        "What is said under “{Topic}”?",
        "{Topic}: what is the rule?",
    ),
    "de": (
        "Was gilt zum Thema „{Topic}“?",
        "Was steht in den Unterlagen zum Thema „{Topic}“?",
        "Was muss ich zum Thema „{Topic}“ wissen?",
        "Was steht unter „{Topic}“?",
        "{Topic}: was gilt da?",
    ),
}
_ANY_WORDS = 2
_NO_NOUN = re.compile(
    r"(?:in|on|at|if|when|how|what|where|why|who|after|before|during|for|from|to|with|without|end|do|don't|never|always|say"
    r"|write|use|keep|make|get|be|is|are|can|wenn|wie|was|wann|wo|warum|nach|vor|bei|mit|ohne|für|im)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(r"(?:when|how|what|where|why|who|wenn|wie|was|wann|wo|warum)\b", re.IGNORECASE)
# What somebody has to tell rather than a subject: "My suitcase did not arrive".
_TOLD = re.compile(r"(?:my|i|we|our|mein|meine|ich|wir|unser|unsere)\b", re.IGNORECASE)
_WHAT_NOW = {"en": "{Topic}. What should I do?", "de": "{Topic}. Was soll ich tun?"}


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, and the words of the chunk that it is made of."""

    answer: str
    quote: str


def asked_headings(block: Block) -> Iterator[tuple[str, Told]]:
    """Questions that the documents ask themselves: the heading right above a block, or the start of a line."""
    if block.opens and block.heading.endswith("?"):
        told = told_first(block)
        if told:
            yield topic_of(block.heading), told
    if block.kind == "paragraph":
        for line in block.lines:
            question, _, answer = line.text.partition("? ")
            is_question = 3 <= len(question.split()) <= 20 and ". " not in question
            if is_question and answer[:1].isupper() and "?" not in answer and len(answer) <= _LONGEST_ANSWER:
                yield f"{question}?", Told(answer, answer)


def topics(block: Block, language: str, topic: str, *key: object) -> Iterator[tuple[str, Told]]:
    """A question about the subject of a section, which what it says first answers."""
    templates = _TOPIC.get(language)
    introduced = block.kind == "list" and bool(block.lead)
    is_bare = not topic or block.heading.endswith("?") or topic.lower() in _NO_TOPICS
    if not templates or is_bare or not (block.opens or introduced):
        return
    told = told_first(block)
    if told and len(topic.split()) <= _TOPIC_WORDS:
        yield _asked(topic, templates, language, *key), told


def _asked(topic: str, templates: Sequence[str], language: str, *key: object) -> str:
    if _TOLD.match(topic):
        templates = (_WHAT_NOW[language],)
    elif _NO_NOUN.match(topic.rpartition(": ")[2]):
        templates = templates[-_ANY_WORDS:-1] if _ASKS.match(topic) else templates[-_ANY_WORDS:]
    if ":" in topic:
        templates = [template for template in templates if ":" not in template]
    return one_of(templates, *key).format(topic=topic, Topic=topic[0].upper() + topic[1:])


def told_first(block: Block) -> Told | None:
    """The first sentences of a paragraph, or the items of a short list with what introduces them."""
    if block.kind == "list" and len(block.lines) <= _MOST_ITEMS:
        lead = f"{block.lead} " if block.lead else ""
        answer = f"{lead}{'; '.join(line.bare.rstrip('.;,') for line in block.lines)}."
        return Told(answer, "\n".join(line.text for line in block.lines)) if len(answer) <= _LONGEST_ANSWER else None
    if block.kind != "paragraph":
        return None
    answer, quote = "", ""
    for sentence, raw in sentences_of(block, first_line_only=True)[:_MOST_SENTENCES]:
        if len(answer) + len(sentence) > _LONGEST_ANSWER:
            break
        answer, quote = f"{answer} {sentence}".strip(), f"{quote} {raw}".strip()
    return Told(answer, quote) if answer.endswith((".", "!", '"', "”", "“", ")")) else None
