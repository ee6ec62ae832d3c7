"""What programs that follow runs are told: read back from TensorBoard's event files and MLflow's store of files."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assistant.errors import ConfigError
from assistant.work.tracking import check_trackers, tracking
from assistant.workspace import Workspace

SETTINGS = {"rank": 16, "data": ("a.jsonl",)}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    folder = tmp_path / "2026-11-20-cases"
    folder.mkdir()
    (folder / "report.html").write_text("<p>as it is</p>")
    return folder


def test_tensorboard_has_each_number_at_its_step_and_the_report_as_text(place: Workspace, report: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tracking(["tensorboard"], place, "house", SETTINGS) as (tracker,):
        tracker.log({"loss": 1.5, "learning_rate": 0.01}, 1)
        tracker.log({"loss": 1.25}, 2)
        tracker.log({"loss": 9.0}, 3)
        tracker.keep(report, "| system | usable |")
    with tracking(["tensorboard"], place, "house", SETTINGS, step=2) as (tracker,):
        tracker.log({"loss": 1.0}, 3)
    events = EventAccumulator(str(place.root / "tracking" / "tensorboard" / "house")).Reload()
    losses = [(event.step, event.value) for event in events.Scalars("loss")]
    assert losses == [(1, 1.5), (2, 1.25), (3, 1.0)], "what a crash undid is not there twice"
    assert [(event.step, event.value) for event in events.Scalars("learning_rate")] == [(1, pytest.approx(0.01))]
    texts = {tag: events.Tensors(tag)[0].tensor_proto.string_val[0].decode() for tag in events.Tags()["tensors"]}
    assert "| rank | 16 |" in texts["settings/text_summary"]
    assert texts["2026-11-20-cases/text_summary"] == "| system | usable |"


def test_mlflow_has_metrics_settings_and_the_files_of_a_report(place: Workspace, report: Path) -> None:
    with tracking(["mlflow"], place, "house", SETTINGS) as (tracker,):
        tracker.log({"loss": 1.5, "house+rag/correctness": 0.5}, 1)
        tracker.keep(report, "")
    with tracking(["mlflow"], place, "house", SETTINGS, step=1) as (tracker,):
        tracker.log({"loss": 1.25}, 2)
    from mlflow import MlflowClient

    client: Any = MlflowClient((place.root / "tracking" / "mlflow").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("assistant").experiment_id])
    assert (run.info.run_name, run.info.status) == ("house", "FINISHED")
    assert run.data.params == {"rank": "16", "data": "('a.jsonl',)"}
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(one.step, one.value) for one in history] == [(1, 1.5), (2, 1.25)], "the run goes on"
    assert run.data.metrics["house_rag/correctness"] == 0.5
    assert [one.path for one in client.list_artifacts(run.info.run_id, report.name)] == [f"{report.name}/report.html"]


class Recorded:
    """A stand-in for the modules of W&B and Trackio: what is called, with what."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any, **named: Any) -> "Recorded":
            self.calls.append((name, given, named))
            return self

        return call


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_others_are_told_through_the_same_seam(
    place: Workspace, report: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    program = Recorded()
    monkeypatch.setitem(sys.modules, name, program)
    with tracking([name], place, "house", SETTINGS) as (tracker,):
        tracker.log({"loss": 1.5}, 1)
        tracker.keep(report, "")
    names = [call[0] for call in program.calls]
    assert names[:2] == ["init", "log"] and names[-2:] == ["log_artifact", "finish"]
    assert program.calls[0][2]["name"] == "house" and program.calls[0][2]["config"]["rank"] == "16"
    assert program.calls[1][1:] == (({"loss": 1.5},), {"step": 1})


def test_nothing_is_told_to_the_makers_of_these_programs(place: Workspace) -> None:
    with tracking(["mlflow"], place, "house", SETTINGS):
        from mlflow.telemetry.utils import is_telemetry_disabled

        assert is_telemetry_disabled()


def test_a_program_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "trackio" else SimpleNamespace())
    check_trackers(["mlflow"], "report_to")
    with pytest.raises(ConfigError, match="report_to=trackio") as error:
        check_trackers(["mlflow", "trackio"], "report_to")
    assert error.value.remedy == "pip install 'domain-assistant[trackio]'"


def test_a_program_that_fails_is_told_once_and_costs_the_run_nothing(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the server\nis gone")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **_: SimpleNamespace(log=fail, finish=fail)))
    with tracking(["wandb"], place, "house", SETTINGS) as (tracker,):
        tracker.log({"loss": 1.5}, 1)
        tracker.log({"loss": 1.5}, 2)
    assert capsys.readouterr().err.count("wandb is told no more: the server is gone") == 1
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=fail))
    with pytest.raises(ConfigError, match="wandb does not open a run"), tracking(["wandb"], place, "house", SETTINGS):
        pass
