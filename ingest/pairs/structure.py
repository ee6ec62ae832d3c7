"""Pairs found in the structure of the documents: no model is needed, so that there are always some.

Each chunk is asked for what its form gives away: headings that are questions, glossary entries, ``key: value`` lines,
table rows, what a section says first, and searches of a few telling words.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from assistant.store.index import StoredChunk
from assistant.text.lexicon import own, vocabulary, whole_words
from assistant.text.words import content_stems, stems
from ingest.pairs.candidates import ANY_WORDS, CandidatePair, number_of, one_of, pattern_of, wordings, words_of
from ingest.pairs.headed_blocks import HeadedBlock, blocks_of, sentences_of, topic_of

# A question of so few telling words needs the heading above its answer to be understood.
_FEW_WORDS = 2
_GRAMMAR = vocabulary("stopwords")
# Half of an exchange: its question stands before it.
_REPLIES = tuple(f"{word}{mark} " for word in ("Yes", "No", "Ja", "Nein") for mark in ".,!")
Found = Iterator[tuple[str, str, str, str]]
"""(kind, question, response, quote)."""
# Characters and sentences that a section begins with: they answer what it is about, all of it would be no answer. Not
# measured.
_LONGEST_ANSWER = 320
_ENDS = (".", "!", "?", "…", ".“", ".”", '."')
_MOST_SENTENCES = 3
# Items of a list that answer a question; more would be no short answer.
_MOST_ITEMS = 8
_TOPIC_WORDS = 7  # longer headings are clauses, which no question is made around
_NO_NOUN, _ASKS, _TELLS = (whole_words(pattern_of(kind)) for kind in ("no_noun", "asks", "tells"))
_ENTRY = re.compile(r"^(?P<key>[^:–—.;?!|]{2,60}?)(?P<mark>\s*:\s+|\s+[–—]\s+)(?P<value>\S.{2,400})$")
_KEY_WORDS = 6  # more are a clause before a colon, not what is defined
_POINTERS = frozenset({"this", "these", "that", "dies", "diese", "dieser", "dieses"})
_FEWEST, _MOST = 3, 5  # words of a search: fewer are said in many places, more are no search of people
_WEAK = _GRAMMAR | words_of("weak")
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_WITHIN_SENTENCE = re.compile(r"(?<=[\w,;)] )[^\W\d_][\w'’-]*")
# Columns that comment on a row instead of saying something of it.
_COMMENTS = whole_words(pattern_of("comments"))
_CODE = re.compile(r"^[A-Z]{0,5}[-/ ]?\d[\d-]*$")
_BARE_NUMBER = re.compile(r"^-?\d[\d.,]*$")
_UNIT = re.compile(
    r"\bin ((?:euros?|EUR|€|percent|Prozent|%|Euro|days?|Tagen|weeks?|months?|years?|Jahren)"
    r"(?: [^,.;|\n]{1,40})?)(?=[,.;|\n]|$)"
)
_LONGEST_CELL = 160  # characters: longer cells are text, not a value
_LONGEST_SUBJECT = 80  # longer lines above a table are sentences
# Longer heads are cells of a table that only looks as if it had a header (22 of 43 on two handbooks).
_LONGEST_HEAD = 60
_YES_NO = frozenset({"yes", "no", "ja", "nein", "x", "–", "-"})
# A header that is no noun, or begins with a preposition.
_NO_NOUN_COLUMN = whole_words(pattern_of("no_noun_column"))


class Finder:
    """Finds pairs in chunks, by what is known of the whole corpus."""

    def __init__(self, chunks: Sequence[StoredChunk], seed: int) -> None:
        self._casing = Casing(chunk.text for chunk in chunks)
        self._rarity = Rarity((f"{chunk.heading} {chunk.text}", chunk.language) for chunk in chunks)
        headed = {(chunk.document, block.heading) for chunk in chunks for block in blocks_of(chunk, False)}
        self._headings = Counter(topic_of(heading).lower() for _, heading in headed)
        self._seed = seed

    def candidates(self, chunk: StoredChunk, continues: bool) -> Iterator[CandidatePair]:
        """Everything that one chunk gives; ``continues`` says that it goes on with the section before it."""
        for block in blocks_of(chunk, continues):
            for kind, question, response, quote in self._in_block(block, chunk):
                if not question:
                    continue  # a sentence with too few telling words to search for
                yield CandidatePair(question, response, quote, kind, chunk.id, chunk.document, chunk.language)

    def _in_block(self, block: HeadedBlock, chunk: StoredChunk) -> Found:
        language, topic = chunk.language, topic_of(block.heading)
        key = (self._seed, chunk.document, block.heading, block.lines[0].text)
        for question, told in asked_headings(block):
            yield "faq", self._named(question, chunk), told.answer, told.quote
            yield "search", keywords(question, "", language, self._rarity, *key), told.answer, told.quote
        listed = list(entries(block, language, topic or _short(chunk.title), *key))
        yield from listed
        # In a title each word of weight is written large.
        is_title = all(
            word[0].isupper() for word in topic.split()[1:] if word[0].isalpha() and word.lower() not in _GRAMMAR
        )
        named = self._named(topic if is_title else self._casing.lowered(topic, language), chunk)
        for question, told in () if listed else topics(block, language, named, *key):
            yield "topic", question, told.answer, told.quote
        for sentence, raw in sentences_of(block) if block.kind != "table" else ():
            if not sentence[:1].islower() and sentence.endswith(_ENDS) and not sentence.startswith(_REPLIES):
                asked = keywords(sentence, topic, language, self._rarity, self._seed, chunk.document)
                yield "search", asked, sentence, raw
        if (table := table_of(block) if block.kind == "table" else None) is None:
            return
        for question, response, quote in cells(table, language, *key):
            # "Zone A, Home Basic?" or "$ 100, rate?" could be asked of many tables.
            is_general = table.names_things or table.has_bare_labels
            scope = table.subject if is_general and not table.subject.endswith("?") else ""
            scoped = _behind(scope, question) if scope else self._scoped(question, topic, chunk)
            yield "table", scoped, response, quote

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
    is_word = question.split()[0].rstrip(",").lower() in _GRAMMAR
    return f"{scope}: {question[0].lower() if is_word else question[0]}{question[1:]}"


def _short(title: str) -> str:
    """A title without its subtitle."""
    return title.split(" – ")[0].split(": ")[0].strip()


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, and the words of the chunk that it is made of."""

    answer: str
    quote: str


