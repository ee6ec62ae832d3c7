"""The sample domain: its questions stand on its documents, as a plain library and as our readers see them."""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from assistant.text.words import detect
from assistant.types import Document
from ingest.readers import Limits, read

SAMPLE = Path(__file__).parent.parent / "data" / "sample"


def load_checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_check", SAMPLE / "check.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SAMPLE / name).read_text(encoding="utf-8").splitlines()]


@cache
def document(path: str) -> Document:
    return read(SAMPLE / "docs" / path, Limits())


def folded(text: str) -> str:
    """Letters, digits and signs only: tables and lists are laid out otherwise by readers."""
    return re.sub(r"[\s|•–-]+", "", text)


def test_the_checker_finds_nothing_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert load_checker().main() == 0, capsys.readouterr().out


def test_our_readers_see_every_gold_quote_on_its_page() -> None:
    missing = []
    for row in rows("cases.jsonl"):
        for gold in (one for group in row["gold"] for one in group):
            blocks = document(gold["document"]).blocks
            text = "".join(block.text for block in blocks if gold.get("page") in (None, block.page))
            if folded(gold["quote"]) not in folded(text):
                missing.append((row["id"], gold["document"], gold["quote"]))
    assert not missing


def test_the_domain_is_large_and_mixed_enough() -> None:
    files = [path for path in (SAMPLE / "docs").rglob("*") if path.is_file()]
    read_documents = [document(path.relative_to(SAMPLE / "docs").as_posix()) for path in files]
    assert len(files) >= 25
    assert len({path.suffix for path in files}) >= 6
    assert sum(one.pages or 1 for one in read_documents) >= 60
    assert {one.language for one in read_documents} == {"en", "de"}
    assert not any(one.warnings for one in read_documents)
    assert len(rows("tone.jsonl")) >= 80


def test_questions_in_the_other_language_keep_what_their_case_wants_and_change_the_language() -> None:
    cases = {row["id"]: row for row in rows("cases.jsonl")}
    others = rows("cases_other_language.jsonl")
    assert len(others) >= 50
    for row in others:
        case = cases[row["id"].replace("x-", "s-")]
        assert (row["gold"], row.get("must_include")) == (case["gold"], case.get("must_include"))
        assert {row["language"], case["language"]} == {"en", "de"}
        assert detect(row["question"], ("en", "de")) == row["language"], row["question"]
        documents = {one["document"] for group in row["gold"] for one in group}
        assert not any(document(path).language == row["language"] for path in documents)


def test_sentences_that_readers_labelled_name_passages_that_their_document_has() -> None:
    answers = rows("support_answers.jsonl")
    assert {label for one in answers for said in one["sentences"] for label in said["labels"]} == {
        "supported", "partly", "not", "none",
    }  # fmt: skip
    for answer in answers:
        assert all(said["text"] and said["labels"] for said in answer["sentences"])
        for passage in answer["passages"] if answer["corpus"] == "sample" else ():
            assert 0 <= passage["start"] < passage["end"] <= len(document(passage["document"]).text)
