"""A document of a corpus, and the bytes that it was read from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import ReadError


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
