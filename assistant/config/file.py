"""The workspace's ``config.yaml``, changed: by ``assistant config set`` and by the app.

Comments, order and spelling of everything else in it stay as they are.

retrieval:
  k: 5    # enough for us      ◀ with_value(text, "retrieval", "k", 8) changes the 5
"""

import json
from collections.abc import Sequence
from typing import Any

import yaml

from assistant import config
from assistant.errors import ConfigError
from assistant.workspace import Workspace, replaced_atomically, write_lock


def change_settings(workspace: Workspace, assignments: Sequence[str]) -> None:
    """Write some ``key=value`` into the file, whose comments stay. Raises ConfigError for what is wrong with one."""
    # Twice: a refusal leaves no folder behind, and what another process wrote before the lock was had counts too.
    config.load(workspace.config_file, environment={}, assignments=assignments)
    with write_lock(workspace.root):
        config.load(workspace.config_file, environment={}, assignments=assignments)
        file = workspace.config_file
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        for key, value, _ in config.assignment_layer(assignments):
            section, name = key.split(".")
            text = with_value(text, section, name, value)
        with replaced_atomically(workspace.config_file) as beside:
            beside.write_text(text, encoding="utf-8")


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
