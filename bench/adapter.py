"""What an adapter adds on documents that it was not trained on: the table of docs/training.md.

    python -m bench.adapter house --workspace FOLDER --corpus sample

Cases count as held out when no pair that the adapter was trained or validated on shows or comes from one of their gold
documents. Both systems get the same evidence, from the whole corpus, and decode greedily.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from assistant import config
from assistant.artifacts.cards import read_card
from assistant.artifacts.pairs import read_pairs
from assistant.artifacts.row_files import write_lines
from assistant.config import Settings
from assistant.engines.transformers_engine import TransformersEngine
from assistant.prompt import build_messages, fitting_evidence
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Evidence, Message
from assistant.workspace import Workspace
from bench.retrieval import folded
from eval.cases import Case, read_cases
from eval.contamination import held_out
from eval.metrics.answers import must_include, token_f1, token_recall
from eval.metrics.style import StyleRule, keeps_all, kept_by_rule, read_rules, rules_kept
from eval.statistics import interval

_SAMPLE = Path("data/sample")


@dataclass(frozen=True)
class Asked:
    """A case with the evidence that is shown for it; ``golden`` are the numbers of the passages that answer."""

    case: Case
    evidence: tuple[Evidence, ...]
    golden: frozenset[int]


@dataclass(frozen=True)
class Scores:
    """One answer, scored; None where a metric does not apply."""

    id: str
    document: str
    answer: str
    retrieved: bool
    refused: bool
    f1: float | None
    recall: float | None
    facts: float | None
    cited: float | None
    style: float | None
    keeps_all: float | None


def ask(cases: Sequence[Case], retriever: Retriever, engine: TransformersEngine, settings: Settings) -> list[Asked]:
    """The evidence of each case, within the budget of the prompt, as the assistant shows it."""
    asked = []
    for case in cases:
        question = case.standalone_question or case.question
        found = retriever.search(question, settings.answer.evidence)
        shown = fitting_evidence(
            found,
            settings.answer.prompt_tokens,
            lambda evidence, question=question: engine.count(_messages(question, evidence, engine, settings)),  # type: ignore[misc]
        )
        golden = {number for number, hit in enumerate(shown, 1) if _answers(case, hit)}
        asked.append(Asked(case, tuple(shown), frozenset(golden)))
    return asked


def _answers(case: Case, hit: Evidence) -> bool:
    spans = (span for group in case.gold for span in group)
    text = folded(f"{hit.context} {hit.text}")
    return any(span.document == hit.document and folded(span.quote) in text for span in spans)


def _messages(
    question: str, evidence: Sequence[Evidence], engine: TransformersEngine, settings: Settings
) -> list[Message]:
    return build_messages(settings.answer.system, evidence, (), question, engine.control_tokens)


def score(one: Asked, answer: str, settings: Settings, rules: Sequence[StyleRule]) -> Scores:
    """All metrics of one answer. A refusal gets no citation score; an unanswerable case no answer score."""
    case = one.case
    refused = answer.startswith(tuple(settings.answer.refusal.values()))
    marked = {number for number in range(1, len(one.evidence) + 1) if f"[{number}]" in answer}
    return Scores(
        id=case.id,
        document=min(case.documents, default=case.id),
        answer=answer,
        retrieved=bool(one.golden),
        refused=refused,
        f1=token_f1(answer, case.answers, case.language),
        recall=token_recall(answer, case.answers, case.language),
        facts=must_include(answer, case.must_include, case.language),
        cited=None if refused or not one.golden else float(bool(marked) and marked <= one.golden),
        style=None if refused else rules_kept(answer, rules, case.language),
        keeps_all=None if refused else keeps_all(answer, rules, case.language),
    )


def line(name: str, scores: Sequence[Scores], value: Callable[[Scores], float | None]) -> str:
    """A mean with its interval over documents, and how many answers it is of."""
    rows = [(one, value(one)) for one in scores]
    scored = [(one.document, number) for one, number in rows if number is not None]
    if not scored:
        return f"{name:44} nothing to score"
    documents, values = zip(*scored, strict=True)
    low, high = interval(values, documents)
    return f"{name:44} {np.mean(values):.3f} [{low:.3f}, {high:.3f}] n={len(values)}"


def differences(name: str, base: Sequence[Scores], adapter: Sequence[Scores], metric: str) -> str:
    """The paired difference adapter - base."""
    paired = {one.id: one for one in base}
    deltas = []
    for one in adapter:
        own, other = getattr(one, metric), getattr(paired[one.id], metric)
        if own is not None and other is not None:
            deltas.append((one.document, own - other))
    documents, values = zip(*deltas, strict=True)
    low, high = interval(values, documents)
    return f"{name:44} {np.mean(values):+.3f} [{low:+.3f}, {high:+.3f}] n={len(values)}"


def report(system: str, scores: Sequence[Scores], rules: Sequence[StyleRule], languages: dict[str, str]) -> list[str]:
    """The lines of one system with evidence."""
    answerable = [one for one in scores if one.f1 is not None]
    shown = [one for one in answerable if one.retrieved]
    unanswerable = [one for one in scores if one.f1 is None]
    return [
        line(f"{system}: token-F1, evidence retrieved", shown, lambda one: one.f1),
        line(f"{system}: token recall, evidence retrieved", shown, lambda one: one.recall),
        line(f"{system}: required facts, evidence retrieved", shown, lambda one: one.facts),
        line(f"{system}: right citation, where it answered", shown, lambda one: one.cited),
        line(f"{system}: false refusals, evidence retrieved", shown, lambda one: float(one.refused)),
        line(
            f"{system}: refusals, evidence missed", [o for o in answerable if not o.retrieved], lambda one: one.refused
        ),
        line(f"{system}: right refusals, unanswerable", unanswerable, lambda one: float(one.refused)),
        line(f"{system}: house rules kept", answerable, lambda one: one.style),
        line(f"{system}: answers that keep all rules", answerable, lambda one: one.keeps_all),
        *(f"{system}: {rule:40} {kept:3} of {of}" for rule, (kept, of) in _asked_for(answerable, rules, languages)),
    ]


def _asked_for(
    scores: Sequence[Scores], rules: Sequence[StyleRule], languages: dict[str, str]
) -> list[tuple[str, tuple[int, int]]]:
    """How many answers do what a rule asks for; a rule that only forbids something is kept by who says nothing."""
    texts = [(one.answer, languages[one.id]) for one in scores if not one.refused]
    return list(kept_by_rule(texts, [rule for rule in rules if rule.wanted]).items())


@click.command()
@click.argument("adapter")
@click.option("--workspace", type=click.Path(path_type=Path), required=True)
@click.option("--corpus", default="sample")
@click.option("--cases", "cases_file", type=click.Path(path_type=Path), default=_SAMPLE / "cases.jsonl")
@click.option("--rules", "rules_file", type=click.Path(path_type=Path), default=_SAMPLE / "tone_rules.yaml")
@click.option("--max-new-tokens", default=96, help="A rambling base model would take for ever.")
@click.option("--limit", type=int, help="Only the first cases, for a quick look.")
@click.option("--out", type=click.Path(path_type=Path), help="Answers and scores as JSON lines.")
def main(
    adapter: str,
    workspace: Path,
    corpus: str,
    cases_file: Path,
    rules_file: Path,
    max_new_tokens: int,
    limit: int | None,
    out: Path | None,
) -> None:
    """Compare base and adapter, with evidence and without."""
    space = Workspace(workspace.absolute())
    settings, _ = config.load(space.config_file)
    pairs = read_pairs(space.pairs_file(read_card(space.adapter(adapter)).pairs))
    cases = held_out(read_cases(cases_file), pairs)[:limit]
    engine = TransformersEngine(settings.engine, settings.device, space.adapters)
    catalog = Catalog(space.corpus(corpus))
    retriever = Retriever(catalog, Embedder(settings.embedder, settings.device), settings.retrieval, settings.device)
    asked = ask(cases, retriever, engine, settings)
    catalog.close()
    rules = read_rules(rules_file)
    results: dict[str, list[Scores]] = {}
    for name in (None, adapter):
        for evidence in (True, False):
            some = asked if evidence else [one for one in asked if one.case.answers]
            prompts = [
                _messages(
                    one.case.standalone_question or one.case.question,
                    one.evidence if evidence else (),
                    engine,
                    settings,
                )
                for one in some
            ]
            answers = engine.complete(prompts, max_new_tokens, name)
            system = f"{name or 'base'}{'+rag' if evidence else ''}"
            results[system] = [score(one, answer, settings, rules) for one, answer in zip(some, answers, strict=True)]
            languages = {one.case.id: one.case.language for one in some}
            for text in report(system, results[system], rules, languages) if evidence else ():
                click.echo(text)
    click.echo(
        differences("difference of token-F1, all answerable", results["base+rag"], results[f"{adapter}+rag"], "f1")
    )
    for name in ("base", adapter):
        click.echo(line(f"{name}, no context: token recall of gold", results[name], lambda one: one.recall))
    click.echo(differences("no context: difference of token recall", results["base"], results[adapter], "recall"))
    if out:
        rows = (asdict(one) | {"system": system} for system, scores in results.items() for one in scores)
        write_lines(out, rows)


if __name__ == "__main__":
    main()
