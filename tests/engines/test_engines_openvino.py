"""The fast engine: a converted model says what it was made from says, and is made once."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tiny import QUESTIONS, adapted, card_for, edited, save_random, settings_for, tiny_model, tokenizer

from assistant import models
from assistant.config import EngineSettings, Settings
from assistant.engines import openvino_engine
from assistant.engines.opening import local_engine
from assistant.engines.openvino_engine import OpenVINOEngine, why_not
from assistant.engines.openvino_graph import why_unfit
from assistant.engines.transformers_engine import TransformersEngine
from assistant.errors import AdapterError, ModelError
from assistant.types import Message
from assistant.workspace import size_of
from train.registry import save_adapter

pytest.importorskip("openvino_genai")

TOKENS = 16
ROOT = Path(__file__).parents[2]
SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "initializer_range": 0.2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
FAMILY: dict[str, dict[str, Any]] = {
    "LlamaConfig": {"tie_word_embeddings": False, "attention_bias": True, "mlp_bias": True},
    "LlamaConfig ": {
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 10000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    },
    "MistralConfig": {"sliding_window": None, "num_key_value_heads": 4},
    "Qwen2Config": {},
    "Qwen3Config": {"head_dim": 32, "tie_word_embeddings": True},
}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder that is not the user's."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("ASSISTANT_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_for(tiny_model(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.fixture(scope="module")
def adapters(tiny: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters")
    save_random(tiny, folder / "house", seed=1)
    save_random(tiny, folder / "dora", seed=2, r=2, use_dora=True)
    return folder


def fast(settings: Settings, adapters: Path | None = None) -> OpenVINOEngine:
    return OpenVINOEngine(settings.engine, settings.device, adapters)


def plain(settings: Settings, adapters: Path | None = None) -> TransformersEngine:
    return TransformersEngine(settings.engine, settings.device, adapters)


def conversions(cache: Path) -> set[str]:
    folder = cache / "openvino"
    return {one.name for one in folder.iterdir() if one.is_dir()} if folder.exists() else set()


def random_model(folder: Path, kind: str, changes: dict[str, Any]) -> Settings:
    """A random model of another architecture, whose biases and norms are not what they are at the start."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, kind.strip())(vocab_size=len(tokenizer()), **(SIZES | changes))
    with models.quiet_transformers():
        build: Any = transformers.AutoModelForCausalLM.from_config
        model = build(config)
        for name, weight in model.named_parameters():
            if weight.ndim == 1:
                torch.nn.init.normal_(weight, mean=1.0 if "norm" in name else 0.0, std=0.2)
        model.save_pretrained(folder)
        tokenizer().save_pretrained(folder)
    return settings_for(folder)


@pytest.mark.parametrize("kind", FAMILY)
def test_every_architecture_of_the_family_says_what_transformers_says(kind: str, tmp_path: Path) -> None:
    settings = random_model(tmp_path / "model", kind, FAMILY[kind])
    assert why_not(settings.engine, settings.device) == ""
    said = fast(settings).complete(QUESTIONS, TOKENS)
    assert said == plain(settings).complete(QUESTIONS, TOKENS)
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("adapter", [None, "base", "house", "dora"])
def test_an_adapter_says_what_it_says_in_transformers(tiny: Settings, adapters: Path, adapter: str | None) -> None:
    engine = fast(tiny, adapters)
    said = engine.complete(QUESTIONS, TOKENS, adapter)
    assert said == plain(tiny, adapters).complete(QUESTIONS, TOKENS, adapter)
    assert ["".join(engine.stream(messages, TOKENS, 0.0, adapter)) for messages in QUESTIONS] == said


def test_a_whole_model_is_one_of_its_own(tiny: Settings, tmp_path: Path) -> None:
    tuned, base = adapted(settings_for(tiny_model(tmp_path / "tuned", seed=3))), adapted(tiny)
    folder = tmp_path / "adapters/whole"
    save_adapter(tuned.base, base.template, card_for(tiny, base, method="full"), folder, force=False)
    expected = plain(settings_for(tmp_path / "tuned")).complete(QUESTIONS, TOKENS)
    assert fast(tiny, folder.parent).complete(QUESTIONS, TOKENS, "whole") == expected


