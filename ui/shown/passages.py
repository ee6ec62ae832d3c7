"""The panel beside the chat: a page of the file with the words marked in it, or the text of a document."""

from collections.abc import Sequence
from urllib.parse import quote as url_quote

from ui.shown.pieces import note_html
from ui.shown.places import heading_line, place_line
from ui.shown.safe import button, escaped
from ui.sources.document import SourceDocument
from ui.sources.drawing import Box, Sheet
from ui.sources.library import Passage
from ui.texts import Words

_AROUND = 2400
"""Characters of a document that are shown on each side of a passage."""


def pages_html(passage: Passage, sheets: Sequence[tuple[int, Sheet]], words: Words) -> str:
    """A passage on the pages of its file: ``sheets`` by page number."""
    figures = "".join(_figure(passage.document, page, sheet, words) for page, sheet in sheets)
    unmarked = "" if any(sheet.boxes for _, sheet in sheets) else note_html(words("sources.not_marked"))
    return _panel(passage, f'{unmarked}<div class="sheets">{figures}</div>{_quote(passage)}', words)


def text_html(passage: Passage, words: Words, note: str = "") -> str:
    """A passage in the text of its document, with what stands around it."""
    first, last = max(0, passage.start - _AROUND), min(len(passage.text), passage.end + _AROUND)
    first = passage.text.rfind("\n", 0, first) + 1 if first else 0
    before, marked, behind = (
        passage.text[first : passage.start],
        passage.text[passage.start : passage.end],
        passage.text[passage.end : last],
    )
    cut = '<p class="cut" aria-hidden="true">…</p>'
    body = f'{escaped(before)}<mark class="found" tabindex="-1">{escaped(marked)}</mark>{escaped(behind)}'
    return _panel(
        passage,
        f'{note_html(note) if note else ""}<div class="text">{cut if first else ""}{body}'
        f"{cut if last < len(passage.text) else ''}</div>",
        words,
    )


def missing_html(message: str, remedy: str, quote: str, words: Words) -> str:
    """A passage that is not there any more: the words as they were cited."""
    return (
        f'<section class="source" aria-label="{escaped(words("sources.title"))}"><header>{close_button(words)}</header>'
        f'{note_html(f"{message} {remedy}")}<blockquote class="quoted">{escaped(quote)}</blockquote></section>'
    )


def page_address(document: SourceDocument, page: int) -> str:
    """Where the picture of a page is had; another content is another address, so that browsers may keep it."""
    return f"/sources/{url_quote(document.corpus)}/{document.id}/pages/{page}?v={document.hash[:12]}"


def original_address(document: SourceDocument) -> str:
    """Where the file itself is had."""
    return f"/sources/{url_quote(document.corpus)}/{document.id}/original"


def close_button(words: Words) -> str:
    """The button that closes the panel."""
    label = escaped(words("sources.close"))
    return f'<button type="button" class="quiet close" data-close aria-label="{label}">×</button>'


def _panel(passage: Passage, content: str, words: Words) -> str:
    document = passage.document
    pages = tuple(page for _, page in passage.pages)
    place = " · ".join(filter(None, (place_line(pages, passage.place, words), heading_line(passage.heading))))
    steps = button(words("sources.previous"), "quiet", step=-1) + button(words("sources.next"), "quiet", step=1)
    address, download = escaped(original_address(document)), escaped(words("sources.download"))
    return (
        f'<section class="source" aria-label="{escaped(words("sources.title"))}">'
        f'<header><div class="steps">{steps}</div>{close_button(words)}'
        f'<h2 tabindex="-1">{escaped(document.title or document.path)}</h2><p class="place">{escaped(place)}</p>'
        f'<p class="file"><span>{escaped(document.path)}</span>'
        f' <a class="link" href="{address}" download>{download}</a></p></header>{content}</section>'
    )


def _figure(document: SourceDocument, page: int, sheet: Sheet, words: Words) -> str:
    label = escaped(words("sources.picture", page=page, title=document.title or document.path))
    picture = f'<img src="{escaped(page_address(document, page))}" alt="{label}">'
    shape = f"aspect-ratio:{sheet.width / sheet.height:.4f}"
    lost = escaped(words("sources.not_drawn"))
    boxes = "".join(map(_box, sheet.boxes))
    return f'<figure class="sheet" style="{shape}" data-lost="{lost}">{picture}{boxes}</figure>'


def _box(box: Box) -> str:
    place = f"left:{box.left:.2f}%;top:{box.top:.2f}%;width:{box.width:.2f}%;height:{box.height:.2f}%"
    return f'<i class="found" style="{place}"></i>'


def _quote(passage: Passage) -> str:
    """The marked words, for those who do not see a picture."""
    return f'<blockquote class="quoted">{escaped(passage.text[passage.start : passage.end])}</blockquote>'
