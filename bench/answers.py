"""What a model says to questions, word for word, and what becomes of it: a JSON line for each question.

    python -m bench.answers CASES OUT.jsonl --workspace FOLDER --corpus NAME [--half first] [--limit 40] [--minutes 8]

CASES are cases of ``assistant eval``, or the ``qa.jsonl`` of a corpus to measure on, of which the questions with short
answers are taken. What a model has said is kept in the workspace where an evaluation keeps it: the same command goes
on where ``--minutes`` ended it, and other ways of choosing an answer are tried without asking a model again
(``--offline``). Prints how many answers are right by outcome, with all required facts (docs/metrics.md).
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from assistant import config
from assistant.answer import Assistant
from assistant.engines.opening import open_engine
from assistant.text.words import detect
from assistant.types import Answer
from assistant.workspace import Workspace
from bench.citations import opened
from bench.corpora import Row, read_jsonl
from eval.cases import Case, GoldSpan, read_cases
from eval.metrics.answers import answer_scores
from eval.running.fingerprints import generation_identities
from eval.running.playback import GENERATIONS_FILE, Generations, NotYetSaid, PlaybackEngine

# Whether a longer one was given cannot be told by its words.
_LONGEST_FACT = 80
_RIGHT = 0.5


def cases_of(file: Path) -> list[Case]:
    """The cases of a file, or the questions of a ``qa.jsonl`` that have short answers or none."""
    if file.name != "qa.jsonl":
        return read_cases(file)
    return [_case(row) for row in read_jsonl(file) if all(len(one) <= _LONGEST_FACT for one in row["answers"])]


def _case(row: Row) -> Case:
    answers, unanswerable = tuple(row["answers"]), bool(row["unanswerable"])
    gold = () if unanswerable else ((GoldSpan(row["evidence_doc"]),),)
    facts = (answers,) if answers else ()
    return Case(
        row["id"], row["question"], answers, facts, gold, unanswerable, language=detect(row["question"], ("en", "de"))
    )


def half_of(cases: Sequence[Case], half: str) -> list[Case]:
    """The cases of one half of the documents: ``first``, ``second``, or all of them."""
    if half == "both":
        return [*cases]
    return [case for case in cases if (_digest(case.cluster) % 2 == 0) == (half == "first")]


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def outcome_of(answer: Answer) -> str:
    """What became of a question, in one word."""
    named = {"refused": answer.refused, "hedged": answer.hedged, "quoted": answer.quoted}
    return next((name for name, is_so in named.items() if is_so), "own words")


def _line(case: Case, answer: Answer, assistant: Assistant) -> dict[str, Any]:
    said = answer.trace.said if answer.trace else ""
    return {
        "id": case.id,
        "question": case.question,
        "language": case.language,
        "unanswerable": case.unanswerable,
        "answers": case.answers,
        "must_include": case.must_include,
        "passages": [{"document": hit.document, "context": hit.context, "text": hit.text} for hit in answer.hits],
        "said": said,
        "answer": answer.text,
        "outcome": outcome_of(answer),
        "right": _is_right(case, answer.text, answer.refused, assistant),
        "said_right": _is_right(case, said, not said, assistant),
        "judgement": dict(answer.trace.judgement) if answer.trace else {},
    }


def _is_right(case: Case, text: str, refused: bool, assistant: Assistant) -> bool:
    if case.unanswerable:
        return refused
    scores = answer_scores(case, text, refused, assistant.retriever.embedder.embed_texts)
    facts = scores["must_include"].value
    return facts == 1.0 if facts is not None else (scores["correctness"].value or 0.0) >= _RIGHT


def _table(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    for kind, wanted in (("answerable", False), ("unanswerable", True)):
        rows = [line for line in lines if line["unanswerable"] == wanted]
        said = f", right in the model's own words {sum(row['said_right'] for row in rows)}" if not wanted else ""
        yield f"{kind}: {len(rows)}, right {sum(row['right'] for row in rows)}{said}"
        for outcome in ("own words", "quoted", "hedged", "refused"):
            some = [row for row in rows if row["outcome"] == outcome]
            over = sum(row["said_right"] and not row["right"] for row in some)
            yield f"  {outcome:10} {len(some):3}, right {sum(row['right'] for row in some):3}, said right {over:3}"


@click.command()
@click.argument("cases", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--workspace", type=click.Path(path_type=Path), required=True)
@click.option("--corpus", default="sample")
@click.option("--half", type=click.Choice(["first", "second", "both"]), default="both", help="By document.")
@click.option("--limit", type=int, default=None, help="Only so many cases, spread evenly.")
@click.option("--minutes", type=float, default=8.0, help="Ask no more after so long.")
@click.option("--offline", is_flag=True, help="Only what a model has said before.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE")
def main(
    cases: Path,
    out: Path,
    workspace: Path,
    corpus: str,
    half: str,
    limit: int | None,
    minutes: float,
    offline: bool,
    assignments: tuple[str, ...],
) -> None:
    """Ask, and write what was said and what became of it."""
    settings, _ = config.load(assignments=assignments)
    space = Workspace(workspace.absolute())
    engine = open_engine(settings, space.adapters)
    identities = generation_identities(space.adapters, (), settings, type(engine).__name__)
    playback = PlaybackEngine(engine, Generations(space.root / GENERATIONS_FILE, identities))
    assistant = Assistant(opened(space, corpus, settings), lambda: playback, settings.answer, settings.engine)
    chosen = half_of(cases_of(cases), half)
    if limit and limit < len(chosen):  # the same ones as an evaluation takes
        chosen = [chosen[number * len(chosen) // limit] for number in range(limit)]
    ends = time.monotonic() + (0 if offline else 60 * minutes)

    def answered(case: Case) -> Answer | None:
        while True:
            try:
                return assistant.ask(case.question, case.history)
            except NotYetSaid as missing:
                if time.monotonic() > ends:
                    return None
                playback.generate([missing.prompt])

    answers = [(case, answered(case)) for case in chosen]
    lines = [_line(case, answer, assistant) for case, answer in answers if answer]
    out.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    click.echo(f"{len(lines)} of {len(chosen)} questions asked")
    for told in _table(lines):
        click.echo(told)


if __name__ == "__main__":
    main()
