"""The command line: exit statuses, one JSON document, errors in one line."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from commands import run

POLICY = "# Cover\n\nHail damage to the roof is covered. The deductible for hail damage is 150 euros for each claim.\n"


@pytest.fixture
def place(tmp_path: Path, docs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace by environment, and a folder with one document."""
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("ASSISTANT_INGEST__WORKERS", "1")
    (docs / "policy.md").write_text(POLICY)
    return docs


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ingets",), "Did you mean 'ingest'?"),
        (("--workspace", "x", "search", "y"), "Write it behind: assistant COMMAND --workspace"),
        (("ingest", "/no/such/folder"), "/no/such/folder"),
        (("search", "x", "--set", "retrieval.kk=3"), "Did you mean retrieval.k?"),
        (("search",), "--batch"),
        (("search", "x", "--corpus", "../x"), "../x"),
        (("search", "x", "--corpus", "none"), "There is no corpus 'none'"),
        (("ask", "x", "--where", "language"), "KEY=VALUE"),
        (("ask", "one", "two", "--json"), "--batch"),
        (("config", "set", "retrieval.k=zero"), "retrieval.k"),
        (("search", "x", "-k", "0"), "-k"),
    ],
)
def test_wrong_usage_ends_with_2_and_names_what_is_wrong(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str], said: str
) -> None:
    status, out, err = run(capsys, *arguments)
    assert status == 2 and out == "" and said in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_init_ends_with_an_answer_and_keeps_what_was_there(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.parent / "questions.txt").write_text("What is the deductible for hail damage?\n")
    monkeypatch.setattr("assistant.cli.setup._SAMPLES", (place.parent / "none", place.parent))

    status, out, err = run(capsys, "init", "--sample", "--model", "bundled")
    assert status == 0, err
    assert "engine.model=bundled" in out and "1 added" in out and "150 euros" in out and "policy.md" in out

    status, out, _ = run(capsys, "init")  # no terminal: nobody is asked, and no sample is wanted
    assert status == 0 and "engine.model=bundled stays" in out and "sample" not in out
    status, _, err = run(capsys, "init", "--model", "qwen2.5-coder-0.6b")
    assert status == 1 and "Did you mean qwen2.5-coder-0.5b?" in err
    assert run(capsys, "ask", "--corpus", "sample", "What is the deductible for hail damage?")[0] == 0


@pytest.mark.slow
def test_ingest_search_and_ask_speak_the_documented_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "ingest", str(place), "--json")
    report = json.loads(out)
    assert status == 0 and report["counts"] == {"added": 1} and report["documents"] == 1

    status, out, _ = run(capsys, "search", "hail deductible", "--json", "-k", "1")
    found = json.loads(out)
    (hit,) = found["hits"]
    assert status == 0 and set(found) >= {"id", "question", "hits"}
    assert set(hit) >= {
        "rank",
        "score",
        "scores",
        "document",
        "path",
        "pages",
        "heading",
        "start",
        "end",
        "text",
    }
    assert set(hit["scores"]) == {"dense", "lexical"} and hit["document"] == "policy.md"

    status, out, _ = run(capsys, "ask", "What is the deductible for hail damage?", "--json")
    answer = json.loads(out)
    keys = {
        "id",
        "question",
        "standalone_question",
        "refused",
        "answer",
        "sentences",
        "hits",
        "adapter",
        "timings",
    }
    assert status == 0 and set(answer) >= keys and not answer["refused"] and answer["answer"]
    for sentence in answer["sentences"]:
        assert set(sentence) == {"text", "supported", "reason", "citations"}
        for citation in sentence["citations"]:
            assert set(citation) == {
                "hit",
                "corpus",
                "document",
                "path",
                "page",
                "heading",
                "start",
                "end",
                "quote",
                "warning",
            }


