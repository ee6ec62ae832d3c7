"""The sample documents, without any model to help, give several hundred good and varied pairs in both languages."""

from collections import Counter
from pathlib import Path

import pytest
from fakes import FakeEmbedder
from pairing import CORPUS, House

from assistant.config import Settings
from assistant.workspace import Workspace
from ingest import pipeline

SAMPLE = Path(__file__).parents[3] / "data/sample"


@pytest.mark.slow
def test_the_sample_gives_many_kinds_of_pairs_in_both_languages(
    workspace: Workspace, settings: Settings, embedder: FakeEmbedder
) -> None:
    pipeline.ingest(workspace, CORPUS, [SAMPLE / "docs"], settings, embedder=embedder)
    house = House(workspace, SAMPLE / "docs", settings)
    report = house.make(tone=(str(SAMPLE / "tone.jsonl"),), hold_out=("policies/home*",))
    assert report.counts["structure"] > 600 and report.counts["tone"] == 100
    kinds = Counter(pair.kind for pair in house.pairs)
    assert {"faq", "definition", "entry", "table", "topic", "search"} <= set(kinds)
    languages = Counter(pair.language for pair in house.pairs if pair.source == "structure")
    assert languages["de"] > 100 and languages["en"] > 300
    assert 0.02 < report.counts["refusal"] / report.total < settings.pairs.refusals
    assert report.pairs_per_list >= 3
    assert set(report.leaks.values()) == {0} and not report.bad_rows
    held_out = {pair.split for pair in house.pairs if pair.document == "policies/home-contents-policy.pdf"}
    assert held_out == {"test"}
    from_older = {pair.source for pair in house.pairs if pair.document == "policies/general-terms-2024.pdf"}
    assert from_older <= {"tone"}, "there is a newer edition"
