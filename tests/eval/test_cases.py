"""Cases come in whole; a line that cannot be used is named, and so is one that could only be scored wrongly."""

import json
from pathlib import Path

import pytest

from assistant.errors import UsageError
from eval.cases import Case, GoldSpan, read_cases

ROOT = Path(__file__).parents[2]
GOOD = {"id": "a", "question": "Hail?", "answers": ["yes"], "gold": [[{"document": "t.md", "quote": "hail"}]]}


def written(tmp_path: Path, content: str) -> Path:
    file = tmp_path / "cases.jsonl"
    file.write_text(content, encoding="utf-8")
    return file


def test_the_sample_cases_are_read() -> None:
    cases = read_cases(ROOT / "data/sample/cases.jsonl")
    assert len(cases) == 253
    assert all(case.documents for case in cases if not case.unanswerable)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(GOOD) + "\n" + json.dumps(GOOD), "line 2: the id 'a'"),
        (json.dumps(GOOD)[:30], "line 1"),
        ("\n\n", "holds no cases"),
        ("", "holds no cases"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_cases(written(tmp_path, content))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"answers": "yes"}, "line 2: answers"),
        ({"answers": [], "gold": []}, "line 2: no answers and no gold"),
        ({"unanswerable": True}, "line 2: it is marked unanswerable and has answers"),
        ({"answers": ["yes", " – "]}, "line 2: an answer, a fact or a quote has no letter"),
        ({"must_include": [["€"]]}, "line 2: an answer, a fact or a quote has no letter"),
        ({"must_include": [[]]}, "line 2: a gold group or a fact"),
        ({"gold": [[]]}, "line 2: a gold group or a fact"),
        ({"gold": [[{"document": ""}]]}, "line 2: gold.0.0.document"),
        ({"gold": [[{"document": "t.md", "quote": "|"}]]}, "line 2: an answer, a fact or a quote has no letter"),
        ({"gold": [[{"document": "t.md", "start": 3}]]}, "line 2: a gold span has only one of"),
        ({"gold": [[{"document": "t.md", "start": 3, "end": 3}]]}, "line 2: a gold span does not end behind"),
        ({"gold": [[{"document": "t.md", "start": 0, "end": 0}]]}, "line 2: a gold span does not end behind"),
        ({"gold": [[{"document": "t.md", "page": 0}]]}, "line 2: gold.0.0.page"),
    ],
)
def test_what_could_only_be_scored_wrongly_is_named(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    rows = [GOOD, {**GOOD, "id": "b", **changes}]
    with pytest.raises(UsageError, match=said) as error:
        read_cases(written(tmp_path, "\n".join(map(json.dumps, rows))))
    assert "\n" not in str(error.value)


def test_a_question_without_gold_is_a_cluster_of_its_own() -> None:
    assert Case("7", "?", unanswerable=True).cluster == "case 7"
    assert Case("7", "?", gold=((GoldSpan("b"), GoldSpan("a")), (GoldSpan("c"),))).cluster == "b"
