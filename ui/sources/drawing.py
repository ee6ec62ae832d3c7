"""Documents of a corpus, pages of a PDF as pictures, and where on them some words stand.

Any of it may take for ever, crash, or take all memory, as the file likes: it is done in processes that draw one page
at a time for us, within limits of memory and time, and may be lost at any moment. They import this and nothing heavy.
"""

import hashlib
import io
import math
import os
import signal
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

import pypdfium2
import pypdfium2.raw as pdfium

from assistant.errors import ReadError, one_line
from assistant.text.overlap import Runs
from assistant.work.processes import confine, ended, interrupts_held

_SHORTEST = 8
"""Pieces of fewer letters could be found anywhere."""
_LEAST = 0.5
"""With less than this part of the letters found, what was found is something else."""
WIDTH = 1240
"""Pixels of a page's width as drawn: sharp at 620 on a dense screen."""
_LARGEST_SIDE = 4000  # a page of this width has 20 MB of pixels then
_LONGEST = 100
"""Times as long as it is wide, or as wide as it is long, a page may be: more is a line."""
# Open in a process that may have 1 GiB (ui.page_memory_mb): what pdfium makes of them comes on top.
_DOCUMENTS_KEPT = 4
_BYTES_KEPT = 128 << 20
_SCALE = 10_000
"""Boxes are asked for in so many parts of the page, and told in per cent."""
_documents: OrderedDict[str, tuple[pypdfium2.PdfDocument, int]] = OrderedDict()
"""Those that were needed last, and their bytes, by their hash."""
T = TypeVar("T")

_SHORT_SECONDS = 1.0
"""Who takes longer lets everybody else go first from then on."""
_NICENESS = 10  # as jobs have
_PATIENCE = 6
"""Processor time takes so much longer on the clock at most: others compute too."""
_START_SECONDS = 60.0  # it takes a third of a second on a quiet machine


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document of a corpus, and the file that it was read from."""

    id: int
    corpus: str
    path: str
    """Relative to the ingested folder."""
    title: str
    format: str
    pages: int | None
    hash: str
    """SHA-256 of the file, in hex, when it was read."""
    location: Path

    def original(self) -> bytes:
        """The file as it was ingested. Raises ReadError when it is gone or is another one now."""
        try:
            content = self.location.read_bytes()
        except OSError as error:
            remedy = "Its text is still in the corpus."
            raise ReadError(f"{self.path} cannot be read: {error.strerror}.", remedy) from None
        if hashlib.sha256(content).hexdigest() != self.hash:
            raise ReadError(f"{self.path} has changed since it was read.", "Read it again: assistant ingest.")
        return content


def aligned(words: str, text: str, at: int = 0) -> list[int]:
    """Indices in ``text`` of the characters of ``words``, in order; empty when they do not stand there.

    If they stand there more than once, those nearest behind about ``at`` characters are meant.
    """
    wanted, _ = _letters(words)
    there, places = _letters(text)
    if not wanted:
        return []
    found: list[tuple[int, int]] = []  # piece by piece from the beginning, as half-open spans of ``there``
    runs, near, here = Runs(there), at, 0
    while here < len(wanted):
        length = runs.longest(wanted, here)
        if length >= min(_SHORTEST, len(wanted)):
            piece = wanted[here : here + length]
            behind, before = there.find(piece, near), there.rfind(piece, 0, near + length)
            is_behind = behind >= 0 and (before < 0 or behind - near <= near - before)
            start = behind if is_behind else before
            near = start + length
            found.append((start, near))
        here += max(length, 1) if length >= _SHORTEST else 1
    if sum(end - start for start, end in found) < _LEAST * len(wanted):
        return []
    marked = (place for start, end in found for place in range(places[start], places[end - 1] + 1))
    return list(dict.fromkeys(marked))


def _letters(text: str) -> tuple[str, list[int]]:
    """Letters and digits without case, accents kept, ligatures taken apart; and where each stood."""
    letters: list[str] = []
    places: list[int] = []
    for index, character in enumerate(text):
        for letter in unicodedata.normalize("NFKC", character).casefold():
            if letter.isalnum():
                letters.append(letter)
                places.append(index)
    return "".join(letters), places


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page, in per cent of its width and height, from the top left."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page without its picture: its sides in points, and the boxes of the words that were looked for."""

    width: float
    height: float
    boxes: tuple[Box, ...]


