"""The workspace's ``config.yaml``, changed: by ``assistant config set`` and by the app."""

from collections.abc import Sequence

from assistant import config
from assistant.workspace import Workspace, replaced_atomically, write_lock


def change_settings(workspace: Workspace, assignments: Sequence[str]) -> None:
    """Write some ``key=value`` into the file, whose comments stay. Raises ConfigError for what is wrong with one."""
    # Twice: a refusal leaves no folder behind, and what another process wrote before the lock was had counts too.
    config.load(workspace.config_file, environment={}, assignments=assignments)
    with write_lock(workspace.root):
        config.load(workspace.config_file, environment={}, assignments=assignments)
        text = config.with_assignments(workspace.config_file, assignments)
        with replaced_atomically(workspace.config_file) as beside:
            beside.write_text(text, encoding="utf-8")
