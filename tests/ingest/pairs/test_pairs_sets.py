"""Users' own sets in every format that is about: what is good is taken, what is bad is named by its line."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import PairsError
from assistant.types import Message
from ingest.pairs.user_sets import read_rows

ALPACA = {"instruction": "Is hail covered?", "input": "", "output": "Yes."}
CHAT = {
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Is hail covered?"},
        {"role": "assistant", "content": "Yes."},
    ]
}
PARTS = {"role": "user", "content": [{"type": "text", "text": "Is hail covered?"}]}
SHAREGPT = {"conversations": [{"from": "human", "value": "Is hail covered?"}, {"from": "gpt", "value": "Yes."}]}


def lines(*rows: Any) -> bytes:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def written(tmp_path: Path, content: bytes, name: str = "set.jsonl") -> Path:
    file = tmp_path / name
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (lines(ALPACA), "set.jsonl"),
        (json.dumps([ALPACA], indent=2).encode(), "set.json"),
        (lines(SHAREGPT), "set.jsonl"),
        (lines({"messages": CHAT["messages"][-2:]}), "set.jsonl"),
        (lines({"messages": [PARTS, CHAT["messages"][-1]]}), "set.jsonl"),
        (lines({"prompt": "Is hail covered?", "completion": "Yes."}), "set.jsonl"),
        (lines({"question": "Is hail covered?", "answer": "Yes."}), "set.jsonl"),
        (b"instruction,response\nIs hail covered?,Yes.\n", "set.csv"),
        (b"Question;Answer;Remark\r\nIs hail covered?;Yes.;x\r\n", "set.csv"),
        (b"instruction\tresponse\nIs hail covered?\tYes.\n", "set.tsv"),
        (b"\xef\xbb\xbf" + lines(ALPACA), "set.jsonl"),
        (b"\xef\xbb\xbfinstruction,response\r\nIs hail covered?,Yes.\r\n", "set.csv"),
        (lines(ALPACA).replace(b"\n", b"\r\n"), "set.jsonl"),
    ],
)  # fmt: skip
def test_every_format_is_told_by_its_rows(tmp_path: Path, content: bytes, name: str) -> None:
    rows, bad = read_rows(written(tmp_path, content, name), strict=True)
    assert not bad
    assert [(row.instruction, row.response) for row in rows] == [("Is hail covered?", "Yes.")]


def test_a_conversation_keeps_its_system_text_and_what_was_said_before(tmp_path: Path) -> None:
    ((row,), _) = read_rows(written(tmp_path, lines(CHAT)))
    assert row.system == "Be kind."
    assert row.history == (Message("user", "Hi"), Message("assistant", "Hello."))


def test_the_input_of_alpaca_is_part_of_the_instruction(tmp_path: Path) -> None:
    ((row,), _) = read_rows(written(tmp_path, lines(ALPACA | {"input": "a roof"})))
    assert row.instruction == "Is hail covered?\n\na roof"


@pytest.mark.parametrize(
    ("bad_line", "said"),
    [
        (b'{"instruction": "Is snow', "line 2: no valid JSON"),
        (lines(ALPACA | {"output": 3}), "line 2: 'output' is a int"),
        (lines(ALPACA | {"instruction": None}), "line 2: 'instruction' is empty"),
        (lines({"instruction": "x"}), "line 2: none of response"),
        (lines(["a", "b"]), "line 2: a list, not an object"),
        (lines({"messages": "hello"}), "line 2: the conversation is no list"),
        (lines({"messages": [{"role": "user", "content": "x"}]}), "line 2: the conversation has no answer"),
        (lines({"messages": [*CHAT["messages"], PARTS]}), "line 2: the conversation does not end"),
        (lines({"messages": [{"role": "tool", "content": "x"}, *CHAT["messages"][-2:]]}), "line 2: a turn"),
        (lines(ALPACA | {"output": "x" * 1_000_000}), "line 2: too long: 1,000,016 characters"),
        (lines(ALPACA | {"id": "a"}), "line 2: the id 'a' stands in set.jsonl, line 1"),
        (b"[" * 100_000 + b"\n", "line 2: no valid JSON"),
        (b'{"instruction": "x", "output": "y", "n": ' + b"1" * 5000 + b"}", "line 2: no valid JSON"),
        (lines({"messages": [{"role": "assistant", "content": "Hello."}, *CHAT["messages"][-2:]]}), "do not alternate"),
    ],
)
def test_a_bad_row_costs_only_itself_and_is_named(tmp_path: Path, bad_line: bytes, said: str) -> None:
    content = lines(ALPACA | {"id": "a"}) + bad_line.rstrip() + b"\n\n" + lines(ALPACA | {"id": "b"})
    file = written(tmp_path, content)
    rows, bad = read_rows(file)
    assert len(rows) == 2
    assert said in f"{bad[0].place}: {bad[0].reason}" and len(bad) == 1
    assert "\n" not in bad[0].reason
    with pytest.raises(PairsError, match="line 2"):
        read_rows(file, strict=True)


def test_half_a_character_is_replaced(tmp_path: Path) -> None:
    content = rb'{"instruction": "Is hail \ud83d covered?", "output": "Yes \udc00."}'
    ((row,), _) = read_rows(written(tmp_path, content))
    assert (row.instruction, row.response) == ("Is hail ? covered?", "Yes ?.")


def test_a_file_cut_in_its_last_line_gives_the_lines_before(tmp_path: Path) -> None:
    content = lines(ALPACA, ALPACA)
    rows, bad = read_rows(written(tmp_path, content[:-10]))
    assert len(rows) == 1 and bad[0].place == "set.jsonl, line 2"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "set.jsonl"),
        (b"\xff\xfe\x00", "set.jsonl"),
        (b"[]", "set.json"),
        (b'[{"instruction": "x"', "set.json"),
        (b"{}\n{}\n", "set.jsonl"),
        (b"a,b\n1,2\n", "set.csv"),
        (b"just some prose\n", "set.txt"),
        (b"instruction,response\n", "set.csv"),
    ],
)
def test_a_file_without_a_usable_row_is_refused_in_one_line(tmp_path: Path, content: bytes, name: str) -> None:
    with pytest.raises(PairsError) as error:
        read_rows(written(tmp_path, content, name))
    assert name in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_is_one_line_too(tmp_path: Path) -> None:
    with pytest.raises(PairsError, match="none"):
        read_rows(tmp_path / "none.jsonl")


def test_a_huge_cell_of_a_csv_is_told_and_the_limit_of_the_module_is_left_as_it_was(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    content = b"instruction,response\nx," + b"y" * 1_000_000 + b"\nIs hail covered?,Yes.\n"
    rows, bad = read_rows(written(tmp_path, content, "set.csv"))
    assert len(rows) == 1 and bad[0].place == "set.csv, line 2" and "1,000,001 characters" in bad[0].reason
    assert csv.field_size_limit() == before
