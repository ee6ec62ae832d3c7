"""Drafts come from documents that no adapter learns from, show all kinds, and read back as cases."""

from dataclasses import replace
from pathlib import Path

import pytest
from commands import run
from toys import toy_pair, write_toy_pairs

from assistant.artifacts.evaluations import DRAFT
from assistant.artifacts.pairs import Pair
from assistant.workspace import Workspace
from eval.cases import Case, GoldSpan, read_cases
from eval.drafts import drafted, write_cases


def pair(number: int, **changes: object) -> Pair:
    found = replace(toy_pair(number, "test"), kind="fact", quote=f"Rule {number} says", language="en")
    return replace(found, **changes)  # type: ignore[arg-type]


def test_only_pairs_of_the_test_split_become_drafts() -> None:
    pairs = [pair(0), pair(1, split="train"), pair(2, split="validation"), pair(3, source="tone"), pair(4, quote="")]
    (case,) = drafted(pairs, 10)
    assert (case.id, case.question, case.tags) == ("draft-p0", "What is rule 0?", (DRAFT,))
    assert case.answers == ("Rule 0 says 0 days.",)
    assert case.gold[0][0].document == "d0.md"


def test_a_refusal_becomes_an_unanswerable_case() -> None:
    (case,) = drafted([pair(0, source="refusal", golden=None, quote="")], 10)
    assert case.unanswerable and not case.answers and not case.gold


def test_few_drafts_show_all_kinds() -> None:
    pairs = [pair(number, kind="fact") for number in range(10)] + [pair(10, kind="other-name"), pair(11, kind="table")]
    assert {case.kind for case in drafted(pairs, 3)} == {"fact", "other-name", "table"}


def test_what_other_passages_answer_and_what_is_no_question_become_no_drafts() -> None:
    kinds = ("held-out", "near-miss", "other-number")
    refusals = [pair(n, source="refusal", kind=kind, golden=None, quote="") for n, kind in enumerate(kinds)]
    assert [case.kind for case in drafted([*refusals, pair(3, kind="search")], 10)] == ["other-number"]


def test_drafts_are_written_once_and_read_back(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_toy_pairs(workspace, [pair(number) for number in range(5)])
    target = tmp_path / "drafts.jsonl"
    arguments = ("eval", "draft", "toy", "--to", str(target), "--workspace", str(workspace.root))
    assert run(capsys, *arguments)[0] == 0
    assert len(read_cases(target)) == 5
    before = target.read_bytes()
    status, _, error = run(capsys, *arguments)
    assert status == 2 and "exists already" in error
    assert target.read_bytes() == before


def test_a_span_at_the_beginning_of_a_document_is_written_whole(tmp_path: Path) -> None:
    case = Case("a", "Hail?", ("yes",), gold=((GoldSpan("t.md", start=0, end=9),),))
    write_cases(tmp_path / "cases.jsonl", [case])
    assert read_cases(tmp_path / "cases.jsonl") == [case]
