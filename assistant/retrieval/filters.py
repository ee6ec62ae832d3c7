"""A filter that lets no document through is a mistake, and is told with the nearest thing that exists."""

import difflib
from collections.abc import Iterable
from pathlib import PurePosixPath

from assistant.errors import UsageError
from assistant.store.catalog import Catalog
from assistant.types import Filter

_KNOWN_OF_ALL = ("title", "format", "language", "date")
_FEW_VALUES = 8
# SQLite refuses patterns of more than 50,000 bytes, and takes long for those of many stars.
_LONGEST_PATTERN = 1000
_LIST = "'assistant documents' lists what there is."


def refuse_unmatched(only: Filter, catalog: Catalog) -> None:
    """Raise UsageError when a part of a filter, or all of it together, fits no document of the corpus."""
    if len(only.folder) > _LONGEST_PATTERN:
        told = f"A folder of {len(only.folder):,} characters is none; the longest pattern has {_LONGEST_PATTERN:,}."
        raise UsageError(told, "Name a folder, as in policies/*.")
    for path in dict.fromkeys(only.documents):
        if not catalog.holds(Filter((path,))):
            raise _no_document(path, catalog)
    if only.folder and not catalog.holds(Filter(folder=only.folder)):
        folders = {str(parent) for row in catalog.files() for parent in PurePosixPath(row.path).parents[:-1]}
        ending = "/*" if set("*?[") & set(only.folder) else ""
        is_file = any(row.path == only.folder for row in catalog.files())
        near = (
            "It is a document: use --document." if is_file else _nearest(only.folder, (one + ending for one in folders))
        )
        raise UsageError(f"No document of the corpus '{catalog.folder.name}' lies in '{only.folder}'.", near)
    for name, value in only.metadata.items():
        if not catalog.holds(Filter(metadata={name: value})):
            raise _no_value(name, value, catalog)
    for dates in filter(None, (Filter(since=only.since), Filter(until=only.until))):
        if not catalog.holds(dates):
            when = f"since {only.since}" if dates.since else f"until {only.until}"
            known = sorted({summary.date for summary in catalog.document_summaries()} - {""})
            remedy = f"They are dated from {known[0]} to {known[-1]}." if known else "None of them has a date."
            raise UsageError(f"No document of the corpus '{catalog.folder.name}' is dated {when}.", remedy)
    if not catalog.holds(only):
        raise UsageError("No document fits all parts of the filter.", "Leave one out.")


def _no_document(path: str, catalog: Catalog) -> UsageError:
    files = catalog.files()
    failure = next((row.failure for row in files if row.path == path), "")
    if failure:
        return UsageError(f"'{path}' could not be read: {failure}", "Mend it, then run: assistant ingest")
    near = _nearest(path, (row.path for row in files if row.document_id is not None))
    return UsageError(f"There is no document '{path}' in the corpus '{catalog.folder.name}'.", near)


def _no_value(name: str, value: str, catalog: Catalog) -> UsageError:
    told = f"No document of the corpus '{catalog.folder.name}' has {name}={value}."
    if name in _KNOWN_OF_ALL:
        values = {str(getattr(summary, name)) for summary in catalog.document_summaries()} - {""}
        is_list_short = 0 < len(values) <= _FEW_VALUES
        return UsageError(
            told, f"There are: {', '.join(sorted(values))}." if is_list_short else _nearest(value, values)
        )
    return UsageError(told, f"Of every document are known: {', '.join(_KNOWN_OF_ALL)}.")


def _nearest(word: str, known: Iterable[str]) -> str:
    """The remedy: the known word that is most like another."""
    if len(word) > _LONGEST_PATTERN:
        return _LIST  # it takes the square of its length to compare, and is like nothing
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.4)
    return f"Did you mean {near[0]}?" if near else _LIST
