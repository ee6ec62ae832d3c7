"""An answer and its trace as programs and people see them: JSON, lines of a terminal, Markdown, growing text, HTML.

Templates of HTML cannot forget to escape: every value is text, and a name that is not given is an error.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(folder: Path, printable: Callable[[str], str]) -> "Environment":
    """The templates of a folder. ``printable`` says how a text is written that has characters which do not print."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    def written(value: object) -> object:
        if isinstance(value, Markup):
            return value
        text = str(value)
        return text if text.isprintable() else printable(text)

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=written,
        trim_blocks=True,
        lstrip_blocks=True,
    )
