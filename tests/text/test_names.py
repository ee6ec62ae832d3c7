"""A name is carried exactly, through settings, run files, command lines and file names, or refused when it is new."""

import json
from pathlib import Path

import click
import pytest
import yaml
from commands import run
from fakes import FakeEmbedder
from serving import make_corpora

from assistant import config
from assistant.cli import assistant
from assistant.config import Settings, with_value
from assistant.errors import ConfigError, UsageError
from assistant.workspace import Workspace, new_name, safe_name
from ingest.pipeline import ingest
from train import run_file
from ui.jobs import variables_of
from ui.uploads import safe_file_name

WORDS = [
    "null", "Null", "NULL", "true", "yes", "no", "on", "off", "y", "1e3", "1.5", "0x10", "0o17", "017", "1_000", "_1",
    "2026-01-01", "12", "0", "nan", "inf", "None", "1.0e-3", "base", "default", "all",
]  # fmt: skip
"""What YAML, JSON or Python would take for something else, as far as it can be a name."""
WINDOWS = ["con", "CON", "nul", "aux.txt", "prn", "com1", "lpt9.x", "ends."]


@pytest.mark.parametrize("name", WORDS)
def test_a_name_that_is_a_word_of_yaml_stays_a_name(workspace: Workspace, name: str) -> None:
    assert new_name(name, "corpus") == name
    assert run_file.load(None, [f"name={name}", f"pairs={name}"]).name == name
    file = workspace.config_file
    file.parent.mkdir(parents=True)
    file.write_text(with_value("", "engine", "model", name), encoding="utf-8")
    assert config.load(file, {})[0].engine.model == name
    settings, origins = config.load(None, {}, [f"engine.model={name}"])
    assert config.load(None, variables_of(settings, origins))[0].engine.model == name


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("command", [["ingest", "--rebuild"], ["pairs"], ["search", "hail"], ["documents"]])
def test_a_command_gets_the_name_that_was_given(command: list[str], name: str) -> None:
    found = assistant.get_command(click.Context(assistant), command[0])
    assert found is not None
    given = found.make_context(command[0], [*command[1:], f"--corpus={name}"]).params
    assert given.get("corpora", (given.get("corpus"),)) == (name,)


def test_a_corpus_that_is_called_null_is_looked_at_rebuilt_and_read_again(workspace: Workspace, tmp_path: Path) -> None:
    make_corpora(workspace, tmp_path, {"null": {"hail.md": "Hail is covered."}})
    settings = Settings.model_validate({"ingest": {"workers": 1, "calibrate": False}})
    file = tmp_path / "null" / "hail.md"
    for targets, rebuild in (((), False), ((), True), ((file,), False)):
        report = ingest(workspace, "null", targets, settings, rebuild=rebuild, embedder=FakeEmbedder())
        assert (report.corpus, report.documents) == ("null", 1) and not report.is_failure
        assert json.loads(report.to_json())["corpus"] == "null"


@pytest.mark.parametrize("written", ["null", "~", "yes", "0x10", "1_000", ".inf", "2026-01-01", "[a]"])
def test_a_word_that_a_run_file_takes_for_something_else_is_told(tmp_path: Path, written: str) -> None:
    run, settings_file = tmp_path / "run.yaml", tmp_path / "config.yaml"
    run.write_text(f"name: {written}\n", encoding="utf-8")
    settings_file.write_text(f"engine:\n  model: {written}\n", encoding="utf-8")
    for load in (lambda: run_file.load(run), lambda: config.load(settings_file, {})):
        with pytest.raises(ConfigError) as caught:
            load()
        assert caught.value.remedy == "Put it in quotes."
    run.write_text(f"name: {yaml.safe_dump(written)}", encoding="utf-8")
    assert run_file.load(run).name == written


@pytest.mark.parametrize("name", WINDOWS)
def test_what_windows_could_not_keep_is_refused_when_it_is_new(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert safe_name(name, "corpus") == name
    (tmp_path / "a.md").write_text("# A\n\nHail is covered.\n", encoding="utf-8")
    with pytest.raises(UsageError, match="Windows"):
        ingest(workspace, name, [tmp_path / "a.md"], Settings(), embedder=FakeEmbedder())
    for command in (["adapters", "compose", "a:1", "b:1", f"--name={name}"], ["train", f"name={name}", "pairs=x"]):
        status, _, told = run(capsys, *command, "--workspace", str(workspace.root))
        assert status != 0 and "Windows" in told, command
    assert not workspace.root.exists()


def test_a_corpus_of_before_is_used_whatever_it_is_called(workspace: Workspace, tmp_path: Path) -> None:
    make_corpora(workspace, tmp_path, {"cars": {"hail.md": "Hail is covered."}})
    workspace.corpus("cars").rename(workspace.corpora / "con")
    report = ingest(workspace, "con", (), Settings(), embedder=FakeEmbedder())
    assert report.documents == 1


@pytest.mark.parametrize("name", ["-rf", "--help", "null", "~", "CON.pdf", ".hidden", "a\nb", "2026-01-01.md"])
def test_an_uploaded_file_is_called_what_every_system_can_keep(name: str) -> None:
    kept = safe_file_name(name)
    assert kept and kept[0] not in "-.~" and "\n" not in kept and not kept.lower().startswith("con.")
