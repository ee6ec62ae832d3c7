"""Setting one value changes that value and nothing else in the file."""

import difflib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from assistant.config import with_value
from assistant.errors import ConfigError

FILE = """\
# Settings of the claims department.

retrieval:  # how we search
    # eight is too many for us
    k: 5    # was: 8
    fusion: 'rrf'

# Ask Anna before you change these.
answer:
    refusal:   # in both languages
        en: "Sorry."
        # formal
        de: |
          Leider nicht.

    # enough
    evidence: 3
embedder:
    languages:
    - en
    # - de
device: {name: cpu} # no GPU here
engine:
    # model: ./other
# The end.
"""


def difference(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that are gone and lines that are new."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    return [one[2:] for one in lines if one[0] == "-"], [one[2:] for one in lines if one[0] == "+"]


@pytest.mark.parametrize(
    ("section", "name", "value", "gone", "new"),
    [
        ("retrieval", "k", 7, ["    k: 5    # was: 8"], ["    k: 7    # was: 8"]),
        ("retrieval", "fusion", "yes", ["    fusion: 'rrf'"], ['    fusion: "yes"']),
        ("retrieval", "candidates", 50, [], ["    candidates: 50"]),
        ("answer", "evidence", 4, ["    evidence: 3"], ["    evidence: 4"]),
        ("answer", "system", "a: b\n# c 😀", [], ['    system: "a: b\\n# c 😀"']),
        ("device", "name", "cuda", ["device: {name: cpu} # no GPU here"], ['device: {name: "cuda"} # no GPU here']),
        ("device", "dtype", "auto", ["device: {name: cpu} # no GPU here"],
         ['device: {dtype: "auto", name: cpu} # no GPU here']),
        ("embedder", "languages", ["de"], ["    languages:", "    - en"], ['    languages: ["de"]']),
        ("embedder", "model", "./m", [], ['    model: "./m"']),
        ("engine", "model", "./m", [], ['  model: "./m"']),
        ("ingest", "workers", 2, [], ["ingest:", "  workers: 2"]),
    ],
)  # fmt: skip
def test_only_the_line_of_the_value_changes(
    section: str, name: str, value: Any, gone: list[str], new: list[str]
) -> None:
    after = with_value(FILE, section, name, value)
    assert difference(FILE, after) == (gone, new)
    assert yaml.safe_load(after)[section][name] == value


def test_a_value_of_many_lines_takes_no_comment_around_it_along() -> None:
    after = with_value(FILE, "answer", "refusal", {"en": "No.", "no": "Nei."})
    assert difference(FILE, after)[1] == ['    refusal: {"en": "No.", "no": "Nei."}   # in both languages']
    assert "    # enough\n    evidence: 3\n" in after and "# Ask Anna" in after
    assert yaml.safe_load(after)["answer"] == {"refusal": {"en": "No.", "no": "Nei."}, "evidence": 3}


@pytest.mark.parametrize("text", ["", "# only words\n", "# no line end", "---\n", "---\nretrieval:", "retrieval: ~\n"])
def test_files_with_nothing_in_them_are_begun_and_keep_their_comments(text: str) -> None:
    after = with_value(text, "retrieval", "k", 5)
    assert yaml.safe_load(after) == {"retrieval": {"k": 5}}
    assert after.startswith(text.removesuffix("~\n").rstrip())


@pytest.mark.parametrize(
    "text",
    ["retrieval: {k: 5}\n...\n", "{retrieval: {k: 5}}", "retrieval:\n  k: &n 5\nanswer:\n  evidence: *n\n"],
)
def test_what_cannot_be_changed_in_place_is_refused_with_the_line_to_write(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_value(text, "answer", "evidence", 3)
    assert "answer: {evidence: 3}" in caught.value.remedy


COMMENTS = st.sampled_from(["", "# k: 5", "  # said: so", "# [", "    # deep"])
VALUES = st.one_of(
    st.integers(),
    st.booleans(),
    st.floats(0, 1),
    st.sampled_from(["no", "1e3", "'x' # y", "two\nlines", "ü: [", "- a"]),
)
WRITTEN = st.sampled_from(
    ["1", "'a # b'", '"c"', "plain words", "|\n      long\n      text", ">-\n      folded", "[a, b]"]
)


@st.composite
def files(draw: st.DrawFn) -> str:
    lines = [draw(COMMENTS)]
    for section in draw(st.lists(st.sampled_from("abc"), unique=True)):
        lines += [f"{section}:{draw(st.sampled_from(['', '  # about it']))}", draw(COMMENTS)]
        for name in draw(st.lists(st.sampled_from("xyz"), unique=True)):
            lines += [f"  {name}: {draw(WRITTEN)}", draw(COMMENTS)]
    return "\n".join(lines) + draw(st.sampled_from(["\n", "\n\n"]))


@given(text=files(), section=st.sampled_from("abc"), name=st.sampled_from("xyz"), value=VALUES)
def test_whatever_the_file_its_other_values_and_its_comments_stay(
    text: str, section: str, name: str, value: object
) -> None:
    try:
        before = yaml.safe_load(text) or {}
    except yaml.YAMLError:
        return  # a comment in the middle of a text of many lines
    after = with_value(text, section, name, value)
    loaded = yaml.safe_load(after)
    found = loaded[section].pop(name)
    assert found == value or float(found) == value  # YAML 1.1 takes 1e-05 for a word
    (before.get(section) or {}).pop(name, None)
    assert {key: entries or {} for key, entries in loaded.items()} == {
        section: {}, **{key: entries or {} for key, entries in before.items()},
    }  # fmt: skip
    assert [line for line in difference(text, after)[0] if line.lstrip().startswith("#")] == []
