"""A BEIR folder (Thakur et al. 2021): questions with the documents that answer them, for retrieval alone.

    queries.jsonl       {"_id": "1", "text": "…"}
    qrels/test.tsv      query-id <tab> corpus-id <tab> grade, below a line of names

Each document of a grade above 0 is a gold group of its own; grades are not told apart. Documents are taken to be
files named by their id.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from assistant.artifacts.jsonlines import parsed
from assistant.errors import UsageError
from eval.cases import Case, GoldSpan, collected, json_lines, read_text

QUERIES = "queries.jsonl"


class _Query(BaseModel):
    id: str = Field(alias="_id", min_length=1)
    text: str = Field(min_length=1)


_QUERY = TypeAdapter(_Query)


def read_beir(folder: Path, split: str = "test", suffix: str = ".md") -> list[Case]:
    """The judged questions of a split; document ``4983`` is the file ``4983.md``. Raises UsageError."""
    relevant = _relevant(folder / "qrels" / f"{split}.tsv")
    return collected(_cases(folder / QUERIES, relevant, suffix), folder)


def _cases(file: Path, relevant: dict[str, list[str]], suffix: str) -> Iterator[tuple[Case, str]]:
    missing = set(relevant)
    for line, place in json_lines(file):
        query = parsed(line, _QUERY, place, UsageError)
        documents = relevant.get(query.id)
        if documents:
            missing.discard(query.id)
            gold = tuple((GoldSpan(document + suffix),) for document in documents)
            yield Case(query.id, query.text, gold=gold, kind="search"), place
    if missing:
        raise UsageError(f"{file} lacks the question '{min(missing)}', which qrels/ judges.", "Complete the folder.")


def _relevant(file: Path) -> dict[str, list[str]]:
    relevant: defaultdict[str, list[str]] = defaultdict(list)
    rows = csv.reader(read_text(file).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    for number, row in enumerate(rows, 1):
        if number == 1 or not row:  # The names of the columns.
            continue
        if len(row) != 3 or not row[2].strip().lstrip("-").isdecimal():
            raise UsageError(f"{file}, line {number}: not query, document and grade.", "Separate the three by tabs.")
        if int(row[2]) > 0:
            relevant[row[0]].append(row[1])
    return relevant
