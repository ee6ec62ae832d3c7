"""What an adapter was trained with is found in its cases, however it is written, and nothing else is."""

from pathlib import Path

import pytest

from assistant.artifacts.pairs import Pair
from assistant.types import Message, Passage
from eval.cases import Case, GoldSpan, read_cases
from eval.contamination import held_out, leaks

ROOT = Path(__file__).parents[2]
LONG = "a bicycle must be chained to a fixed object at night and frame locks alone are not sufficient for pedelecs"


def pair(instruction: str, response: str = "Yes.", **changes: object) -> Pair:
    values: dict[str, object] = {"id": "p", "source": "structure", "language": "en", **changes}
    return Pair(instruction=instruction, response=response, **values)  # type: ignore[arg-type]


def case(question: str, **changes: object) -> Case:
    return Case("c", question, ("an answer",), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "taught", "kind"),
    [
        ("What is the deductible for hail?", "what is the DEDUCTIBLE — for hail", "same question"),
        ("What is the deductible for hail?", "Is there a deductible for hail?", "near-duplicate question"),
        ("What is the deductible for hail damage?", "What's the hail damage deductible?", "near-duplicate question"),
        ("What is the deductible for hail damage?", "What is the deductible for glass damage?", None),
        ("Who pays the tow truck?", "When is the premium due?", None),
    ],
)
def test_a_question_that_was_trained_on_is_found(asked: str, taught: str, kind: str | None) -> None:
    assert [leak.kind for leak in leaks([case(asked)], [pair(taught)])] == ([kind] if kind else [])


def test_thirteen_words_in_a_row_are_found_in_whatever_the_model_saw() -> None:
    asked = case("What about my bike?", gold=((GoldSpan("b.md", quote=LONG),),))
    shown = Passage("other.md", 0, 9, "", f"As you know, {LONG.upper()}!")
    for one in (pair("Locks?", response=LONG), pair("Locks?", passages=(shown,))):
        (leak,) = leaks([asked], [one])
        assert leak.kind == "13 words in a row"
        assert len(leak.shared.split()) == 13
    twelve = " ".join(LONG.split()[:12])
    assert leaks([asked], [pair("Locks?", response=twelve)]) == []


def test_the_test_split_teaches_nothing_and_the_validation_split_chose() -> None:
    asked = case("What is the deductible for hail?")
    assert leaks([asked], [pair(asked.question, split="test")]) == []
    assert leaks([asked], [pair(asked.question, split="validation")])


def test_a_follow_up_is_compared_by_what_it_means() -> None:
    history = (Message("user", "What about hail?"), Message("assistant", "It is covered."))
    follow_up = case("How much is it?", history=history, standalone_question="How high is the hail deductible?")
    assert leaks([follow_up, case("How much is it?")], [pair("How much is it?", history=history)]) == []
    assert leaks([follow_up], [pair("How much is it?")]) == []
    assert leaks([follow_up], [pair("How high is the hail deductible?")])


def test_held_out_means_that_no_pair_shows_or_comes_from_the_document() -> None:
    cases = [case("?", gold=((GoldSpan(name),),)) for name in ("a", "b", "c")] + [Case("u", "?", unanswerable=True)]
    pairs = [
        pair("x", document="a"),
        pair("y", passages=(Passage("b", 0, 1, "", "z"),), split="validation"),
        pair("z", document="c", split="test"),
    ]
    assert [sorted(one.documents) for one in held_out(cases, pairs)] == [["c"], []]


def test_the_sample_cases_do_not_leak_into_each_other() -> None:
    cases = read_cases(ROOT / "data/sample/cases.jsonl")
    assert leaks(cases, []) == []
    taught = [pair(one.question, id=one.id) for one in cases if not one.history]
    assert len(leaks(cases, taught)) >= len(taught)