def picture(document: SourceDocument, page: int) -> bytes:
    """A page (1-based) as WebP. Raises ReadError for a page that there is not or that cannot be drawn."""
    with closing(_page(_opened(document), page)) as opened:
        scale = min(WIDTH / opened.get_width(), _LARGEST_SIDE / max(opened.get_size()))
        drawn = opened.render(scale=scale, may_draw_forms=True).to_pil()
    buffer = io.BytesIO()
    drawn.convert("RGB").save(buffer, "WEBP", method=0)
    return buffer.getvalue()


def sheet(document: SourceDocument, page: int, words: str, at: int = 0) -> Sheet:
    """Where ``words`` stand on a page; behind about ``at`` characters, if they stand there twice.

    Raises ReadError for a page that there is not or that cannot be drawn.
    """
    with closing(_page(_opened(document), page)) as opened:
        return Sheet(opened.get_width(), opened.get_height(), _boxes(opened, words, at))


def _opened(document: SourceDocument) -> pypdfium2.PdfDocument:
    if document.hash not in _documents:
        content = document.original()
        try:
            opened = pypdfium2.PdfDocument(content)
        except pypdfium2.PdfiumError:
            raise ReadError("This PDF cannot be drawn.", "Download it, or look at its text.") from None
        if opened.get_formtype() != pdfium.FORMTYPE_NONE:
            opened.init_forms()
        _documents[document.hash] = opened, len(content)
        while len(_documents) > 1 and (
            len(_documents) > _DOCUMENTS_KEPT or sum(size for _, size in _documents.values()) > _BYTES_KEPT
        ):
            _documents.popitem(last=False)[1][0].close()
    _documents.move_to_end(document.hash)
    return _documents[document.hash][0]


def _page(document: pypdfium2.PdfDocument, number: int) -> pypdfium2.PdfPage:
    if not 1 <= number <= len(document):
        raise ReadError(f"There is no page {number}.", f"The document has {len(document)}.")
    try:
        page = document[number - 1]
    except pypdfium2.PdfiumError:
        raise ReadError(f"Page {number} is damaged.", "Download the document, or look at its text.") from None
    shorter, longer = sorted(page.get_size())
    if not 0 < longer <= _LONGEST * shorter < math.inf:
        page.close()
        raise ReadError(f"Page {number} has no shape: {shorter:g} by {longer:g} points.", "Look at its text.")
    return page


def _boxes(page: pypdfium2.PdfPage, words: str, at: int) -> tuple[Box, ...]:
    """The boxes of the characters of ``words`` in reading order, joined to one a line."""
    lines: list[Box] = []
    with closing(page.get_textpage()) as textpage:
        text = textpage.get_text_range()
        if any(character > "\uffff" for character in text):
            return ()  # pdfium counts UTF-16 units, Python characters: the places would shift
        for place in aligned(words, text, at):
            if text[place].isspace():
                continue
            left, bottom, right, top = textpage.get_charbox(place, loose=True)
            xs, ys = zip(_on_page(page, left, top), _on_page(page, right, bottom), strict=True)
            (left, right), (top, bottom) = sorted(xs), sorted(ys)
            line = lines[-1] if lines else Box(0, 0, 0, 0)
            end = line.left + line.width
            if lines and line.top <= (top + bottom) / 2 <= line.top + line.height and -1.0 <= left - end <= 3.0:
                left, top = min(line.left, left), min(line.top, top)
                right, bottom = max(end, right), max(line.top + line.height, bottom)
                lines.pop()
            lines.append(Box(left, top, right - left, bottom - top))
    return tuple(lines)


