"""Kinds of English and German words that show how a question is built, folded to lower case."""

from assistant.text.lexicon import vocabulary

QUESTION_WORDS, VERBS, SPEAKERS, PREPOSITIONS, DETERMINERS, CONDITIONS, RELATIONS, POINTERS = map(
    vocabulary,
    (
        "question_words",
        "verbs",
        "pronouns",
        "prepositions",
        "determiners",
        "conditions",
        "relations",
        "demonstratives",
    ),
)
CONJUNCTIONS = CONDITIONS | vocabulary("conjunctions")
SAME_PREPOSITIONS = tuple(
    frozenset(kind.split())
    for kind in ("on at", "in within under", "bei beim", "in im", "für fürs", "an am", "von vom", "zu zum zur")
)
"""Prepositions that stand in the same place: "on weekdays", "at weekends"."""
GRAMMAR = vocabulary("stopwords") | QUESTION_WORDS | VERBS | PREPOSITIONS | CONJUNCTIONS
NO_SUBJECT = GRAMMAR | RELATIONS | vocabulary("clitics")
