"""Questions to begin with, from the documents themselves: headings that are questions, else what headings are about."""

import itertools
from collections.abc import Hashable, Iterable, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from assistant.service import open_corpus
from assistant.store.catalog import Catalog
from assistant.text.languages import LANGUAGES, Language
from assistant.text.words import stems
from assistant.types import HEADING_SEPARATOR, Filter
from assistant.workspace import Workspace
from ui.texts import texts

_MOST_CHUNKS = 4000
_SHORTEST, _LONGEST = 12, 110
_LEAST_QUESTIONS = 3
Suggestion = tuple[str, str, str]
"""A question, the document it is from, and its language."""


def first_questions(workspace: Workspace, corpus: str, language: Language, most: int = 4) -> list[str]:
    """Questions that a corpus answers: from as many documents as may be, those in the reader's language first."""
    known = questions_of(workspace, corpus)
    ours = [one for one in known if one[2] == language]
    others = [one for one in known if one[2] != language]
    return [question for question, *_ in itertools.islice(itertools.chain(_in_turn(ours), _in_turn(others)), most)]


def like_questions(workspace: Workspace, corpus: str, asked: str, most: int = 3) -> list[str]:
    """Questions that a corpus answers and that share the most words with one that it does not."""
    known = questions_of(workspace, corpus)
    wanted = {language: set(stems(asked, language)) for language in {language for _, _, language in known}}
    shared = [
        (len(wanted[language] & set(stems(question, language))), question)
        for question, _, language in known
        if question != asked
    ]
    return [question for count, question in sorted(shared, key=lambda pair: -pair[0]) if count][:most]


def questions_of(workspace: Workspace, corpus: str) -> tuple[Suggestion, ...]:
    """All questions of a corpus, as of its last ingest."""
    with closing(open_corpus(workspace, corpus)) as catalog:
        return _questions(workspace.corpus(corpus), catalog.file, catalog.generation())


@lru_cache(maxsize=32)
def _questions(folder: Path, file: Hashable, generation: int) -> tuple[Suggestion, ...]:  # noqa: ARG001
    """Of a catalog as it is; one that came to its place, and a new generation, have other questions."""
    with closing(Catalog(folder)) as catalog:
        found: list[tuple[str, str, str, str]] = []  # (heading, title, document, language), once each
        seen: set[tuple[str, str]] = set()
        for chunk in catalog.chunks(catalog.chunk_ids(Filter())[:_MOST_CHUNKS]).values():
            heading = chunk.heading.rpartition(HEADING_SEPARATOR)[2].strip()
            if _SHORTEST <= len(heading) <= _LONGEST and (chunk.document, heading) not in seen:
                seen.add((chunk.document, heading))
                found.append((heading, chunk.title, chunk.document, chunk.language))
    questions = [(heading, document, language) for heading, _, document, language in found if heading.endswith("?")]
    if len(questions) < _LEAST_QUESTIONS:
        abouts: dict[str, str] = {language: texts(language)["chat.about"] for language in LANGUAGES}
        questions += [
            (abouts.get(language, abouts["en"]).format(heading=heading, title=title), document, language)
            for heading, title, document, language in found
            if not heading.endswith("?")
        ]
    return tuple(dict.fromkeys(questions))


def _in_turn(suggestions: Sequence[Suggestion]) -> Iterable[Suggestion]:
    """One of each document, then the second of each, and so on."""
    by_document: dict[str, list[Suggestion]] = {}
    for one in suggestions:
        by_document.setdefault(one[1], []).append(one)
    rounds = itertools.zip_longest(*by_document.values())
    return (one for some in rounds for one in some if one is not None)
