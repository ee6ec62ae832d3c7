"""Cases from the formats that people have: what is read is chosen by the name.

NAME.jsonl      our cases (``eval.cases``), or rows with ``evidence_doc`` (``eval.readers.benchmarks``)
NAME.json       SQuAD
NAME.csv        a table that a person keeps in a spreadsheet
NAME/           a BEIR folder, or a folder with ``cases.jsonl`` or ``qa.jsonl``
"""

from pathlib import Path

from assistant.errors import UsageError
from eval.cases import Case, read_cases
from eval.readers.benchmarks import QUERIES, has_evidence_rows, read_beir, read_evidence_rows, read_squad
from eval.readers.spreadsheet import read_spreadsheet

__all__ = ["read_any"]

_IN_FOLDER = ("cases.jsonl", "qa.jsonl")


def read_any(source: Path) -> list[Case]:
    """All cases of a file or folder. Raises UsageError that names the first place that cannot be used."""
    if source.is_dir():
        return _read_folder(source)
    match source.suffix.lower():
        case ".jsonl":
            return read_evidence_rows(source) if has_evidence_rows(source) else read_cases(source)
        case ".json":
            return read_squad(source)
        case ".csv":
            return read_spreadsheet(source)
    raise UsageError(f"{source} is of no known format.", "Cases are .jsonl, .json (SQuAD), .csv, or a BEIR folder.")


def _read_folder(folder: Path) -> list[Case]:
    if (folder / QUERIES).exists():
        return read_beir(folder)
    for name in _IN_FOLDER:
        if (folder / name).exists():
            return read_any(folder / name)
    raise UsageError(
        f"{folder} holds no cases.", f"It needs {QUERIES} and qrels/ (BEIR), or {' or '.join(_IN_FOLDER)}."
    )
