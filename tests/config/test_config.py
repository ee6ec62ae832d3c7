"""Settings: layers, origins, refusals that name the right name, and what earlier releases called them."""

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from assistant import config
from assistant.cli import main
from assistant.config import Settings, outdated
from assistant.config.train_settings import TrainSettings
from assistant.errors import ConfigError
from assistant.workspace import Workspace
from train import run_file

# Who renames a setting or takes it away leaves it here, and says in ``assistant.config.outdated`` what became of it.
EVER_KNOWN = (Path(__file__).parents[1] / "data" / "settings_ever_known.txt").read_text(encoding="utf-8").split()
OLD_VALUES = {
    "ingest.chunk_tokens": 128,
    "ingest.min_chunk_tokens": 24,
    "retrieval.passage_characters": 900,
    "answer.min_coverage": 0.34,
    "answer.min_similarity": 0.25,
    "answer.refusal": "I do not know.",
    "answer.unsupported": "quote",
    "embedder.query_prefix": None,
    "embedder.document_prefix": None,
    "train.tone_repeats": 4,
    "train.report_to": "none",
}


@pytest.fixture(autouse=True)
def _nothing_told_yet() -> None:
    outdated._tell.cache_clear()


def of_every_release() -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """A file of settings and a run file with every setting that there ever was."""
    defaults = {key: config.value_of(Settings(), key) for key in config.setting_keys()}
    run = {f"train.{key}": value for key, value in TrainSettings().model_dump(mode="json").items()}
    sections: dict[str, dict[str, Any]] = {}
    for key in EVER_KNOWN:
        section, name = key.split(".")
        value = OLD_VALUES[key] if key in OLD_VALUES else {**defaults, **run}[key]
        sections.setdefault(section, {})[name] = list(value) if isinstance(value, tuple) else value
    for renamed in ("ingest.window_tokens", "ingest.min_window_tokens", "ingest.chunk_characters", "train.tone_epochs"):
        section, name = renamed.split(".")
        del sections[section][name]  # it would count more than its old name
    return sections, sections.pop("train")


def test_a_file_with_every_setting_that_there_ever_was_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sections, run = of_every_release()
    file, run_file_ = tmp_path / "config.yaml", tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(sections), encoding="utf-8")
    run_file_.write_text(yaml.safe_dump(run), encoding="utf-8")
    for _ in range(2):  # a process reads its settings several times
        settings, origins = config.load(file, {})
        training = run_file.load(run_file_)
    assert (settings.ingest.window_tokens, settings.ingest.min_window_tokens) == (128, 24)
    assert settings.ingest.chunk_characters == 900
    assert settings.answer.refusal == {"en": "I do not know."} and settings.answer.unsupported == "strict"
    assert settings.embedder.query_prefix == settings.embedder.document_prefix == "auto"
    assert training.tone_epochs == 3 and training.report_to == ()
    assert {origin.source for origin in origins if origin.key == "ingest.window_tokens"} == {str(file)}
    told = sorted(record.getMessage().split(" ")[0] for record in caplog.records)
    changed = {*outdated.IN_CONFIG, *outdated.IN_RUN_FILES}
    assert told == sorted(changed), "each is told once, and nothing else"
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_no_setting_goes_without_a_word_on_what_became_of_it() -> None:
    now = {*config.setting_keys(), *(f"train.{key}" for key in TrainSettings.model_fields)}
    gone = {*outdated.IN_CONFIG, *(f"train.{key}" for key in outdated.IN_RUN_FILES)}
    assert set(EVER_KNOWN) - now <= gone, "say what became of it in assistant.config.outdated"
    assert now <= set(EVER_KNOWN), "note new settings in tests/data/settings_ever_known.txt"
    for key, change in {**outdated.IN_CONFIG, **outdated.IN_RUN_FILES}.items():
        assert change.now in {*config.setting_keys(), *TrainSettings.model_fields} or change.reason, key


def test_a_setting_of_before_counts_wherever_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("ingest:\n  window_tokens: 100\n  chunk_tokens: 50  # ours\n")
    assert config.load(file, {})[0].ingest.window_tokens == 100, "the name of now counts more"
    assert config.load(None, {"ASSISTANT_INGEST__CHUNK_TOKENS": "70"})[0].ingest.window_tokens == 70
    assert config.load(file, {}, ["ingest.chunk_tokens=80"])[0].ingest.window_tokens == 80
    assert config.change_settings(Workspace(tmp_path), ["ingest.chunk_tokens=90"]) == {"ingest.window_tokens": 90}
    assert "window_tokens: 90" in file.read_text() and "# ours" in file.read_text()
    assert config.change_settings(Workspace(tmp_path / "new"), ["answer.min_coverage=0.1"]) == {}
    assert not (tmp_path / "new").exists()
    assert run_file.load(None, ["tone_repeats=1"]).tone_epochs == 0


@pytest.mark.parametrize("assignment", ["ingest.chunk_tokens=many", "ingest.chunk_token=5", "answer.min_coverag=0.3"])
def test_a_wrong_value_and_a_typo_of_an_old_name_are_refused(assignment: str) -> None:
    with pytest.raises(ConfigError):
        config.load(None, {}, [assignment])


