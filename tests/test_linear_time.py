"""Whatever a stranger writes is read in a time that grows with its length, and not with the square of it.

A new function that reads questions, documents, answers, names or files gets a line in READERS; a new way to write one
letter, word or sign over and over gets one in KINDS. What is read from a file or a store gets a line in MADE too, which
makes it of a text.
"""

import gc
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import cache
from html import escape
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from docx import Document as WordDocument
from fakes import FakeEmbedder
from markupsafe import Markup
from openpyxl import Workbook
from pptx import Presentation
from reportlab.pdfgen.canvas import Canvas
from samples import evidence, weights

from assistant.artifacts.pairs import read_pairs
from assistant.config import Settings
from assistant.conversation import followups, smalltalk
from assistant.errors import AssistantError
from assistant.feedback.database import Assessment, FeedbackStore, Versions
from assistant.grounding import (
    consistency,
    grounder,
    markers,
    quoting,
    repetition,
    spans,
    support,
)
from assistant.prompt import build_messages
from assistant.refusal import answerability, refusal_text
from assistant.refusal.answerability import held, judge
from assistant.render.streaming import as_said, text_of
from assistant.render.transcript import answer_lines, conversation_markdown
from assistant.retrieval import editions
from assistant.retrieval.pool import refuse_unmatched
from assistant.retrieval.retriever import Retriever
from assistant.store.blocks import blocks_in
from assistant.store.catalog import Catalog
from assistant.store.index import StoredChunk
from assistant.text import names, negation, quantities
from assistant.text.printing import excerpt, visible
from assistant.text.sentences import asks, line_sentence_spans
from assistant.text.words import content_stems, detect, query_terms, terms, whole_questions
from assistant.types import Answer, Block, Document, Filter, Message
from assistant.untrusted import injection, markup, traced_skeleton
from assistant.untrusted.injection import harmless
from assistant.workspace import Workspace, safe_name
from eval import matching
from eval.cases import read_cases
from eval.metrics import answers as answer_metrics
from eval.metrics import grounding, voice
from eval.report import question_views
from ingest import chunker
from ingest.pairs import selection, structure
from ingest.pairs.candidates import CandidatePair
from ingest.pairs.headed_blocks import BlockLine, HeadedBlock
from ingest.pairs.structure import Finder
from ingest.pipeline import ingest
from ingest.readers import clean
from ingest.readers import text as plain_text
from ingest.readers.email import read_email
from ingest.readers.epub import read_epub
from ingest.readers.html import read_html
from ingest.readers.markdown_source import read_markdown
from ingest.readers.pdf import layout as pdf_layout
from ingest.readers.pdf import read_pdf
from ingest.readers.reading_limits import Limits, Refused
from ingest.readers.sheets import read_xlsx
from ingest.readers.slides import read_pptx
from ingest.readers.tabular import read_table
from ingest.readers.text import read_text
from ingest.readers.word import read_docx
from ui.conversations import Conversations
from ui.export import as_docx, as_markdown, as_pdf
from ui.shown import prose, templates
from ui.sources import drawing as page_words
from ui.turns import TurnReply
from ui.uploads import safe_file_name

MOST_SECONDS = 2.0
"""For LONGEST characters, of an idle processor, on which the rounds of plain Python of ``slowdown`` take
``IDLE_SECONDS``."""
IDLE_SECONDS = 0.006
MOST_GROWTH = 1.2
"""Exponent of the length."""
SHORTER, SHORT, LONG, LONGEST = 1_250, 5_000, 40_000, 100_000
# What takes less for SHORT characters takes no two seconds for twenty times as many, even as their square.
FLOOR_SECONDS = 0.005
GIVEN_UP_SECONDS = 0.6

