"""``assistant adapters``: list, show, compose, export and remove what was trained."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assistant.artifacts.adapters import FULL, AdapterCard
from assistant.cli.options import json_option, workspace_options
from assistant.config import Settings
from assistant.errors import AssistantError, UsageError
from assistant.workspace import Workspace, new_name, safe_name

if TYPE_CHECKING:
    from train.export import Dtype, Format

_FORMATS = ("merged", "gguf", "gguf-lora", "hub")
_DTYPES = ("float32", "bfloat16", "float16")


@click.group("adapters", epilog="Example: assistant adapters list")
def command() -> None:
    """List, show, compose, export and remove adapters."""


@command.command("list", epilog="Example: assistant adapters list")
@workspace_options
@json_option
def list_(workspace: Workspace, settings: Settings, as_json: bool) -> None:  # noqa: ARG001
    """List adapters: base, size, pairs, validation loss of base and adapter, and what became of their documents."""
    from assistant.artifacts.adapters import adapter_names
    from assistant.text.printing import visible

    rows = [_row(workspace, name) for name in adapter_names(workspace.adapters)]
    if as_json:
        click.echo(json.dumps({"adapters": rows}, ensure_ascii=False, indent=2))
    elif not rows:
        click.echo("There are no adapters yet. Make one: assistant train")
    else:
        _print_table([_cells(row) for row in rows])
        for row in rows:
            for flag in row["flags"]:
                click.echo(f"! {row['name']}: {visible(flag)}")


@command.command("show", epilog="Example: assistant adapters show house")
@click.argument("name")
@workspace_options
@json_option
def show(name: str, workspace: Workspace, settings: Settings, as_json: bool) -> None:  # noqa: ARG001
    """Show what an adapter is, how large, what it was trained on and how."""
    from assistant.artifacts.adapters import adapter_folder, read_card
    from assistant.text.printing import visible
    from train.modelcard import facts
    from train.registry import size_of

    folder = adapter_folder(workspace.adapters, name)
    card = read_card(folder)
    flags = _flags(workspace, card)
    if as_json:
        content = {**asdict(card), "share": card.share, "size": size_of(folder), "path": str(folder), "flags": flags}
        click.echo(json.dumps(content, ensure_ascii=False, indent=2))
        return
    click.echo(click.style(visible(name), bold=True))
    for label, text in facts(card, size_of(folder)).items():
        click.echo(f"  {label:16} {visible(text)}")
    click.echo("  settings")
    for key, value in card.config.items():
        click.echo(f"    {visible(key)} = {visible(json.dumps(value, ensure_ascii=False))}")
    for flag in flags:
        click.echo(f"! {visible(flag)}")


@command.command("compose", epilog="Example: assistant adapters compose terms:0.7 tone:0.3 --name house")
@click.argument("components", nargs=-1, required=True, metavar="NAME:WEIGHT...")
@click.option("--name", required=True, metavar="NAME", help="Name of the new adapter.")
@click.option(
    "--method",
    default="cat",
    show_default=True,
    metavar="METHOD",
    help="cat, svd: exact. linear, ties, dare_linear, dare_ties, magnitude_prune, and all but linear with _svd: lossy.",
)
@click.option("--rank", type=click.IntRange(1), help="Rank to shrink to, with svd.  [default: as large as it takes]")
@click.option(
    "--density",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.5,
    show_default=True,
    help="Part of the values that the methods which prune keep.",
)
@click.option("--force", is_flag=True, help="Replace an adapter of this name.")
@workspace_options
@json_option
def compose(
    components: tuple[str, ...],
    name: str,
    method: str,
    rank: int | None,
    density: float,
    force: bool,
    workspace: Workspace,
    settings: Settings,
    as_json: bool,
) -> None:
    """Add adapters of one base, each times its weight, to a new one, and say how far it is from the exact sum."""
    parts = [_component(text) for text in components]
    target = workspace.adapter(new_name(name, "adapter"))
    from assistant.engines.adapted import AdaptedModel
    from assistant.models.device import choose
    from train.compose import compose
    from train.registry import size_of

    adapted = AdaptedModel(settings.engine, choose(settings.device), workspace.adapters)
    made = compose(adapted, parts, target, method, rank, density, force)
    if as_json:
        content = {**asdict(made.card), "rank": made.rank, "error": made.error, "path": str(target)}
        click.echo(json.dumps(content, ensure_ascii=False, indent=2))
        return
    size = _readable(size_of(target))
    click.echo(
        f"Adapter '{name}': rank {made.rank}, {size}, relative error {made.error:.2g} to the exact sum.\n"
        f'Use it: assistant ask --adapter {name} "..."'
    )


@command.command("export", epilog="Example: assistant adapters export house --to ./house-gguf --format gguf")
@click.argument("name")
@click.option(
    "--to", "target", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="Where to; has to be new."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    default="merged",
    show_default=True,
    help="A merged model; GGUF of it, or of the adapter alone, for llama.cpp and Ollama; a folder for the Hub.",
)
@click.option(
    "--dtype",
    type=click.Choice(_DTYPES),
    help="Precision of a merged model.  [default: bfloat16; float16 in a GGUF]",
)
@click.option("--force", is_flag=True, help="Replace an earlier export.")
@workspace_options
@json_option
def export(
    name: str,
    target: Path,
    format_: "Format",
    dtype: "Dtype | None",
    force: bool,
    workspace: Workspace,
    settings: Settings,
    as_json: bool,
) -> None:
    """Write an adapter for other programs, and check that what was written answers like base and adapter."""
    from train.export import export

    system = settings.answer.system
    size = export(settings.engine, system, workspace.adapters, name, target, format_, dtype, force)
    if as_json:
        click.echo(json.dumps({"name": name, "format": format_, "path": str(target), "size": size}, indent=2))
    else:
        click.echo(f"Written to {target} ({_readable(size)}); README.md there says how to use it.")


@command.command("remove", epilog="Example: assistant adapters remove house")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--yes", "confirmed", is_flag=True, help="Do not ask.")
@workspace_options
def remove(names: tuple[str, ...], confirmed: bool, workspace: Workspace, settings: Settings) -> None:  # noqa: ARG001
    """Delete adapters."""
    from assistant.artifacts.adapters import adapter_folder
    from train.registry import remove_adapter, size_of

    folders = [adapter_folder(workspace.adapters, name) for name in dict.fromkeys(names)]
    size = _readable(sum(map(size_of, folders)))
    if not confirmed and not click.confirm(f"Delete {', '.join(folder.name for folder in folders)} ({size})?"):
        click.echo("Nothing was deleted.")
        return
    for folder in folders:
        remove_adapter(folder)
    click.echo(f"Deleted: {', '.join(folder.name for folder in folders)} ({size}).")


def _component(text: str) -> tuple[str, float]:
    name, _, weight = text.rpartition(":")
    try:
        return safe_name(name, "adapter"), float(weight)
    except (ValueError, UsageError):
        raise UsageError(f"'{text}' is no adapter with a weight.", "Write NAME:WEIGHT, as in terms:0.7.") from None


def _row(workspace: Workspace, name: str) -> dict[str, Any]:
    """What the list says of one adapter; of a damaged one, what is wrong."""
    from assistant.artifacts.adapters import read_card
    from assistant.artifacts.scores import read_scores
    from train.registry import size_of

    folder = workspace.adapters / name
    try:
        card = read_card(folder)
        flags = _flags(workspace, card)
    except AssistantError as error:
        return {"name": name, "size": size_of(folder), "flags": [str(error)]}
    return {
        "name": name,
        "method": card.method,
        "base": card.base,
        "rank": None if card.method == FULL else card.config.get("rank"),
        "parameters": card.parameters,
        "share": card.share,
        "size": size_of(folder),
        "pairs": sum(card.pairs_counts.values()),
        "base_validation_loss": card.base_validation_loss,
        "validation_loss": card.validation_loss,
        "corpus": card.corpus,
        "created": card.created,
        "scores": asdict(scores) if (scores := read_scores(folder)) else None,
        "flags": flags,
    }


def _flags(workspace: Workspace, card: AdapterCard) -> list[str]:
    from assistant.artifacts.lineage import staleness

    stale = staleness(card, workspace)
    return [str(stale)] if stale else []


def _cells(row: dict[str, Any]) -> dict[str, str]:
    losses = [row.get("base_validation_loss"), row.get("validation_loss")]
    return {
        "name": row["name"],
        "method": row.get("method", "damaged"),
        "base": row.get("base", ""),
        "rank": str(row.get("rank") or ""),
        "size": _readable(row["size"]),
        "pairs": str(row.get("pairs", "")),
        "loss base → adapter": " → ".join(f"{loss:.3f}" for loss in losses if loss is not None),
        "correctness": _correctness(row.get("scores")),
        "corpus": row.get("corpus", ""),
        "created": row.get("created", "")[:16].replace("T", " "),
    }


def _correctness(scores: dict[str, Any] | None) -> str:
    """Of the last evaluation, with its interval."""
    value, low, high = (scores or {}).get("means", {}).get("correctness", (None, None, None))
    if value is None:
        return ""
    return f"{value:.3f}" if low is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _print_table(rows: Sequence[dict[str, str]]) -> None:
    from assistant.text.printing import visible

    shown = [dict(zip(row, map(visible, row.values()), strict=True)) for row in rows]
    widths = {label: max(len(label), *(len(row[label]) for row in shown)) for label in shown[0]}
    for row in ({label: label for label in widths}, *shown):
        line = "  ".join(text.ljust(widths[label]) for label, text in row.items()).rstrip()
        click.echo(click.style(line, bold=row["name"] == "name"))


def _readable(size: int) -> str:
    from train.modelcard import readable_bytes

    return readable_bytes(size)
