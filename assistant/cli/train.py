"""``assistant train``: pairs into an adapter (``train.run``)."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from assistant.artifacts.adapters import AdapterCard
from assistant.cli.options import json_option, workspace_options
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.workspace import Workspace


@click.command("train", epilog="Example: assistant train name=house epochs=2")
@click.argument("arguments", nargs=-1, metavar="[CONFIG.yaml] [KEY=VALUE]...")
@workspace_options
@click.option("--check", "only_check", is_flag=True, help="Show memory, time and what is learnt; train nothing.")
@click.option("--resume", is_flag=True, help="Go on with a training that was interrupted.")
@click.option("--force", is_flag=True, help="Replace an adapter of this name, or an interrupted training.")
@json_option
def command(
    arguments: tuple[str, ...],
    workspace: Workspace,
    settings: Settings,
    only_check: bool,
    resume: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Make an adapter from instruction pairs.

    CONFIG.yaml and KEY=VALUE state what differs from the defaults, which docs/training.md lists; KEY=VALUE wins.
    """
    from train.config import given

    files = [Path(argument) for argument in arguments if "=" not in argument]
    if len(files) > 1:
        raise UsageError(f"Two run files: {files[0]} and {files[1]}.", "Give one; key=value changes single settings.")
    values = given(files[0] if files else None, [argument for argument in arguments if "=" in argument])
    if only_check:
        from train.check import check, lines, problems

        report = check(workspace, settings, values)
        click.echo(json.dumps(asdict(report), ensure_ascii=False, indent=2) if as_json else "\n".join(lines(report)))
        for problem in problems(report):
            click.echo(problem, err=True)
        return 1 if problems(report) else 0
    from train.run import train

    card = train(workspace, settings, values, resume, force)
    if card is None:
        return 0
    if as_json:
        click.echo(json.dumps(asdict(card) | {"path": str(workspace.adapter(card.name))}, ensure_ascii=False, indent=2))
        return 0
    click.echo(_summary(card, workspace.adapter(card.name)))
    return 0


def _summary(card: AdapterCard, folder: Path) -> str:
    """What came out, for people."""
    loss = "no validation pairs"
    if card.validation_loss is not None and card.base_validation_loss is not None:
        loss = f"validation loss {card.validation_loss:.3f}, of the base model {card.base_validation_loss:.3f}"
    return (
        f"Adapter '{card.name}': {loss}; {card.steps} steps in {card.seconds / 60:.1f} min, "
        f"{card.parameters:,} parameters ({card.share:.2%} of the base).\n"
        f'It is in {folder}, with its loss plot. Use it: assistant ask --adapter {card.name} "..."'
    )
