"""``assistant train`` and ``assistant adapters``: pairs into an adapter; and what becomes of adapters."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assistant import config
from assistant.artifacts.cards import (
    FULL,
    AdapterCard,
    adapter_folder,
    adapter_names,
    read_card,
    read_scores,
    staleness,
)
from assistant.artifacts.pairs import holds_preferences, read_header
from assistant.cli.options import assignment_options, json_option, print_json, workspace_options
from assistant.cli.pairs import gathered_preferences
from assistant.config import Settings
from assistant.config.train_settings import PREFERENCE_METHODS
from assistant.errors import AssistantError, PairsError, UsageError
from assistant.text.printing import counted, visible
from assistant.workspace import DEFAULT_CORPUS, Workspace, new_name, safe_name, size_of

if TYPE_CHECKING:
    from train.adapter_export import Dtype, Format

_FORMATS = ("merged", "gguf", "gguf-lora", "hub")
_DTYPES = ("float32", "bfloat16", "float16", "q8_0")


@click.command("train", epilog="Example: assistant train name=house epochs=2")
@click.argument("arguments", nargs=-1, metavar="[CONFIG.yaml] [KEY=VALUE]...")
@assignment_options
@click.option(
    "--from",
    "foreign",
    type=click.Path(path_type=Path),
    metavar="FILE.yml",
    help="A run of Axolotl or LLaMA-Factory; what has no counterpart here is told.",
)
@click.option("--check", "only_check", is_flag=True, help="Show memory, time and what is learnt; train nothing.")
@click.option("--resume", is_flag=True, help="Go on with a training that was interrupted.")
@click.option("--force", is_flag=True, help="Replace an adapter of this name, or an interrupted training.")
@json_option
def train_command(
    arguments: tuple[str, ...],
    workspace: Workspace,
    assignments: tuple[str, ...],
    foreign: Path | None,
    only_check: bool,
    resume: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Make an adapter from instruction pairs, or from data=FILE, a FOLDER, or a data set of the Hugging Face hub.

    CONFIG.yaml and KEY=VALUE state what differs from the defaults, which docs/training.md lists; KEY=VALUE wins.
    """
    from train.run_file import given, validated

    files = [Path(argument) for argument in arguments if "=" not in argument]
    if len(files) > 1:
        raise UsageError(f"Two run files: {files[0]} and {files[1]}.", "Give one; key=value changes single settings.")
    values = given(files[0] if files else None, [argument for argument in arguments if "=" in argument])
    if foreign:
        from train.foreign_runs import translated

        run = translated(foreign)
        values, assignments = {**run.values, **values}, (*run.assignments, *assignments)
        told = " ".join([*(f"{key}={value}" for key, value in run.values.items()), *run.assignments])
        click.echo(visible(f"From {run.program}: {told}"), err=True)
        if run.unmatched:
            click.echo(visible(f"No counterpart: {'; '.join(run.unmatched)}"), err=True)
    settings, _ = config.load(workspace.config_file, assignments=assignments)
    workspace = config.stated(workspace, settings)
    if validated(values).method in PREFERENCE_METHODS and not (values.get("pairs") or resume):
        values = _with_preferences(workspace, settings, values, only_check)
    if only_check:
        from train.check import check, lines, problems

        report = check(workspace, settings, values)
        click.echo(json.dumps(asdict(report), ensure_ascii=False, indent=2) if as_json else "\n".join(lines(report)))
        for problem in problems(report):
            click.echo(problem, err=True)
        return 1 if problems(report) else 0
    from train.finetune import train

    card = train(workspace, settings, values, resume, force)
    if card is None:
        return 0
    if as_json:
        print_json(asdict(card) | {"path": str(workspace.adapter(card.name))})
        return 0
    loss = "no validation pairs"
    if card.validation_loss is not None and card.base_validation_loss is not None:
        before = f"'{card.started_from}'" if card.started_from else "the base model"
        loss = f"validation loss {card.validation_loss:.3f}, of {before} {card.base_validation_loss:.3f}"
    click.echo(
        f"Adapter '{card.name}': {loss}; {card.steps} steps in {card.seconds / 60:.1f} min, "
        f"{card.parameters:,} parameters ({card.share:.2%} of the base).\n"
        f"It is in {workspace.adapter(card.name)}, with its loss plot."
        f' Use it: assistant ask --adapter {card.name} "..."'
    )
    return 0