def asked_headings(block: HeadedBlock) -> Iterator[tuple[str, Told]]:
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


def topics(block: HeadedBlock, language: str, topic: str, *key: object) -> Iterator[tuple[str, Told]]:
    """A question about the subject of a section, which what it says first answers."""
    templates = wordings("topic", language)
    introduced = block.kind == "list" and bool(block.lead)
    is_bare = not topic or block.heading.endswith("?") or topic.lower() in words_of("no_topics")
    if not templates or is_bare or not (block.opens or introduced):
        return
    told = told_first(block)
    if told is None or len(topic.split()) > _TOPIC_WORDS:
        return
    if _TELLS.match(topic):
        templates = wordings("what_now", language)
    elif _NO_NOUN.match(topic.rpartition(": ")[2]):
        templates = templates[-ANY_WORDS:-1] if _ASKS.match(topic) else templates[-ANY_WORDS:]
    if ":" in topic:
        templates = [template for template in templates if ":" not in template]
    yield one_of(templates, *key).format(topic=topic, Topic=topic[0].upper() + topic[1:]), told


def told_first(block: HeadedBlock) -> Told | None:
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


def entries(block: HeadedBlock, language: str, topic: str, *key: object) -> Iterator[tuple[str, str, str, str]]:
    """(kind, question, response, quote) of the lines of a block; ``topic`` is what its section is about."""
    definitions = wordings("definition", language)
    if not definitions or block.kind == "table":
        return
    for line in block.lines:
        found = _ENTRY.match(line.bare)
        if found is None:
            continue
        term, value = found["key"].strip(), found["value"].strip()
        words = set(found["key"].lower().split())
        is_label = words <= words_of("field_names") or found["key"].startswith(("http", "§"))
        if is_label or words & _POINTERS or len(found["key"].split()) > _KEY_WORDS or not found["key"][0].isalnum():
            continue
        is_definition = "–" in found["mark"] or "—" in found["mark"]
        if is_definition and value[:1].isupper() and len(value.split()) > 3:
            question = one_of(definitions, *key, term).format(term=term)
            # Only what grammar allows for sure is a sentence, else term and meaning stand side by side.
            begins = value.startswith(tuple(wordings("articles", language)))
            form = wordings("meaning", language) if begins else "{term}: {Meaning}"
            meaning = form.format(term=term, meaning=value[0].lower() + value[1:], Meaning=value)
            yield "definition", question, _ended(meaning), line.bare
        elif topic and not is_definition:
            question = one_of(wordings("entry", language), *key, term).format(heading=topic, key=term)
            yield "entry", question, _ended(f"{term}: {value}"), line.bare


