"""What a reader may use, and how it says no.

A reader raises ``Refused`` with a predicate (``"is encrypted"``) and a remedy; ``dispatch.read`` puts the
file's name in front and makes it a ``ReadError``. So no reader needs to know what the file is called.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one file may hold; the settings are ``ingest.max_characters`` and so on."""

    max_characters: int = 20_000_000
    """Characters of extracted text; 20 million are about 7,000 dense pages."""
    max_pages: int = 5_000
    max_unpacked_bytes: int = 1 << 30
    """Bytes of the file, and of what an archive (DOCX, XLSX, EPUB) unpacks to."""
    page_seconds: float = 5.0
    """Processor time for drawing one page of a PDF, to see what on it is drawn."""
    ocr: bool = True
    """Read scanned pages with OCR where the ``ocr`` extra is installed."""


MARKUP_SHARE = 10
"""Characters of HTML or Markdown source for one character of text, at the most that is believed."""


class Refused(Exception):
    """A file will not be read; ``reason`` continues a sentence that starts with the file's name."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def too_many(value: int, unit: str, limit: int, setting: str) -> Refused:
    """The refusal for a value over its limit, naming both and the setting."""
    return Refused(
        f"has {value:,} {unit}, over the limit of {limit:,}",
        f"Split it, or raise {setting} in the configuration.",
    )


def check_source(count: int, limits: Limits) -> None:
    """Refuse, before parsing, a source so long that its text cannot be within the limit."""
    check_characters(count // MARKUP_SHARE, limits)


def check_characters(count: int, limits: Limits) -> None:
    """Refuse as soon as a growing text passes the limit, before memory does."""
    if count > limits.max_characters:
        raise too_many(count, "characters", limits.max_characters, "ingest.max_characters")


def hidden_warning(letters: int) -> tuple[str, ...]:
    """The line of the report about text that was left out since nobody sees it; none where there was none."""
    return (f"text that is not drawn was left out ({letters:,} letters and figures)",) if letters else ()
