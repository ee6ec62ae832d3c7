"""Probabilities of texts are those of the model, and an adapter's are its own."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny import adapted, save_random, settings_for, tiny_model

from eval.cases import Case
from eval.running.language_model import bits_per_byte, language_models, log_probabilities

GENERAL = Path(__file__).parents[2] / "data/general"


def test_log_probabilities_are_those_of_a_loss(tmp_path: Path) -> None:
    import torch

    model = adapted(settings_for(tiny_model(tmp_path / "model"))).select(None)
    before, tokens = [1, 5, 9], [20, 30, 40, 50]
    ids = torch.tensor([[*before, *tokens]])
    labels = torch.tensor([[-100, -100, -100, *tokens]])
    with torch.no_grad():
        loss = float(model(input_ids=ids, labels=labels).loss)
    found = log_probabilities(model, before, tokens)
    assert len(found) == 4
    assert -sum(found) / 4 == pytest.approx(loss, rel=1e-5)
    assert log_probabilities(model, before, []) == []


@pytest.mark.slow
def test_base_and_adapter_are_measured_on_the_same_texts(tmp_path: Path) -> None:
    settings = settings_for(tiny_model(tmp_path / "model"))
    save_random(settings, tmp_path / "adapters/house")
    model = adapted(settings, tmp_path / "adapters")
    cases = [Case("1", "What is covered?", ("Hail.",)), Case("2", "And?", unanswerable=True)]
    base, house = language_models(model, ["house"], GENERAL, cases, {"a.md": "Hail is covered.", "b.md": ""})
    assert (base.adapter, house.adapter) == (None, "house")
    for found in (base, house):
        assert found.probe_right and found.probe_right.scored == 100
        assert found.gold_bits_per_byte and found.gold_bits_per_byte.scored == 1
        assert found.document_bits_per_byte and found.document_bits_per_byte.scored == 1
    assert base.general_bits_per_byte != house.general_bits_per_byte
    again = language_models(model, [], GENERAL, cases, {"a.md": "Hail is covered."})
    assert again == (base,)
    assert language_models(model, [], GENERAL, [], {})[0] == replace(
        base, gold_bits_per_byte=None, document_bits_per_byte=None
    )


def test_a_text_without_bytes_has_no_bits() -> None:
    assert bits_per_byte([], "") is None