KINDS = {
    "Latin": "a", "capitals": "A", "umlauts": "ä", "Cyrillic": "ж", "Greek": "λ", "Arabic": "ا", "Hebrew": "א",
    "Devanagari": "क", "Thai": "ก", "Han": "漢", "Hangul": "한", "mathematical": "𝐚", "full width": "Ａ", "digits": "7",
    "blanks": " ", "tabs": "\t", "no-break": "\u00a0", "ideographic blanks": "\u3000", "lines": "\n", "CRLF": "\r\n",
    "line separators": "\u2028", "zero width": "\u200b", "accents": "e\u0301", "marks": "\u0301", "emoji": "😀",
    "family": "👩\u200d👧", "dots": ".", "spaced dots": "a . ", "ellipses": "…", "commas": ",", "dashes": "-",
    "en dashes": "–", "underscores": "_", "pipes": "|", "sections": "§ 1 ", "hashes": "# A\n", "stars": "*",
    "strong": "**a ", "code": "`", "equals": "=", "slashes": "/", "less than": "<", "half tags": "<a ", "tags": "<b>",
    "comments": "<!--", "turns": "<|im_", "passages": "<passage ", "rules": "a{b", "templates": "{% comment ",
    "opening": "(", "square": "[", "markers": "[1, ", "targets": "](", "quotes": '"', "apostrophes": "isn't ",
    "questions": "? ", "Name": "Name: ", "and what": "and what ", "a.b": "a.b", "letters": "a ",
    "sentences": "It is so. ", "items": "- a\n", "numbered": "1. Yes\n", "rows": "| a | b |\n", "columns": "a   b\n",
    "amounts": "€5 or ", "thousands": "1,234", "dates": "3 May ", "addresses": "https://a.b/c?d&", "mail": "a@b.c ",
    "denials": "no ", "nicht": "nicht ", "orders": "ignore all ", "names": "HOME Ab ", "cells": "a,b;c\n",
    "quotations": "> a\n", "nested": "  - a\n", "fences": "```\na\n",
}  # fmt: skip
PASSAGE = (
    "The deductible is €150 for each claim. Home Premium pays no hotel. You must tell us within 14 days.\n\n"
    "| Benefit | Home Basic | Home Comfort |\n| Deductible | €250 | €150 |\n| Hotel | €60 a day | €100 a day |"
)
HIT = evidence(PASSAGE)
PAST = (
    Message("user", "How long is the probation period?"),
    Message("assistant", "Six months [1]. Shall I list them?"),
)
ANSWERING = Settings().answer
LIMITS = Limits()
BUDGET = chunker.Budget(250, 48, 1200)
EMBEDDER = FakeEmbedder()
NUMBERS = count()


def streamed(text: str) -> None:
    reading = markers.Reading()
    for start in range(0, len(text), 400):
        reading.feed(text[start : start + 400])


def chunked(block: Block) -> None:
    chunker.chunk_document(Document("Terms", (block,), "text"), EMBEDDER.tokens, BUDGET)


def stored(text: str, language: str = "en") -> StoredChunk:
    return StoredChunk(
        1,
        1,
        "a.md",
        "/d",
        "Terms",
        language,
        "",
        text,
        "Terms > § 1 Cover",
        "§ 1 Cover",
        "",
        0,
        len(text),
        tuple(blocks_in(text)),
    )


def paired(text: str, language: str = "en") -> None:
    chunk = stored(text, language)
    list(Finder([chunk], 0).candidates(chunk, False))


def faulty(text: str) -> None:
    selection.fault(CandidatePair(text, "It is so.", "It is so.", "fact", 1, "d", "en"), text, text)
    selection.fault(CandidatePair("What is it so?", text, text, "fact", 1, "d", "en"), text, text)


def answered(text: str, *, refused: bool = False) -> Answer:
    return Answer(text, f"{text}x", text, (), (HIT,), refused=refused)


def with_retriever(use: Callable[[Retriever], object]) -> None:
    settings = Settings()
    with closing(Catalog(CORPUS[0])) as catalog:
        retriever = Retriever(catalog, EMBEDDER, settings.retrieval, settings.device)
        retriever.search("hail")
        use(retriever)


CORPUS: list[Path] = []
"""The folder of the one corpus that is searched."""


def filtered(text: str) -> None:
    with closing(Catalog(CORPUS[0])) as catalog:
        for only in (Filter((text,)), Filter(folder=text), Filter(metadata={"title": text})):
            with suppress(AssistantError):
                refuse_unmatched(only, catalog)


