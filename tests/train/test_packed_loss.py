"""Loss and gradients of packed rows are those of separate rows; a model that cannot do it is found out."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch.utils._python_dispatch import TorchDispatchMode
from toys import SIZES, VOCABULARY, toy_llama, toy_rows

from train import forward_backward as passing
from train.batches import TokenRow, alone, computed_together, loss_tokens, packed
from train.forward_backward import Kinds, Passes, attention_kinds, log_likelihoods, obstacle, tensors_of

SHAPES: list[list[tuple[int, list[tuple[int, int]]]]] = [
    [(20, [(3, 2), (3, 2)])],
    [(20, [(1, 1), (9, 14), (2, 5)])],
    [(64, [(4, 3)] * 6)],
    [(30, [(3, 4), (5, 1)]), (25, [(2, 2), (8, 3), (1, 6)]), (0, [(12, 3), (7, 2)])],
]


def toy_gemma() -> Any:
    """Layers that look back over 16 tokens, then over all; other positions for each; capped logits."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    kinds = ["sliding_attention", "full_attention"]
    sizes = SIZES | {"head_dim": 16, "sliding_window": 16, "layer_types": kinds, "final_logit_softcapping": 5.0}
    return Gemma3ForCausalLM(Gemma3TextConfig(**sizes))


def toy_mistral() -> Any:
    """All layers look back over 16 tokens."""
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    return MistralForCausalLM(MistralConfig(**SIZES, sliding_window=16))


def toy_gpt2() -> Any:
    """Learnt positions."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}
    return GPT2LMHeadModel(GPT2Config(**sizes, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0))


def toy_bloom() -> Any:
    """Positions by distance in the row (ALiBi), computed from a mask of two dimensions."""
    from transformers import BloomConfig, BloomForCausalLM

    torch.manual_seed(0)
    return BloomForCausalLM(BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4))


def toy_mamba() -> Any:
    """A recurrent model."""
    from transformers import MambaConfig, MambaForCausalLM

    torch.manual_seed(0)
    return MambaForCausalLM(MambaConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4))


def reference(model: Any, rows: Sequence[TokenRow]) -> tuple[float, list[torch.Tensor]]:
    """Mean loss and gradients by transformers' own loss, row by row: no code of ours."""
    model.zero_grad()
    total = 0.0
    for row in rows:
        ids = torch.tensor([[*row.prompt, *row.response]])
        labels = torch.tensor([[-100] * len(row.prompt) + list(row.response)])
        loss = model(input_ids=ids, labels=labels).loss * len(row.response) / loss_tokens(rows)
        loss.backward()
        total += float(loss.detach())
    return total, gradients(model)


def gradients(model: Any) -> list[torch.Tensor]:
    return [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]


def passes(model: Any, kinds: Kinds | None, most_tokens: int = 200) -> Passes:
    return Passes(model, Accelerator(cpu=True), most_tokens, kinds, dtype=torch.float32)


