"""Retrieval quality of the product's own index on real corpora: the tables of docs/retrieval.md.

    python -m bench.retrieval --corpora FOLDER [--only scifact] [--set retrieval.dense_weight=0.5] [--split train]

SciFact is scored by nDCG@10 over documents; the others by whether the start of the gold evidence is in one of
the five best chunks of the right document (for PDFs: whether one of them is on a gold page).
"""

import math
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from assistant import config
from assistant.errors import ReadError
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.retriever import Retriever
from assistant.service import with_shared
from assistant.store.catalog import Catalog
from assistant.store.index import Index
from assistant.store.lance import LanceIndex, shared_at
from assistant.types import Evidence
from assistant.workspace import Workspace
from bench.corpora import Row, beir_questions, corpora_folder, read_jsonl, write_beir_documents
from eval.statistics import interval
from ingest.pipeline import ingest
from ingest.readers import Limits, read

_TOP = 5
# The start of an evidence text that has to be in a chunk, after folding.
_EVIDENCE_CHARACTERS = 80


_REFERENCE_LINK = re.compile(r"\[([^\]]+)\]\[[^\]]*\]")


@dataclass(frozen=True)
class Score:
    """One line of the table."""

    corpus: str
    metric: str
    value: float
    low: float
    high: float
    n: int


def folded(text: str) -> str:
    """Letters and digits only, so that white space, list marks and table borders make no difference."""
    return "".join(character for character in text.casefold() if character.isalnum())


def as_read(markdown: str, scratch: Path) -> str:
    """A gold text in the source's Markdown and HTML as the product's own reader sees it."""
    # The targets of reference links stand elsewhere in the document.
    scratch.write_text(_REFERENCE_LINK.sub(r"\1", markdown) + "\n", encoding="utf-8")
    try:
        return read(scratch, Limits()).text
    except ReadError:
        return markdown


def ndcg_at_10(ranked: Sequence[str], relevant: dict[str, int]) -> float:
    """DCG / ideal DCG with gains rel / log2(rank + 1) (Järvelin and Kekäläinen 2002)."""
    gains = [relevant.get(document, 0) for document in ranked[:10]]
    ideal = sorted(relevant.values(), reverse=True)[:10]
    return _dcg(gains) / _dcg(ideal)


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def _open(workspace: Workspace, corpus: str, docs: Path, settings: config.Settings) -> Retriever:
    started, workspace = time.perf_counter(), with_shared(workspace, settings)
    report = ingest(workspace, corpus, [docs], settings)
    click.echo(
        f"# {corpus}: {report.documents} documents, {report.chunks} chunks, {time.perf_counter() - started:.1f} s",
        err=True,
    )
    catalog: Index = Catalog(workspace.corpus(corpus))
    if settings.store.url:
        catalog = LanceIndex(shared_at(settings.store.url), corpus)
    return Retriever(catalog, Embedder(settings.embedder, settings.device), settings.retrieval, settings.device)


def scifact(corpora: Path, workspace: Workspace, settings: config.Settings, split: str) -> list[Score]:
    """nDCG@10 of the configured fusion over all questions of a split."""
    corpus, docs = corpora / "scifact-beir", workspace.root / "scifact-docs"
    if not docs.exists():
        write_beir_documents(corpus, docs)
    retriever = _open(workspace, "scifact", docs, settings)
    scores, seconds = [], []
    for question, relevant in beir_questions(corpus, split):
        started = time.perf_counter()
        hits = retriever.search(question, k=30)
        seconds.append(time.perf_counter() - started)
        scores.append(ndcg_at_10(list(dict.fromkeys(Path(hit.document).stem for hit in hits)), relevant))
    low, high = interval(scores, [str(number) for number in range(len(scores))])
    p50, p95 = np.percentile(seconds[5:], [50, 95]) * 1000
    click.echo(f"# scifact: search p50 {p50:.1f} ms, p95 {p95:.1f} ms", err=True)
    return [
        Score(
            "scifact",
            f"nDCG@10 {settings.retrieval.fusion} ({split})",
            float(np.mean(scores)),
            low,
            high,
            len(scores),
        )
    ]


def _evidence_found(row: Row, hits: Sequence[Evidence]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        text = as_read(row["evidence_text"], Path(folder) / "evidence.md")
    start = folded(text)[:_EVIDENCE_CHARACTERS]
    return any(hit.document == row["evidence_doc"] and start in folded(f"{hit.context} {hit.text}") for hit in hits)


def _page_found(row: Row, hits: Sequence[Evidence]) -> bool:
    return any(hit.document == row["evidence_doc"] and set(hit.pages) & set(row["evidence_pages"]) for hit in hits)


def _is_specific(row: Row) -> bool:
    return not row["unanswerable"] and not row.get("generic_question")


def _has_pages(row: Row) -> bool:
    return bool(row.get("evidence_pages"))


_CORPORA: dict[str, tuple[Callable[[Row], bool], str, Callable[[Row, Sequence[Evidence]], bool]]] = {
    "va-insurance-benefits": (_is_specific, "question", _evidence_found),
    "de-tax-insurance-law": (_is_specific, "question", _evidence_found),
    "18f-handbook-tone": (_is_specific, "question", _evidence_found),
    "uda-finance-pdf": (_has_pages, "question_with_doc", _page_found),
}


def passages(corpora: Path, workspace: Workspace, settings: config.Settings, corpus: str, misses: bool) -> list[Score]:
    """Share of questions whose evidence is among the five best chunks."""
    chosen, question, found = _CORPORA[corpus]
    retriever = _open(workspace, corpus, corpora / corpus / "docs", settings)
    rows = [row for row in read_jsonl(corpora / corpus / "qa.jsonl") if chosen(row)]
    values = []
    for row in rows:
        hits = retriever.search(row[question], k=_TOP)
        values.append(float(found(row, hits)))
        if misses and not values[-1]:
            click.echo(f"MISS {row['id']} {row[question]!r} {row['evidence_doc']} {str(row['evidence_text'])[:80]!r}")
            for hit in hits:
                click.echo(
                    f"   {hit.score:.2f} {hit.dense_rank} {hit.lexical_rank} {hit.document} {hit.heading}"
                    f" {hit.text[:80]!r}"
                )
    low, high = interval(values, [row["evidence_doc"] for row in rows])
    metric = "evidence page in top 5" if found is _page_found else "evidence in top 5"
    return [Score(corpus, metric, float(np.mean(values)), low, high, len(values))]


@click.command()
@click.option("--corpora", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, type=click.Choice(("scifact", *_CORPORA)))
@click.option("--workspace", type=click.Path(path_type=Path), default=Path("bench/results/workspace"))
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE")
@click.option("--split", default="test", help="SciFact questions: test, or train to tune on.")
@click.option("--misses", is_flag=True, help="Print the questions whose evidence was not found.")
def main(
    corpora: Path | None,
    only: tuple[str, ...],
    workspace: Path,
    assignments: tuple[str, ...],
    split: str,
    misses: bool,
) -> None:
    """Measure retrieval and print one line a corpus."""
    folder = corpora_folder(corpora)
    settings, _ = config.load(assignments=assignments)
    space = Workspace(workspace.absolute())
    for name in only or ("scifact", *_CORPORA):
        scores = (
            scifact(folder, space, settings, split)
            if name == "scifact"
            else passages(folder, space, settings, name, misses)
        )
        for score in scores:
            click.echo(
                f"{score.corpus:24} {score.metric:28} {score.value:.3f} [{score.low:.3f}, {score.high:.3f}] n={score.n}"
            )


if __name__ == "__main__":
    main()
