"""PDFs to be drawn, and a process that draws when it is told to."""

import hashlib
import threading
from pathlib import Path

from ui.sources.drawing import Drawer, DrawerLost, DrawingLimits, Sheet, SourceDocument


def document_of(folder: Path, content: bytes) -> SourceDocument:
    """A document with this content, in a file of its own."""
    hash_ = hashlib.sha256(content).hexdigest()
    file = folder / f"{hash_[:8]}.pdf"
    file.write_bytes(content)
    return SourceDocument(1, "cars", file.name, "Terms", "pdf", None, hash_, file)


class FakeDrawers:
    """Starts processes that are none: they draw while ``may_draw`` is set, and are lost at pages in ``hurtful``."""

    def __init__(self) -> None:
        self.may_draw = threading.Event()
        self.hurtful: set[int] = set()
        self.drawn: list[int] = []
        """Pages in the order in which they were begun."""
        self.started = 0

    def start(self, _: DrawingLimits) -> Drawer:
        """One more."""
        self.started += 1
        return _FakeDrawer(self)


class _FakeDrawer(Drawer):
    def __init__(self, all_: FakeDrawers) -> None:
        self._all = all_
        self._is_lost = False

    @property
    def is_fit(self) -> bool:
        return not self._is_lost

    def picture(self, document: SourceDocument, page: int) -> bytes:
        self._all.drawn.append(page)
        assert self._all.may_draw.wait(60)
        if page in self._all.hurtful:
            self._is_lost = True
            raise DrawerLost("out of time")
        return f"{document.hash} {page}".encode()

    def sheet(self, document: SourceDocument, page: int, *_: object) -> Sheet:
        self.picture(document, page)
        return Sheet(595, 842, ())

    def end(self) -> None:
        self._is_lost = True
