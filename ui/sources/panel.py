"""What the panel beside the chat shows of a passage: its page where there is one, else its text."""

import asyncio

from assistant.errors import AssistantError, ReadError
from ui.shown.passages import missing_html, pages_html, text_html
from ui.sources.drawing import Sheet
from ui.sources.library import Library, Passage, Span
from ui.sources.pdfpages import HurtfulPage, PdfPages
from ui.texts import Words

_MOST_SHEETS = 12
"""Pages of a passage that are shown; a passage that someone made up may go on for thousands."""


async def panel_html(library: Library, pages: PdfPages, span: Span, words: Words, client: str) -> str:
    """A passage as the reader sees it; if it is gone, the words as they were cited. ``client`` asks."""
    try:
        passage = await asyncio.to_thread(library.passage, span)
    except AssistantError as error:
        return missing_html(error.message, error.remedy, span.quote, words)
    if passage.document.format != "pdf" or not passage.pages:
        return text_html(passage, words)
    try:
        return pages_html(passage, await _sheets(pages, passage, client), words)
    except HurtfulPage:
        return text_html(passage, words, note=words("sources.not_drawn"))
    except ReadError as error:
        return text_html(passage, words, note=str(error))


async def _sheets(pages: PdfPages, passage: Passage, client: str) -> list[tuple[int, Sheet]]:
    """The pages that a passage stands on, each with the boxes of its part."""
    ends = [*(offset for offset, _ in passage.pages[1:]), passage.end]
    sheets = []
    for (offset, page), end in list(zip(passage.pages, ends, strict=True))[:_MOST_SHEETS]:
        words = passage.text[max(offset, passage.start) : min(end, passage.end)]
        before = passage.text[offset : max(offset, passage.start)]
        sheets.append((page, await pages.sheet(passage.document, page, words, len(before), client)))
    return sheets
