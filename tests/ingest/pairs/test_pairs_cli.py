"""``assistant pairs`` and ``assistant ingest --pairs``: exit statuses, one JSON document, errors in one line."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import run
from pairing import DOCUMENTS, House

from assistant.artifacts.pairs import read_pairs


@pytest.fixture
def place(tmp_path: Path, docs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace by environment, and a folder of documents."""
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("ASSISTANT_INGEST__WORKERS", "1")
    for name, text in DOCUMENTS.items():
        (docs / f"{name}.md").write_text(text)
    return docs


def test_ingest_with_pairs_does_both_and_show_prints_them(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "ingest", str(place), "--pairs", "--json")
    report = json.loads(out)
    assert status == 0 and report["counts"] == {"added": 6}
    assert report["pairs"]["counts"]["structure"] > 5 and set(report["pairs"]["leaks"].values()) == {0}
    file = Path(report["pairs"]["file"])
    assert len(read_pairs(file)) == report["pairs"]["total"]

    status, out, _ = run(capsys, "pairs", "show", "-n", "2", "--source", "structure")
    assert status == 0 and out.count("\nQ ") == 2 and out.count("\nA ") == 2 and " *[" in out
    status, out, _ = run(capsys, "pairs", "show", "-n", "3", "--json", "--split", "train")
    assert {pair["split"] for pair in json.loads(out)} == {"train"}

    (place / "garden.md").unlink()
    status, _, err = run(capsys, "ingest", str(place))
    assert status == 0 and "pairs of 'default'" in err
    assert "garden.md" not in file.read_text(encoding="utf-8")


def test_pairs_reports_and_explains(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "ingest", str(place))
    explain = tmp_path / "why.jsonl"
    arguments = (
        "pairs",
        "--name",
        "small",
        "--set",
        "pairs.most=6",
        "--hold-out",
        "hail.md",
        "--explain",
        str(explain),
    )
    status, out, _ = run(capsys, *arguments)
    assert status == 0 and "Leak test: passed" in out and "small.jsonl" in out and explain.exists()
    status, out, _ = run(capsys, *arguments, "--json")
    assert json.loads(out)["name"] == "small"


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("arguments", "expected", "said"),
    [
        (("pairs",), 2, "There is no corpus 'default'"),
        (("pairs", "--data", "own.csv"), 2, "assistant train data=own.csv"),
        (("pairs", "--name", "../x"), 2, "../x"),
        (("pairs", "--refusals", "2"), 2, "--refusals"),
        (("pairs", "--set", "pairs.refusls=0.1"), 2, "pairs.refusals"),
        (("pairs", "--set", "pairs.refusals=2"), 2, "pairs.refusals"),
        (("pairs", "show", "none"), 1, "There are no pairs"),
        (("pairs", "show", "x", "--source", "none"), 2, "--source"),
        (("ingest", ".", "--pairs", "--dry-run"), 2, "--dry-run"),
    ],
)
def test_wrong_usage_is_one_line_with_its_status(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str], expected: int, said: str
) -> None:
    status, out, err = run(capsys, *arguments)
    assert status == expected and out == "" and said in err and "Traceback" not in err


def test_a_missing_user_file_is_told_before_any_work(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(
        capsys, "pairs", "--corpus", "house", "--workspace", str(house.workspace.root), "--tone", "/no/such.jsonl"
    )
    assert status == 1 and "/no/such.jsonl" in err and not house.file.exists()


@pytest.mark.parametrize("arguments", [["pairs", "--help"], ["pairs", "show", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from assistant.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'numpy', 'faiss', 'langchain', 'langchain_core', 'ingest'}\n"
        "loaded = sorted(heavy & set(sys.modules)); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
