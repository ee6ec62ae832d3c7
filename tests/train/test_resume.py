"""A training that was killed, interrupted or crashed goes on to the weights it would have had."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import general_of, toy_pair, write_toy_pairs

from assistant.artifacts.cards import run_folder
from assistant.config import Settings
from assistant.engines.template import CHATML
from assistant.errors import ConfigError, TrainingError
from assistant.workspace import Workspace
from train import checkpoints
from train.checkpoints import CHECKPOINT_FILE, read_state
from train.finetune import train
from train.forward_backward import Passes
from train.watch import Curves

VALUES: dict[str, Any] = {"max_steps": 8, "batch": 6, "evaluate_every": 3, "dropout": 0.2, "learning_rate": 0.01}
VALUES |= {"loraplus_lr_ratio": 4.0, "neftune_noise_alpha": 5.0}
KILLS = """
import json, os, sys
from pathlib import Path
from assistant.config import Settings
from assistant.workspace import Workspace
from train import checkpoints
import peft, torch, transformers, train.finetune  # once, for all that are killed

root, base, values, *kills = sys.argv[1:]
general = Settings.model_validate({"engine": {"model": base}, "device": {"name": "cpu", "dtype": "float32"}})
real, writes = checkpoints._write, 0

def write(file, tensors, metadata):
    global writes
    writes += 1
    if writes == int(number):
        if where == "before":
            os.kill(os.getpid(), 9)
        if where == "during":
            beside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
            beside.write_bytes(b"half of a file")
            os.kill(os.getpid(), 9)
        real(file, tensors, metadata)
        os.kill(os.getpid(), 9)
    real(file, tensors, metadata)

