"""Corrections that people accepted are asked in the next evaluation by themselves."""

from dataclasses import replace
from pathlib import Path

import pytest
from cards import trained
from commands import run
from fakes import FakeEmbedder
from insurer import ReadingEngine, cases, insurer_in, sentence
from opinions import VERSIONS
from samples import evidence
from toys import toy_pair, write_toy_pairs

import assistant.engines.opening
import assistant.service
from assistant.config import Settings
from assistant.feedback.database import Assessment, FeedbackStore
from assistant.types import Answer
from assistant.workspace import Workspace
from eval.drafts import write_cases
from eval.results import read_rows

QUESTION = "How much does everybody pay for a broken boat?"


@pytest.fixture
def place(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a workspace, four cases, and a correction that was accepted."""
    engine = ReadingEngine()
    monkeypatch.setattr(assistant.service, "Embedder", lambda *_: FakeEmbedder())
    monkeypatch.setattr(assistant.engines.opening, "open_engine", lambda *_: engine)
    workspace = insurer_in(tmp_path, settings).workspace
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(workspace.root))
    write_cases(tmp_path / "cases.jsonl", cases()[:4])
    says = sentence(9, 0)
    shown = Answer(QUESTION, QUESTION, "Nobody.", (), (evidence(says, document="boat.md"),))
    store = FeedbackStore(workspace)
    number = store.add("ana", "default", shown, VERSIONS, Assessment("wrong", (), "", says, (1,)), {})
    store.accept(number, "eve")
    return tmp_path


def asked(place: Path) -> list[str]:
    (report,) = (place / "workspace/reports").iterdir()
    return [row.case.id for row in read_rows(report)]


def test_an_accepted_correction_is_a_case(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, told = run(capsys, "eval", str(place / "cases.jsonl"), "--systems", "base+rag")
    assert "that are asked too: 1;" in told and status in {0, 4}
    assert asked(place) == [*(case.id for case in cases()[:4]), "feedback-1"]


def test_it_can_be_left_out(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, told = run(capsys, "eval", str(place / "cases.jsonl"), "--systems", "base+rag", "--no-feedback")
    assert "corrections" not in told and "feedback-1" not in asked(place)


def test_it_is_left_out_where_nobody_knows_what_an_adapter_has_learnt(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ("--set", "engine.url=http://127.0.0.1:9/v1", "--set", "engine.runtime=openai")
    _, _, told = run(capsys, "eval", str(place / "cases.jsonl"), "--systems", "house+rag", *changes)
    assert "learnt from them: 1." in told and "feedback-1" not in asked(place)


@pytest.mark.slow
def test_it_is_left_out_where_the_pairs_of_an_adapter_are_not_those_of_then(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant.engines.opening, "check_adapter", lambda *_: None)
    workspace = Workspace(place / "workspace")
    write_toy_pairs(workspace)
    trained(workspace, "house")
    arguments = ("eval", str(place / "cases.jsonl"), "--systems", "house+rag")
    assert "that are asked too: 1;" in run(capsys, *arguments, "--name", "then")[2]
    write_toy_pairs(workspace, [toy_pair(30)])
    told = run(capsys, *arguments, "--name", "now")[2]
    assert "have changed since" in told and "learnt from them: 1." in told


def test_a_case_that_is_a_correction_already_is_asked_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mended = replace(cases()[0], id="feedback-1")
    write_cases(place / "cases.jsonl", [mended])
    _, _, told = run(capsys, "eval", str(place / "cases.jsonl"), "--systems", "base+rag")
    assert "that are asked too: 0;" in told and asked(place) == ["feedback-1"]


def test_nobody_calls_a_case_held_out_without_knowing_what_was_learnt(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ("--set", "engine.url=http://127.0.0.1:9/v1", "--set", "engine.runtime=openai", "--held-out")
    status, _, told = run(capsys, "eval", str(place / "cases.jsonl"), "--systems", "house+rag", *changes)
    assert status == 2 and "Nobody knows what 'house' has learnt from" in told
    assert not (place / "workspace/reports").exists()
