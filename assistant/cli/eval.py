"""``assistant eval``: run, report, compare and gate an evaluation (``eval.running``, ``eval.report``)."""

import itertools
import re
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assistant.cli.options import json_option, opened_service, workspace_options
from assistant.config import Settings
from assistant.errors import ConfigError, UsageError
from assistant.text.languages import LANGUAGES, Language
from assistant.workspace import DEFAULT_CORPUS, Workspace, close_to_others, make_folder, safe_name

if TYPE_CHECKING:
    from assistant.engines import Engine
    from eval.cases import Case
    from eval.contamination import Learnt
    from eval.results import Results, System
    from eval.running.runner import Plan, RunOutcome

_SYSTEMS = "extractive,base,base+rag"
_language_option = click.option(
    "--language", type=click.Choice(LANGUAGES), help="Of the report.  [default: the one that it has, else en]"
)


class _EvalGroup(click.Group):
    """``assistant eval CASES`` is ``assistant eval run CASES``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("eval", cls=_EvalGroup, epilog="Example: assistant eval cases.jsonl --systems base,base+rag --limit 20")
def eval_command() -> None:
    """Measure how good answers are, and whether a change made them worse.

    'assistant eval CASES' is short for 'assistant eval run CASES'.
    """


@eval_command.command(
    "run", epilog="Example: assistant eval cases.jsonl --systems base,base+rag,house,house+rag --baseline REPORT"
)
@click.argument("cases", type=click.Path(path_type=Path))
@click.option(
    "--systems",
    default=_SYSTEMS,
    show_default=True,
    metavar="NAMES",
    help="Who answers: base, base+rag, an adapter NAME, NAME+rag, oracle, noise, extractive; joined by commas.",
)
@click.option("--corpus", metavar="NAME", help="Which corpus.  [default: the one that the cases are about]")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only so many cases, spread over all, for a look.")
@click.option("--held-out", is_flag=True, help="Only cases about documents that no adapter has learnt from.")
@click.option("--no-feedback", is_flag=True, help="Only CASES, without the corrections that people accepted.")
@click.option("--rules", type=click.Path(path_type=Path), metavar="FILE", help="House rules of style, as YAML.")
@click.option("--baseline", type=click.Path(path_type=Path), metavar="REPORT", help="Compare with an earlier report.")
@click.option("--gate", type=click.Path(path_type=Path), metavar="FILE", help="Margins and bounds, as YAML.")
@click.option(
    "--forgetting",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Measure what adapters forgot, on a text and a probe as in data/general.",
)
@click.option("--name", metavar="NAME", help="Of the report.  [default: that of the cases]")
@click.option(
    "--judge",
    metavar="MODEL",
    help="A model that judges every answer, named as in engine.model, or as eval.judge_url serves it; it never gates.",
)
@click.option("--fresh", is_flag=True, help="Ask models again, whatever they have said in earlier runs.")
@_language_option
@workspace_options
@json_option
def run(
    cases: Path,
    systems: str,
    corpus: str | None,
    limit: int | None,
    held_out: bool,
    no_feedback: bool,
    rules: Path | None,
    baseline: Path | None,
    gate: Path | None,
    forgetting: Path | None,
    name: str | None,
    judge: str | None,
    fresh: bool,
    language: Language | None,
    workspace: Workspace,
    settings: Settings,
    as_json: bool,
) -> int:
    """Ask systems all CASES, compare them, and write a report.

    Ends with 3 when the gate finds a regression, with 4 when there is too little evidence.
    """
    from assistant.engines.opening import open_engine
    from eval.gate import read_rules_file
    from eval.gold import corpus_about
    from eval.metrics.style import read_rules
    from eval.readers import read_any
    from eval.running import runner
    from eval.running.language_model import measurement
    from eval.running.systems import systems_of

    chosen = systems_of([one.strip() for one in systems.split(",")])
    _check(chosen, workspace, settings)
    judging = _opened_judge(settings, judge)
    learnt = _learnt(chosen, workspace, settings, held_out)
    asked = read_any(cases)
    corpus = corpus or corpus_about(asked, workspace)
    asked += [] if no_feedback else _corrections(asked, learnt, workspace, corpus)
    plan = runner.Plan(
        title=safe_name(name or re.sub(r"[^A-Za-z0-9_-]+", "-", cases.stem).strip("-")[:40] or "cases", "report"),
        cases=_some(asked, learnt, held_out, limit),
        systems=chosen,
        workspace=workspace,
        settings=settings,
        style_rules=read_rules(rules) if rules else (),
        pairs=learnt.pairs,
        changed_pairs=learnt.changed,
        gate=read_rules_file(gate) if gate else None,
        baseline=baseline,
        fresh=fresh,
    )
    with opened_service(workspace, [corpus], settings) as service, service.retriever(corpus) as retriever:
        engine = open_engine(settings, workspace.adapters)
        ended = runner.run(plan, retriever, engine, measurement(forgetting, plan, retriever.catalog))
    _tell(_written(plan, ended, judging, language), ended.results, as_json)
    return ended.results.gate.exit_status


def _check(systems: "Sequence[System]", workspace: Workspace, settings: Settings) -> None:
    """What would fail late, a wrong name or a program that is not there, is told before anything is loaded."""
    from assistant.engines.opening import check_adapter, check_engine
    from eval.report import check_report_to

    check_report_to(settings.eval)
    check_engine(settings.engine)
    for system in systems:
        check_adapter(settings, workspace.adapters, system.adapter)


@eval_command.command("compare", epilog="Example: assistant eval compare .assistant/reports/OLD .assistant/reports/NEW")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--gate", type=click.Path(path_type=Path), metavar="FILE", help="Margins and bounds, as YAML.")
@json_option
def compare(before: Path, after: Path, gate: Path | None, as_json: bool) -> int:
    """Hold the report AFTER against BEFORE, on the questions that both have.

    Ends as 'assistant eval --baseline' does: with 3 for a regression, with 4 for too little evidence.
    """
    from pydantic import TypeAdapter

    from assistant.artifacts.evaluations import Comparison
    from assistant.text.printing import visible
    from eval.gate import compared, read_rules_file
    from eval.report.summaries import effect_lines, gate_lines

    outcome = compared(before, after, read_rules_file(gate) if gate else None)
    if as_json:
        click.echo(TypeAdapter(Comparison).dump_json(outcome, indent=2).decode())
    else:
        for line in (*effect_lines(outcome.effects), *gate_lines(outcome.gate)):
            click.echo(visible(line))
    return outcome.gate.exit_status


@eval_command.command("report", epilog="Example: assistant eval report .assistant/reports/2026-11-20-cases")
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@_language_option
def report(run_folder: Path, language: Language | None) -> None:
    """Draw the report of RUN again, from the numbers in its folder."""
    from eval.report import write_report

    click.echo(f"Report: {write_report(run_folder, language)}")


@eval_command.command("draft", epilog="Example: assistant eval draft claims --to cases.jsonl")
@click.argument("pairs", default=DEFAULT_CORPUS)
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Has to be new.")
@click.option("-n", "most", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@workspace_options
def draft(pairs: str, target: Path, most: int, workspace: Workspace, settings: Settings) -> None:  # noqa: ARG001
    """Propose cases from the set PAIRS, about documents that no adapter learns from.

    Read each one, mend it, and take out the tag 'draft': a report counts those that nobody has confirmed.
    """
    from assistant.artifacts.pairs import read_pairs
    from eval.drafts import drafted, write_cases

    if target.exists():
        raise UsageError(f"{target} exists already.", "Name another file: what people confirmed is not overwritten.")
    cases = drafted(read_pairs(workspace.pairs_file(pairs)), most)
    if not cases:
        raise UsageError(
            f"The pairs '{pairs}' hold nothing of the test split to make cases of.",
            "Run: assistant pairs --hold-out GLOB",
        )
    write_cases(target, cases)
    click.echo(f"{len(cases)} drafts in {target}. Read each one, mend it, and take out the tag 'draft'.")


def _opened_judge(settings: Settings, model: str | None) -> "tuple[Engine, Settings] | None":
    """The judge and its settings. Nothing is loaded or sent yet; a model that is nowhere is told before anything is
    asked."""
    from assistant.engines.opening import open_engine
    from eval.llm_judge import judge_settings
    from eval.running.fingerprints import base_identity

    if model is None:
        return None
    judging = judge_settings(settings, model)
    base_identity(judging)
    return open_engine(judging), judging


def _learnt(systems: "Sequence[System]", workspace: Workspace, settings: Settings, only_held_out: bool) -> "Learnt":
    """What the adapters have learnt from; where nothing is known of it, that is said.

    Raises UsageError where only held-out cases are to be asked, and nobody knows which these are.
    """
    from eval.contamination import learnt_by

    learnt = learnt_by(dict.fromkeys(one.adapter for one in systems if one.adapter), workspace, settings)
    if learnt.unknown and only_held_out:
        raise UsageError(
            f"Nobody knows what '{learnt.unknown[0]}' has learnt from: its pairs are not here.", "Leave out --held-out."
        )
    for adapter in learnt.unknown:
        click.echo(f"The pairs of '{adapter}' are not here: nobody can tell whether a case leaks.", err=True)
    return learnt


def _corrections(cases: "Sequence[Case]", learnt: "Learnt", workspace: Workspace, corpus: str) -> "list[Case]":
    """The corrections that people accepted, as cases, but for those that an adapter under test may have learnt from."""
    from assistant.feedback.lessons import cases_file
    from assistant.service import open_corpus
    from eval.cases import read_cases
    from eval.contamination import unlearnt

    with closing(open_corpus(workspace, corpus)) as catalog:
        file = cases_file(workspace, catalog)
    if file is None:
        return []
    asked = {name for case in cases for name in (case.id, case.question.casefold())}
    found = [case for case in read_cases(file) if not asked & {case.id, case.question.casefold()}]
    fit = unlearnt(found, [pair for some in learnt.pairs.values() for pair in some]) if learnt.is_certain else []
    told = f"Accepted corrections that are asked too: {len(fit)}; --no-feedback asks none."
    if len(fit) < len(found):
        told += f" Left out, since an adapter may have learnt from them: {len(found) - len(fit)}."
    click.echo(told, err=True)
    return fit


def _some(cases: "Sequence[Case]", learnt: "Learnt", only_held_out: bool, limit: int | None) -> "list[Case]":
    """The cases to ask; of a limited number every n-th, so that all kinds are among them."""
    from eval.contamination import held_out

    chosen = list(cases)
    for some in learnt.pairs.values() if only_held_out else ():
        chosen = held_out(chosen, some)
    if limit is None or limit >= len(chosen):
        return chosen
    return [chosen[number * len(chosen) // limit] for number in range(limit)]


def _written(
    plan: "Plan", ended: "RunOutcome", judging: "tuple[Engine, Settings] | None", language: Language | None
) -> Path:
    """A new report, and beside each adapter's card what it scored; the folder of the report."""
    from assistant.artifacts.cards import AdapterScores, write_scores
    from assistant.text.printing import visible
    from eval.llm_judge import judged_by, write_verdicts
    from eval.report import report_to, write_report
    from eval.results import write_run

    name = f"{datetime.now(UTC).date().isoformat()}-{plan.title}"
    for number in itertools.count(1):
        folder = plan.workspace.root / "reports" / (name if number == 1 else f"{name}-{number}")
        with suppress(FileExistsError):  # two runs may end at once
            make_folder(folder.parent)
            folder.mkdir()
            close_to_others(folder)
            break
    results = ended.results
    write_run(folder, results, ended.rows, ended.costs)
    by_name = {system.name: system for system in results.systems}
    for adapter in {system.adapter for system in results.systems if system.adapter}:
        asked = by_name.get(f"{adapter}+rag") or by_name.get(adapter)  # with retrieval, if it was asked with it
        target = plan.workspace.adapters / adapter
        if asked is not None and target.is_dir():
            means = {
                metric: (mean.value, mean.low, mean.high)
                for metric, mean in results.means[asked.name].items()
                if mean.value is not None and metric in results.primary
            }
            write_scores(target, AdapterScores(folder.name, results.data.cases, asked.name, asked.adapter_hash, means))
    try:
        if judging is not None:
            write_verdicts(folder, judged_by(*judging, ended.rows, plan.workspace, fresh=plan.fresh))
    finally:
        write_report(folder, language)  # a judge that fails takes no report with it
    try:
        report_to(plan.settings.eval, folder, results, plan.workspace)
    except ConfigError as error:  # the report is written, and stays
        click.echo(visible(str(error)), err=True)
    return folder


def _tell(folder: Path, results: "Results", as_json: bool) -> None:
    """The outcome on standard output; what is wrong with the cases on standard error."""
    from assistant.artifacts.evaluations import RESULTS_FILE
    from assistant.text.printing import visible
    from eval.report.summaries import result_lines

    for problem in results.data.problems:
        click.echo(f"! {visible(problem)}", err=True)
    if as_json:
        click.echo((folder / RESULTS_FILE).read_text(encoding="utf-8"), nl=False)
        click.echo(f"Report: {folder}", err=True)
        return
    for line in result_lines(results):
        click.echo(visible(line))
    click.echo(f"Report: {folder}")