def test_eight_users_at_once_get_what_each_gets_alone(tiny: Settings, adapters: Path) -> None:
    engine = fast(tiny, adapters)
    requests = [
        ([Message("user", f"Customer {number}: " + "roof hail " * (number * 5))], [None, "house"][number % 2])
        for number in range(16)
    ]

    def said(request: tuple[list[Message], str | None]) -> str:
        return "".join(engine.stream(request[0], TOKENS, 0.0, request[1]))

    alone = [said(request) for request in requests]
    assert len(set(alone)) > 12
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(said, requests)) == alone


def test_closing_an_answer_frees_its_place(tiny: Settings) -> None:
    engine = OpenVINOEngine(tiny.engine.model_copy(update={"parallel": 1}), tiny.device)
    expected = engine.complete(QUESTIONS, TOKENS)
    for _ in range(3):
        stream = engine.stream(QUESTIONS[0], 900, 0.0)
        next(stream)
        stream.close()
    assert engine.complete(QUESTIONS, TOKENS) == expected
    (batch,) = engine._batches.values()
    assert not batch and batch._pipeline.get_metrics().cache_usage < 100


def test_a_crash_is_told_and_the_next_request_works(tiny: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = fast(tiny)
    expected = engine.complete(QUESTIONS, TOKENS)
    (batch,) = engine._batches.values()
    broken = batch._pipeline

    class Failing:
        def __getattr__(self, name: str) -> Any:
            return getattr(broken, name)

        def step(self) -> None:
            raise RuntimeError("no\nmore memory")

    monkeypatch.setitem(vars(batch), "_pipeline", Failing())
    with pytest.raises(ModelError, match="no more memory"):
        engine.complete(QUESTIONS, TOKENS)
    assert engine.complete(QUESTIONS, TOKENS) == expected


def test_a_temperature_draws_another_answer_each_time(tiny: Settings) -> None:
    engine = fast(tiny)
    assert len({"".join(engine.stream(QUESTIONS[0], TOKENS, 1.5)) for _ in range(4)}) > 1


def test_a_model_is_converted_once_and_again_when_its_adapter_is_replaced(
    tiny: Settings, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_random(tiny, tmp_path / "voice", seed=11)
    save_random(tiny, tmp_path / "other", seed=12)
    before = conversions(cache)
    engine = fast(tiny, tmp_path)
    said = engine.complete(QUESTIONS, TOKENS, "voice")
    assert len(conversions(cache) - before) == 1
    with monkeypatch.context() as patch:
        patch.setattr(openvino_engine, "llama_graph", lambda *_, **__: pytest.fail("converted again"))
        assert engine.complete(QUESTIONS, TOKENS, "voice") == said
        assert fast(tiny, tmp_path).complete(QUESTIONS, TOKENS, "voice") == said
    (tmp_path / "voice").rename(tmp_path / "old")
    (tmp_path / "other").rename(tmp_path / "voice")
    assert engine.complete(QUESTIONS, TOKENS, "voice") == plain(tiny, tmp_path).complete(QUESTIONS, TOKENS, "voice")
    assert len(conversions(cache) - before) == 2


def test_an_adapter_that_was_tampered_with_is_refused_though_it_was_converted(
    tiny: Settings, adapters: Path, tmp_path: Path
) -> None:
    shutil.copytree(adapters / "house", tmp_path / "house")
    fast(tiny, tmp_path).complete(QUESTIONS[:1], 1, "house")
    edited(tmp_path / "house/adapter_config.json", lambda text: text + " ")
    with pytest.raises(AdapterError, match="was changed"):
        fast(tiny, tmp_path).complete(QUESTIONS[:1], 1, "house")


def test_what_fails_half_way_leaves_nothing_behind(
    tiny: Settings, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_random(tiny, tmp_path / "voice", seed=21)
    before = conversions(cache)
    with monkeypatch.context() as patch:
        patch.setattr(openvino_engine, "_ENDS", "no folder/ends.json")
        with pytest.raises(ModelError, match="cannot be prepared"):
            fast(tiny, tmp_path).complete(QUESTIONS, TOKENS, "voice")
    assert conversions(cache) == before
    assert fast(tiny, tmp_path).complete(QUESTIONS, TOKENS, "voice")


def test_a_graph_that_computes_something_else_is_not_used(
    tiny: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:

    from assistant.engines import openvino_graph

    save_random(tiny, tmp_path / "voice", seed=31)
    before = conversions(cache)
    monkeypatch.setattr(openvino_graph._Graph, "_rotated", lambda _, x: x)  # no positions at all
    with pytest.raises(ModelError, match=r"off by .* engine\.runtime=transformers"):
        fast(tiny, tmp_path).complete(QUESTIONS, TOKENS, "voice")
    assert conversions(cache) == before


def test_weights_of_8_bits_take_half_the_space_and_say_nearly_the_same(tiny: Settings, cache: Path) -> None:
    before = conversions(cache)
    small = tiny.engine.model_copy(update={"quantize": "8bit"})
    engine = OpenVINOEngine(small, tiny.device)
    said = engine.complete(QUESTIONS, TOKENS)  # of which the first prompt was held against transformers
    assert len(said) == len(QUESTIONS) and all(said)
    (new,) = conversions(cache) - before
    whole = fast(tiny)
    whole.complete(QUESTIONS[:1], 1)
    sizes = [(cache / f"openvino/{one}/openvino_model.bin").stat().st_size for one in (new, *whole._batches)]
    assert sizes[0] < 0.6 * sizes[1]
    prompt = engine.template.prompt_ids(QUESTIONS[0])
    chances = [one._batch(None).first_token(prompt) for one in (engine, whole)]
    assert chances[0][1] == pytest.approx(chances[1][1], abs=0.3)


def test_the_models_used_longest_ago_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_CACHE", str(tmp_path))
    small = adapted(settings_for(tiny_model(tmp_path / "tiny")))

    def used(key: str, limit: int) -> Path:
        return openvino_engine.converted(key, lambda: small.base, lambda *_: None, limit)

    size = size_of(used("a", 1 << 30))
    for key in "bc":
        used(key, 1 << 30)
    used("a", 1 << 30)
    used("d", 5 * size // 2)  # names of nodes are numbered on in a process: no two are as large
    assert conversions(tmp_path) == {"a", "d"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantize": "4bit"}, "engine.quantize"),
        ({"runtime": "transformers"}, ""),
    ],
)
def test_transformers_runs_what_openvino_cannot(tiny: Settings, changes: dict[str, Any], said: str) -> None:
    settings = tiny.engine.model_copy(update=changes)
    assert isinstance(local_engine(settings, tiny.device), TransformersEngine)
    if said:
        with pytest.raises(ModelError, match=re.escape(said)):
            local_engine(settings.model_copy(update={"runtime": "openvino"}), tiny.device)


def test_openvino_is_chosen_on_a_processor_and_not_without_being_installed(
    tiny: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(local_engine(tiny.engine, tiny.device), OpenVINOEngine)
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    assert isinstance(local_engine(tiny.engine, tiny.device), TransformersEngine)
    named = EngineSettings(model=tiny.engine.model, runtime="openvino")
    with pytest.raises(ModelError, match=r"domain-assistant\[fast\]"):
        local_engine(named, tiny.device)


def test_what_the_graph_does_not_have_is_not_taken_for_a_llama() -> None:
    import transformers

    for config, reason in (
        (transformers.Gemma2Config(), "gemma2"),
        (transformers.MistralConfig(sliding_window=64), "window"),
        (transformers.Qwen2Config(use_sliding_window=True, max_window_layers=1), "window"),
        (transformers.LlamaConfig(hidden_act="gelu"), "gelu"),
        (
            transformers.LlamaConfig(rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}),
            "dynamic",
        ),
    ):
        assert reason in why_unfit(config)
    assert why_unfit(transformers.LlamaConfig()) == ""


def test_openvino_does_not_report_its_use() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*_, **__): raise SystemExit('a connection was tried')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "from assistant.engines.openvino_graph import openvino\n"
        "openvino()\n"
        "import openvino_genai\n"
        "sys.exit(sys.modules['openvino_telemetry'] is not None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