def _on_page(page: pypdfium2.PdfPage, x: float, y: float) -> tuple[float, float]:
    """A point of the sheet in per cent of the page as seen: turned and cropped."""
    across, down = pdfium.c_int(), pdfium.c_int()
    pdfium.FPDF_PageToDevice(page, 0, 0, _SCALE, _SCALE, 0, x, y, across, down)
    return across.value * 100 / _SCALE, down.value * 100 / _SCALE


class DrawerLost(Exception):
    """The process went over its limits, or crashed; the message says how it ended."""


@dataclass(frozen=True, slots=True)
class DrawingLimits:
    """What drawing one page may take."""

    seconds: float
    """Of processor time."""
    memory_bytes: int


class Drawer:
    """Starts at once and is ready a moment later. To be asked by one thread at a time; any thread may end it."""

    def __init__(self, limits: DrawingLimits) -> None:
        # A fresh process: a fork would carry the models along, and threads and locks.
        context = get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, limits, os.getpid()), daemon=True)
        with interrupts_held():
            self._process.start()
        there.close()
        self._limits = limits
        self._is_ready = False
        self._is_slow = False

    @property
    def is_fit(self) -> bool:
        """Whether it can draw another page: it lives, and its priority, which cannot be raised again, is as it was."""
        # Nothing comes from one that waits but its end, which may be there before it counts as dead.
        has_ended = self._is_ready and self._connection.poll()
        return not has_ended and not self._is_slow and self._process.is_alive()

    def picture(self, document: SourceDocument, page: int) -> bytes:
        """See ``picture``. Raises what that does, and DrawerLost."""
        return self._done(picture, document, page)

    def sheet(self, document: SourceDocument, page: int, words: str, at: int = 0) -> Sheet:
        """See ``sheet``. Raises what that does, and DrawerLost."""
        return self._done(sheet, document, page, words, at)

    def end(self) -> None:
        """End it now; whoever waits for it gets DrawerLost."""
        self._process.kill()
        self._process.join()

    def _done(self, work: Callable[..., T], *arguments: object) -> T:
        with suppress(EOFError, OSError):
            self._is_ready = self._is_ready or (self._connection.poll(_START_SECONDS) and self._connection.recv())
        if not self._is_ready:  # where processes cannot be started, that is not the fault of a page
            self.end()
            raise ReadError("The process that draws pages does not start.", "Raise ui.page_memory_mb.")
        try:
            self._connection.send((work, arguments))
            if not self._connection.poll(_SHORT_SECONDS):
                self._is_slow = True
                if hasattr(os, "setpriority") and self._process.pid:
                    os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICENESS)
                if not self._connection.poll(self._limits.seconds * _PATIENCE):
                    self.end()
            outcome: T | ReadError = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            status = self._process.exitcode or 0
            raise DrawerLost("out of time" if status == -signal.SIGPROF else ended(status)) from None
        if isinstance(outcome, ReadError):
            raise outcome
        return outcome


def _serve(connection: Connection, limits: DrawingLimits, parent: int) -> None:
    """Do what comes down the line, until its other end is closed."""
    confine(limits.memory_bytes, parent)
    connection.send(True)
    while True:
        try:
            work, arguments = connection.recv()
        except EOFError:
            return
        _limit_time(limits.seconds)
        try:
            outcome = work(*arguments)
        except ReadError as error:
            outcome = error
        except MemoryError:
            os._exit(1)  # there may not be enough left to say so
        except Exception as error:  # what a library makes of a damaged page
            outcome = ReadError(f"This page cannot be drawn: {type(error).__name__}: {one_line(error)}.")
        _limit_time(0)
        connection.send(outcome)


def _limit_time(seconds: float) -> None:
    """End this process when it has computed so long from now on, whatever it is at; 0 takes the limit away."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
