"""Small things to train on: models of two layers, rows with common beginnings, pairs about nothing."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiny import tokenizer

from assistant import models
from assistant.artifacts.pairs import Pair, PairsHeader, Split, write_pairs
from assistant.config import Settings
from assistant.types import Passage
from assistant.workspace import Workspace
from train.batches import TokenRow

WORDS = "cover claim deductible euro days report storm policy roof letter broker limit within after paid".split()
VOCABULARY = 97
VOICE = {"p1", "p5", "p18"}
"""Of the pairs of ``with_voice``, the examples of the house voice; the last one is to validate on."""
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


def toy_llama(**changes: Any) -> Any:
    """A random Llama in float32, the same each time."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**(SIZES | changes)))


def toy_model(folder: Path) -> Path:
    """A random Llama with the tokenizer of ``tiny``, on disk."""
    with models.quiet_transformers():
        toy_llama(vocab_size=len(tokenizer(*WORDS)), max_position_embeddings=1024).save_pretrained(folder)
        tokenizer(*WORDS).save_pretrained(folder)
    return folder


def general_of(base: Path) -> Settings:
    """Settings that name a tiny model, on the CPU in float32."""
    return Settings.model_validate({"engine": {"model": str(base)}, "device": {"name": "cpu", "dtype": "float32"}})


def apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """How far two sets of weights are from each other, as a part of their size."""
    import torch

    assert one.keys() == other.keys()
    difference = torch.cat([(one[name] - other[name]).flatten() for name in one])
    return float(difference.norm() / torch.cat([tensor.flatten() for tensor in other.values()]).norm())


def toy_rows(groups: Sequence[tuple[int, Sequence[tuple[int, int]]]], seed: int = 0) -> list[TokenRow]:
    """Rows of random tokens: for each group the length of what its prompts share, and (prompt, response) lengths."""
    chance = random.Random(seed)

    def tokens(number: int) -> tuple[int, ...]:
        return tuple(chance.randrange(3, VOCABULARY) for _ in range(number))

    rows: list[TokenRow] = []
    for shared, branches in groups:
        prefix = tokens(shared)
        for prompt, response in branches:
            rows.append(TokenRow(f"r{len(rows)}", prefix + tokens(prompt), tokens(response)))
    return rows


def toy_pair(number: int, split: Split = "train", words: int = 30) -> Pair:
    """A pair that shows the same two passages as its three neighbours."""
    group = number // 4
    chance = random.Random(group)
    passages = tuple(
        Passage(f"d{group}.md", 0, 9, f"Document {group} > Part {part}", " ".join(chance.choices(WORDS, k=words)))
        for part in range(2)
    )
    return Pair(
        id=f"p{number}",
        instruction=f"What is rule {number}?",
        response=f"Rule {number} says {number % 7} days. [1]",
        source="structure",
        split=split,
        passages=passages,
        golden=1,
        document=f"d{group}.md",
    )


def with_voice() -> list[Pair]:
    """Toy pairs, some of them examples of the house voice."""
    pairs = (toy_pair(number, "validation" if number >= 16 else "train") for number in range(20))
    return [replace(pair, source="tone") if pair.id in VOICE else pair for pair in pairs]


def write_toy_pairs(workspace: Workspace, pairs: Sequence[Pair] | None = None, name: str = "toy") -> None:
    """A set of pairs in a workspace: 16 to train on, 4 to validate unless told otherwise."""
    if pairs is None:
        pairs = [toy_pair(number, "validation" if number >= 16 else "train") for number in range(20)]
    header = PairsHeader("default", 3, "", 7, {"d0.md": "ab"}, {"structure": len(pairs)}, {}, {}, "0.1.0")
    write_pairs(workspace.pairs_file(name), pairs, header)


def liked(number: int, split: Any = "train", **changes: Any) -> Pair:
    """A preference about the passages of a toy pair."""
    pair = replace(toy_pair(number, split), source="vote", rejected=f"Rule {number} says storm roof broker. [2]")
    return replace(pair, **changes)


def write_liked(place: Workspace, pairs: Sequence[Pair] | None = None, name: str = "liked") -> None:
    """A set of preferences in a workspace: 12 to train on, 4 to validate unless told otherwise."""
    pairs = [liked(n, "validation" if n >= 12 else "train") for n in range(16)] if pairs is None else pairs
    counts = dict(Counter[str](pair.source for pair in pairs))
    header = PairsHeader("default", 4, "", 7, {"d1.md": "cd"}, counts, {}, {}, "0.1.0", preferences=True)
    write_pairs(place.pairs_file(name), pairs, header)
