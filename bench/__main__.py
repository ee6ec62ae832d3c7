"""All measurements, one after another: ``make bench CORPORA=FOLDER``."""

import subprocess
import sys
from pathlib import Path

import click

from bench.corpora import corpora_folder

_RUNS = (
    ("bench.retrieval",),
    ("bench.retrieval", "--only", "scifact", "--set", "retrieval.fusion=dense"),
    ("bench.ingest",),
    ("bench.refusal",),
)


@click.command()
@click.option("--corpora", type=click.Path(path_type=Path))
def main(corpora: Path | None) -> None:
    """Measure retrieval and ingest; about 25 minutes on two cores, most of it embedding."""
    folder = corpora_folder(corpora)
    for module, *options in _RUNS:
        click.echo(f"== {module} {' '.join(options)}")
        subprocess.run([sys.executable, "-m", module, "--corpora", str(folder), *options], check=True)


if __name__ == "__main__":
    main()