def _with_preferences(
    workspace: Workspace, settings: Settings, values: dict[str, Any], only_check: bool
) -> dict[str, Any]:
    """The values of a run with the preferences about what its adapter learnt from, gathered now.

    A check gathers none, and takes those that are there.
    """
    from train.preferences import newest_adapter

    adapter = str(values.get("adapter") or newest_adapter(workspace.adapters))
    card = read_card(adapter_folder(workspace.adapters, adapter))
    corpus, _, others = (card.corpus or DEFAULT_CORPUS).partition(", ")
    if only_check:
        name = f"{corpus}-preferences"
        if not workspace.pairs_file(name).exists():
            raise PairsError(
                f"There are no preferences in {workspace.pairs_file(name)} to check; a check gathers none.",
                f"Run: assistant pairs preferences --corpus {corpus}",
            )
        return {**values, "adapter": adapter, "pairs": name}
    if others:
        click.echo(
            visible(f"Preferences about '{corpus}' alone; for {others} gather them and give pairs=NAME."), err=True
        )
    gone = [name for name in card.pair_sets if name and not workspace.pairs_file(name).exists()]
    files = {name: workspace.pairs_file(name) for name in dict.fromkeys([*card.pair_sets, corpus]) if name}
    sets = [name for name, file in files.items() if file.exists() and _has_splits_of(corpus, file)]
    if gone and not sets:
        raise PairsError(
            f"The pairs that '{adapter}' learnt from are gone ({', '.join(gone)}), and with them what is held out.",
            f"Make them again: assistant pairs --corpus {corpus}",
        )
    report = gathered_preferences(workspace, settings, corpus, sets)
    click.echo(f"{counted(report.total, 'preference')} in '{report.name}'.", err=True)
    return {**values, "adapter": adapter, "pairs": report.name}


def _has_splits_of(corpus: str, file: Path) -> bool:
    """Whether a set holds pairs of a corpus; one without a header may."""
    header = read_header(file)
    return not holds_preferences(file) and (header is None or header.corpus == corpus)


@click.group("adapters", epilog="Example: assistant adapters list")
def adapters_command() -> None:
    """List, show, import, compose, export, push and remove adapters."""


@adapters_command.command("list", epilog="Example: assistant adapters list")
@workspace_options
@json_option
def list_(workspace: Workspace, settings: Settings, as_json: bool) -> None:  # noqa: ARG001
    """List adapters: base, size, pairs, validation loss of base and adapter, and what became of their documents."""

    rows = [_row(workspace, name) for name in adapter_names(workspace.adapters)]
    if as_json:
        print_json({"adapters": rows})
    elif not rows:
        click.echo("There are no adapters yet. Make one: assistant train")
    else:
        _print_table(rows)
        for row in rows:
            for flag in row["flags"]:
                click.echo(f"! {row['name']}: {visible(flag)}")


@adapters_command.command("show", epilog="Example: assistant adapters show house")
@click.argument("name")
@workspace_options
@json_option
def show(name: str, workspace: Workspace, settings: Settings, as_json: bool) -> None:  # noqa: ARG001
    """Show what an adapter is, how large, what it was trained on and how."""
    from train.modelcard import facts

    folder = adapter_folder(workspace.adapters, name)
    card = read_card(folder)
    flags = _flags(workspace, card)
    if as_json:
        print_json({**asdict(card), "share": card.share, "size": size_of(folder), "path": str(folder), "flags": flags})
        return
    click.echo(click.style(visible(name), bold=True))
    for label, text in facts(card, size_of(folder)).items():
        click.echo(f"  {label:16} {visible(text)}")
    click.echo("  settings")
    for key, value in card.config.items():
        click.echo(f"    {visible(key)} = {visible(json.dumps(value, ensure_ascii=False))}")
    for flag in flags:
        click.echo(f"! {visible(flag)}")


@adapters_command.command("import", epilog="Example: assistant adapters import ./trl-output --name house")
@click.argument("source", metavar="FOLDER|HUB_ID")
@click.option("--name", metavar="NAME", help="Name of the new adapter.  [default: that of the folder]")
@click.option("--base", default="", metavar="MODEL", help="Its base model, as engine.model names one, or a copy of it.")
@click.option("--force", is_flag=True, help="Replace an adapter of this name.")
@workspace_options
@json_option
def import_(
    source: str, name: str | None, base: str, force: bool, workspace: Workspace, settings: Settings, as_json: bool
) -> None:
    """Take in an adapter that PEFT, TRL or another program made.

    LoRA, rsLoRA and DoRA of safetensors; the base model has to be engine.model or on this machine.
    """
    target = workspace.adapter(new_name(name or Path(source).expanduser().absolute().name, "adapter"))
    from train.foreign import import_adapter

    card = import_adapter(settings, source, target, base, force)
    if as_json:
        print_json(asdict(card) | {"path": str(target)})
        return
    setting = "" if card.base == settings.engine.model else f" --set engine.model={card.base}"
    licence = f", licence {card.licence}" if card.licence else ""
    told = (
        f"Adapter '{card.name}': {card.method} on {card.base}, {card.parameters:,} parameters"
        f" ({card.share:.2%} of the base){licence}."
    )
    click.echo(f"{visible(told)}\n" + visible(f'Use it: assistant ask --adapter {card.name}{setting} "..."'))


