"""For a model too small to write whole examples: the answer is a sentence of the documents, it writes the question.

It is shown four sentences with their questions, and then one more.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.store.catalog import StoredChunk
from assistant.types import Message
from ingest.pairs.blocks import blocks_of, sentences_of, topic_of
from ingest.pairs.candidate import Candidate, number_of

_FEWEST_WORDS, _MOST_WORDS = 8, 40
_TASK = {
    "en": "You write the question that a sentence answers. Write only the question.",
    "de": "Sie schreiben die Frage, die ein Satz beantwortet. Schreiben Sie nur die Frage.",
}
# (heading, sentence, question): the question says it in other words, and names what it is about.
_EXAMPLES: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "en": (
        ("Opening hours", "The library is open from 9 to 18 on weekdays.", "When is the library open during the week?"),
        (
            "Lost cards",
            "A lost card is replaced within 3 days for a fee of €5.",
            "How much do I pay for a new library card?",
        ),
        ("Guests", "Guests may bring a dog if they tell the reception beforehand.", "Can I bring my dog to the hotel?"),
        (
            "Returning books",
            "If a book comes back late, we charge 20 cents a day.",
            "What does it cost to return a book late?",
        ),
    ),
    "de": (
        (
            "Öffnungszeiten",
            "Die Bibliothek ist werktags von 9 bis 18 Uhr offen.",
            "Wann hat die Bibliothek unter der Woche offen?",
        ),
        (
            "Verlorene Karten",
            "Eine verlorene Karte ersetzen wir gegen 5 €.",
            "Wie viel kostet ein neuer Bibliotheksausweis?",
        ),
        (
            "Gäste",
            "Gäste dürfen einen Hund mitbringen, wenn sie ihn anmelden.",
            "Kann ich meinen Hund in das Hotel mitnehmen?",
        ),
        (
            "Rückgabe",
            "Für ein verspätetes Buch berechnen wir 20 Cent am Tag.",
            "Was kostet es, ein Buch zu spät abzugeben?",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence that a question is wanted for."""

    chunk: StoredChunk
    sentence: str
    raw: str
    prompt: tuple[Message, ...]


def lines_of(chunk: StoredChunk, count: int, seed: int) -> list[Line]:
    """At most ``count`` sentences of a chunk, with the prompts for their questions.

    None in a language without examples.
    """
    if chunk.language not in _EXAMPLES:
        return []
    found = [
        Line(chunk, sentence, raw, _prompt(chunk.language, topic_of(block.heading), sentence))
        for block in blocks_of(chunk, continues=False)
        if block.kind == "paragraph"
        for sentence, raw in sentences_of(block)
        if _FEWEST_WORDS <= len(sentence.split()) <= _MOST_WORDS and sentence.endswith(".")
    ]
    return sorted(found, key=lambda line: number_of(seed, line.sentence))[:count]


def candidate_of(line: Line, reply: str) -> Candidate | None:
    """The question in a reply with its sentence as answer; None where the reply is no question of one line."""
    question = re.split(r"(?<=[?])", reply.strip().split("\n")[0], maxsplit=1)[0].strip(' "“”„')
    if not question.endswith("?"):
        return None
    chunk = line.chunk
    return Candidate(question, line.sentence, line.raw, "fact", chunk.id, chunk.document, chunk.language, "generated")


def _prompt(language: str, heading: str, sentence: str) -> tuple[Message, ...]:
    messages = [Message("system", _TASK[language])]
    for about, answer, question in _EXAMPLES[language]:
        messages += [Message("user", f"{about}: {answer}"), Message("assistant", question)]
    return (*messages, Message("user", f"{heading}: {sentence}" if heading else sentence))
