"""Composition: exact unless a lossy method is named, and every trap of weighted sums either handled or refused."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny import QUESTIONS, adapted, card_for, save_random, settings_for, tiny_model

from assistant.artifacts.cards import read_card
from assistant.config import Settings
from assistant.engines.adapted import AdaptedModel
from assistant.engines.canary import next_logits
from assistant.errors import AdapterError, IdentityError
from train.compose import METHODS, Composition, compose, factors_of, mix, relative_error
from train.registry import save_adapter


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_for(tiny_model(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.fixture(scope="module")
def saved(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters")
    save_random(settings, folder / "a", seed=1)
    save_random(settings, folder / "b", seed=2)
    return folder


@pytest.fixture
def pair(saved: Path, tmp_path: Path) -> Path:
    """A folder with the adapters ``a`` and ``b``."""
    shutil.copytree(saved, tmp_path / "adapters")
    return tmp_path / "adapters"


def made(settings: Settings, adapters: Path, *components: tuple[str, float], **options: Any) -> Composition:
    """Compose into ``mix``."""
    return compose(adapted(settings, adapters), components, adapters / "mix", **options)


def logits(settings: Settings, adapters: Path, name: str) -> Any:
    weights = adapted(settings, adapters)
    return next_logits(weights.select(name), weights.template.prompt_ids(QUESTIONS[0]))


def changes(weights: AdaptedModel, name: str) -> dict[str, Any]:
    """What an adapter adds to each weight, as PEFT itself computes it."""
    model = weights.peft(name)
    layers = dict(model.get_base_model().named_modules())
    return {layer: layers[layer].get_delta_weight(model.active_adapter).clone() for layer in factors_of(model)}


def assert_sum(settings: Settings, adapters: Path, components: dict[str, float]) -> None:
    """``mix`` adds to the base what its parts add, each times its weight."""
    import torch

    weights = adapted(settings, adapters)
    parts = {name: changes(weights, name) for name in components}
    for layer, change in changes(weights, "mix").items():
        wanted = sum(
            (weight * parts[name][layer] for name, weight in components.items() if layer in parts[name]),
            torch.zeros_like(change),
        )
        assert torch.allclose(change, wanted, atol=1e-5), layer


@pytest.mark.parametrize("method", ["cat", "svd"])
def test_the_exact_methods_are_the_weighted_sum(settings: Settings, pair: Path, method: str) -> None:
    result = made(settings, pair, ("a", 0.7), ("b", -0.3), method=method)
    assert result.error < 1e-6 and result.rank == 8
    assert_sum(settings, pair, {"a": 0.7, "b": -0.3})


@pytest.mark.parametrize("method", ["cat", "svd", "linear"])
@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"alpha_pattern": {"q_proj": 40}}])
def test_one_adapter_at_weight_one_equals_itself(
    settings: Settings, tmp_path: Path, method: str, options: dict[str, Any]
) -> None:
    import torch

    save_random(settings, tmp_path / "a", **options)
    result = made(settings, tmp_path, ("a", 1.0), method=method)
    assert result.rank == 4 and result.error < 1e-6
    assert torch.allclose(logits(settings, tmp_path, "mix"), logits(settings, tmp_path, "a"), atol=1e-4)


def test_unequal_ranks_and_layers_are_summed_exactly(settings: Settings, tmp_path: Path) -> None:
    save_random(settings, tmp_path / "a", seed=1, r=8, target_modules=["q_proj", "up_proj"])
    save_random(settings, tmp_path / "b", seed=2, r=2, target_modules=["q_proj", "o_proj"], layers_to_transform=[1])
    for method in ("cat", "svd"):
        result = made(settings, tmp_path, ("a", 0.5), ("b", 2.0), method=method, force=True)
        assert result.error < 1e-6 and result.rank == 10
        assert_sum(settings, tmp_path, {"a": 0.5, "b": 2.0})


def test_the_parts_of_an_adapter_named_twice_add_up_and_svd_sees_it(settings: Settings, pair: Path) -> None:
    result = made(settings, pair, ("a", 0.25), ("a", 0.75), method="svd")
    assert result.rank == 4 and result.error < 1e-6
    assert_sum(settings, pair, {"a": 1.0})


def test_a_smaller_rank_costs_what_the_singular_values_say(settings: Settings, pair: Path) -> None:
    import torch

    result = made(settings, pair, ("a", 0.7), ("b", 0.3), method="svd", rank=3)
    weights = adapted(settings, pair)
    parts = changes(weights, "a"), changes(weights, "b")
    values = [torch.linalg.svdvals(0.7 * parts[0][layer] + 0.3 * parts[1][layer]) for layer in parts[0]]
    lost, whole = (sum(float(s[first:].square().sum()) for s in values) for first in (3, 0))
    assert result.rank == 3
    assert result.error == pytest.approx((lost / whole) ** 0.5, rel=1e-4)


@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("cat", "svd")])
def test_a_lossy_method_tells_its_true_error(settings: Settings, pair: Path, method: str) -> None:
    result = made(settings, pair, ("a", 0.7), ("b", 0.3), method=method)
    weights = adapted(settings, pair)
    a, b, mixed = (changes(weights, name) for name in ("a", "b", "mix"))
    wrong = sum(float((mixed[k] - 0.7 * a[k] - 0.3 * b[k]).square().sum()) for k in a)
    whole = sum(float((0.7 * a[k] + 0.3 * b[k]).square().sum()) for k in a)
    assert result.error == pytest.approx((wrong / whole) ** 0.5, rel=1e-3)
    assert result.error > 0.1


@pytest.mark.parametrize("method", ["linear", "ties", "dare_linear", "magnitude_prune", "ties_svd"])
def test_the_lossy_methods_are_those_of_peft(settings: Settings, pair: Path, method: str) -> None:
    import torch

    weights = adapted(settings, pair)
    updates = [factors_of(weights.peft(name)) for name in ("a", "b")]
    mine = mix(method, updates, [0.7, 0.3], None, 0.5)
    model = weights.peft("a")
    first, second = list(model.peft_config)
    torch.manual_seed(0)
    model.add_weighted_adapter([first, second], [0.7, 0.3], "theirs", method, svd_rank=8, density=0.5)
    layers = dict(model.get_base_model().named_modules())
    theirs = {layer: layers[layer].get_delta_weight("theirs") for layer in mine}
    if method != "dare_linear":  # theirs draws layer by layer in another order
        for layer, (b, a) in mine.items():
            assert torch.allclose(b @ a, theirs[layer], atol=1e-5), layer
    assert relative_error(mine, updates, [0.7, 0.3]) > 0.1


def test_random_pruning_gives_the_same_adapter_each_time(settings: Settings, pair: Path) -> None:
    import torch

    cards = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        cards.append(made(settings, pair, ("a", 0.7), ("b", 0.3), method="dare_ties", force=True).card)
    assert cards[0].files == cards[1].files


def test_a_composed_adapter_is_one_like_any_other(settings: Settings, tmp_path: Path) -> None:
    save_random(settings, tmp_path / "a", seed=1, card={"corpus": "one", "documents": {"x.md": "1"}})
    save_random(settings, tmp_path / "b", seed=2, card={"corpus": "two", "documents": {"y.md": "2"}})
    made(settings, tmp_path, ("a", 0.7), ("b", 0.3))
    card = read_card(tmp_path / "mix")
    assert card.method == "composed" and card.components == (("a", 0.7), ("b", 0.3))
    assert card.documents == {"x.md": "1", "y.md": "2"} and card.corpus == "one, two"
    assert card.pairs_counts == {"structure": 24, "refusal": 6} and card.canary is not None
    again = compose(adapted(settings, tmp_path), [("mix", 2.0)], tmp_path / "twice")
    assert again.error < 1e-6


def test_a_name_that_is_taken_is_not_replaced_without_force(settings: Settings, tmp_path: Path) -> None:
    save_random(settings, tmp_path / "a", seed=1)
    save_random(settings, tmp_path / "mix", seed=2)
    before = read_card(tmp_path / "mix")
    with pytest.raises(AdapterError, match="exists"):
        made(settings, tmp_path, ("a", 1.0))
    assert read_card(tmp_path / "mix") == before
    made(settings, tmp_path, ("a", 0.5), ("mix", 0.5), force=True)  # a part of itself
    assert read_card(tmp_path / "mix").components == (("a", 0.5), ("mix", 0.5))


def test_dora_is_refused(settings: Settings, tmp_path: Path) -> None:
    save_random(settings, tmp_path / "a", use_dora=True)
    with pytest.raises(AdapterError, match="DoRA"):
        made(settings, tmp_path, ("a", 1.0))


def test_a_whole_model_is_refused(settings: Settings, tmp_path: Path) -> None:
    base, tuned = adapted(settings), adapted(settings_for(tiny_model(tmp_path / "tuned", seed=3)))
    card = card_for(settings, base, method="full")
    save_adapter(tuned.base, base.template, card, tmp_path / "adapters/a", force=False)
    with pytest.raises(AdapterError, match="whole model"):
        made(settings, tmp_path / "adapters", ("a", 1.0))


def test_adapters_of_another_base_are_refused(settings: Settings, tmp_path: Path) -> None:
    other = settings_for(tiny_model(tmp_path / "other", seed=5))
    save_random(settings, tmp_path / "adapters/a")
    save_random(other, tmp_path / "adapters/b")
    with pytest.raises(IdentityError, match="'b' was made on"):
        made(settings, tmp_path / "adapters", ("a", 0.5), ("b", 0.5))
    assert not (tmp_path / "adapters/mix").exists()


@pytest.mark.parametrize(
    ("components", "options", "said"),
    [
        ([("a", 0.5), ("b", 0.5)], {"method": "linear"}, "one rank"),
        ([("a", 0.5), ("b", 0.5)], {"method": "ties"}, "one rank"),
        ([("a", 0.5), ("b", 0.5)], {"rank": 2}, "svd"),
        ([("a", 0.5), ("b", 0.5)], {"method": "sum"}, "no method 'sum'"),
        ([("a", 0.0)], {}, "other than 0"),
        ([("a", float("nan"))], {}, "other than 0"),
        ([("a", 1.0), ("a", -1.0)], {}, "zero"),
        ([], {}, "other than 0"),
        ([("c", 1.0)], {}, "no adapter 'c'"),
        ([("a", 0.5), ("base", 0.5)], {}, "'base' stands for the base model"),
    ],
)
def test_what_cannot_be_summed_is_refused_in_one_line(
    settings: Settings, tmp_path: Path, components: list[tuple[str, float]], options: dict[str, Any], said: str
) -> None:
    save_random(settings, tmp_path / "a", seed=1, r=4)
    save_random(settings, tmp_path / "b", seed=2, r=2)
    with pytest.raises(AdapterError, match=said) as caught:
        made(settings, tmp_path, *components, **options)
    assert "\n" not in str(caught.value) and caught.value.remedy
    assert not (tmp_path / "mix").exists()