def test_a_batch_gives_one_line_a_question_in_order(
    place: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(capsys, "ingest", str(place))
    lines: list[Any] = [
        "hail deductible",
        "",
        json.dumps({"id": "x7", "question": "roof", "filter": {"documents": ["policy.md"]}}),
        json.dumps({"question": "hail", "history": [{"role": "user", "content": "roof?"}], "gold": []}),
    ]
    batch = tmp_path / "batch.jsonl"
    batch.write_text("\ufeff" + "\r\n".join(lines) + "\n", encoding="utf-8")
    status, out, _ = run(capsys, "search", "--batch", str(batch))
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [(row["id"], row["question"]) for row in rows] == [
        (1, "hail deductible"),
        ("x7", "roof"),
        (4, "hail"),
    ]
    assert all(row["hits"] for row in rows)


@pytest.mark.parametrize("setting", ["engine.model", "retrieval.reranker"])
@pytest.mark.parametrize("name", ["nobody/nothing", "/no/such/model"])
def test_a_missing_model_is_told_before_anything_is_loaded(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, setting: str, name: str
) -> None:
    run(capsys, "ingest", str(place), "--set", "ingest.calibrate=false")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(
        "assistant.retrieval.embedder.Embedder.__init__", lambda *_: pytest.fail("the embedder was opened")
    )
    status, out, err = run(capsys, "ask", "What is the deductible?", "--set", f"{setting}={name}")
    assert (status, out) == (1, "") and name in err and err.count("\n") == 1


def test_a_missing_model_file_is_told_before_anything_is_loaded(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "ingest", str(place), "--set", "ingest.calibrate=false")
    monkeypatch.setattr(
        "assistant.retrieval.embedder.Embedder.__init__", lambda *_: pytest.fail("the embedder was opened")
    )
    status, _, err = run(capsys, "chat", "--set", "engine.model=/no/such.gguf")
    assert status == 1 and "/no/such.gguf" in err


@pytest.mark.parametrize(
    "line", ['{"question": ', '{"id": 3}', '{"question": 5}', '{"question": "x", "filter": {"fold": "y"}}']
)
def test_a_broken_batch_line_is_named_by_its_number(
    place: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str
) -> None:
    run(capsys, "ingest", str(place))
    batch = tmp_path / "batch.jsonl"
    batch.write_text(f"hail\n{line}\n")
    status, out, err = run(capsys, "search", "--batch", str(batch))
    assert status == 2 and "Line 2" in err and out == ""


@pytest.mark.parametrize("command", ["search", "ask"])
def test_a_filter_that_fits_nothing_is_wrong_usage_before_anything_is_answered(
    place: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    run(capsys, "ingest", str(place))
    batch = tmp_path / "batch.jsonl"
    batch.write_text('roof\n{"question": "hail", "filter": {"folder": "zz/*"}}\n')
    for arguments, said in (
        (("hail", "--folder", "zz/*"), "'zz/*'"),
        (("hail", "--where", "language=fr"), "language=fr"),
        (("--batch", str(batch)), "Question 2"),
    ):
        status, out, err = run(capsys, command, *arguments)
        assert status == 2 and out == "" and said in err


@pytest.mark.usefixtures("place")
def test_config_show_tells_values_and_origins(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "config", "set", "retrieval.k=3", "answer.evidence=2")[0] == 0
    status, out, _ = run(capsys, "config", "show", "--json", "--set", "answer.evidence=5")
    shown = json.loads(out)
    assert status == 0
    assert shown["retrieval.k"]["value"] == 3 and shown["retrieval.k"]["source"].endswith("config.yaml")
    assert shown["answer.evidence"] == {"value": 5, "source": "command line"}
    assert shown["ingest.workers"] == {"value": 1, "source": "ASSISTANT_INGEST__WORKERS"}
    assert shown["retrieval.fusion"]["source"] == "default"


def test_words_of_a_search_need_no_quotes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "ingest", str(place), "--set", "ingest.calibrate=false")
    status, out, _ = run(capsys, "search", "hail", "damage", "--json")
    assert status == 0 and json.loads(out)["question"] == "hail damage"


def test_documents_lists_files_and_corpora(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "ingest", str(place))
    run(capsys, "ingest", str(place), "--corpus", "other")
    status, out, _ = run(capsys, "documents")
    assert status == 0 and "policy.md" in out and "other" in out
    listed = json.loads(run(capsys, "documents", "--json")[1])
    assert listed["corpora"] == ["default", "other"] and listed["files"][0]["document"]["chunks"] == 1


@pytest.mark.slow
def test_the_output_may_be_cut_by_its_reader(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "ingest", str(place))
    command = f"{sys.executable} -m assistant search hail | head -c 1"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and "Traceback" not in ended.stderr


@pytest.mark.slow
def test_doctor_finds_a_sound_workspace_sound_and_mends_a_lost_index(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "ingest", str(place))
    (index,) = (tmp_path / "workspace/corpora/default").glob("vectors-*.faiss")
    index.unlink()
    status, out, _ = run(capsys, "doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(out)}
    assert status == 0 and findings["corpus default"]["severity"] == "ok"
    assert {"device", "memory", "embedder", "engine", "workspace"} <= set(findings)
    assert re.search(r"run by \w+.* in 0\.\d GiB.* first words after about \d+\.\d s", findings["engine"]["message"])
    assert (
        "no better than quotations" in findings["answers"]["message"]
        and "engine.model=" in findings["answers"]["remedy"]
    )
    assert index.exists()


@pytest.mark.usefixtures("place")
def test_doctor_names_a_missing_model_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(
        capsys, "doctor", "--json", "--set", "engine.model=/no/model", "--set", "embedder.model=/no/model"
    )
    findings = {finding["name"]: finding for finding in json.loads(out)}
    assert status == 1
    assert findings["engine"]["severity"] == "error" and findings["engine"]["remedy"]
    assert findings["device"]["severity"] == "ok"


@pytest.mark.usefixtures("place")
def test_doctor_does_not_load_a_model_that_this_machine_cannot_hold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=200 << 20, total=1 << 30))
    monkeypatch.setattr("assistant.engines.opening.open_engine", lambda _: pytest.fail("was opened"))
    status, out, _ = run(capsys, "doctor", "--json")
    (engine,) = (finding for finding in json.loads(out) if finding["name"] == "engine")
    assert status == 1 and "needs 0.8 GiB for its weights, and 0.2 are free" in engine["message"]
    assert "assistant models list" in engine["remedy"]


@pytest.mark.parametrize("command", ["search", "ask"])
def test_a_question_that_is_too_long_is_told_and_stops_no_others(
    place: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    run(capsys, "ingest", str(place))
    status, out, err = run(capsys, command, "x" * 4001)
    assert (status, out, err.count("\n")) == (2, "", 1) and "4,001 characters" in err
    (batch := tmp_path / "batch.txt").write_text(f"{'x' * 4001}\nthanks\n")
    status, out, err = run(capsys, command, "--batch", str(batch))
    first, second = map(json.loads, out.splitlines())
    assert set(first) == {"id", "error"} and first["id"] == 1 and second["question"] == "thanks"
    assert status == 2 and "1 of 2 questions are too long" in err


def test_ctrl_c_is_heard_also_while_an_object_is_taken_away() -> None:
    code = """
import signal, time
from assistant import cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may ignore it
class Ending:
    def __del__(self):
        raise KeyboardInterrupt  # what Python makes of the signal there
def command(*_, **__):
    Ending()
    time.sleep(600)
cli.assistant.main = command
cli.main([])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.lstrip()) == (1, "Stopped. What was done so far is kept.\n")
