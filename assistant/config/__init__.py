"""What every setting is set to, where that comes from, and how ``config.yaml`` is changed.

The value of a setting is taken from, in rising order: the default, ``config.yaml`` in the workspace, the
environment (``ASSISTANT_RETRIEVAL__K=5``), the command line (``--set retrieval.k=5``). A key that does
not exist is refused with the nearest one that does; one of an earlier release counts as what it is called now
(``assistant.config.outdated``). ``assistant config show`` prints the outcome.

``assistant config set`` and the app change the file; comments, order and spelling of everything else stay as they are:

retrieval:
  k: 5    # enough for us      ◀ with_value(text, "retrieval", "k", 8) changes the 5
"""

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_origin

import yaml
from pydantic import BaseModel, Field, ValidationError

from assistant.config.operation_settings import AuditSettings, JobKind, LogSettings, StateSettings
from assistant.config.outdated import IN_CONFIG, current
from assistant.config.settings import (
    AnswerSettings,
    DeviceSettings,
    EmbedderSettings,
    EngineSettings,
    IngestSettings,
    OidcSettings,
    RetrievalSettings,
    Section,
    ServeSettings,
    UiSettings,
)
from assistant.config.train_settings import EvalSettings, PairsSettings
from assistant.errors import ConfigError
from assistant.types import well_formed
from assistant.workspace import StateServer, Workspace, replaced_atomically, without_passwords, write_lock

__all__ = [
    "ENVIRONMENT_PLACES",
    "ENVIRONMENT_PREFIX",
    "ENVIRONMENT_SECRETS",
    "AnswerSettings",
    "AuditSettings",
    "DeviceSettings",
    "EmbedderSettings",
    "EngineSettings",
    "EvalSettings",
    "IngestSettings",
    "JobKind",
    "LogSettings",
    "OidcSettings",
    "Origin",
    "PairsSettings",
    "RetrievalSettings",
    "ServeSettings",
    "Settings",
    "StateSettings",
    "StoreSettings",
    "UiSettings",
    "change_settings",
    "description_of",
    "load",
    "parse_value",
    "read_yaml",
    "setting_keys",
    "stated",
    "value_of",
    "with_value",
]

ENVIRONMENT_PREFIX = "ASSISTANT_"
# Variables that name a place or a person, and are no setting.
ENVIRONMENT_PLACES = frozenset(
    {"ASSISTANT_WORKSPACE", "ASSISTANT_CACHE", "ASSISTANT_CORPORA", "ASSISTANT_PROGRESS", "ASSISTANT_ACTOR"}
)
# Variables that hold a secret, which has no place in a file of settings.
ENVIRONMENT_SECRETS = frozenset(
    {
        "ASSISTANT_ENGINE_KEY",
        "ASSISTANT_EMBEDDER_KEY",
        "ASSISTANT_RERANKER_KEY",
        "ASSISTANT_OIDC_SECRET",
        "ASSISTANT_STATE_PASSWORD",
        "ASSISTANT_TOKEN",
    }
)


class StoreSettings(Section):
    """Where corpora lie that several machines read."""

    url: str = Field(
        "",
        pattern=r"^(lance:\S+)?$",
        description="Shared disk or store, as in lance:/srv/corpora or lance:s3://bucket/corpora: what is ingested"
        " is brought there, and corpora that are not here are read from it.",
    )


