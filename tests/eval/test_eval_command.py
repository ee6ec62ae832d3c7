"""``assistant eval`` from the outside: files, exit statuses, and what goes wrong told in one line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import run
from fakes import FakeEmbedder
from insurer import ReadingEngine, cases, insurer_in

import assistant.engines.opening
import assistant.service
from assistant.artifacts.evaluations import COSTS_FILE, RESULTS_FILE, ROWS_FILE
from assistant.config import Settings
from assistant.workspace import Workspace
from eval.drafts import write_cases
from eval.readers import read_any
from eval.results import read_rows
from ingest import pipeline


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Path:
    folder = tmp_path_factory.mktemp("insurer")
    insurer_in(folder, settings)
    write_cases(folder / "cases.jsonl", cases())
    return folder


@pytest.fixture(autouse=True)
def _cheap_models(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ReadingEngine()
    monkeypatch.setattr(assistant.service, "Embedder", lambda *_: FakeEmbedder())
    monkeypatch.setattr(assistant.engines.opening, "open_engine", lambda *_: engine)
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(root / "workspace"))


def reports(root: Path) -> list[Path]:
    return sorted((root / "workspace/reports").iterdir(), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.slow
@pytest.mark.usefixtures("figures")
def test_a_run_leaves_a_whole_report_and_a_second_one_is_its_equal(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(root / "cases.jsonl")
    assert run(capsys, "eval", file, "--systems", "base,base+rag")[0] == 0
    (first,) = reports(root)
    assert {RESULTS_FILE, ROWS_FILE, COSTS_FILE, "report.html", "summary.md", "junit.xml"} <= {
        path.name for path in first.iterdir()
    }
    status, out, _ = run(capsys, "eval", file, "--systems", "base,base+rag", "--baseline", str(first), "--json")
    assert status == 0
    assert json.loads(out)["gate"]["status"] == "pass"
    second = reports(root)[-1]
    assert second != first
    rows = list(read_rows(second))
    assert [replace(row, before=None) for row in rows] == list(read_rows(first))
    befores = [row.before for row in rows]
    assert all(one and one.text == row.answers["base+rag"].text for one, row in zip(befores, rows, strict=True))
    assert run(capsys, "eval", file, "--systems", "base,base+rag")[0] == 0
    third = reports(root)[-1]
    assert (first / ROWS_FILE).read_bytes() == (third / ROWS_FILE).read_bytes()
    assert (first / RESULTS_FILE).read_bytes() == (third / RESULTS_FILE).read_bytes()
    status, out, _ = run(capsys, "eval", "compare", str(first), str(second), "--json")
    assert (status, json.loads(out)["gate"]["exit_status"]) == (0, 0)
    page = (second / "report.html").read_bytes()
    (second / "report.html").unlink()
    assert run(capsys, "eval", "report", str(second))[0] == 0
    assert (second / "report.html").read_bytes() == page


@pytest.mark.slow
def test_a_report_is_kept_with_its_numbers_where_a_setting_says_so(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {}

    class Program:
        def log(self, metrics: dict[str, float], step: int) -> None:
            told.update(metrics=metrics, step=step)

        def keep(self, folder: Path, text: str) -> None:
            told.update(files={path.name for path in folder.iterdir()}, text=text)

        def close(self) -> None:
            told["closed"] = True

    def opened(_: Path, name: str, settings: dict[str, str], step: int) -> Program:
        told.update(name=name, settings=settings, step=step)
        return Program()

    monkeypatch.setattr("assistant.work.tracking._Mlflow", opened)
    file, to_mlflow = str(root / "cases.jsonl"), ["--set", "eval.report_to=[mlflow]"]
    assert run(capsys, "eval", file, "--systems", "base,base+rag", *to_mlflow)[0] == 0
    folder = reports(root)[-1]
    means = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))["means"]
    assert told["metrics"]["base+rag/must_include"] == means["base+rag"]["must_include"]["value"]
    assert told["name"] == folder.name and {"report.html", ROWS_FILE} <= told["files"] and told["closed"]
    assert told["text"].startswith("#") and told["settings"]["cases"]
    monkeypatch.setattr("assistant.work.tracking._Mlflow", lambda *_: 1 / 0)
    status, out, said = run(capsys, "eval", file, "--systems", "base,base+rag", *to_mlflow)
    assert status == 0 and "Report: " in out and "mlflow does not open a run" in said, "the report stays"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gate", "arguments", "status"),
    [
        ("metrics: {must_include: {floor: 0.5}}", (), 0),
        ("metrics: {must_include: {floor: 0.5}}", ("--systems", "base"), 3),
        ("metrics: {must_include: {floor: 0.5}}", ("--limit", "8"), 4),
        ("metrics: {must_include: {floor: 0.5}, recall@1: {floor: 2}}", ("--limit", "8"), 4),
        ("system: house+rag", (), 2),
        ("metric: {}", (), 2),
    ],
)
def test_the_exit_status_is_that_of_the_gate(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], gate: str, arguments: tuple[str, ...], status: int
) -> None:
    (tmp_path / "gate.yaml").write_text(gate, encoding="utf-8")
    ended, _, said = run(capsys, "eval", str(root / "cases.jsonl"), "--gate", str(tmp_path / "gate.yaml"), *arguments)
    assert ended == status, said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.jsonl"], "missing.jsonl"),
        (["{cases}", "--systems", "nobody+rag"], "nobody"),
        (["{cases}", "--systems", "base,,"], "--systems"),
        (["{cases}", "--corpus", "other"], "other"),
        (["{cases}", "--baseline", "nowhere"], "nowhere"),
        (["{cases}", "--forgetting", "nowhere"], "nowhere"),
        (["{cases}", "--name", "../out"], "out"),
        (["compare", "nowhere", "nowhere"], "nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["draft", "nowhere", "--to", "x.jsonl"], "nowhere"),
    ],
)
def test_what_cannot_be_run_is_told_before_anything_is_asked(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    given = [argument.replace("{cases}", str(root / "cases.jsonl")) for argument in arguments]
    status, _, error = run(capsys, "eval", *given)
    assert status in {1, 2}
    assert error.startswith("Error: ") and said in error and error.count("\n") == 1


def test_an_unknown_document_is_told_and_counts_as_not_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write_rows(tmp_path / "cases.jsonl", "no.md", "boat.md")
    status, out, error = run(capsys, "eval", str(tmp_path / "cases.jsonl"), "--systems", "base+rag", "--json")
    assert status == 0
    assert "there is no document 'no.md'" in error
    assert json.loads(out)["means"]["base+rag"]["recall@5"]["value"] < 1.0


def test_cases_about_documents_of_another_corpus_are_refused_before_anything_is_asked(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    (tmp_path / "mine.md").write_text("# Mine\n\nThe limit is 5 euros.\n", encoding="utf-8")
    pipeline.ingest(
        Workspace(root / "workspace"), "mine", [tmp_path], settings, embedder=FakeEmbedder(), confirmed=True
    )
    before = len(reports(root))
    status, _, error = run(capsys, "eval", str(root / "cases.jsonl"), "--corpus", "mine")
    assert status == 2 and len(reports(root)) == before
    assert error == (
        "Error: The corpus 'mine' holds 0 of the 12 documents of the cases. Add --corpus default: it holds 12.\n"
    )
    _write_rows(tmp_path / "nowhere.jsonl", "no.md")
    assert "Ingest them first." in run(capsys, "eval", str(tmp_path / "nowhere.jsonl"))[2]


@pytest.mark.slow
def test_cases_are_put_to_the_corpus_that_holds_their_documents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    folder, workspace = tmp_path / "docs", Workspace(tmp_path / "workspace")
    folder.mkdir()
    (folder / "mine.md").write_text("# Mine\n\nThe limit is 5 euros.\n", encoding="utf-8")
    pipeline.ingest(workspace, "default", [folder], settings, embedder=FakeEmbedder(), confirmed=True)
    (folder / "mine.md").rename(folder / "yours.md")
    pipeline.ingest(workspace, "yours", [folder], settings, embedder=FakeEmbedder(), confirmed=True)
    for document, corpus in (("yours.md", "yours"), ("mine.md", "default")):
        _write_rows(tmp_path / "cases.jsonl", document)
        status, out, error = run(
            capsys, "eval", str(tmp_path / "cases.jsonl"), "--workspace", str(workspace.root), "--json"
        )
        assert status == 0, error
        assert json.loads(out)["data"]["corpus"] == corpus


def _write_rows(file: Path, *documents: str) -> None:
    rows = [
        {"id": one, "question": "What is the limit?", "answers": ["1"], "gold": [[{"document": one, "quote": "1"}]]}
        for one in documents
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_cases_that_were_written_read_back(root: Path) -> None:
    assert read_any(root / "cases.jsonl") == cases()
