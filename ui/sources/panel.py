"""What the panel beside the chat shows of a passage: its page where there is one, else its text."""

from assistant.errors import AssistantError, ReadError
from ui.shown.passages import missing_html, pages_html, text_html
from ui.sources.library import Library, Passage, Span
from ui.sources.pdfpages import PdfPages, Sheet
from ui.texts import Words


def panel_html(library: Library, pages: PdfPages, span: Span, words: Words) -> str:
    """A passage as the reader sees it; if it is gone, the words as they were cited."""
    try:
        passage = library.passage(span)
    except AssistantError as error:
        return missing_html(error.message, error.remedy, span.quote, words)
    if passage.document.format != "pdf" or not passage.pages:
        return text_html(passage, words)
    try:
        return pages_html(passage, _sheets(library, pages, passage), words)
    except ReadError as error:
        return text_html(passage, words, note=str(error))


def _sheets(library: Library, pages: PdfPages, passage: Passage) -> list[tuple[int, Sheet]]:
    """The pages that a passage stands on, each with the boxes of its part."""
    document = passage.document
    ends = [*(offset for offset, _ in passage.pages[1:]), passage.end]
    sheets = []
    for (offset, page), end in zip(passage.pages, ends, strict=True):
        words = passage.text[max(offset, passage.start) : min(end, passage.end)]
        before = passage.text[offset : max(offset, passage.start)]
        sheets.append((page, pages.sheet(document.hash, lambda: library.original(document), page, words, len(before))))
    return sheets
