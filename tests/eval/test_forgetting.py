"""The general text and the probe are whole, and right answers are told from wrong ones by likelihood a byte."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from assistant.errors import UsageError
from assistant.text.words import words
from eval.running.language_model import PROBE_FILE, ProbeItem, chooses_right, read_general_text, read_probe

ROOT = Path(__file__).parents[2]
GENERAL = ROOT / "data/general"
ITEM = ProbeItem("1", "Ice is frozen", " water.", (" wood.", " a very long continuation."), "world")


def test_the_probe_holds_a_hundred_different_items() -> None:
    items = read_probe(GENERAL)
    assert len({item.prompt for item in items}) == len(items) == 100
    assert Counter(item.language for item in items) == {"en": 80, "de": 20}
    for item in items:
        assert len(set(item.continuations)) == 3, item.id
        assert all(text.startswith(" ") for text in item.continuations), item.id


def test_the_right_continuation_does_not_show_by_its_length() -> None:
    lengths = [[len(text) for text in item.continuations] for item in read_probe(GENERAL)]
    longest = sum(right > max(wrong) for right, *wrong in lengths) / 100
    shortest = sum(right < min(wrong) for right, *wrong in lengths) / 100
    assert longest < 0.45
    assert shortest < 0.45


def test_the_general_text_is_paragraphs_of_prose() -> None:
    paragraphs = read_general_text(GENERAL)
    assert len(paragraphs) == 20
    assert all(len(paragraph) > 100 and "\n" not in paragraph for paragraph in paragraphs)


def test_no_pair_of_general_chat_teaches_the_probe_or_the_text() -> None:
    chat = yaml.safe_load((ROOT / "ingest/pairs/general.yaml").read_text(encoding="utf-8"))
    taught = " ".join(words(str(chat)))
    texts = [*read_general_text(GENERAL), *(item.prompt + item.right for item in read_probe(GENERAL))]
    for text in texts:
        run = words(text)
        for first in range(max(1, len(run) - 7)):
            assert " ".join(run[first : first + 8]) not in taught, text


def test_the_likeliest_a_byte_is_chosen() -> None:
    assert chooses_right(ITEM, [-7.0, -12.0, -60.0]) == 1.0
    # Less likely in all, but likelier a byte; and the other way round.
    assert chooses_right(ITEM, [-7.0, -6.5, -40.0]) == 1.0
    assert chooses_right(ITEM, [-7.0, -8.0, -20.0]) == 0.0
    assert chooses_right(ITEM, [0.0, 0.0, 0.0]) == 0.0
    with pytest.raises(ValueError):
        chooses_right(ITEM, [-1.0, -2.0])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "1", "prompt": "a", "right": "b", "wrong": [], "kind": "x"}', "line 1: wrong"),
        ('{"id": "1", "prompt": "a", "right": "", "wrong": ["c"], "kind": "x"}', "line 1: right"),
        ('{"id": "1", "prompt": "a", "right": "b", "wrong": ["c"], "kind": "x"}\n' * 2, "stands there twice"),
    ],
)
def test_a_probe_that_cannot_be_used_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / PROBE_FILE).write_text(line)
    with pytest.raises(UsageError, match=said):
        read_probe(tmp_path)
    with pytest.raises(UsageError, match=r"text\.md cannot be read"):
        read_general_text(tmp_path)
