"""Filters as conditions of SQL."""

from collections.abc import Sequence

from assistant.types import Filter

_FILTER_COLUMNS = frozenset({"title", "format", "language", "date"})


def marks_for(items: Sequence[object]) -> str:
    """A question mark for each item, as SQL wants them."""
    return ", ".join("?" * len(items))


def conditions_of(only: Filter) -> tuple[list[str], list[str]]:
    """A filter as SQL conditions over documents and files, with their values."""
    conditions, values = ["true"], list[str]()
    if only.documents:
        conditions.append(f"path IN ({marks_for(only.documents)})")
        values.extend(only.documents)
    if only.folder:
        conditions.append("path GLOB ?")
        # A plain name means everything in that folder.
        values.append(only.folder if set("*?[") & set(only.folder) else f"{only.folder.rstrip('/')}/*")
    for name, value in only.metadata.items():
        if name in _FILTER_COLUMNS:
            conditions.append(f"{name} = ?")
            values.append(value)
        else:
            conditions.append(
                "EXISTS (SELECT 1 FROM json_each(metadata) WHERE json_each.key = ? AND json_each.value = ?)"
            )
            values.extend((name, value))
    return conditions, values
