"""A base model that answers no better than quotations is not asked; its adapters are."""

import pytest
from fakes import ScriptedEngine, returned

from assistant.config import EngineSettings
from assistant.engines import ReticentEngine
from assistant.engines.opening import speaks
from assistant.types import Message

QUESTION = [Message("user", "What is covered?")]


def test_of_a_reticent_base_only_adapters_speak() -> None:
    engine = ReticentEngine(lambda: ScriptedEngine("Hail is covered."))
    assert [*engine.stream(QUESTION, 9, 0.0), *engine.stream(QUESTION, 9, 0.0, "base")] == []
    assert returned(engine.stream(QUESTION, 9, 0.0)) is False and engine.complete([QUESTION], 9) == ["Hail is covered."]
    assert "".join(engine.stream(QUESTION, 9, 0.0, "house")) == "Hail is covered."


@pytest.mark.parametrize(
    ("changes", "speaking"),
    [
        ({}, False),
        ({"model": "smollm2-135m"}, False),
        ({"model": "HuggingFaceTB/SmolLM2-135M-Instruct"}, False),
        ({"model": "qwen2.5-coder-0.5b"}, False),
        ({"model": "qwen2.5-coder-1.5b"}, True),
        ({"model": "./my-model"}, True),
        ({"url": "http://127.0.0.1:8001/v1"}, True),
        ({"generate": "always"}, True),
        ({"model": "qwen2.5-coder-1.5b", "generate": "never"}, False),
    ],
)
def test_a_base_speaks_unless_quotations_are_better(changes: dict[str, str], speaking: bool) -> None:
    assert speaks(EngineSettings(**changes)) is speaking
