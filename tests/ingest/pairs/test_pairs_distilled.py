"""Pairs that a model writes and reads: admitted by checks only, asked for once, the same in every run."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress

import pytest
from fakes import ScriptedEngine
from pairing import CORPUS, House, ReadingEngine

from assistant.artifacts.pairs import Pair
from assistant.config import Settings
from assistant.engines.opening import open_engine
from assistant.types import Message
from ingest.pairs.candidates import CandidatePair
from ingest.pairs.earlier import drop_forgotten
from ingest.pairs.generated_answers import agree
from ingest.pairs.generated_questions import mistyped, question_in
from ingest.pairs.teacher import EngineTeacher, named_teacher, rejected_file, replies_file


def written(house: House) -> list[Pair]:
    """The pairs that a model wrote."""
    return [pair for pair in house.pairs if pair.source == "generated"]


def rejected(house: House) -> list[dict[str, object]]:
    """What is kept of answers that were not admitted."""
    file = rejected_file(house.file)
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_an_admitted_answer_says_what_the_passage_that_was_asked_about_says(house: House) -> None:
    report = house.make(teacher="base", engine=ReadingEngine())
    pairs = written(house)
    assert len(pairs) > 10 and report.counts["generated"] == len(pairs)
    for pair in pairs:
        assert pair.golden and pair.quote in pair.passages[pair.golden - 1].text
        assert pair.response == pair.quote.replace(".", f" [{pair.golden}].")
    assert {pair.kind for pair in pairs} >= {"plain", "story", "typo"}


def test_where_a_model_writes_no_grammar_asks(house: House) -> None:
    house.make(teacher="base", engine=ReadingEngine())
    assert {pair.kind for pair in house.pairs if pair.source == "structure"} <= {"faq", "definition"}


def spoilt(old: str, new: str) -> ReadingEngine:
    """One that reads all wrong in the same way."""
    return ReadingEngine(lambda answer, _: answer.replace(old, new))


def without_numbers(answer: str, _: Sequence[Message]) -> str:
    """An answer that says everything but how much."""
    return " ".join("some" if word.isdigit() else word for word in answer.split())


def another_each_time(answer: str, messages: Sequence[Message]) -> str:
    """An answer that is right when it is asked for in full, and says more days whenever it is asked for otherwise."""
    if messages[0].content.startswith("Read the passage and"):
        return answer
    return f"{answer[:-1]} on {messages[-1].content.count('<passage')} days."


@pytest.mark.parametrize(
    ("engine", "reason"),
    [
        (spoilt(".", " every other Thursday at noon in the town hall."), "unsupported"),
        (spoilt(".", ""), "no whole sentence"),
        (spoilt(".", " as the passage says."), "speaks of the passages"),
        (ReadingEngine(without_numbers), "leaves out figures"),
        (ReadingEngine(lambda *_: "I can't find an answer to this in the documents."), "declines"),
        (ReadingEngine(lambda *_: "Der Hagel verbeult die Haube, und der Gutachter fotografiert."), "other language"),
        (ReadingEngine(another_each_time), "readings differ"),
    ],
)
def test_an_answer_that_fails_a_check_is_kept_beside_with_the_reason(
    house: House, engine: ReadingEngine, reason: str
) -> None:
    report = house.make(teacher="base", engine=engine)
    lines = [line for line in rejected(house) if line["reason"] == reason]
    assert lines and all(line["response"] not in {pair.response for pair in written(house)} for line in lines)
    assert all(line["passages"] and line["golden"] for line in lines), "its prompt can be made again"
    assert report.dropped[f"answer: {reason}"] > 0
    assert report.written >= report.counts.get("generated", 0) + report.dropped[f"answer: {reason}"]


def test_where_two_readings_differ_the_prompt_of_serving_decides(house: House) -> None:
    def wrong_alone(answer: str, messages: Sequence[Message]) -> str:
        is_plain = messages[0].content == house.settings.answer.system
        return f"{answer[:-1]} on 77 days." if is_plain and messages[-1].content.count("<passage") == 1 else answer

    engine = ReadingEngine(wrong_alone)
    house.make(teacher="base", engine=engine)
    assert len(written(house)) > 10
    typed = [pair for pair in written(house) if pair.kind != "typo"]
    assert all(tuple(pair.messages(house.settings.answer.system)) in engine.prompts for pair in typed)


def test_a_typo_stands_in_the_question_alone(house: House) -> None:
    house.make(teacher="base", engine=ReadingEngine(lambda answer, _: f"Thus {answer[0].lower()}{answer[1:]}"))
    kept = {pair.instruction for pair in written(house)} | {str(line["instruction"]) for line in rejected(house)}
    assert any(pair.kind == "typo" for pair in written(house)) and len(kept) > 10
    said = " ".join(passage.text for pair in written(house) for passage in pair.passages)
    for pair in (pair for pair in written(house) if pair.kind == "typo"):
        assert set(re.findall(r"[a-z]{5,}", pair.response)) <= set(re.findall(r"[a-z]{5,}", said.lower()))
        assert not set(re.findall(r"[a-z]{5,}", pair.instruction)) <= set(re.findall(r"[a-z]{5,}", said.lower()))


def test_an_answer_from_another_passage_than_the_one_asked_about_is_not_admitted(house: House) -> None:
    house.make(teacher="base", engine=ReadingEngine(lambda *_: "Breakfast is not included."))
    assert all(pair.document == "fire.md" for pair in written(house))
    assert {"unsupported", "another passage says it"} & {line["reason"] for line in rejected(house)}


@pytest.mark.parametrize(
    ("answer", "other", "same"),
    [
        ("It costs 40 euros per dent.", "A dent costs 40 euros.", True),
        ("It costs 40 euros per dent.", "It costs 310 euros per dent.", False),
        ("The dentist explains why.", "Soot on ceilings is painted over.", False),
        ("Within 14 days, the appraiser does.", "The appraiser does.", True),
    ],
)
def test_readings_agree_by_their_figures_and_words_beyond_the_question(answer: str, other: str, same: bool) -> None:
    asked = CandidatePair("Who photographs within 14 days?", "", "", "plain", 0, "hail.md", "en")
    assert agree(answer, other, asked) is same


def test_a_killed_run_goes_on_and_nothing_is_asked_twice(house: House) -> None:
    whole = ReadingEngine()
    house.make(teacher="base", engine=whole)
    first = house.file.read_bytes()
    for file in (house.file, replies_file(house.file)):
        file.unlink()
    asked: list[tuple[Message, ...]] = []
    for until in (40, 90, 10**9):
        engine = ReadingEngine(until=until)
        with suppress(KeyboardInterrupt):
            house.make(teacher="base", engine=engine)
        asked += engine.prompts
    assert house.file.read_bytes() == first
    again = ReadingEngine()
    house.file.unlink()
    house.make(teacher="base", engine=again)
    assert not again.prompts and house.file.read_bytes() == first
    assert len(asked) - len(set(asked)) < 64, "only those of the batches that were killed"


def test_what_was_rejected_about_a_forgotten_document_goes_with_it(living: House) -> None:
    living.make(teacher="base", engine=ReadingEngine(without_numbers))
    assert any(line["document"] == "hail.md" for line in rejected(living))
    (living.docs / "hail.md").unlink()
    living.ingest()
    drop_forgotten(living.workspace, CORPUS)
    assert rejected(living) and "hail.md" not in rejected_file(living.file).read_text()


def test_when_a_document_changes_only_what_it_says_is_asked_again(living: House) -> None:
    living.make(teacher="base", engine=ReadingEngine(without_numbers))
    before = rejected(living)
    with (living.docs / "fire.md").open("a") as stream:
        stream.write("\n## Alarm\n\nThe alarm must be tested by the janitor every 30 days.\n")
    living.ingest()
    living.make(teacher="base", engine=ReadingEngine(without_numbers))
    kept = [line for line in before if line["document"] == "bicycle.md"]
    assert kept and all(line in rejected(living) for line in kept)


@pytest.mark.parametrize(
    ("reply", "style", "question"),
    [
        ('"What is it?" Or what', "plain", "What is it?"),
        ("My car was hit. Who pays?\nThe insurer.", "story", "My car was hit. Who pays?"),
        ("The insurer pays for it.", "plain", ""),
        ("hail deductible home", "terse", "hail deductible home"),
        ("The insurer pays for the hail.", "terse", ""),
        ("", "terse", ""),
    ],
)
def test_a_question_is_read_from_the_first_line_of_a_reply(reply: str, style: str, question: str) -> None:
    assert question_in(reply, style) == question


@pytest.mark.parametrize("question", ["What does dentless repair mean?", "Wie melde ich Hagelschäden?"])
def test_a_typo_exchanges_two_letters_inside_a_word(question: str) -> None:
    typed = mistyped(question, 0)
    assert typed != question and sorted(typed) == sorted(question)
    assert sum(one != other for one, other in zip(typed, question, strict=True)) == 2
    assert [word[0] for word in typed.split()] == [word[0] for word in question.split()]


def test_the_base_writes_by_itself_where_it_answers_in_its_own_words(settings: Settings) -> None:
    def teacher(generate: str, teacher: str = "auto") -> str:
        engine = settings.engine.model_copy(update={"generate": generate})
        pairs = settings.pairs.model_copy(update={"teacher": teacher})
        return named_teacher(settings.model_copy(update={"engine": engine, "pairs": pairs}))

    assert teacher("auto") == "", "the bundled model is no better than quotations"
    assert teacher("always") == "base"
    assert teacher("always", "") == ""
    assert teacher("never", "openai:some-model") == "openai:some-model"


def test_two_runs_write_the_same_bytes(house: House) -> None:
    found = []
    for _ in range(2):
        house.make(teacher="base", engine=ReadingEngine(without_numbers))
        found.append((house.file.read_bytes(), rejected_file(house.file).read_bytes()))
        for file in (house.file, replies_file(house.file), rejected_file(house.file)):
            file.unlink()
    assert found[0] == found[1]


@pytest.mark.slow
def test_a_real_model_writes_and_reads_and_is_asked_once(house: House) -> None:
    engine = open_engine(house.settings)
    report = house.make(teacher="base", engine=engine, most=48)
    kept = house.file.read_bytes(), replies_file(house.file).read_bytes()
    assert report.counts["structure"] and kept[1].count(b'"reply"') >= 16
    assert all(pair.golden and pair.quote in pair.passages[pair.golden - 1].text for pair in written(house))
    house.file.unlink()
    house.make(teacher="base", engine=engine, most=48)
    assert house.file.read_bytes() == kept[0] and replies_file(house.file).read_bytes().strip() == kept[1].strip()


def test_a_prompt_that_the_window_has_no_room_for_costs_only_itself(capsys: pytest.CaptureFixture[str]) -> None:
    engine = ScriptedEngine("Said.", tokens_a_character=1.0, window=30)
    prompts = [[Message("user", text)] for text in ("short", "long " * 20, "short again")] * 10
    said = list(EngineTeacher(engine, "tiny").replies(prompts, 64))
    assert said == ["Said.", "", "Said."] * 10
    assert capsys.readouterr().err.count("base:tiny reads 30 tokens: 10 longer prompts are left out.") == 1
