"""Reading exercises: sound by themselves, shown like any corpus, and no part of one."""

import re
from collections import Counter
from collections.abc import Sequence

import pytest
from pairing import CORPUS, House
from samples import evidence_of

from assistant.artifacts.pairs import Pair, leaks, read_header
from assistant.grounding.grounder import ground
from eval.cases import Case, GoldSpan
from eval.contamination import held_out
from ingest.pairs.bundled import Exercise, exercises, reading_pairs
from ingest.pairs.earlier import drop_forgotten
from ingest.pairs.evidence_lists import folded, numbers

REFUSAL = {"en": "Not in here.", "de": "Steht hier nicht."}
EVERYTHING = 1e6


def made(
    most: float = EVERYTHING,
    languages: Sequence[str] = ("en", "de"),
    refusals: float = 0.25,
    validation: float = 0.1,
    seed: int = 0,
) -> list[Pair]:
    return reading_pairs(most, languages, refusals, REFUSAL, validation, lambda *_: True, seed)


@pytest.mark.parametrize("exercise", exercises(), ids=lambda one: str(one.topic))
def test_each_answer_stands_in_its_passage_and_its_words_in_no_other(exercise: Exercise) -> None:
    pairs = [pair for pair in made() if pair.passages[0].text == exercise.passages[0].text]
    assert len(pairs) == 8
    for pair in pairs:
        assert len(pair.passages) == 4
        if pair.golden is None:
            continue
        texts = [folded(passage.text) for passage in pair.passages]
        assert [folded(pair.quote) in text for text in texts] == [n == pair.golden for n in range(1, 5)], pair.quote
        assert numbers(re.sub(r" \[\d\]", "", pair.response)) <= numbers(texts[pair.golden - 1]), pair.response


@pytest.mark.slow
def test_grounding_finds_nearly_all_answers_in_the_passage_that_they_cite() -> None:
    supported = []
    for pair in made():
        for one in ground(pair.response, evidence_of(pair), lambda terms: dict.fromkeys(terms, 1.0), 0.6):
            if pair.golden:
                supported.append(one.supported and pair.golden in {citation.hit for citation in one.citations})
    assert len(supported) > 200 and sum(supported) / len(supported) > 0.9


def test_every_fourth_question_has_no_answer_and_gets_the_refusal_of_the_house() -> None:
    pairs = made()
    refused = [pair for pair in pairs if pair.golden is None]
    assert len(refused) == len(pairs) / 4
    assert all(pair.response == REFUSAL[pair.language] for pair in refused)
    assert len({pair.id for pair in pairs}) == len(pairs)
    assert {pair.golden for pair in pairs} == {None, 1, 2, 3, 4}


def test_so_many_questions_without_an_answer_are_taken_as_are_wanted() -> None:
    few, none = made(refusals=0.05), made(refusals=0.0)
    refused = [pair for pair in few if pair.golden is None]
    assert len(refused) / len(few) == pytest.approx(0.05, abs=0.005)
    assert [pair for pair in few if pair.golden] == none
    assert {pair.id for pair in refused} < {pair.id for pair in made()}


def test_exercises_are_taken_whole_in_the_languages_of_the_corpus_and_not_too_many() -> None:
    assert {pair.language for pair in made(languages=["de", "fr"])} == {"de"}
    assert made(languages=["fr"]) == []
    some = made(most=50)
    assert len(some) == 48 and set(Counter(pair.passages for pair in some).values()) == {8}
    assert made(most=50, seed=1) != some == made(most=50)


def test_an_exercise_is_in_one_split_so_that_nothing_leaks() -> None:
    pairs = made(validation=0.3)
    assert {pair.split for pair in pairs} == {"train", "validation"}
    assert not any(leaks(pairs).values())
    assert {pair.split for pair in made(validation=0.0)} == {"train"}


def test_what_does_not_fit_into_the_prompt_is_left_out() -> None:
    some = reading_pairs(EVERYTHING, ["en"], 0.25, REFUSAL, 0.0, lambda _, question: len(question) < 60, 0)
    assert some and all(len(pair.instruction) < 60 for pair in some)


def test_made_up_documents_are_none_of_the_corpus(house: House) -> None:
    house.make(reading=0.5)
    reading = [pair for pair in house.pairs if pair.source == "reading"]
    assert reading and not any(pair.documents for pair in reading)
    header = read_header(house.file)
    assert header is not None and set(header.documents) == {pair.document for pair in house.pairs if pair.document}
    name = reading[0].passages[0].document
    case = Case("c", "Q?", ("A.",), gold=((GoldSpan(name, "text"),),))
    assert held_out([case], reading) == [case]


def test_exercises_stay_when_a_document_is_forgotten_and_edited_ones_are_not_stale(house: House) -> None:
    house.make(reading=0.5)
    reading = [pair.id for pair in house.pairs if pair.source == "reading"]
    (house.docs / "hail.md").unlink()
    house.ingest()
    drop_forgotten(house.workspace, CORPUS)
    assert [pair.id for pair in house.pairs if pair.source == "reading"] == reading
    house.edit(reading[0], response="Changed [1].")
    report = house.make(reading=0.5)
    assert report.edited == 1 and report.stale == 0
    again = [pair for pair in house.pairs if pair.source == "reading"]
    assert len({pair.id for pair in again}) == len(again)
    assert [pair.response for pair in again if pair.id == reading[0]] == ["Changed [1]."]
    assert house.make(reading=0.5).total == report.total


def test_a_corpus_that_asks_what_an_exercise_asks_leaks_nothing(house: House) -> None:
    asked = next(pair.instruction for pair in made(languages=["en"]) if pair.split == "train")
    (house.docs / "pool.md").write_text(f"# Pool\n\n## {asked}\n\nThe pool of our own house has other rules.\n")
    house.ingest()
    report = house.make(reading=0.5, hold_out=("pool.md",))
    assert asked in {pair.instruction for pair in house.pairs if pair.split == "test"}
    assert not any(report.leaks.values())


def test_the_share_is_of_all_pairs(house: House) -> None:
    assert house.make(reading=0.0).counts.get("reading", 0) == 0
    report = house.make(reading=0.4)
    one = 10 / report.total  # whole exercises are taken
    assert 0.4 - one < report.counts["reading"] / report.total <= 0.4
