"""Files that people bring into the chat are read side by side, as many as the limits of the readers allow.

One person has one reading at a time, so that no one takes all places; a reading has one process that reads.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil

from assistant.config import IngestSettings
from assistant.work.processes import reading_processes

_LOOK_SECONDS = 0.2
_FEWEST = 2
"""A file that takes long leaves one place to the others, also where there are two cores."""


class ReadingPlaces:
    """To be used from one event loop."""

    def __init__(self, settings: IngestSettings) -> None:
        """As many places as processes may read (``ingest.workers``), each of which may fill ``ingest.memory_mb``."""
        fitting = psutil.virtual_memory().total // (settings.memory_mb << 20)
        self.most = max(_FEWEST, min(reading_processes(settings.workers), fitting))
        self.people: set[str] = set()
        """Whose files are being read."""

    @asynccontextmanager
    async def held(self, person: str, stop: threading.Event) -> AsyncIterator[bool]:
        """Wait for a place, and hold it; False, without one, for who has stopped meanwhile."""
        while not stop.is_set() and (person in self.people or len(self.people) >= self.most):
            await asyncio.sleep(_LOOK_SECONDS)
        if stop.is_set():
            yield False
            return
        self.people.add(person)
        try:
            yield True
        finally:
            self.people.remove(person)