checkpoints._write = write
for begun, kill in enumerate(kills):
    where, number = kill.split(":")
    if not (process := os.fork()):
        train.finetune.train(Workspace(Path(root)), general, {} if begun else json.loads(values), resume=bool(begun))
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    print(status, Workspace(Path(root)).adapter("toy").exists(), flush=True)
"""


def weights(place: Workspace, name: str) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    (file,) = place.adapter(name).glob("*.safetensors")
    return load_file(file)


def killed(place: Workspace, base: Path, kills: Sequence[str]) -> list[str]:
    """How a training ended that was killed, and killed again whenever it went on; and whether there is an adapter."""
    words = [str(place.root), str(base), json.dumps(VALUES), *kills]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", KILLS, *words]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True).stdout.splitlines()


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def steps_of(folder: Path) -> list[float]:
    return [record["step"] for record in metrics(folder) if "loss" in record]


@pytest.fixture
def one_thread() -> Any:
    """As many threads as the processes that are killed: sums are then the same to the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_killed_at_any_instant_it_goes_on_to_the_same_weights(place: Workspace, general: Settings, base: Path) -> None:
    train(place, general, VALUES | {"name": "whole"})
    # Killed before, while and after it writes the best weights or a checkpoint, three times over.
    assert killed(place, base, ("during:2", "after:1", "before:3")) == [f"{-signal.SIGKILL} False"] * 3
    assert train(place, general, {}, resume=True) is not None
    again, whole = weights(place, "toy"), weights(place, "whole")
    assert all(torch.equal(again[name], whole[name]) for name in whole)
    assert steps_of(place.adapter("toy")) == list(range(1, 9)), "every step stands in the metrics once"
    assert [path.name for path in run_folder(place, "toy").iterdir()] == [".lock"]


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("stops_early", [False, True])
def test_a_crash_at_any_write_leaves_a_pair_of_files_that_fits(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch, stops_early: bool
) -> None:
    """The same as above for every single write, in this process."""
    # A rate at which the second validation is worse than the first ends it.
    early = {"learning_rate": 0.3, "evaluate_every": 1, "patience": 1, "warmup": 0.0, "validation_answers": 0}
    # As many writes as the eight steps have.
    values = VALUES | (early if stops_early else {"max_steps": 5, "evaluate_every": 2, "validation_answers": 0})
    real, left = checkpoints._write, [0]

    def write(file: Path, tensors: Any, metadata: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        real(file, tensors, metadata)

    monkeypatch.setattr(checkpoints, "_write", write)
    card = train(place, general, values | {"name": "whole"})
    whole, writes = weights(place, "whole"), -left[0]
    assert card is not None and (len(steps_of(place.adapter("whole"))) < values["max_steps"]) is stops_early
    for crash in range(2, writes + 1):
        left[0] = crash
        with pytest.raises(KeyboardInterrupt):
            train(place, general, values, force=True)
        resumed = train(place, general, {}, resume=True, force=True)
        again = weights(place, "toy")
        assert all(torch.equal(again[name], whole[name]) for name in whole), f"write {crash} of {writes}"
        assert resumed is not None and resumed.validation_loss == card.validation_loss
        told = [[(one["step"], *sorted(one)) for one in metrics(place.adapter(name))] for name in ("toy", "whole")]
        assert told[0] == told[1], "each line of the metrics stands there once"


def test_in_float16_it_goes_on_with_the_scale_and_the_moments_in_8_bits_that_it_had(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    general = Settings.model_validate({**general.model_dump(), "device": {"name": "cpu", "dtype": "float16"}})
    real, save, calls = Passes.backward, checkpoints.save, [0]

    def backward(self: Passes, rows: Any) -> Any:
        done = real(self, rows)
        calls[0] += 1
        if calls[0] == 2:
            next(weight.grad for weight in self.model.parameters() if weight.grad is not None).fill_(torch.inf)
        return done

    def crash(*arguments: Any) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Passes, "backward", backward)
    values = VALUES | {"validation_answers": 0, "max_steps": 5}
    values |= {"method": "full", "optimizer": "adamw-8bit", "learning_rate": 1e-3}
    train(place, general, values | {"name": "whole"})
    monkeypatch.setattr(checkpoints, "save", crash)
    calls[0] = 0
    with pytest.raises(KeyboardInterrupt):
        train(place, general, values)
    state = read_state(run_folder(place, "toy"))
    assert state is not None and (state.step, state.scaler["scale"], state.scaler["_growth_tracker"]) == (3, 2**15, 2)
    monkeypatch.setattr(checkpoints, "save", save)
    train(place, general, {}, resume=True)
    resumed, whole = weights(place, "toy"), weights(place, "whole")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_obeyed_after_the_step_and_all_of_it_is_saved(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    real = Passes.backward

    def backward(self: Passes, rows: Any) -> Any:
        signal.raise_signal(number)
        return real(self, rows)

    monkeypatch.setattr(Passes, "backward", backward)
    before = signal.getsignal(number)
    with pytest.raises(TrainingError, match="Stopped after step 1 of 8") as error:
        train(place, general, VALUES)
    assert error.value.remedy == "Go on with: assistant train name=toy --resume"
    assert signal.getsignal(number) == before
    state = read_state(run_folder(place, "toy"))
    assert state is not None and state.step == 1


def test_a_second_ctrl_c_does_not_wait(place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def backward(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Passes, "backward", backward)
    with pytest.raises(KeyboardInterrupt):
        train(place, general, VALUES)


@pytest.mark.slow
def test_ctrl_c_at_the_terminal_ends_in_one_line_that_says_how_to_go_on(place: Workspace, base: Path) -> None:
    command = [sys.executable, "-m", "assistant", "train", "max_steps=4000", "evaluate_every=4000"]
    options = ["--workspace", str(place.root), "--set", f"engine.model={base}", "--set", "device.dtype=float32"]
    process = subprocess.Popen(
        [*command, *options], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    folder = run_folder(place, "toy")
    deadline = time.monotonic() + 300
    while not (folder / "metrics.jsonl").exists() or not steps_of(folder):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1 and out == ""
    assert "name=toy --resume" in err.splitlines()[-1] and "Traceback" not in err


@pytest.fixture(scope="module")
def crashed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a workspace with a training that crashed after its first checkpoint, a step before its end."""
    place, real = Workspace(tmp_path_factory.mktemp("crashed")), checkpoints.save

    def save(*arguments: Any) -> None:
        real(*arguments)
        raise KeyboardInterrupt

    write_toy_pairs(place)
    with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(checkpoints, "save", save)
        patched.setattr(Curves, "plot", lambda *_: None)
        train(place, general_of(base), VALUES | {"max_steps": 4, "validation_answers": 0})
    return place.root


@pytest.fixture
def interrupted(crashed: Path, tmp_path: Path) -> Workspace:
    """A copy of it."""
    return Workspace(Path(shutil.copytree(crashed, tmp_path / "interrupted")))


def test_a_resume_with_other_settings_is_refused_naming_the_difference(
    interrupted: Workspace, general: Settings
) -> None:
    with pytest.raises(ConfigError, match=r"started with batch=6, not batch=4"):
        train(interrupted, general, {"batch": 4}, resume=True)
    with pytest.raises(TrainingError, match="no training of 'other' to go on with"):
        train(interrupted, general, {"name": "other"}, resume=True)
    assert train(interrupted, general, {"batch": 6, "name": "toy"}, resume=True) is not None
    with pytest.raises(TrainingError, match="no training to go on with"):
        train(interrupted, general, {}, resume=True)


def test_a_resume_with_other_pairs_is_refused(interrupted: Workspace, general: Settings) -> None:
    write_toy_pairs(interrupted, [toy_pair(number) for number in range(5)])
    with pytest.raises(TrainingError, match="pairs and course of the training changed since"):
        train(interrupted, general, {}, resume=True)


def test_a_resume_with_another_base_or_template_is_refused(
    interrupted: Workspace, general: Settings, tmp_path: Path
) -> None:
    from toys import toy_model

    other = toy_model(tmp_path / "other")
    (other / "notes.json").write_text("{}")
    template = tmp_path / "other.jinja"
    template.write_text(f"{CHATML} ")
    for engine, said in (({"model": str(other)}, "base model"), ({"chat_template": str(template)}, "chat template")):
        changed = general.model_dump()
        changed["engine"] |= engine
        with pytest.raises(TrainingError, match=f"{said} changed since"):
            train(interrupted, Settings.model_validate(changed), {}, resume=True)


@pytest.mark.slow
def test_an_interrupted_training_is_not_lost_by_starting_anew(interrupted: Workspace, general: Settings) -> None:
    with pytest.raises(TrainingError, match="interrupted, 3 steps done") as error:
        train(interrupted, general, VALUES)
    assert "--resume" in error.value.remedy
    assert train(interrupted, general, VALUES, force=True) is not None


def test_a_training_started_anew_does_not_go_on_from_the_old_one(
    interrupted: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Passes, "mean_loss", lambda *_: pytest.fail("stopped"))
    with pytest.raises(BaseException, match="stopped"):
        train(interrupted, general, VALUES, force=True)
    assert read_state(run_folder(interrupted, "toy")) is None


@pytest.mark.slow
def test_with_several_to_go_on_with_one_has_to_be_named(
    interrupted: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", lambda *_: pytest.fail("stopped"))
        with pytest.raises(BaseException, match="stopped"):
            train(interrupted, general, VALUES | {"name": "two"})
    with pytest.raises(ConfigError, match="several trainings to go on with: toy, two"):
        train(interrupted, general, {}, resume=True)
    assert train(interrupted, general, {"name": "two"}, resume=True) is not None, "it had no checkpoint yet"


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\x00" * 64])
def test_a_damaged_checkpoint_is_told_in_one_line(interrupted: Workspace, general: Settings, damage: bytes) -> None:
    (run_folder(interrupted, "toy") / CHECKPOINT_FILE).write_bytes(damage)
    with pytest.raises(TrainingError, match="is damaged") as error:
        train(interrupted, general, {}, resume=True)
    assert "\n" not in str(error.value)


def test_a_damaged_run_file_is_told_in_one_line(interrupted: Workspace, general: Settings) -> None:
    (run_folder(interrupted, "toy") / "run.json").write_text('{"settings": ')
    with pytest.raises(TrainingError, match="is damaged"):
        train(interrupted, general, {}, resume=True)


def test_nothing_is_pickled(interrupted: Workspace) -> None:
    names = {path.name for path in run_folder(interrupted, "toy").iterdir()}
    assert names == {
        ".lock",
        "run.json",
        "metrics.jsonl",
        "best-000003.safetensors",
        CHECKPOINT_FILE,
    }
