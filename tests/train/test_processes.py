"""Several processes give the weights of one, whether each has the whole model or a part of it."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from toys import VOICE, apart, toy_pair, write_toy_pairs

from assistant.artifacts.cards import METRICS_FILE, read_card, run_folder
from assistant.config import Settings
from assistant.workspace import Workspace
from train.finetune import train

ROOT = Path(__file__).parents[2]
SHARDED = """
import json, os, signal, sys
from pathlib import Path
import peft, torch, transformers  # once, for both
from accelerate import Accelerator
from assistant.config import Settings
from assistant.errors import AssistantError
from assistant.workspace import Workspace
from train import validation_answers, watch
from train.finetune import train
from train.forward_backward import Passes

watch.Curves.plot = lambda *_: None
validation_answers._LONGEST_ANSWER = 8
Accelerator.end_training = lambda _: None  # several trainings in one start
root, base, runs, dies_after = sys.argv[1:]
processes = []
for rank in range(2):
    processes.append(os.fork())
    if not processes[rank]:
        break
else:
    print(*(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes))
    sys.exit()
os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
os.dup2(os.open(f"{root}/errors-{rank}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
backward, calls = Passes.backward, [0]

def counted(self, rows):
    calls[0] += 1
    if os.environ["RANK"] == "1" and calls[0] == int(dies_after):
        os.kill(os.getpid(), signal.SIGKILL)
    return backward(self, rows)

Passes.backward = counted
general = Settings.model_validate({"engine": {"model": base}, "device": {"name": "cpu", "dtype": "float32"}})
try:
    for values in json.loads(runs):
        train(Workspace(Path(root)), general, values, resume=len(values) == 1)
except AssistantError as error:
    sys.exit(f"Error: {error}")
"""
VALUES: dict[str, Any] = {"batch": 4, "batch_tokens": 400, "evaluate_every": 3, "checkpoint_minutes": 0.0}
VALUES |= {"validation_answers": 2}


def start_two(place: Workspace, base: Path, runs: list[dict[str, Any]], dies_after: int = 0) -> list[tuple[int, str]]:
    """Exit status and errors of two processes that train some settings; a name alone is gone on with."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    done = subprocess.run(
        [sys.executable, "-c", SHARDED, str(place.root), str(base), json.dumps(runs), str(dies_after)],
        env={**os.environ, **shared},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    statuses = map(int, done.stdout.splitlines()[-1].split())
    return [(status, (place.root / f"errors-{rank}").read_text()) for rank, status in enumerate(statuses)]


def curve(folder: Path) -> list[float]:
    lines = map(json.loads, (folder / METRICS_FILE).read_text(encoding="utf-8").splitlines())
    # The norm, since AdamW takes the same steps by gradients of any size.
    keys = ("loss", "gradient_norm", "validation_loss")
    return [one[key] for one in lines for key in keys if key in one]


@pytest.mark.slow
def test_a_sharded_model_learns_as_a_whole_one_and_outlives_the_death_of_a_process(
    place: Workspace, general: Settings, base: Path
) -> None:
    # 17 rows: in the last step one process has nothing to compute, and yet has to gather layers with the other.
    write_toy_pairs(place, [toy_pair(number, "validation" if number >= 17 else "train") for number in range(20)])
    lora = VALUES | {"method": "lora", "learning_rate": 0.01}
    full = VALUES | {"method": "full", "learning_rate": 0.001}
    (left, told), (died, why) = start_two(place, base, [lora | {"name": "two-lora", "shard": "on"}], dies_after=4)
    assert (left, died) == (1, -signal.SIGKILL), told + why
    assert "Traceback" not in told and "name=two-lora --resume" in told.splitlines()[-1]
    done = start_two(place, base, [{"name": "two-lora"}, full | {"name": "two-full", "shard": "on"}])
    assert [status for status, _ in done] == [0, 0], done
    for name, values in (("lora", lora), ("full", full)):
        train(place, general, values | {"name": name})
        one, two = place.adapter(name), place.adapter(f"two-{name}")
        assert curve(two) == pytest.approx(curve(one), abs=1e-3) and len(curve(two)) == 2 * 5 + 2
        assert read_card(one).steps == read_card(two).steps
        whole, sharded = (load_file(next(folder.glob("*.safetensors"))) for folder in (one, two))
        assert apart(whole, sharded) < 1e-4


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one_that_accumulates_twice_as_much(
    place: Workspace, general: Settings, base: Path, tmp_path: Path
) -> None:
    # 17 rows: the last step has one, so that one of the processes has nothing to compute.
    pairs = [toy_pair(number, "validation" if number >= 17 else "train") for number in range(20)]
    write_toy_pairs(place, [replace(pair, source="tone") if pair.id in VOICE else pair for pair in pairs])
    file = tmp_path / "run.yaml"
    file.write_text("epochs: 2\nbatch: 4\nlearning_rate: 0.01\nbatch_tokens: 400\nevaluate_every: 3\n")
    options = ["--workspace", str(place.root), "--set", f"engine.model={base}", "--set", "device.dtype=float32"]
    words = ["-m", "assistant", "train", str(file), "name=two", "--json", *options]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [sys.executable, *launcher, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", "ASSISTANT_DEVICE__NAME": "cpu"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "two", "one process alone prints"
    values = {"epochs": 2, "batch": 4, "learning_rate": 0.01, "batch_tokens": 400, "evaluate_every": 3}
    train(place, general, values | {"name": "one"})
    one, two = (load_file(place.adapter(name) / "adapter_model.safetensors") for name in ("one", "two"))
    assert apart(one, two) < 1e-3
    cards = [read_card(place.adapter(name)) for name in ("one", "two")]
    assert cards[0].steps == cards[1].steps
    lines = (place.adapter("two") / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    balance = [record["balance"] for record in map(json.loads, lines) if "balance" in record]
    assert len(balance) == 10 and balance[-1] > 1.85 / 2, "one share is at least 85 % of the other"
    assert cards[0].validation_loss == pytest.approx(cards[1].validation_loss, rel=1e-5)
    assert [path.name for path in run_folder(place, "two").iterdir()] == [".lock"]
