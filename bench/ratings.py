"""How far the metrics follow people: the table of docs/metrics.md, from answers that were rated by reading them.

    python -m bench.ratings --workspace FOLDER [--corpus sample]

``data/sample/ratings.jsonl`` carries the texts of answers and passages, so that metrics can be computed on them at any
time, whatever models say today. The workspace lends the embedder, and how rare words are in its corpus.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from pydantic import TypeAdapter

from assistant import config
from assistant.artifacts.evaluations import Degree, Label, Rating, answer_hash
from assistant.artifacts.row_files import parsed
from assistant.errors import UsageError
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.retriever import Retriever
from assistant.store.blocks import blocks_in
from assistant.store.catalog import Catalog
from assistant.types import Answer, Citation, Evidence, Sentence
from assistant.workspace import Workspace
from eval.cases import Case, json_lines, read_cases
from eval.gold import located, text_of
from eval.human_agreement import Agreement, HumanAgreement, RatedScores, agreement_of
from eval.metrics.style import StyleRule, read_rules
from eval.running.scoring import ScoringContext, embed_of, scores_of, supports_by

SAMPLE = Path(__file__).parent.parent / "data/sample"
RATED_SET = SAMPLE / "ratings.jsonl"
_RATER = "authors"


@dataclass(frozen=True)
class RatedPassage:
    """A passage that was shown for a question."""

    document: str
    context: str
    start: int
    text: str


@dataclass(frozen=True)
class RatedSentence:
    """A sentence of an answer, and the places (from 0) of the passages that it cites."""

    text: str
    cites: tuple[int, ...]


@dataclass(frozen=True)
class GivenAnswer:
    """An answer with all that metrics look at."""

    question: str
    """Id of a case in cases.jsonl."""
    system: str
    answer: str
    refused: bool
    sentences: tuple[RatedSentence, ...]
    passages: tuple[RatedPassage, ...]


@dataclass(frozen=True)
class RatedAnswer(GivenAnswer):
    """One line of the set."""

    label: Label
    supported: Degree | None
    tone: bool | None
    reason: str


_LINE = TypeAdapter(RatedAnswer)


def read_rated(file: Path = RATED_SET) -> list[RatedAnswer]:
    """The set. Raises UsageError that names the first line that cannot be used."""
    return [parsed(line, _LINE, place, UsageError) for line, place in json_lines(file)]


def answer_of(one: GivenAnswer, case: Case) -> Answer:
    """The answer as the assistant gave it, as far as metrics look at it."""
    hits = [_evidence(rank, passage, case.language) for rank, passage in enumerate(one.passages, 1)]
    sentences = [
        Sentence(said.text, bool(said.cites), "", tuple(_citation(hits[place]) for place in said.cites))
        for said in one.sentences
    ]
    return Answer(case.question, case.question, one.answer, tuple(sentences), tuple(hits), refused=one.refused)


def rated_with(answers: Sequence[RatedAnswer], cases: Iterable[Case], judges: ScoringContext) -> Iterator[RatedScores]:
    """Each answer with its scores of today."""
    known = {case.id: case for case in cases}
    for one in answers:
        case = known[one.question]
        rating = Rating(
            one.question, one.system, answer_hash(one.answer), _RATER, "", one.label, one.supported, one.tone
        )
        scores = scores_of(case, answer_of(one, case), judges)
        yield RatedScores(case.cluster, case.unanswerable, one.refused, scores, (rating,))


def lines_of(trust: HumanAgreement) -> Iterator[str]:
    """The table."""
    yield f"{trust.answers} answers, {trust.raters} rater: " + ", ".join(
        f"{count} {label}" for label, count in trust.labels.items()
    )
    for one in trust.metrics:
        yield f"{one.metric:22} {one.asked:10} {one.statistic:6} {_figure(one):22} n={one.n:<3} {one.verdict}"


def _figure(one: Agreement) -> str:
    if one.value is None:
        return "-"
    return f"{one.value:.2f}" if one.low is None else f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"


def _evidence(rank: int, passage: RatedPassage, language: str) -> Evidence:
    end = passage.start + len(passage.text)
    return Evidence(
        rank, 1.0, None, None, None, None, rank, passage.document, "", "", "", language, passage.context, "", "", (),
        passage.start, end, passage.text, tuple(blocks_in(passage.text, passage.start)),
    )  # fmt: skip


def _citation(hit: Evidence) -> Citation:
    return Citation(hit.rank, hit.document, "", None, hit.start, hit.end, hit.text)


@contextmanager
def judging(
    answers: Sequence[GivenAnswer], workspace: Path, corpus: str, rules: Sequence[StyleRule] = ()
) -> Iterator[tuple[list[Case], ScoringContext]]:
    """The cases of the sample with the places of their gold, and what metrics of these answers ask."""
    settings, _ = config.load()
    embedder = Embedder(settings.embedder, settings.device)
    with closing(Catalog(Workspace(workspace.absolute()).corpus(corpus))) as catalog:
        retriever = Retriever(catalog, embedder, settings.retrieval, settings.device)
        retriever.search("a search tells the retriever how large the corpus is")
        cases, _ = located(read_cases(SAMPLE / "cases.jsonl"), text_of(catalog))
        by_id = {case.id: case for case in cases}
        said = [answer_of(one, by_id[one.question]) for one in answers]
        supports = supports_by(retriever, settings.answer.support_coverage)
        yield cases, ScoringContext(supports, embed_of(cases, said, embedder.embed_texts), rules)


@click.command()
@click.option("--workspace", type=click.Path(path_type=Path), required=True)
@click.option("--corpus", default="sample", show_default=True)
def main(workspace: Path, corpus: str) -> None:
    """Hold every metric against what was said of the sample's rated answers."""
    answers = read_rated()
    with judging(answers, workspace, corpus, read_rules(SAMPLE / "tone_rules.yaml")) as (cases, judges):
        trust = agreement_of(list(rated_with(answers, cases, judges)))
    for line in lines_of(trust):
        click.echo(line)


if __name__ == "__main__":
    main()
