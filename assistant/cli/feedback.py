"""``assistant feedback``: what people said of answers, and what is learnt from it."""

import json
from dataclasses import asdict
from getpass import getuser
from typing import TYPE_CHECKING

import click

from assistant.cli.options import json_option, workspace_options
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.text.printing import excerpt, visible
from assistant.workspace import Workspace

if TYPE_CHECKING:
    from assistant.feedback.database import FeedbackStore, State

# As in assistant.feedback.database, which is not loaded for --help.
_STATES = ("new", "accepted", "edited", "rejected")


@click.group("feedback", epilog="Example: assistant feedback list --state new")
def feedback_command() -> None:
    """Look at what people said about answers, and decide what is learnt from it.

    What is accepted reaches the next 'assistant pairs' and the next 'assistant eval' by itself.
    """


@feedback_command.command("list", epilog="Example: assistant feedback list --state new --json")
@click.option("--state", type=click.Choice(_STATES), help="Only feedback in one state.")
@click.option("--corpus", default="", metavar="NAME", help="Only feedback on one corpus.")
@workspace_options
@json_option
def list_feedback(
    state: "State | None",
    corpus: str,
    workspace: Workspace,
    settings: Settings,  # noqa: ARG001 - comes with the workspace
    as_json: bool,
) -> None:
    """List what people said, the latest first."""
    from assistant.feedback.database import STATES, TAUGHT
    from assistant.feedback.lineage import Lineage

    store, lineage = _store(workspace), Lineage(workspace)
    found = store.listed(states=(state,) if state else STATES, corpus=corpus)
    uptakes = {one.id: lineage.of(one) for one in found if one.state in TAUGHT}
    if as_json:
        all_said = [{**asdict(one), "outcome": asdict(uptakes[one.id]) if one.id in uptakes else None} for one in found]
        click.echo(json.dumps(all_said, ensure_ascii=False, indent=2, default=str))
        return
    for one in found:
        faults = f" ({', '.join(one.judgement.faults)})" if one.judgement.faults else ""
        about = f"{one.judgement.verdict}{faults}, {one.state}, by {one.user}, {one.made:%Y-%m-%d}, corpus {one.corpus}"
        click.echo(click.style(f"── {one.id}  {visible(about)}", dim=True))
        click.echo(click.style(f"Q {visible(one.question)}", bold=True))
        click.echo(f"A {excerpt(one.answer, 300)}")
        if one.wanted and one.wanted != one.answer:
            click.echo(f"→ {excerpt(one.wanted, 300)}")
        if one.judgement.note:
            click.echo(f"  {excerpt(one.judgement.note, 300)}")
        if uptake := uptakes.get(one.id):
            learnt = f"learnt by {', '.join(uptake.adapters)}" if uptake.adapters else "learnt by no adapter"
            answers = ", ".join(f"{system} {how}" for system, how in uptake.answered.items())
            asked = f"last asked in {uptake.report}: {answers}" if uptake.report else "not asked since"
            click.echo(visible(f"  {learnt}; {asked}"))
        click.echo("")
    counts = ", ".join(f"{count} {name}" for name, count in store.counts().items())
    click.echo(f"{len(found)} shown; in all {counts}.")


@feedback_command.command("accept", epilog="Example: assistant feedback accept 3")
@click.argument("numbers", nargs=-1, required=True, type=click.IntRange(1))
@click.option(
    "--as", "edited", default="", metavar="TEXT", help="How the answer should read, where it has to be mended."
)
@workspace_options
def accept(numbers: tuple[int, ...], edited: str, workspace: Workspace, settings: Settings) -> None:  # noqa: ARG001
    """Have feedback NUMBERS learnt from and measured with."""
    from assistant.feedback.lessons import lesson_of

    if edited and len(numbers) > 1:
        raise UsageError(f"--as is one text for {len(numbers)} answers.", "Name one number with it.")
    for number in numbers:
        one = _store(workspace).accept(number, getuser(), edited)
        effect = "a pair for the next training, and a case for the next evaluation"
        if one.wants_refusal:
            effect = "a case to refuse in the next evaluation"
        elif lesson_of(one).row is None:
            effect = "a case for the next evaluation, but no pair, since its passages do not say so"
        click.echo(f"{number} is {one.state}: {effect}.")


@feedback_command.command("reject", epilog="Example: assistant feedback reject 3")
@click.argument("numbers", nargs=-1, required=True, type=click.IntRange(1))
@workspace_options
def reject(numbers: tuple[int, ...], workspace: Workspace, settings: Settings) -> None:  # noqa: ARG001
    """Have nothing learnt from feedback NUMBERS; it is kept."""
    for number in numbers:
        _store(workspace).reject(number, getuser())
        click.echo(f"{number} is rejected.")


def _store(workspace: Workspace) -> "FeedbackStore":
    from assistant.feedback.database import FeedbackStore

    return FeedbackStore(workspace.whole)
