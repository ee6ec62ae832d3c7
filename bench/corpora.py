"""Real corpora to measure on: a folder named by ASSISTANT_CORPORA or ``--corpora``, never part of the project.

Each corpus has ``docs/`` and ``qa.jsonl``; SciFact has the BEIR layout. A row of ``qa.jsonl``:

    {"id": "va-faq-0001", "question": "…", "answers": ["…"], "evidence_doc": "burials/….md",
     "evidence_text": "…", "unanswerable": false}
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

Row = dict[str, Any]


def corpora_folder(option: Path | None) -> Path:
    """Where the corpora are. Raises click.UsageError when nobody says so."""
    named = option or os.environ.get("ASSISTANT_CORPORA")
    if not named or not Path(named).is_dir():
        raise click.UsageError("Name the folder of the corpora: --corpora FOLDER or ASSISTANT_CORPORA.")
    return Path(named)


def read_jsonl(file: Path) -> list[Row]:
    """All rows of a JSON lines file."""
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write_beir_documents(corpus: Path, folder: Path) -> int:
    """Write each document of a BEIR corpus as a Markdown file with its title; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_jsonl(corpus / "corpus.jsonl")
    for row in rows:
        front = yaml.safe_dump({"title": row["title"]}, allow_unicode=True, width=10_000)
        # Indented or '#' lines of an abstract would be Markdown; one paragraph is what the data set means.
        text = " ".join(row["text"].split())
        (folder / f"{row['_id']}.md").write_text(f"---\n{front}---\n\n{text}\n", encoding="utf-8")
    return len(rows)


def beir_questions(corpus: Path, split: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Questions of a split, each with its relevant documents and their grades."""
    texts = {row["_id"]: row["text"] for row in read_jsonl(corpus / "queries.jsonl")}
    grades: dict[str, dict[str, int]] = {}
    lines = (corpus / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    for line in lines:
        question, document, grade = line.split("\t")
        grades.setdefault(question, {})[document] = int(grade)
    for question, relevant in grades.items():
        yield texts[question], relevant
