"""A conversation as a file: Markdown, PDF or Word, with the sources of every answer; and an answer to be copied.

What is written is data from strangers: Markdown is escaped, and PDF and Word take it as plain text.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from assistant.artifacts.cards import BASE
from assistant.errors import AssistantError
from assistant.render.transcript import (
    LONGEST_QUOTE,
    cited_parts,
    escaped,
    mark_of,
    marked_text,
    number_of,
    readable,
)
from assistant.text.languages import Language
from assistant.text.markdown_blocks import plain_lines
from assistant.text.printing import excerpt, visible
from assistant.types import Answer
from ui.context import AppContext
from ui.shown.templates import checked_words, source_line
from ui.signin import signed_in
from ui.sources.view import Number, saved_as
from ui.texts import Texts, shown_date
from ui.turns import Turn, TurnReply

Kind = Literal["md", "pdf", "docx"]
Style = Literal["title", "question", "answer", "remark", "source"]
Paragraphs = Sequence[tuple[Style, str]]
_LONGEST_NAME = 60  # characters of up to 4 bytes: file systems take 255 bytes
# Characters of a paragraph of a PDF, and of a word, which would not fit into a line.
_LONGEST_PIECE, _LONGEST_WORD = 1_000, 100
_LETTERS = "AB"


def add_export_route(app: FastAPI, context: AppContext) -> None:
    """``/conversations/NUMBER/export.KIND?lang=LANGUAGE``: a conversation of the one who asks."""

    async def export(request: Request, conversation: Number, kind: Kind, lang: Language = "en") -> Response:
        user = signed_in(request.scope)
        if user is None:
            return PlainTextResponse("You are not signed in.", 401)
        try:
            theirs = context.seen_by(user).in_language(lang)
            content, name = await run_in_threadpool(exported, theirs, user.name, conversation, kind)
        except AssistantError as error:
            return PlainTextResponse(str(error), 404)
        context.record(user, "conversation export", str(conversation), kind=kind)
        return Response(content, media_type="application/octet-stream", headers=saved_as(name))

    app.add_api_route("/conversations/{conversation}/export.{kind}", export, include_in_schema=False)


def exported(context: AppContext, user: str, conversation: int, kind: Kind) -> tuple[bytes, str]:
    """A conversation as the bytes of a file, and a name for it. Raises UsageError for one that the user has not."""
    title = context.conversations.title(user, conversation)
    turns = context.conversations.turns(user, conversation)
    paragraphs = list(paragraphs_of(title, turns, context.text, context.language))
    write: dict[Kind, Callable[[Paragraphs], bytes]] = {"md": as_markdown, "pdf": as_pdf, "docx": as_docx}
    plain = "".join(letter if letter.isalnum() or letter in " -_" else " " for letter in title)
    name = excerpt(plain, _LONGEST_NAME).removesuffix(" …") or context.text("export.title")
    return write[kind](paragraphs), f"{name}.{kind}"


def paragraphs_of(title: str, turns: Sequence[Turn], words: Texts, language: Language) -> Iterator[tuple[Style, str]]:
    """A conversation as paragraphs, each with what it is."""
    corpora = ", ".join(dict.fromkeys(reply.asked_of for turn in turns for reply in turn.replies))
    yield "title", visible(title)
    now = datetime.now().astimezone()
    yield "remark", words("export.exported", date=shown_date(now, language), corpora=corpora)
    for turn in turns:
        yield "question", visible(turn.question)
        for at, reply in enumerate(turn.replies):
            if name := reply_name(turn, at, words):
                yield "remark", visible(name)
            yield from _reply(reply, words)


def as_markdown(paragraphs: Paragraphs) -> bytes:
    """The paragraphs as Markdown in UTF-8."""
    forms: dict[Style, str] = {"title": "# {}", "question": "## {}", "answer": "{}", "remark": "*{}*", "source": "- {}"}
    return ("\n\n".join(forms[style].format(escaped(text)) for style, text in paragraphs) + "\n").encode()


def as_docx(paragraphs: Paragraphs) -> bytes:
    """The paragraphs as a Word document."""
    from docx import Document

    names: dict[Style, str] = {
        "title": "Title",
        "question": "Heading 1",
        "answer": "Normal",
        "remark": "Subtitle",
        "source": "List Bullet",
    }
    document = Document()
    document.core_properties.author = ""  # else it would be the library's name
    document.core_properties.title = _xml_text(_title_of(paragraphs))
    for style, text in paragraphs:
        document.add_paragraph(_xml_text(text), names[style])
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def as_pdf(paragraphs: Paragraphs) -> bytes:
    """The paragraphs as a PDF of A4 pages."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import Paragraph, SimpleDocTemplate

    styles = _pdf_styles()
    buffer = io.BytesIO()
    margins = {"leftMargin": 22 * mm, "rightMargin": 22 * mm, "topMargin": 20 * mm, "bottomMargin": 20 * mm}
    SimpleDocTemplate(buffer, pagesize=A4, title=_title_of(paragraphs), **margins).build(
        [Paragraph(escape(piece), styles[style]) for style, text in paragraphs for piece in _pieces(_xml_text(text))]
    )
    return buffer.getvalue()