class Settings(Section):
    """All settings; each section is described where it is defined."""

    store: StoreSettings = StoreSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    engine: EngineSettings = EngineSettings()
    device: DeviceSettings = DeviceSettings()
    ingest: IngestSettings = IngestSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    answer: AnswerSettings = AnswerSettings()
    serve: ServeSettings = ServeSettings()
    ui: UiSettings = UiSettings()
    oidc: OidcSettings = OidcSettings()
    pairs: PairsSettings = PairsSettings()
    eval: EvalSettings = EvalSettings()
    log: LogSettings = LogSettings()
    audit: AuditSettings = AuditSettings()
    state: StateSettings = StateSettings()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of one setting comes from: ``default``, a file, a variable or the command line."""

    key: str
    source: str


_FIELDS = {
    f"{section}.{name}": field
    for section, info in Settings.model_fields.items()
    for name, field in cast(type[BaseModel], info.annotation).model_fields.items()
}


def setting_keys() -> tuple[str, ...]:
    """All settings by their dotted names, in the order of ``assistant.config.settings``."""
    return tuple(_FIELDS)


def description_of(key: str) -> str:
    """The one description of a setting, as command line and screens show it."""
    return _FIELDS[key].description or ""


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    assignments: Iterable[str] = (),
) -> tuple[Settings, tuple[Origin, ...]]:
    """Read the settings from all layers; later ones win.

    ``assignments`` are ``key=value`` texts. Raises ConfigError for an unknown key (naming the nearest),
    a value out of bounds, or a file that is not a YAML mapping.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    variables = os.environ if environment is None else environment
    in_environment = (
        (variable.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", "."), variable)
        for variable in sorted(variables)
        if variable.startswith(ENVIRONMENT_PREFIX) and variable not in ENVIRONMENT_PLACES | ENVIRONMENT_SECRETS
    )
    layers = (
        _file_layer(file) if file is not None and file.exists() else (),
        ((key, _parsed(key, variables[name], name), name) for key, name in in_environment),
        assignment_layer(assignments),
    )
    for layer in layers:
        for key, value, source in current(layer, IN_CONFIG):
            values[_known(key, source)] = value
            origins[key] = source
    settings = _validated(values, origins)
    return settings, tuple(Origin(key, origins.get(key, "default")) for key in setting_keys())


def value_of(settings: Settings, key: str) -> Any:
    """The value behind a dotted name."""
    section, name = key.split(".")
    return getattr(getattr(settings, section), name)


def stated(workspace: Workspace, settings: Settings) -> Workspace:
    """A workspace that keeps the state of people where the settings say."""
    state = settings.state
    return replace(workspace, state=StateServer(state.url, state.password_file) if state.url else None)


def read_yaml(file: Path) -> Any:
    """The content of a YAML file. Raises ConfigError when it cannot be read or is not valid."""
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.", "Check the path and its rights.") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{file} cannot be read, it is not valid YAML: {reason}.", "Mend the line.") from None


def parse_value(text: str, annotation: Any, source: str) -> Any:
    """A value as typed: texts and words to choose from stay as they are, YAML gives numbers and lists their types."""
    if annotation is str:
        return text
    if get_origin(annotation) is Literal:
        return text.strip()
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"The value in '{source}' is not valid YAML.", "Put it in quotes.") from None
    return text if value is None else value


def _file_layer(file: Path) -> Iterator[tuple[str, Any, str]]:
    content, source = read_yaml(file), str(file)
    if content is not None and not isinstance(content, dict):
        raise ConfigError(f"{source} holds a {type(content).__name__}, not sections.", "Write 'section:' lines.")
    for section, entries in (content or {}).items():
        if entries is None:
            continue  # every line of the section is commented out
        if not isinstance(entries, dict):
            if section not in Settings.model_fields:
                _known(str(section), source)
            raise ConfigError(f"{source}: '{section}' is a section, not a value.", f"Write '{section}:' and indent.")
        for name, value in entries.items():
            yield f"{section}.{name}", value, source


def assignment_layer(assignments: Iterable[str]) -> Iterator[tuple[str, Any, str]]:
    """Key, value and source of each ``key=value``. Raises ConfigError for what is none, or no YAML."""
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"'{assignment}' is not a setting.", "Write key=value, as in retrieval.k=5.")
        yield key.strip(), _parsed(key.strip(), text, assignment), "command line"


def _parsed(key: str, text: str, source: str) -> Any:
    field = _FIELDS.get(key)  # of a key that does not exist, the value is not what is told
    return parse_value(text, field.annotation if field else None, source)


def _known(key: str, source: str) -> str:
    if key in _FIELDS:
        return key
    near = difflib.get_close_matches(key, _FIELDS, n=1, cutoff=0.5)
    by_name = [known for known in _FIELDS if known.split(".")[1] == key.split(".")[-1]]
    suggestion = (by_name or near or ["one of 'assistant config show'"])[0]
    raise ConfigError(f"Unknown setting '{key}' ({source}).", f"Did you mean {suggestion}?")