def _ended(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text.rstrip(';,')}."


class Casing:
    """How often each word is written small, and how often with a capital, inside sentences."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._small: Counter[str] = Counter()
        self._large: Counter[str] = Counter()
        for text in texts:
            for word in _WITHIN_SENTENCE.findall(text):
                (self._small if word[0].islower() else self._large)[word.lower()] += 1

    def lowered(self, text: str, language: str) -> str:
        """``text`` with its first letter small, if its first word is one that is written so."""
        first = text.partition(" ")[0].rstrip(".,:;!?")
        if not first[:1].isupper() or first[1:] != first[1:].lower():
            return text
        if language == "de" and first.startswith(("Ihr", "Sie")):
            return text  # a form of address, whose small twin is another word
        small, large = self._small[first.lower()], self._large[first.lower()]
        # Where nothing is known: in German it is likely a noun; elsewhere a name only if the next word is large too.
        is_name = language == "de" or text[len(first) + 1 : len(first) + 2].isupper()
        is_small = small >= large if small or large else not is_name
        return text[0].lower() + text[1:] if is_small else text


class Rarity:
    """How telling each stem is in a corpus: its inverse document frequency over chunks."""

    def __init__(self, chunks: Iterable[tuple[str, str]]) -> None:
        """``chunks`` are (text, language)."""
        self._seen: Counter[str] = Counter()
        self._count = 0
        for text, language in chunks:
            self._seen.update(set(stems(text, language)))
            self._count += 1

    def of(self, stem: str) -> float:
        """Inverse document frequency, as BM25 counts it."""
        seen = self._seen[stem]
        return math.log(1 + (self._count - seen + 0.5) / (seen + 0.5))


def keywords(sentence: str, topic: str, language: str, rarity: Rarity, *key: object) -> str:
    """A search for ``sentence``: its most telling words in their order, after one of its topic; empty if it has few."""
    found = _telling_words(sentence, language)
    wanted = _FEWEST + number_of(*key, sentence) % (_MOST - _FEWEST + 1)
    if len(found) < _FEWEST:
        return ""
    by_weight = sorted(found, key=lambda word: -rarity.of(stems(word, language)[0]))[:wanted]
    chosen = [word for word in found if word in set(by_weight)]
    said = {stems(word, language)[0] for word in found}
    about = [word for word in _telling_words(topic, language) if stems(word, language)[0] not in said]
    if about:
        chosen = [max(about, key=lambda word: rarity.of(stems(word, language)[0])), *chosen[: wanted - 1]]
    return " ".join(chosen)


def _telling_words(text: str, language: str) -> list[str]:
    """Those that say what a text is about, each stem once, in their order."""
    found = (word.lower() for word in _WORD.findall(text))
    telling = [word for word in found if len(word) > 2 and word not in _WEAK and not word[0].isdigit()]
    return list({stems(word, language)[0]: word for word in reversed(telling)}.values())[::-1]


@dataclass(frozen=True, slots=True)
class LabelledTable:
    """A table as a chunk shows it, with the text above it."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...]
    """The rows as they stand in the text."""
    above: str = ""

    @property
    def label_column(self) -> int:
        """The column that names the rows: the first whose cells are all different and are words, not codes."""
        for position, head in enumerate(self.header):
            column = [row[position] for row in self.rows]
            is_named = len(set(column)) == len(column) and not any(_CODE.match(cell) or not cell for cell in column)
            if is_named and not _COMMENTS.fullmatch(head):
                return position
        return 0

    @property
    def has_bare_labels(self) -> bool:
        """Whether what names the rows are amounts, which name many rows."""
        return not any(re.search(r"[^\W\d_]{2}", row[self.label_column]) for row in self.rows)

    @property
    def subject(self) -> str:
        """What the table is about: the line above it, without its unit; empty if that is none or long."""
        caption = topic_of(re.sub(r",? in (?:euros?|%|EUR|percent)\b.*", "", self.above.split("\n")[0])).rstrip(" .:")
        return caption if len(caption) <= _LONGEST_SUBJECT else ""

    @property
    def unit(self) -> str:
        """The unit that the caption states for bare numbers; empty if none."""
        found = _UNIT.search(self.above)
        return found.group(1) if found else ""

    @property
    def names_things(self) -> bool:
        """Whether the columns are things to choose from: their headers begin alike, or all hold bare numbers."""
        label = self.label_column
        columns = [at for at, head in enumerate(self.header) if at != label and not _COMMENTS.fullmatch(head)]
        firsts = [self.header[at].split()[0] for at in columns]
        begin_alike = len(set(firsts)) < len(firsts) or all(re.search(r"\d", self.header[at]) for at in columns)
        is_numeric = all(_BARE_NUMBER.match(row[at]) for at in columns for row in self.rows)
        return len(columns) > 1 and (begin_alike or is_numeric) and not any("_" in self.header[at] for at in columns)