def filled(empty: bytes, member: str, content: str) -> bytes:
    """An archive with something in the place of MARK in one of its members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(empty)) as before, zipfile.ZipFile(buffer, "w") as after:
        for name in before.namelist():
            data = before.read(name)
            after.writestr(name, data.replace(b"MARK", content.encode()) if name == member else data)
    return buffer.getvalue()


def saved(document: Any) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


@cache
def empty_word_file() -> bytes:
    document = WordDocument()
    document.add_paragraph("MARK")
    for style in list(document.styles.element):  # reading them takes longer than the text
        document.styles.element.remove(style)
    return saved(document)


@cache
def empty_slides() -> bytes:
    slides = Presentation()
    slides.slides.add_slide(slides.slide_layouts[6]).shapes.add_textbox(0, 0, 99, 99).text_frame.text = "MARK"
    return saved(slides)


@cache
def empty_sheet() -> bytes:
    book = Workbook()
    book.active.append(["MARK"])
    return saved(book)


def word_file(text: str) -> bytes:
    """As long as the text; of paragraphs as many as it has room for."""
    parted = "</w:t></w:r></w:p><w:p><w:r><w:t>"
    content = escape(text).replace("\n", parted, len(text) // len(parted))
    return filled(empty_word_file(), "word/document.xml", content)


def slides(text: str) -> bytes:
    content = escape(text).replace("\n", "</a:t></a:r></a:p><a:p><a:r><a:t>")
    return filled(empty_slides(), "ppt/slides/slide1.xml", content)


def sheet(text: str) -> bytes:
    return saved_rows([line.split(",") for line in text.split("\n")])


def saved_rows(rows: Iterable[Sequence[str]]) -> bytes:
    book = Workbook(write_only=True)
    page = book.create_sheet()
    for row in rows:
        page.append(row)
    return saved(book)


def e_book(*chapters: str) -> bytes:
    numbers = range(len(chapters))
    items = "".join(f'<item id="c{at}" href="{at}.xhtml" media-type="application/xhtml+xml"/>' for at in numbers)
    order = "".join(f'<itemref idref="c{at}"/>' for at in numbers)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("META-INF/container.xml", '<container><rootfile full-path="a.opf"/></container>')
        package = f'<package xmlns="http://www.idpf.org/2007/opf">{items}<spine>{order}</spine></package>'
        archive.writestr("a.opf", package)
        for at, chapter in enumerate(chapters):
            archive.writestr(f"{at}.xhtml", f"<html><body>{chapter}</body></html>")
    return buffer.getvalue()


def pdf_file(text: str) -> bytes:
    """Each line on one line of the page, however long; as many of them as a file as long as the text has room for."""
    buffer = io.BytesIO()
    shown = text.encode("latin-1", "replace").decode("latin-1").split("\n", len(text) // 20)
    height = 12 * len(shown) + 12
    canvas = Canvas(buffer, (10 * max(map(len, shown)), height))
    lines = canvas.beginText(0, height - 12)
    lines.setFont("Helvetica", 10)
    for line in shown:
        lines.textLine(line)
    canvas.drawText(lines)
    canvas.save()
    return buffer.getvalue()


def json_lines(text: str, **fields: str) -> Path:
    """A file with a line of JSON for each line of a text, which stands there in the ``fields``."""
    file = CORPUS[0] / "lines.jsonl"
    rows = ({"id": str(at), **dict.fromkeys(fields, line)} for at, line in enumerate(text.split("\n")))
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def kept(text: str) -> None:
    """A conversation, and what is said of its answer."""
    store, answer = Conversations(Workspace(CORPUS[0])), answered(text)
    number = store.begin("a", text)
    store.add("a", number, text, [TurnReply("c", None, answer)])
    store.rename("a", number, text)
    store.listed("a", text)
    store.turns("a", number)
    FeedbackStore(Workspace(CORPUS[0])).add("a", "c", answer, Versions("m", None, 1), Assessment("wrong", note="x"), {})


def drawn(text: str) -> None:
    bold = (Markup("<b>"), Markup("</b>"))
    prose.prose(
        text,
        [prose.StyledSpan(0, len(text) // 2, *bold), prose.StyledSpan(len(text) // 2, len(text), behind=Markup("1"))],
    )
    prose.settled(text)


MADE: dict[str, Callable[[str], Any]] = {
    "Word file": word_file,
    "slides": slides,
    "sheet": sheet,
    "e-book": lambda text: e_book(escape(text)),
    "PDF": pdf_file,
    "file of pairs": lambda text: json_lines(text, instruction="", response=""),
    "file of cases": lambda text: json_lines(text, question="", kind=""),
}
"""What is made of a text before it is read."""
READERS: dict[str, Callable[[Any], object]] = {
    # Questions
    "terms, English": lambda text: terms(text, "en"),
    "terms, German": lambda text: terms(text, "de"),
    "terms of a question": lambda text: query_terms(text, ("en", "de", "fr")),
    "whole questions": lambda text: whole_questions(text, ("en", "de")),
    "stems": lambda text: content_stems(text, "en"),
    "language": lambda text: (detect(text), detect(text, ("en", "de"))),
    "sentences": line_sentence_spans,
    "whether a text asks": asks,
    "follow-up": lambda text: followups.rewritten(text, PAST),
    "question before a follow-up": lambda text: followups.rewritten("and for students?", (Message("user", text),)),
    "answer before a follow-up": lambda text: followups.rewritten("yes", (*PAST[:1], Message("assistant", text))),
    "courtesies": lambda text: (smalltalk.without_courtesy(text), smalltalk.offered(text), smalltalk.agrees(text)),
    "small talk": lambda text: smalltalk.reply(text, PAST, ANSWERING.greeting, ANSWERING.thanks),
    "search": lambda text: with_retriever(lambda retriever: retriever.search(f"{text} x", fallback=f"a {text}")),
    "judgement": lambda text: with_retriever(lambda retriever: judge(text, [HIT], retriever, ANSWERING)),
    "missing words": lambda text: with_retriever(
        lambda retriever: answerability.missing_words(text, held(text, [HIT], retriever), retriever)
    ),
    "words of a refusal": lambda text: refusal_text(text, ANSWERING, [text]),
    "prompt": lambda text: build_messages(text, [evidence(text, context=text)], [Message("user", text)], text),
    "filters": filtered,
    # Answers and passages
    "dates": quantities.dates,
    "words that decide": lambda text: consistency.missing_word("it is free of charge", text, "en"),
    "names": lambda text: (names.names(text, "en"), names.names(text, "de")),
    "listed names": lambda text: names.listed_names(f"Home Basic {text} Home Comfort", "en"),
    "denials": lambda text: (negation.denials(text, "en"), negation.affirmed(text, "en")),
    "quantities": quantities.quantities,
    "limits": quantities.qualifiers,
    "repetition": lambda text: repetition.Repetition().read(text),
    "circles": repetition.goes_in_circles,
    "titles": editions.title_key,
    "markers": streamed,
    "spans": lambda text: spans.spans(evidence(text)),
    "what numbers are said of": lambda text: (consistency.said(text, "en"), consistency.fewer(text, text, "de")),
    "who does it": lambda text: (
        consistency.misplaced(text[:1000], text[:1000], "en"),
        consistency.misplaced("Die Halle meldet der Wart dem Amt.", text, "de"),
    ),
    "joined things": lambda text: list(consistency.parted(text, text, "en")),
    "short answer": lambda text: support.support("€150", HIT, weights, 0.6, text),
    "claim": lambda text: support.support(text, HIT, weights, 0.6),
    "passage": lambda text: support.support("It is €150, not 3 days.", evidence(text), weights, 0.6),
    "answer": lambda text: grounder.ground(text, [HIT], weights, 0.6),
    "quotation": lambda text: quoting.Places(text, [HIT], EMBEDDER, weights).quotes(),
    "orders": injection.believed_end,
    "orders by form": injection.orders_a_machine,
    "look-alikes": lambda text: traced_skeleton(text),
    "plain words": markup.without_markup,
    "harmless words": harmless,
    "marks": as_said,
    # Files
    "text file": lambda text: read_text(text.encode(), LIMITS),
    "Markdown file": lambda text: read_markdown(text.encode()),
    "front matter": lambda text: read_markdown(f"---\ntitle: x\n{text}".encode()),
    "web page": lambda text: read_html(f"<p>{text}".encode()),
    "mail": lambda text: read_email(f"Subject: x\nContent-Type: text/plain; charset=utf-8\n\n{text}".encode()),
    "mail head": lambda text: read_email(f"Subject: {text}\nFrom: {text}\n\nx".encode()),
    "style sheet": lambda text: read_html(f"<style>{text}</style><p>It is so.".encode()),
    "style attribute": lambda text: read_html(f'<p style="{escape(text)}" title="{escape(text)}">It is so.'.encode()),
    "rules of a style sheet": lambda text: read_html(f"<style>{text}{{color: red}}</style><p>It is so.".encode()),
    "Word file": lambda data: read_docx(data, LIMITS),
    "slides": lambda data: read_pptx(data, LIMITS),
    "sheet": lambda data: read_xlsx(data, LIMITS),
    "e-book": lambda data: read_epub(data, LIMITS),
    "PDF": lambda data: read_pdf(data, LIMITS),
    "file of pairs": read_pairs,
    "file of cases": read_cases,
    "CSV file": lambda text: read_table(text.encode(), LIMITS),
    "clean text": lambda text: (clean.clean(text), clean.shown(text)),
    "language of a file": clean.language_of,
    "headings": lambda text: (
        plain_text.heading_level(text),
        plain_text.begins_section(text),
        plain_text.is_cited(text, "(2)"),
    ),
    "words of lines": lambda text: pdf_layout.words_of([text]),
    "chunks of a paragraph": lambda text: chunked(Block(text)),
    "chunks of a list": lambda text: chunked(Block(text, "list")),
    "chunks of a table": lambda text: chunked(Block(f"| a |\n{text}", "table", header_lines=1)),
    "name of a corpus": lambda text: safe_name(text, "corpus"),
    "name of an upload": lambda text: safe_file_name(f"{text}.{text}"),
    # Pairs
    "pairs, English": paired,
    "pairs, German": lambda text: paired(text, "de"),
    "faults": faulty,
    "casing": lambda text: structure.Casing([text]).lowered(text, "en"),
    "stands alone": lambda text: selection.stands_alone(text, text, "en", False),
    "keywords": lambda text: structure.keywords(text, text, "en", structure.Rarity([(text, "en")])),
    "entries": lambda text: list(
        structure.entries(HeadedBlock("paragraph", (BlockLine(text, text),), "h", True), "en", "x")
    ),
    # What is shown and measured
    "terminal": lambda text: (visible(text), excerpt(text), answer_lines(answered(text, refused=True))),
    "transcript": lambda text: conversation_markdown([answered(text)], "c"),
    "answer of the API": lambda text: text_of(answered(text), with_sources=True),
    "HTML": templates.printable,
    "prose": drawn,
    "words of a page": lambda text: page_words.aligned(f"{text}x", f"y{text}"),
    "conversation": kept,
    "export": lambda text: as_markdown([("title", text), ("answer", text)]),
    "export to Word": lambda text: as_docx([("answer", text)]),
    "export to PDF": lambda text: as_pdf([("answer", text[: grounder.LONGEST_ANSWER])]),
    "tokens of metrics": answer_metrics.tokens,
    "facts": lambda text: answer_metrics.must_include(text, [[text], ["x y"]]),
    "ROUGE": lambda text: answer_metrics.rouge_l(text, ["It is so.", f"It is {text}"]),
    "copying": lambda text: grounding.copy_scores(text, [f"It is {text}"], refused=False, language="en"),
    "chrF": lambda text: answer_metrics.chrf(text, ["It is so."]),
    "voice": lambda text: voice.masked(text, text, "en"),
    "gold": lambda text: matching.occurrences(text[:50], text),
    "differences": lambda text: question_views.differing(text, {"x"}),
}


@pytest.fixture(scope="module", autouse=True)
def _corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("linear")
    (folder / "docs").mkdir()
    (folder / "docs/hail.md").write_text(f"# Hail\n\n{PASSAGE}\n")
    workspace = Workspace(folder / "workspace")
    settings = Settings.model_validate({"ingest": {"workers": 1}})
    ingest(workspace, "default", [folder / "docs"], settings, embedder=EMBEDDER)
    CORPUS[:] = [workspace.corpus("default")]
    gc.disable()  # it looks at all objects of the process, which says nothing of a text
    yield
    gc.enable()


def seconds(name: str, unit: str, length: int, tries: int, enough: float = 0.0) -> float:
    """Processor time for a text of ``length`` characters, between words: the least, which others disturb least.

    No other try is made once one took no more than ``enough``.
    """
    read, make = READERS[name], MADE.get(name, str)
    taken = []
    for _ in range(tries):
        text = make(f"What{next(NUMBERS)} {(unit * (length // len(unit) + 1))[:length]} end")  # no cache knows it
        before = time.thread_time()
        with suppress(Refused, AssistantError):
            read(text)
        taken.append(time.thread_time() - before)
        if taken[-1] > GIVEN_UP_SECONDS or taken[-1] <= enough:
            break
    return min(taken)


def slowdown() -> float:
    """How many times as long as alone on an idle processor plain Python takes now; 1 at least."""
    began, total = time.thread_time(), 0
    for number in range(100_000):
        total += number * number % 7
    return max(1.0, (time.thread_time() - began) / IDLE_SECONDS)


def slowness() -> float:
    """How many times as long as alone on an idle processor work may take now, when others slow it down.

    By as much as plain Python, and three times that for caches that others use: beside a whole suite, on a slow
    processor, a PDF of 25,000 lines took 4.2 s while plain Python took 1.2 times its time. Growth is held all the same.
    """
    return 3 * slowdown()


def is_in_time(began: float) -> bool:
    """Whether this thread has worked for less than two seconds, or what they are on a busy processor."""
    taken = time.thread_time() - began
    return taken < MOST_SECONDS or taken < MOST_SECONDS * slowness()


def times(longer: float) -> float:
    """How many times as much time a text may take that is so many times as long."""
    return float(longer**MOST_GROWTH)


def may_be_slow(name: str, unit: str) -> bool:
    """Whether looks at short texts leave open that long ones take too long: a second one, if others disturbed one."""
    for tries in (1, 3):
        short = seconds(name, unit, SHORT, tries)
        if short < FLOOR_SECONDS:
            return False
        shorter = seconds(name, unit, SHORTER, tries)
        expected, most = short * times(LONG / SHORT), MOST_SECONDS * LONG / LONGEST
        if short <= times(SHORT / SHORTER) * shorter and (expected <= most or expected <= most * slowness()):
            return False
    return True


def slow(name: str, unit: str, tries: int) -> str:
    """What takes too long, in words; empty if nothing does. What is cut off somewhere may look slow before that."""
    short = seconds(name, unit, SHORT, tries)
    if short >= GIVEN_UP_SECONDS:
        return f"{short:.3f} s for {SHORT:,} characters"
    for length in (LONG, LONGEST):
        most = min(MOST_SECONDS * length / LONGEST * slowness(), times(length / SHORT) * max(short, FLOOR_SECONDS))
        long = seconds(name, unit, length, tries, most)
        if long <= most:
            return ""
    return f"{short:.3f} s for {SHORT:,} characters, {long:.3f} s for {LONGEST:,}"


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_what_a_stranger_writes_is_read_in_linear_time(name: str) -> None:
    seconds(name, "It is so. ", 100, 1)  # what is only done once is done
    found = [
        f"{kind}: {said}"
        for kind, unit in KINDS.items()
        # Others may have disturbed the first look.
        if may_be_slow(name, unit) and slow(name, unit, 1) and (said := slow(name, unit, 3))
    ]
    assert not found, "\n".join(found)


def test_one_long_row_does_not_fill_up_all_others() -> None:
    before = time.thread_time()
    with pytest.raises(Refused, match="characters"):
        read_table(("a," * 40_000 + "\n" + "b\n" * 10_000).encode(), LIMITS)
    assert is_in_time(before)


def test_one_wide_row_of_a_page_does_not_fill_up_all_others() -> None:
    document = read_html(f"<table><tr>{'<td>a' * 8_000}{'<tr><td>b' * 6_000}</table>".encode())
    assert document.text.count("a") == 8_000 and document.text.count("b") == 6_000
    assert len(document.text) < 100_000


def test_a_quotation_that_stands_nowhere_is_not_sought_again_for_each_letter() -> None:
    quotation, page = ("".join(Random(seed).choices("abcdefgh", k=20_000)) for seed in range(2))
    before = time.thread_time()
    assert page_words.aligned(quotation, page) == []
    assert is_in_time(before)


def test_cells_of_a_page_do_not_reach_without_end() -> None:
    before = time.thread_time()
    read_html(f"<table><tr>{'<td colspan=99 rowspan=99>a' * 3_000}{'<tr>' * 99}</table>".encode())
    assert is_in_time(before)


def test_far_cells_of_a_sheet_do_not_fill_up_their_rows() -> None:
    book = Workbook()
    for row in range(1, 2_001):
        book.active.cell(row, 16_384, row)
        book.active.cell(row, 16_383 - row % 2, "a")
    data = saved(book)
    before = time.thread_time()
    document = read_xlsx(data, LIMITS)
    assert is_in_time(before)
    assert "| a |  | 1999 |\n|  | a | 2000 |" in document.text


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_not_read_again_with_each_of_its_words(kind: str) -> None:
    text = (KINDS[kind] * 6_000)[:6_000]
    before = time.thread_time()
    reading = grounder.Grounder([HIT], weights, 0.6)
    for start in range(0, len(text), 4):
        for _ in reading.feed(text[start : start + 4]):
            pass
    for _ in reading.finish():
        pass
    assert is_in_time(before)


def test_markup_is_not_read_again_with_each_word_behind_it() -> None:
    text, growing = "It is so <br> here. [a](b.c) " * 700, markup.GrowingWords()
    before = time.thread_time()
    for end in range(4, len(text), 4):
        plain = growing.read(text[:end])
    assert is_in_time(before)
    assert plain == markup.without_markup(text[:end])
