"""One guide in several languages: whether a question in each finds evidence, a citation for it, and a right refusal.

    python -m bench.languages [--embedder multilingual-e5-small] [--misses]

``data/languages`` holds a guide for tenants in each language, and 30 questions each: 22 that it answers, and 8 that it
does not, of which 4 ask for something of its kind. The same questions in another language are the yardstick for a new
one. No model speaks: documents are quoted, so that nothing but the language differs.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from scipy.stats import binomtest

from assistant import config, open_assistant
from assistant.config import Settings
from assistant.service import open_corpus
from assistant.types import Answer
from assistant.workspace import Workspace
from eval.cases import Case, read_cases
from eval.gold import located, ranks
from eval.metrics.answers import must_include
from ingest.pipeline import ingest

_FOLDER = Path("data/languages")
_TOP = 5


def asked(language: str, workspace: Workspace, settings: Settings) -> Iterator[tuple[Case, Answer]]:
    """Each question of one language with the answer of the guide in it."""
    corpus = f"guide-{language}"
    ingest(workspace, corpus, [_FOLDER / language / "guide.md"], settings)
    with closing(open_corpus(workspace, corpus)) as catalog:
        texts = {row.path: catalog.text(row.document_id) for row in catalog.files() if row.document_id}
    cases, problems = located(read_cases(_FOLDER / language / "questions.jsonl"), texts.get)
    if problems:
        raise click.ClickException(problems[0])
    with open_assistant(corpus, workspace=workspace.root, settings=settings) as assistant:
        for case in cases:
            yield case, assistant.ask(case.question)


def values_of(case: Case, answer: Answer) -> Mapping[str, bool]:
    """What a question is measured in, by name: a question without an answer in nothing but its refusal."""
    if case.unanswerable:
        return {"unanswerable: not answered": answer.refused or answer.hedged}
    (spans,) = case.gold
    cited = [one for sentence in answer.sentences if sentence.supported for one in sentence.citations]
    places = [(span.start, span.end) for span in spans if span.start is not None and span.end is not None]
    overlap = any(one.start < end and start < one.end for one in cited for start, end in places)
    found = ranks(case.gold, answer.hits)[0]
    return {
        f"evidence in the top {_TOP}": found is not None and found <= _TOP,
        "supported citation of it": overlap,
        "facts in the answer": must_include(answer.text, case.must_include, case.language) == 1.0,
        "answerable: answered": not (answer.refused or answer.hedged),
    }


@click.command()
@click.option("--embedder", default="", help="As embedder.model names it; empty takes the default.")
@click.option("--misses", is_flag=True, help="Print each question that misses something.")
def main(embedder: str, misses: bool) -> None:
    """Ask all languages, and print a line a measure."""
    assignments = ["engine.generate=never", *([f"embedder.model={embedder}"] if embedder else [])]
    settings, _ = config.load(assignments=assignments)
    with TemporaryDirectory() as folder:
        for language in sorted(path.parent.name for path in _FOLDER.glob("*/guide.md")):
            rows = [
                (case, answer, values_of(case, answer))
                for case, answer in asked(language, Workspace(Path(folder)), settings)
            ]
            click.echo(f"{language} (n = {len(rows)})")
            for measure in dict.fromkeys(name for _, _, values in rows for name in values):
                its = [values[measure] for _, _, values in rows if measure in values]
                low, high = binomtest(sum(its), len(its)).proportion_ci(method="wilson")
                click.echo(f"  {measure:28} {sum(its):2} of {len(its):2} [{low:.2f}, {high:.2f}]")
            for case, answer, values in rows if misses else ():
                if missed := [name for name, value in values.items() if not value]:
                    click.echo(f"  MISS {case.question} {missed}: {answer.text!r}")


if __name__ == "__main__":
    main()
