"""Splits are by document, versions together, the same every time; and the leak test finds what crosses them."""

from dataclasses import replace

import pytest

from assistant.artifacts.pairs import LEAKS, Pair, leaking, leaks
from assistant.store.index import StoredChunk
from assistant.types import Passage
from ingest.pairs.corpus import Family, deal, families, superseded

WORDS = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon".split()
)


def text(seed: int, length: int = 120) -> str:
    """Words in an order of their own."""
    return " ".join(f"{WORDS[(seed * 7 + at * (seed + 3)) % 20]}{(seed * 13 + at) % 97}" for at in range(length))


def chunk(path: str, content: str, number: int = 1) -> StoredChunk:
    return StoredChunk(number, number, path, "/docs", path, "en", "", content, "", "", "", 0, len(content), ())


def some_families(count: int, size: int = 4) -> list[Family]:
    return [Family((f"doc-{number}.md",), size) for number in range(count)]


def test_versions_of_a_document_are_one_family_and_others_are_not() -> None:
    shared = text(1)
    chunks = [
        chunk("terms-2024.pdf", f"{shared} until 2024 with a fee"),
        chunk("terms-2026.pdf", f"{shared} from 2026 on without"),
        chunk("other.md", text(2)),
    ]
    assert [family.documents for family in families(chunks)] == [("other.md",), ("terms-2024.pdf", "terms-2026.pdf")]


def test_a_split_is_the_same_every_time_and_another_seed_makes_another() -> None:
    some = some_families(40)
    first = deal(some, 0, 0.1, 0.1, (), {})
    assert first == deal(list(reversed(some)), 0, 0.1, 0.1, (), {})
    assert first != deal(some, 1, 0.1, 0.1, (), {})
    shares = [list(first.values()).count(split) for split in ("train", "validation", "test")]
    assert shares == [32, 4, 4]


def test_documents_keep_their_split_when_others_are_added() -> None:
    before = deal(some_families(20), 0, 0.2, 0.2, (), {})
    after = deal(some_families(30), 0, 0.2, 0.2, (), before)
    assert all(after[path] == split for path, split in before.items())
    assert list(after.values()).count("test") == 6


@pytest.mark.parametrize(("count", "validation", "test"), [(1, 0, 0), (2, 0, 0), (3, 1, 0), (4, 1, 0), (5, 1, 1)])
def test_small_corpora_have_validation_from_three_documents_on(count: int, validation: int, test: int) -> None:
    splits = list(deal(some_families(count), 0, 0.1, 0.1, (), {}).values())
    assert (splits.count("validation"), splits.count("test")) == (validation, test)


def test_held_out_documents_are_the_whole_test_split_with_their_family() -> None:
    some = [*some_families(10), Family(("policies/a-2024.pdf", "policies/a-2026.pdf"), 9)]
    splits = deal(some, 0, 0.1, 0.3, ("policies/*-2026.pdf",), {"doc-1.md": "test"})
    assert {path for path, split in splits.items() if split == "test"} == {"policies/a-2024.pdf", "policies/a-2026.pdf"}


def test_a_document_too_large_for_a_split_stays_in_training() -> None:
    some = [Family(("huge.pdf",), 500), *some_families(10, size=5)]
    for seed in range(10):
        assert deal(some, seed, 0.05, 0.05, (), {})["huge.pdf"] == "train"


def test_only_editions_of_the_same_name_take_each_others_place() -> None:
    family = Family(("a/terms-2024.pdf", "a/terms-2026.pdf", "b/summary.md"), 3)
    dates = {"a/terms-2024.pdf": "2024-07-01", "a/terms-2026.pdf": "2026-01-01", "b/summary.md": "2020-01-01"}
    assert superseded([family], dates) == {"a/terms-2024.pdf"}
    assert superseded([family], {}) == {"a/terms-2024.pdf"}, "the year in the name will do"
    assert superseded([Family(("a.pdf", "b.pdf"), 2)], {}) == frozenset()


PASSAGE = Passage("a.md", 0, 9, "A", "Hail is covered in all of our lines.")
TRAIN = Pair("1", "Is hail covered?", "Yes.", "structure", passages=(PASSAGE,), golden=1, language="en")


def test_pairs_that_share_nothing_do_not_leak() -> None:
    other = replace(
        TRAIN, id="2", split="test", instruction="What about snow?", passages=(replace(PASSAGE, text="Snow is."),)
    )
    assert leaks([TRAIN, other]) == dict.fromkeys(LEAKS, 0)


@pytest.mark.parametrize(
    ("mine", "other", "what"),
    [
        ({}, {"instruction": "Entirely different words here"}, "passage"),
        ({"passages": ()}, {"passages": (), "instruction": "is  hail COVERED?"}, "question"),
        (
            {"passages": (), "instruction": "Is damage by hail to a parked car covered abroad?"},
            {"passages": (), "instruction": "Is hail damage to a parked car covered abroad too?"},
            "near-duplicate question",
        ),
        (
            {"passages": (), "quote": "Hail is covered in all lines."},
            {"passages": (), "quote": "Hail is covered  in all lines.", "instruction": "What is in?"},
            "answer span",
        ),
    ],
)
def test_what_crosses_two_splits_is_found_in_the_less_precious_one(
    mine: dict[str, object], other: dict[str, object], what: str
) -> None:
    pairs = [
        replace(TRAIN, **mine),  # type: ignore[arg-type]
        replace(TRAIN, id="2", split="test", **other),  # type: ignore[arg-type]
    ]
    assert [(pair.id, found) for pair, found in leaking(pairs)] == [("1", what)]
    assert leaks(pairs)[what] == 1
    same = [replace(pair, split="train") for pair in pairs]
    assert not leaking(same), "within one split nothing leaks"


def test_near_duplicates_are_found_as_by_comparing_all_with_all() -> None:
    from assistant.text.words import content_stems

    train = [
        replace(TRAIN, id=str(number), passages=(), instruction=f"{text(number % 9, 6)} {WORDS[number % 20]}")
        for number in range(120)
    ]
    test = [
        replace(pair, id=f"t{pair.id}", split="test", instruction=f"{text(int(pair.id) % 11, 6)} {WORDS[3]}")
        for pair in train[:40]
    ]
    found = {pair.id for pair, _ in leaking([*train, *test])}
    stems = {pair.id: set(content_stems(pair.instruction, "en")) for pair in [*train, *test]}
    expected = {
        one.id
        for one in train
        for two in test
        if len(stems[one.id] & stems[two.id]) >= 0.8 * len(stems[one.id] | stems[two.id])
    }
    assert found == expected and expected
