"""What a terminal can do beyond writing one line below the other."""

import os
import shutil
import sys

_UP, _CLEAR_BELOW = "\x1b[{}A", "\x1b[J"


def take_back(shown: str) -> bool:
    """Remove what was written last, from the beginning of its first line on; False where that cannot be done.

    ``shown`` has no line break at its end. A pipe keeps what it got, and so does a screen that has scrolled it away.
    """
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    size = shutil.get_terminal_size()
    rows = _rows(shown, size.columns)
    if rows > size.lines:
        return False
    sys.stdout.write("\r" + (_UP.format(rows - 1) if rows > 1 else "") + _CLEAR_BELOW)
    sys.stdout.flush()
    return True


def _rows(text: str, columns: int) -> int:
    """How many lines of the screen a text takes."""
    from rich.cells import cell_len

    return sum(max(1, -(-cell_len(line) // columns)) for line in text.split("\n"))
