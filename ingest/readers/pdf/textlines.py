"""The lines of a PDF page with their place and size, by pdfium, less headers, footers and tables of contents.

pdfium comes first because it was measured better and faster (text of six annual reports, 805 pages: 2.3 s
against 34 s): it keeps the cells of a table row on one line where pypdf puts every cell of a page written by
wkhtmltopdf on its own, and it knows where each character is, which is what parts paragraphs and columns. Where its text
is poor, pypdf reads.

Headers and footers repeat from page to page and belong to none. Contents hold the words of every heading, so that a
search would find them in the place of the sections.
"""

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from string import digits

import pypdfium2
import pypdfium2.raw as pdfium

from ..clean import clean, fold
from .hidden import blanked
from .painted import painted

LINE_END_HYPHEN = "\ufffe"
"""What pdfium puts for a hyphen at a line end, in place of hyphen and line end."""
CELL = "  "
"""What parts the cells of one line."""
CELL_GAP = 1.6
"""A gap wider than so many line heights parts two cells; justified prose stays below one."""
FIGURE_GAP = 0.9
"""The same behind a figure that starts the line."""
WORD_GAP = 0.5
"""A gap wider than so many line heights may part two cells of a narrow table; a blank is a quarter of one."""
_FIGURE = re.compile(r"\(?\d[\d,.]*\d\)?")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_JUNK = re.compile("[\x00-\x08\x0e-\x1f\ufffd\ue000-\uf8ff]")
_LINE_ENDS = re.compile(f"(\r\n|\r|\n|{LINE_END_HYPHEN})")
_LEADERS = re.compile(r"(?:\s?\.){4,}\s*|(?:\s?_){4,}")
_BOLD, _ITALIC = (b"bold", b"black", b"heavy", b"demi"), (b"ital", b"obli")
BOLD_WEIGHT = 650  # between semi-bold (600) and bold (700)
Place = tuple[float, float, float, float]
_TURNS: dict[int, Callable[[float, float, float, float], Place]] = {
    90: lambda left, right, top, bottom: (bottom, top, -left, -right),
    180: lambda left, right, top, bottom: (-right, -left, -bottom, -top),
    270: lambda left, right, top, bottom: (-top, -bottom, right, left),
}
"""Places on the sheet to places as seen, by the turn of the page; offsets do not matter."""
UP = 0.5
"""Line heights further up from which a line begins another cell or column; superscripts stay below."""
OTHER_SIZE = 0.12
"""Share by which the size of a line differs that belongs to another text."""
_SPACED_OUT = 0.4
"""Share of words of one letter above which a page is spaced out; tables and lists have many of them too."""
MAX_WORD = 34
"""Letters of the longest word believed, German ones included; longer ones are words glued together."""
POOR = 0.12
"""Share of characters in glued words, junk or s p a c e d letters above which a page is read again."""
EDGE = 3
"""Lines at the top and at the bottom of a page that may be furniture."""
MIN_PAGES = 4  # a line on three pages may be a heading that comes again
MIN_SHARE = 0.5
"""Share of all pages (or of all odd or even ones) on which a line stands that belongs to none."""
MIN_RUN_SHARE = 0.7
"""The same within the pages from its first to its last place, for the header of a chapter."""
Key = tuple[bool, str]
_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"(?:page|seite|p\.|s\.)?\s*[-–—|(\[]?\s*(?:[A-Z]{1,2}\s?-\s?)?(?:\d{1,4}|[ivxlc]{1,7})\s*[-–—|)\]]?"
    r"(?:\s*(?:of|von|/)\s*\d{1,4})?",
    re.IGNORECASE,
)
MIN_ENTRIES = 5  # fewer lines with a number at their end may be a list of amounts
MIN_FOUND = 0.6
"""Share of the entries whose text has to stand elsewhere as a line of its own."""
_LEADER = " \t.…·_"
_LONGEST_ENTRY = 200  # bounds time and moves nothing else (docs/log.md)
_HEADS = frozenset({"contents", "table of contents", "inhalt", "inhaltsverzeichnis", "inhaltsübersicht", "index"})


@dataclass(frozen=True, slots=True)
class PdfLine:
    """One line; ``size`` (its height in points) is 0 where the place is not known."""

    text: str
    """Cells are parted by two blanks."""
    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    size: float = 0.0
    emphasis: int = 0
    """2 bold, 1 italic, 0 neither, at both ends of the line."""
    starts: tuple[tuple[int, float, float], ...] = ()
    """(number, left, where the gap begins) of the words behind wide gaps, among them those that begin a cell."""


