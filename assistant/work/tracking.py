"""Programs that keep the course of runs: what a training measures step by step, and reports of evaluations.

TensorBoard and MLflow write below the workspace (``tracking/tensorboard``, ``tracking/mlflow``), MLflow to a server
where MLFLOW_TRACKING_URI names one; Weights & Biases and Trackio write where they themselves are told to. Nothing is
opened, and nothing sent, that was not asked for; what these programs tell their makers of their own is turned off.
"""

import importlib.util
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from assistant.errors import ConfigError, one_line
from assistant.work.progress import note
from assistant.workspace import Workspace, make_folder

_PROJECT = "assistant"
_UNFIT = re.compile(r"[^\w\-. :/]")  # for a name of MLflow
# Usage statistics and crash reports to the makers; and the store of files, which MLflow wants to be asked for.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "WANDB_ERROR_REPORTING": "false",
    "GRADIO_ANALYTICS_ENABLED": "false",
}


class _Program(Protocol):
    def log(self, metrics: Mapping[str, float], step: int) -> None: ...

    def keep(self, folder: Path, text: str) -> None: ...

    def close(self) -> None: ...


class Tracker:
    """One run in one of these programs. What fails there is told once, and costs the run nothing."""

    def __init__(self, name: str, program: _Program) -> None:
        self._name = name
        self._program: _Program | None = program

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Numbers of a step."""
        self._tell(lambda program: program.log(metrics, step))

    def keep(self, folder: Path, text: str) -> None:
        """The files of a folder with the run; ``text``, in Markdown, where the program keeps no files."""
        self._tell(lambda program: program.keep(folder, text))

    def close(self) -> None:
        """The run has ended."""
        self._tell(lambda program: program.close())

    def _tell(self, what: Callable[[_Program], None]) -> None:
        try:
            if self._program:
                what(self._program)
        except Exception as error:  # of five programs and their servers
            self._program = None
            note(f"{self._name} is told no more: {one_line(error)}")


def check_trackers(names: Iterable[str], setting: str) -> None:
    """Raise ConfigError, which names the extra, when the package of one of ``names`` is not installed."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"{setting}={name}: the package is not installed.", f"pip install 'domain-assistant[{name}]'"
            )


@contextmanager
def tracking(
    names: Iterable[str], workspace: Workspace, run: str, settings: Mapping[str, object], step: int = 0
) -> Iterator[list[Tracker]]:
    """A run called ``run`` in each program of ``names`` while the block runs.

    One that goes on from a ``step`` goes on there too, as far as the program can. Raises ConfigError for a program that
    does not open it.
    """
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    kinds: dict[str, Any] = {"tensorboard": _TensorBoard, "mlflow": _Mlflow, "wandb": _Wandb, "trackio": _Trackio}
    texts = {key: str(value) for key, value in settings.items()}
    with ExitStack() as stack:
        trackers: list[Tracker] = []
        for name in names:
            try:
                program = kinds[name](workspace.root / "tracking" / name, run, texts, step)
            except Exception as error:
                remedy = "Mend it, or set report_to=none."
                raise ConfigError(f"{name} does not open a run: {one_line(error)}", remedy) from error
            trackers.append(Tracker(name, program))
            stack.callback(trackers[-1].close)
        yield trackers


class _TensorBoard:
    def __init__(self, folder: Path, run: str, settings: Mapping[str, str], step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What was told of steps that a crash undid is told anew.
        self._writer: Any = SummaryWriter(str(make_folder(folder / run)), purge_step=step + 1 if step else None)
        if not step:
            rows = "\n".join(f"| {key} | {value} |" for key, value in settings.items())
            self._writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}")

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        for key, value in metrics.items():
            self._writer.add_scalar(key, value, step)
        self._writer.flush()

    def keep(self, folder: Path, text: str) -> None:
        self._writer.add_text(folder.name, text)

    def close(self) -> None:
        self._writer.close()


class _Mlflow:
    def __init__(self, folder: Path, run: str, settings: Mapping[str, str], step: int) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        store = os.environ.get("MLFLOW_TRACKING_URI") or make_folder(folder).as_uri()
        self._client: Any = MlflowClient(store)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT)
        experiment = self._client.get_experiment_by_name(name)
        place = experiment.experiment_id if experiment else self._client.create_experiment(name)
        same = f"attributes.run_name = '{run}'"
        before = self._client.search_runs([place], same, max_results=1, order_by=["start_time DESC"]) if step else []
        self._run = before[0].info.run_id if before else self._client.create_run(place, run_name=run).info.run_id
        if not before:
            self._client.log_batch(self._run, params=[Param(key, value) for key, value in settings.items()])

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        named = ((_UNFIT.sub("_", key), value) for key, value in metrics.items())
        self._client.log_batch(self._run, [Metric(key, float(value), now, step) for key, value in named])

    def keep(self, folder: Path, text: str) -> None:  # noqa: ARG002
        self._client.log_artifacts(self._run, str(folder), folder.name)

    def close(self) -> None:
        self._client.set_terminated(self._run)


class _Wandb:
    def __init__(self, folder: Path, run: str, settings: Mapping[str, str], step: int) -> None:  # noqa: ARG002
        import wandb

        project = os.environ.get("WANDB_PROJECT", _PROJECT)
        self._run: Any = wandb.init(project=project, name=run, config=dict(settings), dir=str(make_folder(folder)))

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self._run.log(dict(metrics), step=step)

    def keep(self, folder: Path, text: str) -> None:  # noqa: ARG002
        import wandb

        artifact = wandb.Artifact(folder.name, type="report")
        artifact.add_dir(str(folder))
        self._run.log_artifact(artifact)

    def close(self) -> None:
        self._run.finish()


class _Trackio:
    def __init__(self, folder: Path, run: str, settings: Mapping[str, str], step: int) -> None:  # noqa: ARG002
        import trackio

        self._trackio: Any = trackio
        resume = "allow" if step else "never"
        trackio.init(project=_PROJECT, name=run, config=dict(settings), resume=resume, embed=False)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self._trackio.log(dict(metrics), step=step)

    def keep(self, folder: Path, text: str) -> None:  # noqa: ARG002
        self._trackio.log_artifact(folder, name=folder.name, type="report")

    def close(self) -> None:
        self._trackio.finish()
