"""What a pair is shown with: the passage that answers, and at which place."""

from collections import Counter

from assistant.types import Passage
from ingest.pairs.candidate import Candidate
from ingest.pairs.context import Workbench, among_others

OTHERS = [Passage(f"d{number}.md", 0, 9, "", f"Other rule {number} is about snow.") for number in range(5)]
QUESTION = Candidate("What is covered?", "Hail is.", "Hail is covered", "fact", 0, "hail.md", "en")
BENCH = Workbench(lambda _: (), lambda *_: (), {}, frozenset(), 4, 7, lambda *_: True)


def places(above: set[Passage] | None) -> Counter[int]:
    """How many of 800 passages stand at each place of their list."""
    answering = (Passage(f"{number}.md", 0, 9, "", f"Hail is covered in line {number}.") for number in range(800))
    lists = [among_others(golden, OTHERS, [QUESTION], BENCH, 0, above) for golden in answering]
    for one in lists:
        assert one.golden and one.passages[one.golden - 1].text.startswith("Hail")
        assert [passage for passage in one.passages if passage in OTHERS] == OTHERS[:3], "best first"
    return Counter(one.golden or 0 for one in lists)


def test_half_of_the_lists_stand_as_the_retriever_ranks_them() -> None:
    for above, place in ((set(), 1), (set(OTHERS[:1]), 2), (set(OTHERS), 4)):
        found = places(above)
        assert 450 < found[place] < 550, "half of them, and a fourth of the other half"
        assert all(70 < found[other] < 130 for other in {1, 2, 3, 4} - {place})


def test_where_no_rank_is_known_each_place_is_as_likely() -> None:
    assert all(160 < count < 240 for count in places(None).values()) and len(places(None)) == 4