def defects(text: str) -> float:
    """Share of a text that shows bad extraction, 0 (good) to 1; 1 for no text at all."""
    words = text.split()
    total = sum(map(len, words))
    if not total:
        return 1.0
    glued = sum(len(word) for word in words if len(word) > MAX_WORD and sum(map(str.isalpha, word)) > MAX_WORD)
    spaced = sum(len(word) == 1 and word.isalpha() for word in words)
    spaced = spaced if spaced > _SPACED_OUT * len(words) else 0
    return min(1.0, (glued + spaced + len(_JUNK.findall(text))) / total)


def score(text: str) -> float:
    """What decides between two readings of a page: its letters and figures, less the share of defects."""
    return sum(map(str.isalnum, text)) * (1.0 - defects(text))


def text_of(lines: list[PdfLine]) -> str:
    """Lines as one text."""
    return "\n".join(line.text for line in lines)


def page_lines(
    page: pypdfium2.PdfPage, has_layers: Callable[[], bool], seconds: float | None
) -> tuple[list[PdfLine], int]:
    """The lines of one page in the order of its content, and how many letters and figures of it are not drawn.

    ``has_layers`` says whether the document has optional content. Raises Hurtful where drawing the page, to see what
    is drawn, takes more than ``seconds`` of processor time; for None it is not drawn.
    """
    texts, paints = painted(page, has_layers)
    textpage = page.get_textpage()
    try:
        read = textpage.get_text_range()
        text = blanked(read, page, textpage, texts, paints, seconds)
        hidden = sum(map(str.isalnum, read)) - sum(map(str.isalnum, text)) if text is not read else 0
        # pdfium counts UTF-16 units, Python characters: beyond the basic plane the places would shift.
        is_counted = text.isascii() or max(text) <= "\uffff"
        places = _Places(textpage, page.get_rotation(), len(text)) if is_counted else None
        lines: list[PdfLine] = []
        start = 0
        for piece in _LINE_ENDS.split(text):
            if piece == LINE_END_HYPHEN and lines:
                lines[-1] = replace(lines[-1], text=f"{lines[-1].text}-")
            elif body := piece.strip():
                first = start + piece.index(body[0])
                line = places.line(body, first) if places else PdfLine(body)
                if tidied := tidy(line.text):
                    # Where tidying adds or drops words, their numbers say nothing any more.
                    known = line.starts if len(tidied.split()) == len(line.text.split()) else ()
                    lines.append(replace(line, text=tidied, starts=known))
            start += len(piece)
        return lines, hidden
    finally:
        textpage.close()


def tidy(text: str) -> str:
    """Clean text with its cells still parted by two blanks."""
    return CELL.join(filter(None, map(fold, clean(_LEADERS.sub(CELL, text).translate(_LIGATURES)).split(CELL))))


class _Places:
    """Where the characters of a page stand, as the page is seen."""

    def __init__(self, textpage: pypdfium2.PdfTextPage, rotation: int, length: int) -> None:
        self.page = textpage.raw
        self.leaves_out = textpage.count_chars() != length
        self.turn = _TURNS.get(rotation)
        self.box = pdfium.FS_RECTF()
        self.at = ctypes.byref(self.box)
        self.name = ctypes.create_string_buffer(64)
        self.flags = ctypes.c_int()

    def of(self, index: int) -> Place | None:
        """Left, right, top and bottom of a character; None when pdfium made it up (a blank, a line end)."""
        if index < 0 or not pdfium.FPDFText_GetLooseCharBox(self.page, index, self.at):
            return None
        box = self.box
        place = (box.left, box.right, box.top, box.bottom)
        return self.turn(*place) if self.turn else place

    def line(self, text: str, start: int) -> PdfLine:
        """A line with its place, and its cells found by the gaps between words."""
        indexes = [self.index(start), self.index(start + len(text) - 1)]
        first, last = map(self.of, indexes)
        if first is None or last is None:
            return PdfLine(text)
        middle = len(text) // 2
        inner = self.of(self.index(start + middle + (text[middle] == " "))) or first
        # A bullet at the start or a raised note number at the end is set in a size of its own.
        size = sorted(top - bottom for _, _, top, bottom in (first, inner, last))[1]
        emphasis = min(map(self.emphasis, indexes))
        cells, starts = self.cells(text, start, size)
        return PdfLine(cells, first[0], last[1], first[2], size, emphasis, starts)

    def index(self, position: int) -> int:
        """Number of a character for its position in the text, which may leave some out."""
        if not self.leaves_out:
            return position
        return pdfium.FPDFText_GetCharIndexFromTextIndex(self.page, position)  # type: ignore[no-any-return]

    def cells(self, text: str, start: int, size: float) -> tuple[str, tuple[tuple[int, float, float], ...]]:
        """The text with its cells parted, and the words behind wide gaps."""
        cuts = [0]
        starts: list[tuple[int, float, float]] = []
        number = counted = 0
        blank = first = text.find(" ")
        while blank > 0:
            index = self.index(start + blank)
            if (before := self.of(index - 1)) and (after := self.of(index + 1)):
                gap = (after[0] - before[1]) / size if size > 0 else 0.0
                if gap > CELL_GAP or (gap > FIGURE_GAP and blank == first and _FIGURE.fullmatch(text, 0, blank)):
                    cuts.append(blank)
                if gap > WORD_GAP:
                    number, counted = number + len(text[counted:blank].split()), blank
                    starts.append((number, after[0], before[1]))
            blank = text.find(" ", blank + 1)
        return CELL.join(text[a:b] for a, b in pairwise([*cuts, len(text)])), tuple(starts)

    def emphasis(self, index: int) -> int:
        pdfium.FPDFText_GetFontInfo(self.page, index, self.name, 64, ctypes.byref(self.flags))
        name = self.name.value.lower()
        if any(part in name for part in _BOLD) or pdfium.FPDFText_GetFontWeight(self.page, index) >= BOLD_WEIGHT:
            return 2
        return int(any(part in name for part in _ITALIC))