@adapters_command.command("compose", epilog="Example: assistant adapters compose terms:0.7 tone:0.3 --name house")
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
    parts: list[tuple[str, float]] = []
    for component in components:
        part, _, weight = component.rpartition(":")
        try:
            parts.append((safe_name(part, "adapter"), float(weight)))
        except (ValueError, UsageError):
            told = f"'{component}' is no adapter with a weight."
            raise UsageError(told, "Write NAME:WEIGHT, as in terms:0.7.") from None
    target = workspace.adapter(new_name(name, "adapter"))
    from assistant.engines.adapted import AdaptedModel
    from assistant.models.loading import choose
    from train.compose import compose
    from train.modelcard import readable_bytes

    adapted = AdaptedModel(settings.engine, choose(settings.device), workspace.adapters)
    made = compose(adapted, parts, target, method, rank, density, force)
    if as_json:
        print_json({**asdict(made.card), "rank": made.rank, "error": made.error, "path": str(target)})
        return
    size = readable_bytes(size_of(target))
    click.echo(
        f"Adapter '{name}': rank {made.rank}, {size}, relative error {made.error:.2g} to the exact sum.\n"
        f'Use it: assistant ask --adapter {name} "..."'
    )


@adapters_command.command("export", epilog="Example: assistant adapters export house --to ./house-gguf --format gguf")
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
    help="Precision of a merged model; q8_0 in a GGUF only.  [default: bfloat16; float16 in a GGUF]",
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
    from train.adapter_export import export
    from train.modelcard import readable_bytes

    system = settings.answer.system
    made = export(settings.engine, system, workspace.adapters, name, target, format_, dtype, force)
    if as_json:
        print_json({"name": name, "format": format_, "path": str(target), **asdict(made)})
    else:
        click.echo(f"Written to {target} ({readable_bytes(made.size)}); README.md there says how to use it.")
        if made.loss:
            click.echo(f"In {made.loss}.")


@adapters_command.command("push", epilog="Example: assistant adapters push house my-name/house --dry-run")
@click.argument("name")
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--public", is_flag=True, help="For everyone to see.  [default: private]")
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be sent, and send nothing.")
@workspace_options
@json_option
def push(
    name: str, repository: str, public: bool, dry: bool, workspace: Workspace, settings: Settings, as_json: bool
) -> None:
    """Send an adapter to the Hugging Face hub, with a model card.

    Without a token (hf auth login) it is a dry run. Names of documents, files and machines stay here.
    """
    from train.adapter_export import push
    from train.modelcard import readable_bytes

    sent = push(settings.engine, workspace.adapters, name, repository, public=public, dry=dry)
    if as_json:
        print_json({"name": name, "repository": repository, "public": public, **asdict(sent)})
        return
    for file, size in sent.files.items():
        click.echo(f"  {file:28} {readable_bytes(size)}")
    why = "as asked" if dry else "there is no token: hf auth login"
    click.echo(f"Sent to {visible(sent.address)}" if sent.address else f"Nothing was sent to {repository} ({why}).")


@adapters_command.command("remove", epilog="Example: assistant adapters remove house")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--yes", "confirmed", is_flag=True, help="Do not ask.")
@workspace_options
def remove(names: tuple[str, ...], confirmed: bool, workspace: Workspace, settings: Settings) -> None:  # noqa: ARG001
    """Delete adapters."""
    from train.modelcard import readable_bytes
    from train.registry import remove_adapter

    folders = [adapter_folder(workspace.adapters, name) for name in dict.fromkeys(names)]
    size = readable_bytes(sum(map(size_of, folders)))
    if not confirmed and not click.confirm(f"Delete {', '.join(folder.name for folder in folders)} ({size})?"):
        click.echo("Nothing was deleted.")
        return
    for folder in folders:
        remove_adapter(folder)
    click.echo(f"Deleted: {', '.join(folder.name for folder in folders)} ({size}).")


def _row(workspace: Workspace, name: str) -> dict[str, Any]:
    """What the list says of one adapter; of a damaged one, what is wrong."""

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
    stale = staleness(card, workspace)
    return [str(stale)] if stale else []


def _print_table(rows: list[dict[str, Any]]) -> None:
    """One line an adapter, below a line of labels."""
    from train.modelcard import readable_bytes

    cells: list[dict[str, str]] = []
    for row in rows:
        losses = [row.get("base_validation_loss"), row.get("validation_loss")]
        value, low, high = ((row.get("scores") or {}).get("means") or {}).get("correctness", (None, None, None))
        interval = "" if low is None else f" [{low:.3f}, {high:.3f}]"
        texts = {
            "name": row["name"],
            "method": row.get("method", "unusable"),
            "base": row.get("base", ""),
            "rank": str(row.get("rank") or ""),
            "size": readable_bytes(row["size"]),
            "pairs": str(row.get("pairs", "")),
            "loss before → after": " → ".join(f"{loss:.3f}" for loss in losses if loss is not None),
            "correctness": "" if value is None else f"{value:.3f}{interval}",
            "corpus": row.get("corpus", ""),
            "created": row.get("created", "")[:16].replace("T", " "),
        }
        cells.append({label: visible(text) for label, text in texts.items()})
    widths = {label: max(len(label), *(len(row[label]) for row in cells)) for label in cells[0]}
    for line in ({label: label for label in widths}, *cells):
        text = "  ".join(cell.ljust(widths[label]) for label, cell in line.items()).rstrip()
        click.echo(click.style(text, bold=line["name"] == "name"))
