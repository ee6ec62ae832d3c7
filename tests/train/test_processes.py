"""Several processes with the same run file give the weights of one."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from toys import VOICE, apart, toy_pair, write_toy_pairs

from assistant.artifacts.cards import METRICS_FILE, read_card, run_folder
from assistant.config import Settings
from assistant.workspace import Workspace
from train.finetune import train

ROOT = Path(__file__).parents[2]


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
    from safetensors.torch import load_file

    one, two = (load_file(place.adapter(name) / "adapter_model.safetensors") for name in ("one", "two"))
    assert apart(one, two) < 1e-3
    cards = [read_card(place.adapter(name)) for name in ("one", "two")]
    assert cards[0].steps == cards[1].steps
    lines = (place.adapter("two") / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    balance = [record["balance"] for record in map(json.loads, lines) if "balance" in record]
    assert len(balance) == 10 and balance[-1] > 1.85 / 2, "one share is at least 85 % of the other"
    assert cards[0].validation_loss == pytest.approx(cards[1].validation_loss, rel=1e-5)
    assert [path.name for path in run_folder(place, "two").iterdir()] == [".lock"]
