"""What a terminal can do beyond writing one line below the other."""

import os
import sys

_UP, _CLEAR_BELOW = "\x1b[{}A", "\x1b[J"


def take_back(shown: str) -> bool:
    """Remove what was written last, from the beginning of its first line on; False where that cannot be done.

    ``shown`` begins a line, and nothing else was written or typed since. A pipe keeps what it got, and so does a screen
    that has scrolled it away.
    """
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return False
    try:
        columns, lines = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return False
    if columns < 1 or (rows := rows_of(shown, columns)) > lines:
        return False
    sys.stdout.write("\r" + (_UP.format(rows - 1) if rows > 1 else "") + _CLEAR_BELOW)
    sys.stdout.flush()
    return True


def rows_of(text: str, columns: int) -> int:
    """How many rows of a screen a text takes; a wide character that does not fit into a row begins the next one."""
    from rich.cells import cell_len

    rows = 0
    for line in text.split("\n"):
        rows, filled = rows + 1, 0
        for character in line:
            width = cell_len(character)
            rows, filled = (rows + 1, width) if filled + width > columns else (rows, filled + width)
    return rows
