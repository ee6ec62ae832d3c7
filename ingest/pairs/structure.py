"""Pairs found in the structure of the documents: no model is needed, so that there are always some.

Each chunk is asked for what its form gives away: headings that are questions, glossary entries, ``key: value`` lines,
table rows, sentences whose word order can be turned into a question, and searches of a few telling words.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from assistant.store.catalog import StoredChunk
from assistant.text.lexicon import vocabulary
from assistant.text.words import content_stems
from ingest.pairs import english, german
from ingest.pairs.blocks import Block, blocks_of, sentences_of, topic_of
from ingest.pairs.candidate import Candidate, share_of
from ingest.pairs.casing import Casing
from ingest.pairs.contrast import contrasted
from ingest.pairs.entries import entries
from ingest.pairs.headings import asked_headings, topics
from ingest.pairs.keywords import Rarity, keywords
from ingest.pairs.tables import cells, table_of

_TURN = {"en": english.questions, "de": german.questions}
# A question of so few telling words needs the heading above its answer to be understood.
_FEW_WORDS = 2
_CARELESS = 0.1
# Half of an exchange: its question stands before it.
_IS_REPLY = re.compile(r"(?:Yes|No|Ja|Nein)[.,!] ")
_QUESTION_WORDS = vocabulary("stopwords") | {"within", "innerhalb", "wonach", "woraus", "gilt", "gelten", "gibt"}

Found = Iterator[tuple[str, str, str, str]]
"""(kind, question, response, quote)."""


class Finder:
    """Finds pairs in chunks, by what is known of the whole corpus."""

    def __init__(self, chunks: Sequence[StoredChunk], seed: int) -> None:
        self._casing = Casing(chunk.text for chunk in chunks)
        self._rarity = Rarity((f"{chunk.heading} {chunk.text}", chunk.language) for chunk in chunks)
        headed = {(chunk.document, block.heading) for chunk in chunks for block in blocks_of(chunk, False)}
        self._headings = Counter(topic_of(heading).lower() for _, heading in headed)
        self._seed = seed

    def candidates(self, chunk: StoredChunk, continues: bool) -> Iterator[Candidate]:
        """Everything that one chunk gives; ``continues`` says that it goes on with the section before it."""
        for block in blocks_of(chunk, continues):
            for kind, question, response, quote in self._in_block(block, chunk):
                if not question:
                    continue  # a sentence with too few telling words to search for
                yield Candidate(question, response, quote, kind, chunk.id, chunk.document, chunk.language)

    def _in_block(self, block: Block, chunk: StoredChunk) -> Found:
        language, topic = chunk.language, topic_of(block.heading)
        key = (self._seed, chunk.document, block.heading, block.lines[0].text)
        for question, told in asked_headings(block):
            yield "faq", self._named(question, chunk), told.answer, told.quote
            yield "search", keywords(question, "", language, self._rarity, *key), told.answer, told.quote
        listed = list(entries(block, language, topic or _short(chunk.title), *key))
        yield from listed
        named = self._named(topic if _is_title(topic) else self._casing.lowered(topic, language), chunk)
        for question, told in () if listed else topics(block, language, named, *key):
            yield "topic", question, told.answer, told.quote
        if block.kind == "table":
            yield from self._in_table(block, chunk, key)
        else:
            for sentence, raw in sentences_of(block):
                yield from self._in_sentence(sentence, raw, topic, chunk)

    def _in_table(self, block: Block, chunk: StoredChunk, key: tuple[object, ...]) -> Found:
        above = "\n".join([block.heading, *(line.text for line in block.above)]).strip()
        table = table_of([line.text for line in block.lines], chunk.context, above)
        if table is None:
            return
        for question, response, quote in cells(table, chunk.language, *key):
            # "Zone A, Home Basic?" or "$ 100, rate?" could be asked of many tables.
            is_general = table.names_things or table.has_bare_labels
            scope = table.subject if is_general and not table.subject.endswith("?") else ""
            scoped = _behind(scope, question) if scope else self._scoped(question, topic_of(block.heading), chunk)
            yield "table", scoped, response, quote

    def _in_sentence(self, sentence: str, raw: str, topic: str, chunk: StoredChunk) -> Found:
        response = _as_sentence(sentence)
        if _IS_REPLY.match(sentence):
            return
        turn = _TURN.get(chunk.language)
        for kind, turned, said in turn(sentence, self._casing) if turn else ():
            question, opening = contrasted(turned, said, self._seed) or (turned, said)
            asked = self._typed(self._scoped(question, topic, chunk))
            yield kind, asked, f"{opening} {response}".strip(), raw
        if sentence == response:
            key = (self._seed, chunk.document)
            yield "search", keywords(sentence, topic, chunk.language, self._rarity, *key), response, raw

    def _typed(self, question: str) -> str:
        """A question as it is typed: some people leave out the capital and the question mark."""
        if share_of(self._seed, "typed", question) >= _CARELESS:
            return question
        return f"{question[0].lower()}{question[1:].rstrip('?')}"

    def _named(self, heading: str, chunk: StoredChunk) -> str:
        """A heading with the title of its document, where several documents have it or it points back."""
        title = _short(chunk.title)
        is_shared = self._headings[heading.lower()] > 1 or re.search(r"\b(?:these|this|diese\w*)\b", heading)
        return f"{title}: {heading}" if heading and title and title != heading and is_shared else heading

    def _scoped(self, question: str, topic: str, chunk: StoredChunk) -> str:
        """A question with what it is about in front, where its own words do not say so."""
        said = set(content_stems(question, chunk.language))
        if len(said) > _FEW_WORDS:
            return question
        for scope in (topic, _short(chunk.title)):
            if scope and not scope.endswith("?") and not said.issuperset(content_stems(scope, chunk.language)):
                return _behind(scope, question)
        return question


def _behind(scope: str, question: str) -> str:
    """A question behind what it is about."""
    is_word = question.split()[0].rstrip(",").lower() in _QUESTION_WORDS
    return f"{scope}: {question[0].lower() if is_word else question[0]}{question[1:]}"


def _is_title(topic: str) -> bool:
    """Whether each word of weight is written large, as in a title."""
    grammar = vocabulary("stopwords")
    return all(word[0].isupper() for word in topic.split()[1:] if word[0].isalpha() and word.lower() not in grammar)


def _short(title: str) -> str:
    """A title without its subtitle."""
    return title.split(" – ")[0].split(": ")[0].strip()


def _as_sentence(text: str) -> str:
    """A sentence as a response: with a capital in front and a full stop behind."""
    text = text.rstrip(" ;,")
    if not text:
        return ""
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", ":", "!", "?", "…", ".“", ".”", '."')) else f"{text}."
