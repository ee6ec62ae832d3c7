"""Data to train on as it is: every answer is learnt once, no split tells another, and what is left out is told."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from assistant.artifacts.data_sets import DataNamed, DataSet, DataSource, read_data_set, split_named
from assistant.artifacts.row_files import write_rows
from assistant.errors import AssistantError, PairsError, UsageError
from assistant.types import Message
from train.run_file import validated

TALK = [
    {"role": "user", "content": "Is hail covered?"},
    {"role": "assistant", "content": "Yes."},
    {"role": "user", "content": "And snow?"},
    {"role": "assistant", "content": "No."},
]
SINGLE = {"question": "Is wind covered?", "answer": "From 62 km/h on."}


def read(*files: Path, **settings: Any) -> DataSet:
    sources = [DataSource(file.name, file) for file in files]
    return read_data_set(DataNamed(sources, **settings))


def written(file: Path, *rows: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


def told(found: DataSet) -> list[tuple[str, str]]:
    return [(pair.instruction, pair.response) for pair in found.pairs]


def test_every_answer_of_a_conversation_is_learnt_behind_what_was_said_before(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Be brief."}
    found = read(written(tmp_path / "set.jsonl", {"messages": [system, *TALK, TALK[0]]}))
    assert told(found) == [("Is hail covered?", "Yes."), ("And snow?", "No.")]
    first, second = found.pairs
    assert (first.id, second.id) == ("set.jsonl, line 1, answer 1", "set.jsonl, line 1, answer 2")
    assert not first.history and second.history == (
        Message("user", "Is hail covered?"),
        Message("assistant", "Yes."),
    )
    assert [message.content for message in second.messages("The house speaks.")] == [
        "Be brief.", "Is hail covered?", "Yes.", "And snow?",
    ]  # fmt: skip


@pytest.mark.parametrize("mark", [{"weight": 0}, {"train": False}])
def test_a_turn_that_is_marked_so_is_not_learnt(tmp_path: Path, mark: dict[str, Any]) -> None:
    found = read(written(tmp_path / "set.jsonl", {"messages": [TALK[0], TALK[1] | mark, *TALK[2:]]}))
    assert told(found) == [("And snow?", "No.")] and len(found.pairs[0].history) == 2


def test_thoughts_are_not_learnt(tmp_path: Path) -> None:
    thought = "<think>\nHail, then.\n</think>\n\nYes."
    talk = {"messages": [TALK[0], {"role": "assistant", "content": thought}, *TALK[2:]]}
    empty = {"prompt": "Is sleet covered?", "completion": "<think>Hm.</think>"}
    found = read(written(tmp_path / "set.jsonl", talk, SINGLE | {"answer": thought}, empty))
    assert [answer for _, answer in told(found)] == ["Yes.", "No.", "Yes."]
    assert found.pairs[1].history[1].content == "Yes."
    assert found.dropped == {"an answer is nothing but a thought": ["set.jsonl, line 3"]}


def test_of_prompt_and_completion_the_completion_alone_is_learnt(tmp_path: Path) -> None:
    found = read(written(tmp_path / "set.jsonl", {"prompt": TALK[:3], "completion": TALK[3:]}))
    assert told(found) == [("And snow?", "No.")] and len(found.pairs[0].history) == 2


def test_the_history_of_alpaca_is_learnt_too(tmp_path: Path) -> None:
    row = {
        "instruction": "And snow?",
        "output": "No.",
        "history": [["Is hail covered?", "Yes."]],
        "system": "Be brief.",
    }
    found = read(written(tmp_path / "set.jsonl", row))
    assert told(found) == [("Is hail covered?", "Yes."), ("And snow?", "No.")] and found.pairs[0].system == "Be brief."


def test_data_is_shown_as_it_is_and_cannot_begin_a_turn(tmp_path: Path) -> None:
    shown = '<passage id="1" source="Terms">\nHail: yes.\n</passage>\n\nIs hail covered?'
    found = read(written(tmp_path / "set.jsonl", {"prompt": f"{shown}<|im_end|>", "completion": "Yes."}))
    (message,) = found.pairs[0].messages("The house speaks.")
    assert message.content == f"{shown}< |im_end|>"


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        (
            {"frage": "Is wind covered?", "antwort": "Yes.", "prompt": "x"},
            {"instruction": "frage", "response": "antwort"},
        ),
        (
            {"log": [{"who": "human", "said": "Is wind covered?"}, {"who": "gpt", "said": "Yes."}], "messages": []},
            {"messages": "log", "role": "who", "content": "said"},
        ),
        ({"messages": json.dumps([TALK[0] | {"content": "Is wind covered?"}, TALK[1]])}, {}),
        ({"conversations": [{"from": "human", "value": "Is wind covered?"}, {"from": "gpt", "value": "Yes."}]}, {}),
    ],
)
def test_columns_may_be_called_otherwise(tmp_path: Path, row: object, columns: dict[str, str]) -> None:
    assert told(read(written(tmp_path / "set.jsonl", row), columns=columns)) == [("Is wind covered?", "Yes.")]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_rows_of_several_formats_in_one_file_are_all_read(tmp_path: Path, suffix: str) -> None:
    names = ("conversations", "messages", "instruction", "question", "answer", "output")
    rows: list[dict[str, Any]] = [dict.fromkeys(names) for _ in range(4)]
    rows[0]["messages"] = TALK[:2]
    rows[1] |= SINGLE
    rows[2] |= {"instruction": "Is rain covered?", "output": "No."}
    rows[3]["conversations"] = [{"from": "human", "value": "Is sleet covered?"}, {"from": "gpt", "value": "Ask us."}]
    file = tmp_path / f"mixed{suffix}"
    write_rows(file, rows)
    found = read(file)
    assert [answer for _, answer in told(found)] == ["Yes.", "From 62 km/h on.", "No.", "Ask us."] and not found.dropped


def test_what_is_left_out_is_told_by_reason_with_its_places(tmp_path: Path) -> None:
    nested = {"messages": [[TALK[0]], [TALK[1]]]}
    endless = {"question": "x" * 10_000_000, "answer": "y"}
    tools = {"messages": [*TALK, {"role": "tool", "content": "4"}]}
    file = written(
        tmp_path / "set.jsonl", SINGLE, nested, endless, tools, tools, {"messages": [TALK[0]]}, {"text": "x"}
    )
    found = read(file)
    assert told(found) == [(SINGLE["question"], SINGLE["answer"])]
    assert found.dropped == {
        "a turn of the conversation is no object": ["set.jsonl, line 2"],
        "too long": ["set.jsonl, line 3"],
        "a turn of the conversation has no known role or no text": ["set.jsonl, line 4", "set.jsonl, line 5"],
        "the conversation has no answer": ["set.jsonl, line 6"],
        "none of instruction, question, prompt, query is there": ["set.jsonl, line 7"],
    }


def test_nested_lists_of_parquet_cost_their_rows_alone(tmp_path: Path) -> None:
    write_rows(tmp_path / "nested.parquet", [{"messages": [[TALK[0]], [TALK[1]]], "prompt": None}])
    found = read(tmp_path / "nested.parquet", written(tmp_path / "set.jsonl", SINGLE))
    assert len(found.pairs) == 1
    assert found.dropped == {"a turn of the conversation is no object": ["nested.parquet, row 1"]}


def test_a_share_is_drawn_by_the_first_question_whatever_stands_around_it(tmp_path: Path) -> None:
    rows = [{"question": f"Is {number} more than {number // 7}?", "answer": "Yes."} for number in range(300)]
    found = read(written(tmp_path / "set.jsonl", *rows), share=0.2)
    validation = {pair.instruction for pair in found.pairs if pair.split == "validation"}
    assert 30 < len(validation) < 90
    again = read(written(tmp_path / "other.jsonl", *reversed(rows[:150])), share=0.2)
    assert {one.instruction for one in again.pairs if one.split == "validation"} == validation & {
        str(row["question"]) for row in rows[:150]
    }


def test_files_of_a_folder_keep_the_split_that_their_name_tells(tmp_path: Path) -> None:
    rows = [{"question": f"Which rule is number {name}?", "answer": name} for name in ("alpha", "beta", "gamma")]
    written(tmp_path / "sets" / "train-0.jsonl", rows[0])
    written(tmp_path / "sets" / "house_dev.jsonl", rows[1])
    written(tmp_path / "sets" / "test" / "0.jsonl", rows[2])
    (tmp_path / "sets" / "README.md").write_text("no data")
    found = read(tmp_path / "sets", share=0.9)
    assert {pair.response: pair.split for pair in found.pairs} == {
        "alpha": "train",
        "beta": "validation",
        "gamma": "test",
    }
    assert found.pairs[2].id == "sets/train-0.jsonl, line 1"
    assert split_named(Path("data/contest-00000.jsonl")) is None


def test_a_file_of_a_folder_that_cannot_be_read_costs_itself_alone(tmp_path: Path) -> None:
    written(tmp_path / "sets" / "b.jsonl", SINGLE)
    (tmp_path / "sets" / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "sets" / "dataset_info.json").write_text(json.dumps({"a": {"file_name": "a.json"}}, indent=2))
    found = read(tmp_path / "sets")
    assert told(found) == [(SINGLE["question"], SINGLE["answer"])]
    (broken,) = found.dropped["a file that cannot be read"]
    assert "a.parquet" in broken and "\n" not in broken
    assert found.dropped["none of instruction, question, prompt, query is there"] == ["sets/dataset_info.json, item 1"]


def test_rows_with_one_id_are_all_data(tmp_path: Path) -> None:
    assert len(read(written(tmp_path / "set.jsonl", SINGLE | {"id": "a"}, SINGLE | {"id": "a"})).pairs) == 2


def test_what_validation_asks_is_not_trained_on(tmp_path: Path) -> None:
    asked = {"question": "How long may a claim for hail on a roof take?", "answer": "Six weeks."}
    other = {"question": "How long may a claim for hail on a roof take, please?", "answer": "A month."}
    train = written(tmp_path / "train.jsonl", SINGLE, asked, other, {"messages": TALK})
    held = DataSource("held.jsonl", written(tmp_path / "held.jsonl", asked))
    found = read_data_set(DataNamed([DataSource("train.jsonl", train)], [held], share=0.5))
    assert [pair.split for pair in found.pairs] == ["train", "train", "train", "validation"]
    assert found.dropped == {
        "leak: question": ["train.jsonl, line 2"],
        "leak: near-duplicate question": ["train.jsonl, line 3"],
    }


def test_what_every_question_begins_with_makes_no_two_alike(tmp_path: Path) -> None:
    task = "Classify the sentiment of the following customer review sentence as positive, negative or neutral:"
    words = ("lovely", "dreadful", "slow", "cheap", "tidy", "noisy", "warm", "broken", "friendly", "late")
    rows = [{"question": f"{task} {one} {other}", "answer": "so"} for one in words for other in words]
    found = read(written(tmp_path / "set.jsonl", *rows), share=0.1)
    assert {pair.split for pair in found.pairs} == {"train", "validation"}
    assert sum(map(len, found.dropped.values())) <= 10, "lovely dreadful, and dreadful lovely"


def test_parquet_without_its_package_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"x\.parquet is parquet.*pip install 'domain-assistant\[parquet\]'"):
        read(tmp_path / "x.parquet")


def test_json_lines_whose_first_is_broken_are_no_csv(tmp_path: Path) -> None:
    for name, first in (("a.jsonl", "{question"), ("b.jsonl", "[1"), ("c.json", "x")):
        (tmp_path / name).write_text(f"{first}\n{json.dumps(SINGLE)}\n")
        found = read(tmp_path / name)
        assert told(found) == [(SINGLE["question"], SINGLE["answer"])]
        assert found.dropped == {"no valid JSON, or cut off": [f"{name}, line 1"]}


@pytest.mark.parametrize("columns", [{}, {"instruction": "instruction", "context": "context", "response": "response"}])
def test_the_text_that_is_answered_from_stands_before_the_question(tmp_path: Path, columns: dict[str, str]) -> None:
    row = {"instruction": "From which speed on?", "context": "Storm is wind of 62 km/h.", "response": "62 km/h."}
    found = read(written(tmp_path / "dolly.jsonl", row), columns=validated({"columns": columns}).columns)
    assert told(found) == [("Storm is wind of 62 km/h.\n\nFrom which speed on?", "62 km/h.")]


def test_a_file_that_is_named_twice_is_read_once_and_held_out_if_one_says_so(tmp_path: Path) -> None:
    held = written(tmp_path / "sets/held.jsonl", SINGLE)
    other = written(tmp_path / "sets/other.jsonl", {"question": "Is hail covered?", "answer": "Yes."})
    again = DataSource("again", tmp_path / "sets" / ".." / "sets" / "other.jsonl")
    sources = [DataSource("sets", tmp_path / "sets"), again, DataSource("other", other)]
    found = read_data_set(DataNamed(sources, [DataSource("held", held)]))
    assert [(pair.id, pair.split) for pair in found.pairs] == [
        ("sets/other.jsonl, line 1", "train"),
        ("held, line 1", "validation"),
    ]
    copies = [DataSource("dup.jsonl", written(tmp_path / str(one) / "x.jsonl", SINGLE, row)) for one, row in enumerate(
        ({"question": "Is rain covered?", "answer": "No."}, {"question": "Is sleet covered?", "answer": "No."})
    )]  # fmt: skip
    leaks = read_data_set(DataNamed(copies, [DataSource("held", held)])).dropped
    assert leaks == {"leak: question": ["dup.jsonl, line 1", "dup.jsonl, line 1"]}


def test_a_later_question_leaks_to_a_first_one_and_to_a_later_one_with_its_answer(tmp_path: Path) -> None:
    def talk(first: str, asked: str, answer: str) -> dict[str, Any]:
        turns = [("user", first), ("assistant", "So."), ("user", asked), ("assistant", answer)]
        return {"messages": [{"role": role, "content": content} for role, content in turns]}

    deep, more = "What is the deductible for hail on roofs?", "Could you please explain that in more detail?"
    rows = [
        talk("Good morning, Ann.", deep, "500."),
        {"question": "How long may a claim for theft wait?", "answer": "Two days."},
        talk("Good evening, Bob.", "And the storm that came to Basel in May?", "It is covered up to 9,000 francs."),
        talk("Is fire covered?", more, "Fire is covered in full."),
    ]
    asked = [
        {"question": deep, "answer": "It is 500."},
        talk("Hello, Cem.", "How long may a claim for theft wait?", "2 days."),
        talk("Hi, Dan.", "And the storm that came to Basel in May?", "It is covered up to 9,000 francs."),
        talk("Is water covered?", more, "Water is covered in part."),
    ]
    held = DataSource("held.jsonl", written(tmp_path / "held.jsonl", *asked))
    found = read_data_set(DataNamed([DataSource("set.jsonl", written(tmp_path / "set.jsonl", *rows))], [held]))
    (places,) = found.dropped.values()
    assert [place.partition(",")[2][:8].strip(" ,") for place in places] == ["line 1", "line 2", "line 3"]
    assert {pair.instruction for pair in found.pairs if pair.split == "train"} == {"Is fire covered?", more}


@pytest.mark.parametrize("name", ["none.jsonl", "empty.jsonl", "prose.jsonl", "cut.parquet", "cut.json", "folder"])
def test_what_holds_nothing_to_train_on_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "prose.jsonl").write_text("Once upon a time\nthere was a claim.\n")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1\x00\x01")
    (tmp_path / "cut.json").write_text('[{"question": "x"')
    with pytest.raises(AssistantError, match=name) as error:
        read(tmp_path / name)
    assert isinstance(error.value, PairsError) and "\n" not in str(error.value)
