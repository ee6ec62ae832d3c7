"""Pairs on disk come back as they went, and what cannot be used is named by its line."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from assistant.artifacts.pairs import (
    Pair,
    PairsHeader,
    Source,
    header_file,
    overview,
    pairs_hash,
    read_header,
    read_pairs,
    write_pairs,
)
from assistant.errors import PairsError
from assistant.types import Message, Passage

PASSAGE = Passage("terms.md", 10, 30, "Terms > § 7", "Hail is covered.")
PAIR = Pair(
    "a1", "Is hail covered?", "Yes. [1]", "structure", passages=(PASSAGE,), golden=1, history=(Message("user", "Hi"),)
)
HEADER = PairsHeader("sample", 3, "", 7, {"terms.md": "ab"}, {"structure": 1}, {"number": 2}, {}, "0.1.0")


def line(**changes: object) -> str:
    return json.dumps(dataclasses.asdict(PAIR) | changes, ensure_ascii=False)


def test_pairs_and_header_come_back_as_they_went(tmp_path: Path) -> None:
    file = tmp_path / "pairs" / "sample.jsonl"
    pairs = [PAIR, dataclasses.replace(PAIR, id="a2", response="Zeile\neins \u2028 zwei")]
    write_pairs(file, pairs, HEADER)
    assert read_pairs(file) == pairs
    assert read_header(file) == HEADER


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (line() + "\n" + line(id="a2")[:40], "line 2"),
        (line(response=3), "line 1: response"),
        (line(passages="none"), "line 1: passages"),
        (line(split="dev"), "line 1: split"),
        (line(golden=2), "golden is 2, but there are 1"),
        (line(instruction=" "), "is empty"),
        (line() + "\n\n" + line(), "line 3: the id 'a1' stands in line 1 too"),
        ("[]", "line 1"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(PairsError) as error:
        read_pairs(file)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_windows_line_ends_a_byte_order_mark_and_empty_lines_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + line().encode() + b"\r\n\r\n" + line(id="a2").encode() + b"\r\n")
    assert [pair.id for pair in read_pairs(file)] == ["a1", "a2"]


def test_a_very_long_row_is_read(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(line(response="x" * 1_000_000), encoding="utf-8")
    assert len(read_pairs(file)[0].response) == 1_000_000


def test_bytes_that_are_not_utf8_and_missing_files_are_one_line_errors(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    with pytest.raises(PairsError, match="assistant pairs"):
        read_pairs(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PairsError, match="UTF-8"):
        read_pairs(file)


def test_a_damaged_header_is_told(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    assert read_header(file) is None
    header_file(file).write_text("{")
    with pytest.raises(PairsError, match="damaged"):
        read_header(file)


def test_the_hash_changes_with_any_pair_and_their_order() -> None:
    other = dataclasses.replace(PAIR, id="a2")
    assert pairs_hash([PAIR, other]) != pairs_hash([other, PAIR])
    assert pairs_hash([PAIR]) != pairs_hash([dataclasses.replace(PAIR, response="No.")])


def test_a_pair_is_shown_through_the_one_prompt() -> None:
    messages = PAIR.messages("Be brief.", {"<|im_end|>"})
    assert messages[0] == Message("system", "Be brief.")
    assert messages[-1].content.startswith('<passage id="1" source="Terms / § 7">')
    assert messages[-1].content.endswith("Is hail covered?")


def test_a_look_at_pairs_reads_no_more_than_it_shows(tmp_path: Path) -> None:
    file = tmp_path / "pairs" / "sample.jsonl"
    sources: tuple[Source, ...] = ("tone", "structure", "set", "general")
    pairs = [dataclasses.replace(PAIR, id=f"{one}{number}", source=one) for one in sources for number in range(3)]
    held_back = dataclasses.replace(pairs[3], split="test", response='"source": "set", "split": "train"')
    pairs[3] = held_back
    header = dataclasses.replace(HEADER, counts=dict.fromkeys((*sources, "feedback"), 3))
    write_pairs(file, pairs, header)
    written = file.stat().st_mtime_ns
    assert header_file(file).stat().st_mtime_ns >= written, "however long the pairs took"
    with file.open("ab") as stream:
        stream.write(b"{}\n\xff\n")
    os.utime(file, ns=(written, written))
    counts, first = overview(file, ("structure", "set", "feedback"))
    assert (counts, [one.id for one in first]) == (header.counts, ["structure1", "set0"])
    later = file.stat().st_mtime + 60
    os.utime(file, (later, later))
    with pytest.raises(PairsError, match="UTF-8"):
        overview(file, sources)  # somebody has edited it: then it is read as a whole
    write_pairs(file, pairs[:4], header)
    os.utime(file, (later, later))
    assert overview(file, sources) == ({"tone": 3, "structure": 1}, [pairs[0]])
    header_file(file).unlink()
    assert overview(file, sources) == ({"tone": 3, "structure": 1}, [pairs[0]])