def copied_text(turn: Turn, words: Texts) -> str:
    """The standing answer of a turn, its sentences numbered, with the references below."""
    answer = turn.standing.answer
    if answer.hedged or not answer.sentences:
        return visible(answer.text, keep_lines=True)
    quoted = [f"{words('export.quoted')}\n"] if answer.quoted else []
    checked = [f"\n({visible(checked_words(answer.checked, words))})"] if answer.checked else []
    return "\n".join([*quoted, marked(answer, words), *checked, "", *references(answer, words)])


def marked(answer: Answer, words: Texts) -> str:
    """The words of an answer with the marks of its sentences, in the lines that they stand in."""
    unsupported = f"[{words('chat.unsupported')}]"
    text = marked_text(vouched(answer), lambda one: mark_of(one) if one.supported else unsupported)
    return visible(text, keep_lines=True)


def vouched(answer: Answer) -> Answer:
    """An answer whose checker, if any, stands for its sentences: in their own words, below which are their passages."""
    if not answer.checked:
        return answer
    return replace(answer, sentences=tuple(replace(one, supported=True) for one in answer.sentences))


def references(answer: Answer, words: Texts) -> list[str]:
    """The cited passages, a line each: number, place and words."""
    return [
        f"{number_of(one)} {source_line(hit, words)}: "
        + words("chat.quoted_words", quote=excerpt(readable(one.quote), LONGEST_QUOTE))
        for one, hit in cited_parts(answer)
    ]


def reply_name(turn: Turn, at: int, words: Texts) -> str:
    """What replied: ``A: sample · house``, or a letter while it is hidden; nothing where only one did."""
    if len(turn.replies) == 1:
        return ""
    reply = turn.replies[at]
    letter = words("chat.answer_letter", letter=_LETTERS[at])
    model = f"{reply.asked_of} · {words('chat.base') if reply.adapter in (None, BASE) else reply.adapter}"
    is_hidden = turn.blind and turn.preferred is None
    chosen = f" · {words('chat.preferred')}" if turn.preferred == at else ""
    return f"{letter}{'' if is_hidden else f': {model}'}{chosen}"


def _pieces(text: str) -> list[str]:
    """A paragraph, or what reportlab sets of it in a time that does not grow with the square of its length."""
    words = (word[at : at + _LONGEST_WORD] for word in text.split() for at in range(0, len(word), _LONGEST_WORD))
    pieces: list[list[str]] = [[]]
    room = _LONGEST_PIECE
    for word in words:
        if len(word) > room:
            pieces.append([])
            room = _LONGEST_PIECE
        pieces[-1].append(word)
        room -= len(word) + 1
    return list(map(" ".join, pieces))


def _title_of(paragraphs: Paragraphs) -> str:
    return next((text for style, text in paragraphs if style == "title"), "")


def _reply(reply: TurnReply, words: Texts) -> Iterator[tuple[Style, str]]:
    answer = reply.answer
    if answer.standalone_question != answer.question:
        yield "remark", words("export.searched", question=visible(answer.standalone_question))
    if not answer.sentences:
        yield "answer", visible(answer.text)
        if answer.checked:
            yield "remark", visible(checked_words(answer.checked, words))
        return
    if answer.hedged:
        for line in answer.text.splitlines():
            yield "answer", visible(line)
        return
    if answer.quoted:
        yield "remark", words("export.quoted")
    said = marked(answer, words)
    for line in [" ".join(said.split())] if answer.quoted else plain_lines(said):
        yield "answer", line
    if answer.checked:
        yield "remark", visible(checked_words(answer.checked, words))
    for note in answer.notes:
        yield "remark", visible(note)
    for line in references(answer, words):
        yield "source", line


def _xml_text(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t ")


@cache
def _pdf_styles() -> dict[Style, Any]:
    import matplotlib
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    # The fonts of PDF itself know Western letters only; these come with a library that we have anyway.
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique"):
        pdfmetrics.registerFont(TTFont(name, str(fonts / f"{name}.ttf")))
    grey = HexColor("#57534e")

    def style(size: float, font: str = "DejaVuSans", before: float = 0, **more: Any) -> ParagraphStyle:
        return ParagraphStyle(
            font, fontName=font, fontSize=size, leading=size * 1.5, spaceBefore=before, spaceAfter=6, **more
        )

    return {
        "title": style(17, "DejaVuSans-Bold"),
        "question": style(12.5, "DejaVuSans-Bold", before=16),
        "answer": style(10.5),
        "remark": style(9, "DejaVuSans-Oblique", textColor=grey),
        "source": style(9, textColor=grey, leftIndent=10),
    }
