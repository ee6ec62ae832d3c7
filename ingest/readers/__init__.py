"""Files to documents: ``read(path, limits)`` turns one file of any known format into blocks with provenance.

Runs inside a worker that its caller limits in time and memory. Raises ``ReadError`` and nothing else.
"""

from .dispatch import READ_SUFFIXES, SUFFIXES, read
from .reading_limits import Limits

__all__ = ["READ_SUFFIXES", "SUFFIXES", "Limits", "read"]
