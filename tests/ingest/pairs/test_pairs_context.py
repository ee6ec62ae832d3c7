"""What a pair is shown with: the passage that answers, and at which place."""

from collections import Counter
from dataclasses import replace

import pytest
from samples import evidence

from assistant.artifacts.pairs import Source
from assistant.config import PairsSettings
from assistant.store.index import StoredChunk
from assistant.types import Evidence, Passage
from ingest.pairs.candidates import CandidatePair
from ingest.pairs.evidence_lists import Searched, Workbench, evidence_list
from ingest.pairs.user_sets import Taught, UserRow, taught_pairs

CHUNK = StoredChunk(100, 1, "hail.md", "/docs", "Hail", "en", "", "Hail is covered.", "", "", "", 0, 16, ())
QUESTION = CandidatePair("What is covered?", "Hail is.", "Hail is covered", "fact", 100, "hail.md", "en")
OTHERS = [f"Other rule {number} is about snow." for number in range(5)]
BENCH = Workbench(lambda _: (), lambda *_: (), {"hail.md": "train"}, frozenset(), 4, 7, 0.5, lambda *_: True)


def places(rank: int, shuffled: float) -> Counter[int]:
    """How many of 800 passages, found at a rank, stand at each place of their list."""
    found: Counter[int] = Counter()
    for number in range(800):
        chunk = replace(CHUNK, text=f"Hail is covered in line {number}.")
        texts = [*OTHERS[: rank - 1], chunk.text, *OTHERS[rank - 1 :]]
        hits = (
            evidence(text, place, document="hail.md", chunk=100 if text == chunk.text else place)
            for place, text in enumerate(texts, 1)
        )
        shown = evidence_list(chunk, [Searched(QUESTION, tuple(hits))], replace(BENCH, shuffled=shuffled))
        assert shown.golden and shown.passages[shown.golden - 1].text == chunk.text
        assert [one.text for one in shown.passages if one.text != chunk.text] == OTHERS[:3], "best first"
        found[shown.golden] += 1
    return found


@pytest.mark.parametrize("shuffled", [0.0, 0.5, 1.0])
def test_a_share_of_the_lists_stands_anyhow_and_the_others_as_the_retriever_ranks_them(shuffled: float) -> None:
    for rank, place in ((1, 1), (2, 2), (6, 4)):
        found = places(rank, shuffled)
        assert sum(found.values()) == 800 and set(found) <= {1, 2, 3, 4}
        for other in (1, 2, 3, 4):
            expected = 200 * shuffled + (800 * (1 - shuffled) if other == place else 0)
            assert abs(found[other] - expected) < 50


def voice(*answers: str) -> list[UserRow]:
    """Examples of the house voice, each with a text that answers it."""
    return [UserRow("", f"What of {text.split()[0]}?", f"{text} Ask us.", f"Terms\n{text}") for text in answers]


def shown(rows: list[UserRow], bench: Workbench = BENCH, source: Source = "tone") -> list[tuple[Passage, ...]]:
    taught = Taught(tuple((source, row) for row in rows))
    pairs = taught_pairs(taught, bench, ["en"], PairsSettings(test=0, validation=0))
    for pair in pairs:
        assert pair.golden and pair.passages[pair.golden - 1].text in pair.response.replace(f" [{pair.golden}]", "")
    return [pair.passages for pair in pairs]


def test_examples_of_the_voice_share_lists_in_which_one_passage_answers_each() -> None:
    texts = [f"{word} costs {price} euros." for price, word in enumerate(("Snow", "Hail", "Rain", "Wind", "Fog"), 10)]
    first, *_ = lists = shown(voice(*texts))
    assert {passage.text for passage in first} == set(texts[:4]) and lists == [first] * 4 + [lists[-1]]
    assert [passage.text for passage in lists[-1]] == texts[4:]
    assert [passage.text for passage in first] != texts[:4], "the order says nothing"
    assert len(set(shown(voice("Snow costs 10 euros.", "Snow costs 10 euros today.")))) == 2, "both would answer"
    assert len(set(shown(voice(*texts[:4]), source="set"))) == 4, "where to look is what a set teaches"
    tight = replace(BENCH, fits=lambda passages, _: len(passages) < 3)
    assert Counter(map(len, shown(voice(*texts), tight))) == {2: 4, 1: 1}


def test_a_list_of_the_voice_is_filled_up_with_what_is_found() -> None:
    def search(_: str) -> list[Evidence]:
        return [evidence(text, rank, document="hail.md") for rank, text in enumerate(OTHERS, 1)]

    bench = replace(BENCH, search=search)
    rows = [replace(row, document="hail.md") for row in voice("Hail costs 11 euros.", "Wind costs 13 euros.")]
    first, second = shown(rows, bench)
    assert first == second and len(first) == 4 and {passage.text for passage in first} > set(OTHERS[:2])