def furniture(pages: list[list[str]]) -> list[set[int]]:
    """For each page the numbers of the lines that are furniture.

    Odd and even pages are also counted apart: books set different headers on the left and the right.
    A header of one chapter only is kept where it first stands, since there it is the chapter's heading.
    """
    edges: list[dict[int, Key]] = []
    dropped: list[set[int]] = []
    for lines in pages:
        last = len(lines) - 1
        numbers = [number for number in range(len(lines)) if number < EDGE or last - number < EDGE]
        # Whether a line is at the top, and its text with figures made alike.
        plain = {number: " ".join(_DIGITS.sub("#", lines[number]).casefold().split()) for number in numbers}
        edges.append({number: (number < EDGE, text) for number, text in plain.items()})
        # A lone number as the first or one of the last two lines; a page of figures keeps its figures.
        ends = [number for number in numbers if number == 0 or number >= last - 1] if last > 1 else []
        dropped.append({number for number in ends if _PAGE_NUMBER.fullmatch(lines[number].strip())})
    for step, parity in ((1, 0), (2, 0), (2, 1)):
        indexes = range(parity, len(edges), step)
        places: dict[Key, list[tuple[int, int]]] = {}
        for index in indexes:
            for key, at in {key: at for at, key in reversed(edges[index].items())}.items():  # once a page
                places.setdefault(key, []).append((index, at))
        for key, found in places.items():
            if len(found) < MIN_PAGES:
                continue
            everywhere = len(found) >= MIN_SHARE * len(indexes)
            span = (found[-1][0] - found[0][0]) / step + 1
            if everywhere or len(found) >= MIN_RUN_SHARE * span:
                keeps_first = not everywhere and "#" not in key[1]
                for index, at in found[int(keeps_first) :]:
                    dropped[index].add(at)
    return dropped


def contents(pages: list[list[str]]) -> list[set[int]]:
    """For each page the numbers of the lines that are a table of contents, with its own heading.

    Entries end with page numbers that never fall. A table of figures that looks alike is kept: its labels do not stand
    elsewhere as lines.
    """
    dropped: list[set[int]] = []
    others = {plain_title(line) for lines in pages for line in lines if _entry(line) is None}
    for lines in pages:
        found: set[int] = set()
        runs: list[list[int]] = []
        page = 0
        for at, line in enumerate(lines):
            if (entry := _entry(line)) is None:
                continue
            if runs and at - runs[-1][-1] <= 2 and entry[1] >= page:  # one broken line between two at most
                runs[-1].append(at)
            else:
                runs.append([at])
            page = entry[1]
        for run in runs:
            if len(run) < MIN_ENTRIES:
                continue
            texts = [plain_title(entry[0]) for at in run if (entry := _entry(lines[at]))]
            if sum(text in others for text in texts) >= MIN_FOUND * len(texts):
                found.update(range(run[0], run[-1] + 1))
        before = min(found, default=0) - 1
        if before >= 0 and lines[before].strip().casefold() in _HEADS:
            found.add(before)
        dropped.append(found)
    return dropped


def _entry(line: str) -> tuple[str, int] | None:
    """Text and page number of a line that is made like an entry: ``2.1 Fire ..... 7``."""
    words = line.rstrip()
    text = words.rstrip(digits)
    number = words[len(text) :]
    is_entry = 0 < len(number) <= 3 and text[-1:] in _LEADER and len(line) <= _LONGEST_ENTRY
    return (text.strip(_LEADER), int(number)) if is_entry and any(map(str.isalpha, text)) else None


def plain_title(text: str) -> str:
    """Letters and figures only: bookmarks and pages differ in blanks and punctuation."""
    return "".join(filter(str.isalnum, text)).casefold()
