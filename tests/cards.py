"""Adapters without weights: a card that says what they learnt from."""

from typing import Any

from assistant.artifacts.cards import AdapterCard, write_card
from assistant.artifacts.pairs import pairs_hash, read_pairs
from assistant.workspace import Workspace


def trained(workspace: Workspace, name: str, pairs: str = "toy", **changes: Any) -> None:
    """An adapter that learnt from a set of pairs as it is now, without weights."""
    values: dict[str, Any] = {
        "name": name, "method": "lora", "base": "bundled", "base_fingerprint": "", "template": "", "corpus": "default",
        "generation": 1, "documents": {}, "pairs": pairs, "pairs_counts": {}, "config": {}, "parameters": 1,
        "base_parameters": 1, "steps": 1, "tokens": 1, "seconds": 1.0, "train_loss": None, "validation_loss": None,
        "base_validation_loss": None, "versions": {}, "machine": "", "created": "2026-11-01T10:00:00+00:00",
    }  # fmt: skip
    if "pairs_hash" not in changes:
        values["pairs_hash"] = pairs_hash(read_pairs(workspace.pairs_file(pairs)))
    (workspace.adapters / name).mkdir(parents=True)
    write_card(workspace.adapters / name, AdapterCard(**(values | changes)))
