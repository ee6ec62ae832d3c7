"""``assistant train``: exit statuses, one JSON document, mistakes in one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from toys import write_toy_pairs

from assistant.cli import main
from assistant.workspace import Workspace

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(place: Workspace, base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Runner":
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(place.root))
    monkeypatch.setenv("ASSISTANT_ENGINE__MODEL", str(base))
    monkeypatch.setenv("ASSISTANT_DEVICE__DTYPE", "float32")
    return Runner(capsys)


class Runner:
    """Runs the command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["train", *arguments])
        captured = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err


def test_an_adapter_is_made_and_told(run: Runner, place: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("name: house\nrank: 8\n")
    status, out, err = run(str(file), "max_steps=2", "rank=4")
    assert status == 0
    assert "Adapter 'house': validation loss" in out and "assistant ask --adapter house" in out
    assert "step 2 of 2" in err
    assert json.loads((place.adapter("house") / "card.json").read_text())["config"]["rank"] == 4


def test_json_is_one_document(run: Runner, place: Workspace) -> None:
    status, out, _ = run("max_steps=1", "--json")
    card = json.loads(out)
    assert status == 0 and card["name"] == "toy" and card["path"] == str(place.adapter("toy"))


def test_check_prints_for_people_and_for_programs(run: Runner, place: Workspace) -> None:
    status, out, _ = run("--check", "max_steps=2")
    assert status == 0 and "Memory:" in out and "⟦Rule 0 says 0 days. [1]<|im_end|>⟧" in out
    status, out, _ = run("--check", "max_steps=2", "--json")
    report = json.loads(out)
    assert status == 0 and report["steps"] == 2 and len(report["examples"]) == 3
    assert not place.adapter("toy").exists()


def test_a_problem_found_by_check_is_an_exit_status(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.check.free_bytes", lambda _: 1)
    status, out, err = run("--check", "--json")
    assert status == 1 and json.loads(out)["probe"] is None
    assert err.startswith("Error: about") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["rnak=8"], 2, "Did you mean rank?"),
        (["rank=-1"], 2, "rank=-1"),
        (["one.yaml", "two.yaml"], 2, "Two run files"),
        (["none.yaml"], 2, "none.yaml"),
        (["name=../x"], 2, "../x"),
        (["name=base"], 1, "base model"),
        (["pairs=none"], 1, "assistant pairs"),
        (["--resume"], 1, "no training to go on with"),
        (["target_modules=wqkv"], 2, "There are: down_proj"),
        (["--set", "engine.model=/no/such"], 1, "/no/such"),
    ],
)
def test_a_mistake_is_one_line_and_a_status(run: Runner, arguments: list[str], status: int, said: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (status, "")
    assert said in err and err.startswith("Error: ") and err.count("\n") == 1


def test_a_base_without_a_chat_template_is_refused_and_a_named_one_is_taken(
    run: Runner, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    bare = tmp_path / "bare"
    shutil.copytree(base, bare, ignore=shutil.ignore_patterns("*.jinja"))
    settings = bare / "tokenizer_config.json"
    content = json.loads(settings.read_text())
    content.pop("chat_template", None)
    settings.write_text(json.dumps(content))
    monkeypatch.setenv("ASSISTANT_ENGINE__MODEL", str(bare))
    code, _, err = run("max_steps=1")
    assert code == 1 and "has no chat template" in err and err.count("\n") == 1
    assert run("max_steps=1", "--set", "engine.chat_template=chatml")[0] == 0


def test_pairs_that_are_cut_are_told_with_their_line(run: Runner, place: Workspace) -> None:
    write_toy_pairs(place)
    file = place.pairs_file("toy")
    file.write_bytes(file.read_bytes()[:-40])
    code, _, err = run()
    assert code == 1 and "line 20" in err and err.count("\n") == 1


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from assistant.cli import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "loaded = {'torch', 'transformers', 'peft', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