def table_of(block: HeadedBlock) -> LabelledTable | None:
    """The table of a block; None where nothing stands over its columns, or over some of them."""
    header = _cells_of(block.header[-1]) if block.header else ()
    found = [(_cells_of(line.text), line.text) for line in block.lines if line.text not in block.header]
    rows = [(row, line) for row, line in found if len(row) == len(header) and row != header and row[0]]
    if len(header) < 2 or not rows or not all(0 < len(head) <= _LONGEST_HEAD for head in header):
        return None
    above = "\n".join([block.heading, *(line.text for line in block.above)]).strip()
    return LabelledTable(header, tuple(row for row, _ in rows), tuple(line for _, line in rows), above)


def _cells_of(line: str) -> tuple[str, ...]:
    """The cells of a line, parted by bars or, as in text from a PDF, by gaps."""
    if line.startswith("|"):
        return tuple(part.strip() for part in line.strip().strip("|").split("|"))
    return tuple(part.strip() for part in line.split("  ") if part.strip()) or ("",)


def cells(table: LabelledTable, language: str, *key: object) -> Iterator[tuple[str, str, str]]:
    """(question, response, quote) for every cell worth asking for; the quote is the row."""
    label, things = table.label_column, table.names_things
    templates = wordings("thing" if things else "property", language)
    for row, line in zip(table.rows, table.lines, strict=True):
        for position, value in enumerate(row):
            head = table.header[position].replace("_", " ")
            is_empty = not value or value.lower() in _YES_NO or len(value) > _LONGEST_CELL
            is_code = _CODE.match(value) and not _BARE_NUMBER.match(value)
            if not templates or position == label or is_empty or is_code or _COMMENTS.fullmatch(head):
                continue
            has_no_noun = bool(_NO_NOUN_COLUMN.search(head))
            words = head.split()
            is_name = (len(words) > 1 and words[1][:1].isupper()) or head.isupper()
            column = head if is_name or own("capital_nouns", language) else head[0].lower() + head[1:]
            fitting = templates[-ANY_WORDS:] if has_no_noun else templates
            question = one_of(fitting, *key, row[label], head).format(row=row[label], column=column, Column=head)
            # A statement with as little grammar between its words as it takes.
            named = row[label][0].upper() + row[label][1:]
            amount = f"{value} {table.unit}" if table.unit and _BARE_NUMBER.match(value) else value
            if has_no_noun:
                statement = f"{named}, {column}: {amount}."
            else:
                form = wordings("of_thing" if things else "of_property", language)
                large = head if things else head[0].upper() + head[1:]
                statement = form.format(row=named, Column=large, amount=amount)
            yield question, statement, line
