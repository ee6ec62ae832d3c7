"""The workspace: safe names, whole files, one writer."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from assistant.errors import UsageError, WorkspaceBusy, WorkspaceError
from assistant.workspace import Workspace, locate, replaced_atomically, write_lock


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "/etc", "a/b", "a\\b", ".hidden", "-x", "a\0b", "a\nb", "x" * 65, "ä", "a b"],
)
def test_a_corpus_name_that_could_leave_the_workspace_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        Workspace(tmp_path).corpus(name)


def test_the_option_wins_over_the_variable_over_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASSISTANT_WORKSPACE", raising=False)
    assert locate().root == tmp_path / ".assistant"
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(tmp_path / "variable"))
    assert locate().root == tmp_path / "variable"
    assert locate(tmp_path / "option").root == tmp_path / "option"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(RuntimeError), replaced_atomically(target) as beside:
        beside.write_text("half of the n")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_finished_write_replaces_the_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    with replaced_atomically(target) as beside:
        beside.write_text("new")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_second_writer_is_refused_while_the_first_holds_the_lock(tmp_path: Path) -> None:
    with write_lock(tmp_path), pytest.raises(WorkspaceBusy), write_lock(tmp_path):
        pass
    with write_lock(tmp_path):
        pass


def _hold(folder: Path) -> None:
    with write_lock(folder):
        (folder / "held").touch()
        time.sleep(600)


def test_a_dead_process_cannot_hold_the_lock(tmp_path: Path) -> None:
    holder = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path,))
    holder.start()
    deadline = time.monotonic() + 120
    while not (tmp_path / "held").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(WorkspaceBusy), write_lock(tmp_path):
        pass
    assert holder.pid
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with write_lock(tmp_path):
        pass


def test_a_workspace_that_is_a_file_is_a_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError) as caught, write_lock(tmp_path / "file" / "corpora"):
        pass
    assert "\n" not in str(caught.value)
