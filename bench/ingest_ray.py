"""Ingest on a Ray cluster of two machines that this one plays: the figures of docs/log.md.

    python -m bench.ingest_ray DOCS

A machine that dies at random moments, and whether the corpus is the same to the byte; how much faster two embedders are
that only wait, as those on graphics cards of other machines do; and what an ingest takes here and there.
"""

import random
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import numpy as np
from ray.cluster_utils import Cluster

from assistant.config import Settings
from assistant.store.catalog import CATALOG_FILE
from assistant.types import Vectors
from assistant.workspace import DEFAULT_CORPUS, Workspace
from ingest import cluster, pipeline

_KILLS = 10
_SETTINGS = Settings.model_validate({"ingest": {"calibrate": False}})
_SECONDS_A_TEXT = 0.4
_TABLES = ("documents", "blocks", "chunks", "windows", "segments", "postings")


class Waiting:
    """An embedder that takes its time and no core."""

    def __init__(self, recipes: Any) -> None:
        """All are alike."""

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors that mean nothing, (n, 384)."""
        time.sleep(_SECONDS_A_TEXT * len(texts))
        return np.ones((len(texts), 384), np.float32)


def seconds_of(workspace: Path, docs: Path, address: str = "") -> float:
    """How long an ingest takes."""
    started = time.perf_counter()
    pipeline.ingest(Workspace(workspace), DEFAULT_CORPUS, [docs], _SETTINGS, ray=address)
    return time.perf_counter() - started


def contents(workspace: Path) -> list[list[Any]]:
    """All rows of a corpus but the times of its files."""
    with closing(sqlite3.connect(Workspace(workspace).corpus(DEFAULT_CORPUS) / CATALOG_FILE)) as database:
        return [database.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in _TABLES]


def killed(machines: Cluster, docs: Path, scratch: Path, expected: list[list[Any]], longest: float) -> None:
    """Print what becomes of ingests while which the second machine dies."""
    equal = 0
    for number in range(_KILLS):
        moment = random.Random(number).uniform(0, longest)
        machine = machines.add_node(num_cpus=1)
        timer = threading.Timer(moment, machines.remove_node, [machine], {"allow_graceful": False})
        timer.start()
        seconds = seconds_of(scratch / f"killed-{number}", docs, machines.address)
        timer.join()
        is_equal = contents(scratch / f"killed-{number}") == expected
        equal += is_equal
        click.echo(
            f"killed after {moment:5.1f} s: ended after {seconds:5.1f} s, {'equal' if is_equal else 'DIFFERENT'}"
        )
    click.echo(f"{equal} of {_KILLS} ended with the same corpus")


def waiting(machines: Cluster, docs: Path, scratch: Path) -> None:
    """Print the seconds of one waiting embedder, of two, and their ratio."""
    cluster._Embedding = Waiting  # type: ignore[misc, assignment]
    all_places = cluster._places
    seconds = {}
    for count in (1, 2):

        def some_places(*arguments: Any, most: int = count) -> list[dict[str, Any]]:
            return all_places(*arguments)[:most]

        cluster._places = some_places  # type: ignore[assignment]
        seconds[count] = seconds_of(scratch / f"waiting-{count}", docs, machines.address)
    click.echo(f"one waiting embedder {seconds[1]:.1f} s, two {seconds[2]:.1f} s: {seconds[1] / seconds[2]:.2f} x")


@click.command()
@click.argument("docs", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(docs: Path) -> None:
    """Measure ingest on a cluster."""
    pipeline._EMBED_WINDOWS = 16
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        here = seconds_of(scratch / "here", docs)
        machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        second = machines.add_node(num_cpus=1)
        there = seconds_of(scratch / "there", docs, machines.address)
        expected = contents(scratch / "here")
        same = contents(scratch / "there") == expected
        click.echo(f"here {here:.1f} s, on the cluster {there:.1f} s, {'equal' if same else 'DIFFERENT'}")
        machines.remove_node(second)
        killed(machines, docs, scratch, expected, there)
        machines.add_node(num_cpus=1)
        waiting(machines, docs, scratch)
        machines.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
