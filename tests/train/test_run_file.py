"""Run files and key=value: what is stated wins over what is not, and a mistake is told in one line."""

import shlex
from pathlib import Path

import pytest
import yaml

from assistant.config.train_settings import TrainSettings
from assistant.errors import ConfigError
from train.plan import schedule_of
from train.run_file import learning_rate, load

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "data" / "configs"


def test_defaults_yield_to_the_file_and_the_file_to_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("rank: 8\nalpha: 9\n")
    settings = load(file, ["alpha=64", "name=007", "target_modules=q_proj,v_proj", "layers_to_transform=3"])
    assert (settings.rank, settings.alpha, settings.epochs) == (8, 64.0, TrainSettings().epochs)
    assert (settings.name, settings.target_modules) == ("007", ("q_proj", "v_proj"))
    assert settings.layers_to_transform == (3,)
    columns = load(None, ["columns=instruction:frage,response:antwort"]).columns
    assert columns == load(None, ["columns={instruction: frage, response: antwort}"]).columns
    assert columns == {"instruction": "frage", "response": "antwort"}
    assert load(None, ["learning_rate=1e-3", "layers_to_transform=0,1"]).learning_rate == 1e-3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("rank:\t8", "not valid YAML"),
        ("rank: [", "not valid YAML"),
        ("rnak: 8", "Did you mean rank?"),
        ("rank: -1", "rank=-1"),
        ("rank: many", "rank='many'"),
        ("rank: {a: 1}", "rank="),
        ("epochs: 1.5", "epochs=1.5"),
        ("method: lorra", "method='lorra'"),
        ("target_modules: []", "target_modules"),
        ("layers_to_transform: [-1]", "layers_to_transform"),
        ("- rank", "holds a list"),
        ("1: 2", "Unknown setting '1'"),
        ("train:\n  rank: 8", "Unknown setting 'train'"),
    ],
)
def test_a_mistake_in_a_file_is_told_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as error:
        load(file)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [("rank", "key=value"), ("rnak=3", "Did you mean rank?"), ("rank=-3", "rank=-3"), ("rank=[", "not valid YAML")],
)
def test_a_mistake_on_the_command_line_is_told_in_one_line(assignment: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(None, [assignment])
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"bytes\.yaml"):
        load(tmp_path / "bytes.yaml")
    (tmp_path / "empty.yaml").write_bytes(b"\xef\xbb\xbf# nothing\r\n")
    assert load(tmp_path / "empty.yaml") == TrainSettings()


@pytest.mark.parametrize("name", list(TrainSettings.model_fields))
def test_the_documentation_says_of_every_setting_what_the_code_says(name: str) -> None:
    field = TrainSettings.model_fields[name]
    value = getattr(TrainSettings(), name)
    shown = ", ".join(map(str, value)) if isinstance(value, tuple | dict) else str(value)
    shown = shown.lower() if isinstance(value, bool) else shown
    assert f"| `{name}` | {shown} | {field.description} |" in (ROOT / "docs" / "training.md").read_text().splitlines()


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.name)
def test_a_shipped_run_file_loads_and_opens_with_its_command(file: Path) -> None:
    settings = load(file)
    stated = yaml.safe_load(file.read_text())
    assert stated and all(getattr(settings, key) is not None for key in stated)
    first = file.read_text().splitlines()[0]
    words = shlex.split(first.removeprefix("# "))
    assert words[:3] == ["assistant", "train", f"data/configs/{file.name}"]


def test_there_is_a_run_file_for_each_method() -> None:
    shipped = [load(file) for file in CONFIGS.glob("*.yaml")]
    assert {"lora", "qlora", "lora-8bit", "dora", "full", "dpo"} == {settings.method for settings in shipped}
    assert any(settings.rslora for settings in shipped)


def test_the_rate_falls_with_the_width_of_the_model() -> None:
    rates = [learning_rate(TrainSettings(), width) for width in (576, 960, 2048, 4096, 8192)]
    assert rates[0] == pytest.approx(1e-3)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(2e-4)
    assert learning_rate(TrainSettings(method="full"), 576) == pytest.approx(1e-4)
    assert learning_rate(TrainSettings(method="dpo"), 576) == pytest.approx(5e-5)
    assert learning_rate(TrainSettings(learning_rate=3e-4), 576) == 3e-4


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_the_rate_follows_the_schedule_of_transformers_after_the_warm_up(shape: str) -> None:
    import torch
    from transformers import get_scheduler

    settings = TrainSettings.model_validate({"schedule": shape, "max_steps": 50, "warmup": 0.1, "learning_rate": 0.5})
    ours = schedule_of(settings, rows=100, width=64)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    theirs = get_scheduler(shape, optimizer, num_warmup_steps=ours.warmup, num_training_steps=ours.total)
    for step in range(ours.total):
        if step >= ours.warmup:
            assert ours.rate(step) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        theirs.step()
    rises = [ours.rate(step) for step in range(ours.warmup + 1)]
    assert rises == sorted(rises) and rises[0] > 0 and rises[-1] == 0.5


@pytest.mark.parametrize("rows", [1, 3, 8, 9, 100])
def test_a_schedule_shows_every_row_and_validates_at_least_once(rows: int) -> None:
    schedule = schedule_of(TrainSettings(epochs=2, batch=8), rows, 64)
    assert schedule.total == 2 * -(-rows // 8)
    assert 1 <= schedule.evaluate_every <= schedule.total
