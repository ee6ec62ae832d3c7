"""Cases come in whole; a line that cannot be used is named."""

from pathlib import Path

import pytest

from assistant.errors import UsageError
from eval.cases import read_cases

ROOT = Path(__file__).parents[2]
GOOD = '{"id": "a", "question": "Hail?", "answers": ["yes"], "gold": [[{"document": "t.md", "quote": "hail"}]]}'


def test_the_sample_cases_are_read() -> None:
    cases = read_cases(ROOT / "data/sample/cases.jsonl")
    assert len(cases) == 253
    assert all(case.documents for case in cases if not case.unanswerable)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD + "\n" + GOOD, "line 2: the id 'a'"),
        (GOOD[:30], "line 1"),
        (GOOD.replace('["yes"]', '"yes"'), "line 1: answers"),
        (GOOD.replace('["yes"]', "[]"), "not marked unanswerable"),
        ("\n\n", "holds no cases"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "cases.jsonl"
    file.write_text(content)
    with pytest.raises(UsageError, match=said):
        read_cases(file)