def test_later_layers_win_and_every_origin_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("retrieval:\n  k: 3\n  candidates: 30\n  fusion: rrf\n")
    environment = {"ASSISTANT_RETRIEVAL__K": "4", "ASSISTANT_RETRIEVAL__CANDIDATES": "40"}
    settings, origins = config.load(file, environment, ["retrieval.k=5"])
    assert (settings.retrieval.k, settings.retrieval.candidates, settings.retrieval.fusion) == (5, 40, "rrf")
    sources = {origin.key: origin.source for origin in origins}
    assert sources["retrieval.k"] == "command line"
    assert sources["retrieval.candidates"] == "ASSISTANT_RETRIEVAL__CANDIDATES"
    assert sources["retrieval.fusion"] == str(file)
    assert sources["answer.evidence"] == "default"


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("retrieval.kk=5", "retrieval.k"),
        ("retreival.k=5", "retrieval.k"),
        ("k=5", "retrieval.k"),
        ("retrieval.denseweight=0.4", "retrieval.dense_weight"),
        ("ingest.window_token=5", "ingest.window_tokens"),
    ],
)
def test_a_typo_is_refused_with_the_nearest_right_name(typo: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(None, {}, [typo])
    assert typo.split("=")[0] in caught.value.message
    assert caught.value.remedy == f"Did you mean {meant}?"


def test_typos_in_file_and_environment_are_refused_too(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("retrieval:\n  kay: 3\n")
    with pytest.raises(ConfigError, match=r"retrieval\.kay"):
        config.load(file, {})
    with pytest.raises(ConfigError, match="ASSISTANT_RETRIVAL__K"):
        config.load(None, {"ASSISTANT_RETRIVAL__K": "3"})


@pytest.mark.parametrize(
    "assignment",
    [
        "retrieval.k=0",
        "retrieval.k=many",
        "retrieval.dense_weight=1.5",
        "device.dtype=bf16",
        "retrieval.k=2.5",
    ],
)
def test_an_impossible_value_is_refused_with_key_value_and_origin(assignment: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(None, {}, [assignment])
    key, value = assignment.split("=")
    assert key in caught.value.message and value in caught.value.message and "command line" in caught.value.message


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (["engine.temperature=.nan"], "engine.temperature"),
        (["ingest.timeout_seconds=.inf"], "ingest.timeout_seconds"),
        (["answer.refusal={en: ' '}"], "answer.refusal"),
        (["pairs.validation=0.5", "pairs.test=0.5"], "pairs: validation and test together leave nothing"),
    ],
)
def test_a_value_that_cannot_work_is_refused(assignments: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(None, {}, assignments)
    assert said in caught.value.message and caught.value.remedy and "Value error" not in caught.value.message


def test_a_word_that_yaml_takes_for_a_no_is_the_word(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("answer:\n  rewrite: off\n")
    assert config.load(file, {})[0].answer.rewrite == "off"
    assert config.load(None, {"ASSISTANT_ANSWER__REWRITE": "off"})[0].answer.rewrite == "off"
    assert config.load(None, {}, ["answer.rewrite=off"])[0].answer.rewrite == "off"
    config.change_settings(Workspace(tmp_path), ["answer.rewrite=off"])
    assert file.read_text() == 'answer:\n  rewrite: "off"\n'


@pytest.mark.parametrize("content", ["retrieval: 5\n", "- a\n- b\n", "retrieval:\n\tk: 5\n", "just words", "a: [1,"])
def test_a_file_that_is_no_mapping_of_sections_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        config.load(file, {})
    assert "\n" not in str(caught.value)


def test_an_empty_or_missing_file_means_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert config.load(tmp_path / "empty.yaml", {})[0] == config.Settings()
    assert config.load(tmp_path / "none.yaml", {})[0] == config.Settings()


def test_every_setting_is_described() -> None:
    assert all(len(config.description_of(key)) > 10 for key in config.setting_keys())


@pytest.mark.parametrize("section", [*Settings.model_fields, "train"])
def test_every_number_has_bounds_on_both_sides(section: str) -> None:
    fields = TrainSettings.model_fields if section == "train" else getattr(Settings(), section).__class__.model_fields
    for name, field in fields.items():
        if field.annotation in {int, float}:
            rules = {bound for rule in field.metadata for bound in ("ge", "gt", "le", "lt") if hasattr(rule, bound)}
            assert rules & {"ge", "gt"} and rules & {"le", "lt"}, name


def test_variables_that_name_places_are_no_settings() -> None:
    config.load(None, {"ASSISTANT_WORKSPACE": "/x", "ASSISTANT_CACHE": "/y", "ASSISTANT_CORPORA": "/z"})


def test_a_setting_that_is_a_text_takes_the_text_as_it_is(tmp_path: Path) -> None:
    settings, _ = config.load(None, {}, ["embedder.query_prefix=query: ", "answer.system=Be brief: no lists."])
    assert settings.embedder.query_prefix == "query: " and settings.answer.system == "Be brief: no lists."
    none, _ = config.load(None, {}, ["embedder.query_prefix="])
    assert (none.embedder.query_prefix, none.embedder.document_prefix) == ("", "auto"), "none is not the model's own"
    file = tmp_path / "config.yaml"
    file.write_text("retrieval:\n  # k: 5\n")
    assert config.load(file, {})[0] == config.Settings()


def test_setting_a_value_keeps_the_comments_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("# ours\nretrieval:\n  k: 3  # few\n\n# later\nanswer:\n  evidence: 2\n")
    with pytest.raises(SystemExit) as ended:
        main(["config", "set", "retrieval.k=5", "retrieval.fusion=rrf", "--workspace", str(tmp_path)])
    assert (ended.value.code, capsys.readouterr().err) == (0, "")
    assert file.read_text() == (
        '# ours\nretrieval:\n  k: 5  # few\n  fusion: "rrf"\n\n# later\nanswer:\n  evidence: 2\n'
    )
    assert config.load(file, {})[0].retrieval.fusion == "rrf"


def test_a_refused_setting_leaves_no_workspace_behind(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["config", "set", "retrieval.k=none", "--workspace", str(tmp_path / "new")])
    assert ended.value.code == 2 and not (tmp_path / "new").exists()