def _validated(values: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    nested: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        if any(isinstance(text, str) and well_formed(text) != text for text in (value, *inner)):
            raise ConfigError(f"{key} ({origins.get(key, 'default')}) is not UTF-8.", "Write it in whole characters.")
        section, name = key.split(".")
        nested.setdefault(section, {})[name] = value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        first = error.errors()[0]
        key, reason = ".".join(str(part) for part in first["loc"][:2]), first["msg"].removeprefix("Value error, ")
        if key in Settings.model_fields:  # several settings of a section do not fit each other
            raise ConfigError(f"{key}: {reason}.", "Change one of them.") from None
        # YAML takes null, yes, 0x10 and dates for something else than words.
        remedy = "Put it in quotes." if first["type"] == "string_type" else f"{key}: {description_of(key)}"
        given = without_passwords(repr(first["input"]))
        raise ConfigError(f"{key}={given} ({origins.get(key, 'default')}): {reason}.", remedy) from None


def change_settings(workspace: Workspace, assignments: Sequence[str]) -> dict[str, Any]:
    """Write some ``key=value`` into the file, whose comments stay; what was written, by the keys of now.

    Raises ConfigError for what is wrong with one.
    """
    # Twice: a refusal leaves no folder behind, and what another process wrote before the lock was had counts too.
    load(workspace.config_file, environment={}, assignments=assignments)
    entries = current(assignment_layer(assignments), IN_CONFIG)
    if not entries:
        return {}
    with write_lock(workspace.root):
        load(workspace.config_file, environment={}, assignments=assignments)
        file = workspace.config_file
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        for key, value, _ in entries:
            section, name = key.split(".")
            text = with_value(text, section, name, value)
        with replaced_atomically(workspace.config_file) as beside:
            beside.write_text(text, encoding="utf-8")
    return {key: value for key, value, _ in entries}


def with_value(text: str, section: str, name: str, value: Any) -> str:
    """``text`` with the entry ``name: value`` in ``section``, and no other difference.

    Raises ConfigError for what cannot be changed in place, as a value that other places refer to.
    """
    written = json.dumps(value, ensure_ascii=False)  # JSON is YAML, and no word in it is taken for a number
    pair = _pair(yaml.compose(text, Loader=yaml.SafeLoader), section)
    entries = pair[1] if pair else None
    if pair is None:
        line_end = "" if text.endswith("\n") or not text else "\n"
        changed = f"{text}{line_end}{section}:\n  {name}: {written}\n"
    elif not isinstance(entries, yaml.MappingNode):  # all entries are commented out
        changed = _replaced(text, *pair, f"\n  {name}: {written}")
    elif known := _pair(entries, name):
        changed = _replaced(text, *known, f" {written}")
    elif entries.flow_style:
        first = entries.start_mark.index + 1
        changed = f"{text[:first]}{name}: {written}, {text[first:]}"
    else:
        last = (text + "\n").index("\n", _end(text, entries))
        changed = f"{text[:last]}\n{' ' * entries.start_mark.column}{name}: {written}{text[last:]}"
    before = yaml.safe_load(text) or {}
    expected = {**before, section: {**(before.get(section) or {}), name: yaml.safe_load(written)}}
    try:
        is_as_meant = yaml.safe_load(changed) == expected
    except yaml.YAMLError:
        is_as_meant = False
    if not is_as_meant:
        raise ConfigError(
            f"{section}.{name} cannot be changed in a file that is written like this.",
            f"Write it with an editor: {section}: {{{name}: {written}}}",
        )
    return changed


def _pair(node: yaml.Node | None, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    """Key and value of an entry of a mapping; of several with one name the last counts."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((pair for pair in reversed(pairs) if pair[0].value == name), None)


def _replaced(text: str, key: yaml.Node, value: yaml.Node, written: str) -> str:
    """Another value behind a key; a comment between them comes to stand behind the value."""
    between = text[key.end_mark.index : value.start_mark.index].partition(":")[2].rstrip()
    return f"{text[: key.end_mark.index]}:{written}{between}{text[_end(text, value) :]}"


def _end(text: str, node: yaml.Node) -> int:
    """Where a node ends; by the parser's marks, lists and mappings in lines end where the next entry begins."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style:
        last = node.value[-1]
        node = last[1] if isinstance(node, yaml.MappingNode) else last
    return len(text[: node.end_mark.index].rstrip())
