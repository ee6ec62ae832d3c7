"""The metric of usable answers agrees with a reader, on answers that nobody looked at when it was defined."""

import pytest
from even import EvenRetriever
from fakes import FakeEmbedder

from bench.ratings import SAMPLE
from bench.usable import PARTS, Told, agreement, read_uses, told
from eval.cases import read_cases
from eval.running.scoring import ScoringContext, supports_by


@pytest.fixture(scope="module")
def readings() -> list[Told]:
    """Each rated answer with its outcome of today, without a corpus and without a model."""
    judges = ScoringContext(supports_by(EvenRetriever(), 0.6), FakeEmbedder().embed_texts)  # type: ignore[arg-type]
    return list(told(read_uses(), read_cases(SAMPLE / "cases.jsonl"), judges))


@pytest.mark.slow
def test_the_rated_answers_are_of_several_systems_and_say_why(readings: list[Told]) -> None:
    assert len(readings) >= 100 and len({(one.one.system, one.one.model) for one in readings}) >= 3
    for one in (reading.one for reading in readings):
        assert one.reason or one.rating in {"usable", "refused", "hedged", "misleading"}
        assert all(place < len(one.passages) for said in one.sentences for place in said.cites)
    counts = [sum(one.one.part == part for one in readings) for part in PARTS]
    assert abs(counts[0] - counts[1]) <= len(PARTS)


@pytest.mark.parametrize(("outcome", "least"), [("usable", 0.6), ("misleading", 0.7)])
def test_the_metric_agrees_with_a_reader_on_answers_it_was_not_made_on(
    readings: list[Told], outcome: str, least: float
) -> None:
    found = agreement([one for one in readings if one.one.part == "unseen"], outcome)  # type: ignore[arg-type]
    assert found.kappa is not None and found.kappa >= least, "docs/metrics.md has another figure"