@pytest.mark.parametrize("make", [toy_llama, toy_gemma, toy_mistral, toy_gpt2])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [True, False], ids=["packed", "alone"])
def test_loss_and_gradients_are_those_of_separate_rows(make: Any, shape: Any, share: bool) -> None:
    model, rows = make(), toy_rows(shape)
    loss, wanted = reference(model, rows)
    model.zero_grad()
    work = passes(model, attention_kinds(model.config) if share else None)
    assert any(len(one.rows) > 1 for batch in work.micro_batches(rows) for one in batch) == share
    done = work.backward(rows)
    assert done.loss == pytest.approx(loss, rel=1e-6)
    assert work.mean_loss(rows) == pytest.approx(loss, rel=1e-6)
    for mine, theirs in zip(gradients(model), wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("most_tokens", [1, 60, 130, 10_000])
def test_the_size_of_micro_batches_changes_nothing(most_tokens: int) -> None:
    model, rows = toy_llama(), toy_rows(SHAPES[3])
    loss, wanted = reference(model, rows)
    model.zero_grad()
    done = passes(model, attention_kinds(model.config), most_tokens).backward(rows)
    assert done.loss == pytest.approx(loss, rel=1e-6)
    for mine, theirs in zip(gradients(model), wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("processes", [2, 3, 12])
@pytest.mark.parametrize("share", [True, False], ids=["packed", "alone"])
def test_the_parts_of_several_processes_add_up_to_the_step(processes: int, share: bool) -> None:
    model, rows = toy_llama(), toy_rows(SHAPES[3])
    loss, wanted = reference(model, rows)
    model.zero_grad()
    done = []
    for number in range(processes):
        alone_in_it: Any = SimpleNamespace(
            num_processes=processes,
            process_index=number,
            device="cpu",
            reduce=lambda tensor, _: tensor,
            gather=lambda tensor: tensor,
        )
        done.append(replace(passes(model, attention_kinds(model.config) if share else None), accelerator=alone_in_it))
    losses = [part.backward(rows).loss for part in done]
    assert sum(losses) == pytest.approx(loss, rel=1e-6)
    for mine, theirs in zip(gradients(model), wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_a_sequence_holds_its_prefix_once_and_positions_go_on_behind_it() -> None:
    one = packed(toy_rows([(5, [(1, 2), (2, 1)])]), 4, 100)[0]
    laid = tensors_of([one], {"full_attention": None}, "cpu", torch.float32)
    first, second = one.rows
    tokens = [*first.prompt, *first.response, *second.prompt[5:], *second.response]
    assert laid.ids.tolist() == [tokens + -len(tokens) % 8 * [0]]
    ends = [5 + len(row.prompt) - 5 + len(row.response) for row in one.rows]
    assert laid.positions is not None
    assert laid.positions[0, : len(tokens)].tolist() == [*range(5), *range(5, ends[0]), *range(5, ends[1])]
    assert laid.labels.tolist() == [*first.response, *second.response]
    assert laid.ids[laid.keep].tolist() == [
        *(first.prompt + first.response)[-1 - len(first.response) : -1],
        *(second.prompt + second.response)[-1 - len(second.response) : -1],
    ]


def test_a_mask_that_lets_branches_see_each_other_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaking(segments: torch.Tensor, *_: object) -> torch.Tensor:
        length = segments.shape[1]
        return torch.ones(1, 1, length, length, dtype=torch.bool).tril().expand(len(segments), 1, -1, -1)

    model, rows = toy_llama(initializer_range=0.5), toy_rows([(40, [(4, 6)] * 4)])
    assert obstacle(model, rows, 200, dtype=torch.float32) == ""
    monkeypatch.setattr(passing, "_mask", leaking)
    assert "change its loss" in obstacle(model, rows, 200, dtype=torch.float32)


@pytest.mark.parametrize("make", [toy_bloom, toy_mamba])
def test_a_model_that_cannot_be_packed_is_trained_row_by_row(make: Any) -> None:
    model, rows = make(), toy_rows([(40, [(4, 6)] * 4)])
    reason = obstacle(model, rows, 200, dtype=torch.float32)
    assert reason
    assert "\n" not in reason
    loss, wanted = reference(model, rows)
    model.zero_grad()
    assert passes(model, None).backward(rows).loss == pytest.approx(loss, rel=1e-5)
    for mine, theirs in zip(gradients(model), wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_flash_attention_and_unknown_layers_take_no_mask() -> None:
    config = toy_llama().config
    assert attention_kinds(config) == {"full_attention": None}
    config._attn_implementation = "flash_attention_2"
    assert attention_kinds(config) is None
    gemma = toy_gemma().config
    assert attention_kinds(gemma) == {"full_attention": None, "sliding_attention": 16}
    gemma.layer_types = ["full_attention", "linear_attention"]
    assert attention_kinds(gemma) is None


def test_rows_without_anything_in_common_are_no_obstacle() -> None:
    assert obstacle(toy_llama(), toy_rows([(0, [(9, 3), (8, 2)])]), 200, dtype=torch.float32) == ""


@pytest.mark.parametrize("make", [toy_llama, toy_gemma])
def test_a_mask_is_made_of_booleans_and_kept_once_for_all_layers_of_a_kind(make: Any) -> None:
    model, rows = make(), toy_rows([(40, [(4, 6)] * 4)])
    kinds, most = attention_kinds(model.config), 80 * 80
    assert kinds is not None
    made: list[torch.dtype] = []

    class Watched(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            done = function(*args, **(kwargs or {}))
            made.extend(one.dtype for one in [done] if isinstance(one, torch.Tensor) and one.numel() >= most)
            return done

    with Watched():  # type: ignore[no-untyped-call]
        given = tensors_of(packed(rows, 4, 100), kinds, "cpu", torch.bfloat16)
    assert set(made) == {torch.bool, torch.bfloat16} and made.count(torch.bfloat16) == len(kinds)
    kept: set[int] = set()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.shape[-2:] == (80, 80) and tensor.shape[0] == 1:
            kept.add(tensor.untyped_storage().data_ptr())
        return tensor

    model.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        log_likelihoods(model, given, torch.bfloat16)
    assert len(kept) <= len(kinds)


@pytest.mark.parametrize("share", [True, False], ids=["packed", "alone"])
def test_noise_is_that_of_neftune_for_rows_of_their_length_and_gone_in_validation(share: bool) -> None:
    model, rows = toy_llama(), toy_rows([(30, [(4, 6)] * 4)])
    work = passes(model, attention_kinds(model.config) if share else None)
    noisy, seen = replace(work, noise=5.0), []
    embeddings = model.get_input_embeddings()

    def look(_: object, given: Any, embedded: torch.Tensor) -> None:
        seen.append((embedded - embeddings.weight[given[0]]).detach())

    plain = work.mean_loss(rows)
    assert noisy.mean_loss(rows) == plain
    real = embeddings.register_forward_hook
    embeddings.register_forward_hook = lambda hook: (real(hook), real(look))[0]
    noisy.backward(rows)
    del embeddings.register_forward_hook
    most = 5.0 / (40 * 64) ** 0.5
    assert all(0.95 * most < noise.abs().max() <= most * (1 + 1e-6) for noise in seen)
    assert sum(noise.numel() for noise in seen) == 64 * (72 if share else 160)
    assert noisy.mean_loss(rows) == plain, "and no weight has kept it"


def test_logits_are_made_where_there_is_loss_and_nowhere_else() -> None:
    model, rows = toy_llama(), toy_rows(SHAPES[1])
    seen: list[int] = []
    model.lm_head.register_forward_hook(lambda _, __, out: seen.append(out.shape[:-1].numel()))
    passes(model, attention_kinds(model.config)).backward(rows)
    assert sum(seen) == loss_tokens(rows)
    passes(model, None).mean_loss(rows)
    assert sum(seen) == 2 * loss_tokens(rows), "evaluation makes no more than training"


def test_a_large_vocabulary_is_computed_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:

    model, rows = toy_llama(), toy_rows(SHAPES[1])
    batch = computed_together(rows, 500, share=True)[0]
    given = tensors_of(batch, {"full_attention": None}, "cpu", torch.float32)
    whole = log_likelihoods(model, given, dtype=torch.float32).detach()
    monkeypatch.setattr(passing, "_SLICE", 3)
    torch.testing.assert_close(log_likelihoods(model, given, dtype=torch.float32).detach(), whole)


def test_bfloat16_is_near_float32() -> None:
    model, rows = toy_llama(initializer_range=0.2), toy_rows(SHAPES[2])
    exact = passes(model, None).mean_loss(rows)
    for sequences in (alone(rows), packed(rows, 8, 500)):
        given = tensors_of(sequences, {"full_attention": None}, "cpu", torch.float32)
        rounded = -log_likelihoods(model, given, dtype=torch.bfloat16).sum().item() / loss_tokens(rows)
        assert rounded != exact and rounded == pytest.approx(exact, rel=2e-2)
