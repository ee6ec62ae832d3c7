"""Follow-ups: how well the rules make them stand by themselves, and what is found with them.

    python -m bench.conversation [--cases data/sample/cases.jsonl] [--docs data/sample/docs]
    python -m bench.conversation --followups FILE    on follow-ups of our own to single questions of the cases, as those
                                                     of tests/data/followups_kept.jsonl, written to prove the rules, or
                                                     of tests/data/followups_sample.jsonl, which they were developed on

Recall@5 of gold groups, for the follow-ups among the cases: with the question as a person made it stand by itself, with
ours, and with simpler ways. Then the share of new questions that are left alone, each asked after a question about
another document.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from scipy.stats import binomtest

from assistant import config
from assistant.conversation.followups import rewritten
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Evidence, Message
from assistant.workspace import Workspace
from eval.cases import Case, read_cases
from eval.gold import located, ranks
from eval.metrics.retrieval import recall
from eval.statistics import interval
from ingest.pipeline import ingest

_TOP = 5

_DISTANCES = (7, 31)

Search = Callable[[Case], Sequence[Evidence]]


@dataclass(frozen=True)
class Measured:
    """Recall of each case under one way of searching."""

    name: str
    recalls: tuple[float, ...]


def ways_of(retriever: Retriever) -> Mapping[str, Search]:
    """Ways to search for a follow-up, by name."""

    def ours(case: Case, with_fallback: bool = True) -> Sequence[Evidence]:
        found = rewritten(case.question, case.history)
        return retriever.search(found.standalone, _TOP, fallback=found.fallback if with_fallback else "")

    def before(case: Case) -> str:
        return next(message.content for message in reversed(case.history) if message.role == "user")

    return {
        "standalone, by a person": lambda case: retriever.search(case.standalone_question, _TOP),
        "ours: rules, and the other wording": ours,
        "rules alone": lambda case: ours(case, with_fallback=False),
        "with the question before it": lambda case: retriever.search(f"{before(case)} {case.question}", _TOP),
        "as asked": lambda case: retriever.search(case.question, _TOP),
    }


def measure(cases: Sequence[Case], ways: Mapping[str, Search]) -> list[Measured]:
    """Recall@5 of gold groups of each case, by way."""
    return [
        Measured(name, tuple(recall(ranks(case.gold, search(case)), _TOP) or 0.0 for case in cases))
        for name, search in ways.items()
    ]


def topic_changes(cases: Sequence[Case]) -> list[Case]:
    """Each question behind one about other documents and in its language."""
    changes = []
    for number, case in enumerate(cases):
        for distance in _DISTANCES:
            other = cases[(number + distance) % len(cases)]
            if other.documents.isdisjoint(case.documents) and other.language == case.language:
                history = (Message("user", other.question), Message("assistant", other.answers[0]))
                changes.append(replace(case, history=history, standalone_question=case.question))
    return changes


def following(cases: Sequence[Case], file: Path) -> list[Case]:
    """Follow-ups of our own writing to single questions of the cases, whose gold they share."""
    by_id = {case.id: case for case in cases}
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        replace(
            by_id[row["case"]],
            standalone_question=by_id[row["case"]].question,
            question=row["question"],
            history=tuple(
                Message("assistant" if number % 2 else "user", text) for number, text in enumerate(row["turns"])
            ),
        )
        for row in rows
    ]


def opened(workspace: Workspace, docs: Path) -> Retriever:
    """The retriever of a folder of documents, taken in now if it was not."""
    settings, _ = config.load()
    ingest(workspace, "conversation", [docs], settings)
    catalog = Catalog(workspace.corpus("conversation"))
    return Retriever(catalog, Embedder(settings.embedder, settings.device), settings.retrieval, settings.device)


@click.command()
@click.option("--cases", "file", type=click.Path(path_type=Path), default=Path("data/sample/cases.jsonl"))
@click.option("--docs", type=click.Path(path_type=Path), default=Path("data/sample/docs"))
@click.option("--workspace", type=click.Path(path_type=Path), default=Path("bench/results/workspace"))
@click.option("--followups", type=click.Path(path_type=Path), help="Follow-ups to ask in place of those of the cases.")
@click.option("--misses", is_flag=True, help="Print those whose evidence was not found, with --followups.")
def main(file: Path, docs: Path, workspace: Path, followups: Path | None, misses: bool) -> None:
    """Measure and print a line a way of searching."""
    retriever = opened(Workspace(workspace.absolute()), docs)
    texts = {row.path: retriever.catalog.text(row.document_id) for row in retriever.catalog.files() if row.document_id}
    every, problems = located(read_cases(file), texts.get)
    if problems:
        raise click.ClickException(problems[0])
    cases = following(every, followups) if followups else [case for case in every if case.history and case.gold]
    ways = ways_of(retriever)
    click.echo(f"Follow-ups (n = {len(cases)})")
    measured = measure(cases, ways)
    show(measured, cases)
    changes = topic_changes([case for case in every if not case.history and case.gold])
    click.echo(f"New questions, behind one about other documents (n = {len(changes)})")
    show(measure(changes, ways), changes)
    alone = sum(not rewritten(case.question, case.history).rule for case in changes)
    low, high = binomtest(alone, len(changes)).proportion_ci(method="wilson")
    click.echo(f"  {'left alone':36} {alone / len(changes):.3f} [{low:.3f}, {high:.3f}]")
    if misses and followups:
        for case, found in zip(cases, measured[1].recalls, strict=True):
            if found < 1:
                click.echo(f"MISS {case.question!r} → {rewritten(case.question, case.history).standalone!r}")


def show(measured: Sequence[Measured], cases: Sequence[Case]) -> None:
    """A line a way: recall with its interval over documents, and as a part of the first one's."""
    clusters = [case.cluster for case in cases]
    for one in measured:
        low, high = interval(one.recalls, clusters)
        ratio = sum(one.recalls) / sum(measured[0].recalls)
        click.echo(f"  {one.name:36} {np.mean(one.recalls):.3f} [{low:.3f}, {high:.3f}] ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
