"""Ingest against the usual LangChain recipe, in one run: the table of docs/ingest.md.

    python -m bench.ingest --corpora FOLDER

Both read the same folder (90 Markdown files and 6 PDFs of 805 pages), with the same embedding model; each is a
process of its own from start to end. Then 5,000 files are taken in twice: the second time nothing changed.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import click

from bench.corpora import corpora_folder
from bench.measured import run

_CORPORA = ("va-insurance-benefits", "uda-finance-pdf")
_UNCHANGED_FILES = 5000


def compare_with_langchain(corpora: Path, scratch: Path) -> None:
    """Print seconds and peak memory of both, and their ratio."""
    docs = scratch / "docs"
    for name in _CORPORA:
        shutil.copytree(corpora / name / "docs", docs / name)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "ASSISTANT_WORKSPACE": str(scratch / "workspace")}
    ours = run([sys.executable, "-m", "assistant", "ingest", str(docs)], environment)
    recipe = run([sys.executable, "-m", "bench.langchain_recipe", str(docs), str(scratch / "recipe")], environment)
    click.echo(f"assistant ingest   {ours.seconds:7.1f} s  {ours.memory / 2**20:7.0f} MiB")
    click.echo(f"LangChain recipe   {recipe.seconds:7.1f} s  {recipe.memory / 2**20:7.0f} MiB")
    click.echo(f"ratio              {recipe.seconds / ours.seconds:7.1f} x  {ours.memory / recipe.memory:7.2f} x")


def ingest_unchanged(scratch: Path) -> None:
    """Print the seconds of an ingest of files that are all known."""
    docs = scratch / "many"
    docs.mkdir()
    for number in range(_UNCHANGED_FILES):
        (docs / f"{number:05}.md").write_text(f"# Note {number}\n\nThe value of note {number} is {number * 7}.\n")
    environment = {**os.environ, "ASSISTANT_WORKSPACE": str(scratch / "many-workspace")}
    command = [sys.executable, "-m", "assistant", "ingest", str(docs)]
    first, second = run(command, environment), run(command, environment)
    click.echo(f"{_UNCHANGED_FILES} files, first  {first.seconds:7.1f} s  {first.memory / 2**20:7.0f} MiB")
    click.echo(f"{_UNCHANGED_FILES} files, again  {second.seconds:7.2f} s  {second.memory / 2**20:7.0f} MiB")


@click.command()
@click.option("--corpora", type=click.Path(path_type=Path))
def main(corpora: Path | None) -> None:
    """Measure ingest."""
    folder = corpora_folder(corpora)
    with tempfile.TemporaryDirectory() as scratch:
        compare_with_langchain(folder, Path(scratch))
        ingest_unchanged(Path(scratch))


if __name__ == "__main__":
    main()
