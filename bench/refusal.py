"""Refusal before the model: the tables of docs/refusal.md, and the prior in assistant/artifacts/calibration.py.

    python -m bench.refusal --corpora FOLDER [--only sample] [--workspace FOLDER]
    python -m bench.refusal --corpora FOLDER --prior

The sample has unanswerable cases of its own. Of a real corpus half of the documents are hidden from retrieval, chosen
by their names: a question about one of them has no answer then. Neither is used for the prior, fitted to other
corpora: questions made from their documents, and those that people asked, each with its document shown and hidden.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from assistant import config
from assistant.artifacts.calibration import Rows
from assistant.config import Settings
from assistant.refusal.answerability import FEATURES, LOOKED_AT, Verdict, held, judge, shifted
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.text.overlap import weighted_coverage
from assistant.types import Evidence, Filter
from assistant.workspace import Workspace
from bench.corpora import beir_questions, corpora_folder, read_jsonl, write_beir_documents
from bench.retrieval import folded
from eval.cases import Case, read_cases
from eval.statistics import interval
from ingest.answerability_fit import Examples, examples, features, fit
from ingest.pairs.candidates import share_of
from ingest.pipeline import ingest

_SAMPLE = Path("data/sample")
_HELD_OUT = "va-insurance-benefits"
_HIDDEN = 0.5
_RECALL = 0.7
_CAUTIONS = (2.0, 4.0, 8.0)
_RESAMPLES = 2000
# What there was before: refuse below either.
_MIN_COVERAGE, _MIN_SIMILARITY = 0.34, 0.25
_PRIOR_CORPORA = ("18f-handbook-tone", "de-tax-insurance-law", "scifact-beir")
_PRIOR_QUESTIONS = 150
_PRIOR_DOCUMENTS = 700
_PRIOR_STRENGTH = 3.0
_PRIOR_DEPTH = 40


@dataclass(frozen=True)
class Judged:
    """One question, and what was thought of its evidence."""

    question: str
    cluster: str
    """Its document, or itself if it has none: what is resampled together."""
    answerable: bool
    found: bool
    """Whether the evidence that was looked at answers it."""
    verdict: Verdict
    refused_before: bool
    """By the two fixed thresholds that there were before."""

    @property
    def probability(self) -> float:
        """That the evidence answers; 0 where there is none."""
        return self.verdict.judgement.get("probability", 0.0)

    def is_below(self, caution: float) -> bool:
        """Whether it would be refused with another ``answer.caution`` than 1."""
        return self.probability < shifted(self.verdict.judgement.get("threshold", 1.0), caution)

    @property
    def refused(self) -> bool:
        """As not in the documents."""
        return not self.verdict.answerable


def opened(space: Workspace, name: str, docs: Path, settings: Settings) -> Retriever:
    """A corpus made from a folder, and its retriever."""
    report = ingest(space, name, [docs], settings)
    click.echo(f"# {name}: {report.documents} documents, {report.chunks} chunks; {report.refusal}", err=True)
    catalog = Catalog(space.corpus(name))
    retriever = Retriever(catalog, Embedder(settings.embedder, settings.device), settings.retrieval, settings.device)
    retriever.search(name)
    return retriever


def judged_cases(retriever: Retriever, settings: Settings) -> Iterator[Judged]:
    """The cases of the sample; follow-ups are asked as they stand by themselves."""
    for case in read_cases(_SAMPLE / "cases.jsonl"):
        question = case.standalone_question or case.question
        found = retriever.search(question, settings.answer.evidence)
        verdict = judge(question, found, retriever, settings.answer)
        before = refused_before(question, found, retriever)
        cluster = min(case.documents, default=case.id)
        yield Judged(question, cluster, not case.unanswerable, answers(case, found), verdict, before)


def answers(case: Case, found: Sequence[Evidence]) -> bool:
    """Whether a passage of the evidence holds a gold quote."""
    spans = [span for group in case.gold for span in group]
    return any(
        hit.document == span.document and folded(span.quote) in folded(f"{hit.context} {hit.text}")
        for span in spans
        for hit in found
    )


def judged_held_out(corpus: Path, retriever: Retriever, settings: Settings) -> Iterator[Judged]:
    """The questions of a real corpus, with half of its documents hidden from retrieval."""
    paths = sorted(row.path for row in retriever.catalog.files() if row.document_id is not None)
    shown = tuple(path for path in paths if share_of("hidden", path) >= _HIDDEN)
    for row in read_jsonl(corpus / "qa.jsonl"):
        if row.get("generic_question"):
            continue
        question, document = row["question"], row["evidence_doc"] or row["question"]
        found = retriever.search(question, settings.answer.evidence, Filter(shown))
        verdict = judge(question, found, retriever, settings.answer)
        before = refused_before(question, found, retriever)
        is_answerable = not row["unanswerable"] and document in shown
        is_found = any(hit.document == document for hit in found)
        yield Judged(question, document, is_answerable, is_found, verdict, before)


def refused_before(question: str, found: Sequence[Evidence], retriever: Retriever) -> bool:
    """Whether the two fixed thresholds refuse."""
    if not found:
        return True
    there = held(question, found, retriever)
    similarities = [hit.dense for hit in found if hit.dense is not None]
    is_understood = retriever.embedder.understands(there.language)
    is_far = is_understood and max(similarities, default=1.0) < _MIN_SIMILARITY
    return weighted_coverage(there.wanted, there.together) < _MIN_COVERAGE or is_far


def report(name: str, rows: Sequence[Judged]) -> Iterator[str]:
    """Precision and recall of refusals with 95 % intervals, AUC, and false refusals."""
    answerable = [row for row in rows if row.answerable]
    yield f"{name}: {len(answerable)} answerable, {len(rows) - len(answerable)} unanswerable"
    yield _quality("fixed thresholds", [(row, row.refused_before) for row in rows])
    yield _quality("calibrated", [(row, row.refused) for row in rows])
    for caution in _CAUTIONS:
        yield _quality(f"caution {caution:g}", [(row, row.is_below(caution)) for row in rows])
    at = float(np.quantile([row.probability for row in rows if not row.answerable], _RECALL, method="higher"))
    yield _quality(f"at recall {_RECALL:.2f}", [(row, row.probability <= at) for row in rows])
    low, high = _resampled(rows)
    yield f"  AUC {area(rows):.3f} [{low:.3f}, {high:.3f}]"
    found = [row for row in answerable if row.found]
    yield "  false refusals where the evidence was found: " + _rate([(row, row.refused) for row in found])


def _quality(name: str, rows: Sequence[tuple[Judged, bool]]) -> str:
    precision = _rate([(row, not row.answerable) for row, is_refused in rows if is_refused])
    recall = _rate([(row, is_refused) for row, is_refused in rows if not row.answerable])
    return f"  {name:18} precision {precision}, recall {recall}"


def _rate(rows: Sequence[tuple[Judged, bool]]) -> str:
    if not rows:
        return "– (n = 0)"
    values = [float(is_so) for _, is_so in rows]
    low, high = interval(values, [row.cluster for row, _ in rows])
    return f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}] (n = {len(rows)})"


def area(rows: Sequence[Judged]) -> float:
    """Share of pairs of an answerable and an unanswerable question that stand in the right order (Hanley 1982)."""
    good = np.asarray([row.probability for row in rows if row.answerable])[:, None]
    bad = np.asarray([row.probability for row in rows if not row.answerable])[None]
    return float((good > bad).mean() + 0.5 * (good == bad).mean())


def _resampled(rows: Sequence[Judged]) -> tuple[float, float]:
    """95 % bootstrap interval of the area, resampling questions of each kind."""
    chance = np.random.default_rng(0)
    kinds = [[row for row in rows if row.answerable is answerable] for answerable in (True, False)]
    areas = [
        area([kind[number] for kind in kinds for number in chance.integers(len(kind), size=len(kind))])
        for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(areas, [2.5, 97.5])
    return float(low), float(high)


def print_prior(corpora: Path, space: Workspace, settings: Settings) -> None:
    """Fit the prior and print it as it stands in assistant/artifacts/calibration.py; each corpus counts the same."""
    found = []
    for name in _PRIOR_CORPORA:
        retriever = opened(space, name, _documents(corpora, name, space), settings)
        made, asked = examples(retriever), _asked(corpora / name, retriever)
        found.append(
            Examples(np.concatenate([made.features, asked.features]), np.concatenate([made.answers, asked.answers]))
        )
    values = np.concatenate([one.features for one in found])
    answered = np.concatenate([one.answers for one in found])
    importance = np.concatenate([np.full(len(one.answers), 200 / len(one.answers)) for one in found])
    centres, scales = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    rows = np.column_stack([np.nan_to_num((values - centres) / scales, nan=0.0), np.ones(len(values))])
    weights = fit(rows, answered, np.zeros(rows.shape[1]), _PRIOR_STRENGTH, importance)
    click.echo(f"# {FEATURES}, {len(values)} examples")
    for label, numbers in (("CENTRES", centres), ("SCALES", scales), ("WEIGHTS", weights)):
        click.echo(f"_PRIOR_{label} = {_spelled(numbers)}")


def _spelled(numbers: Rows) -> str:
    return f"({', '.join(f'{number:.4f}' for number in numbers)})"


def _documents(corpora: Path, name: str, space: Workspace) -> Path:
    """The folder of a corpus; of SciFact some documents are enough."""
    if not name.startswith("scifact"):
        return corpora / name / "docs"
    folder = space.root / "scifact-some"
    if not folder.exists():
        write_beir_documents(corpora / name, folder)
        wanted = {document for _, relevant in _claims(corpora / name) for document in relevant}
        files = sorted(folder.glob("*.md"), key=lambda file: share_of("prior", file.stem))
        for file in files[_PRIOR_DOCUMENTS:]:
            if file.stem not in wanted:
                file.unlink()
    return folder


def _claims(corpus: Path) -> list[tuple[str, dict[str, int]]]:
    claims = beir_questions(corpus, "train")
    return sorted(claims, key=lambda one: share_of("prior", one[0]))[:_PRIOR_QUESTIONS]


def _questions(corpus: Path) -> Iterator[tuple[str, frozenset[str]]]:
    """What people asked, with the documents that answer it."""
    if corpus.name.startswith("scifact"):
        yield from ((claim, frozenset(f"{one}.md" for one in relevant)) for claim, relevant in _claims(corpus))
        return
    rows = (row for row in read_jsonl(corpus / "qa.jsonl") if not row["unanswerable"])
    yield from ((row["question"], frozenset({row["evidence_doc"]})) for row in rows)


def _asked(corpus: Path, retriever: Retriever) -> Examples:
    """The questions of a corpus, each with its documents shown and hidden."""
    values, answered = [], []
    for question, documents in list(_questions(corpus))[:_PRIOR_QUESTIONS]:
        hits = retriever.search(question, _PRIOR_DEPTH)
        rest = [hit for hit in hits if hit.document not in documents]
        if rest and any(hit.document in documents for hit in hits[:LOOKED_AT]):
            values += [features(question, hits, retriever), features(question, rest, retriever)]
            answered += [1.0, 0.0]
    return Examples(np.asarray(values), np.asarray(answered))


@click.command()
@click.option("--corpora", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, help="'sample', or a corpus whose documents are half hidden.")
@click.option("--workspace", type=click.Path(path_type=Path), default=Path("bench/results/workspace"))
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE")
@click.option("--prior", is_flag=True, help="Fit the prior and print it, instead of measuring.")
def main(
    corpora: Path | None, only: tuple[str, ...], workspace: Path, assignments: tuple[str, ...], prior: bool
) -> None:
    """Measure refusal before the model, or fit its prior."""
    settings, _ = config.load(assignments=assignments)
    space = Workspace(workspace.absolute())
    if prior:
        print_prior(corpora_folder(corpora), space, settings)
        return
    for name in only or ("sample", _HELD_OUT):
        if name == "sample":
            rows = list(judged_cases(opened(space, name, _SAMPLE / "docs", settings), settings))
        else:
            corpus = corpora_folder(corpora) / name
            rows = list(judged_held_out(corpus, opened(space, name, corpus / "docs", settings), settings))
        for line in report(name, rows):
            click.echo(line)


if __name__ == "__main__":
    main()
