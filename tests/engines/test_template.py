"""Tokens of prompt and response: what a model is trained on is what it is asked with."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from assistant import models
from assistant.engines.template import CHATML, ChatTemplate
from assistant.errors import ConfigError, ModelError
from assistant.types import Message

TURNS = [Message("system", "Be brief."), Message("user", "What is covered?")]
NO_SYSTEM = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{{ '[' + m['role'] + ']' + m['content'] | trim }}{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)
DROPS_SYSTEM = NO_SYSTEM.replace("{{ raise_exception('no system') }}", "{% continue %}")


@cache
def folder() -> Path:
    return models.engine_folder("bundled")


@pytest.fixture
def tokenizer() -> Iterator[Any]:
    from transformers import AutoTokenizer

    yield AutoTokenizer.from_pretrained(folder())


@pytest.fixture(params=["", "chatml", "no system", "drops system"])
def template(request: pytest.FixtureRequest, tokenizer: Any, tmp_path: Path) -> ChatTemplate:
    if " " not in request.param:
        return ChatTemplate(tokenizer, request.param)
    file = tmp_path / "template.jinja"
    file.write_text(NO_SYSTEM if request.param == "no system" else DROPS_SYSTEM)
    return ChatTemplate(tokenizer, str(file))


def test_training_text_begins_with_the_prompt_byte_for_byte(template: ChatTemplate) -> None:
    ids = template.prompt_ids(TURNS) + template.response_ids("Hail is covered.")
    text = template.tokenizer.decode(ids, skip_special_tokens=False)
    assert text.startswith(template.prompt_text(TURNS))
    assert text.removeprefix(template.prompt_text(TURNS)).startswith("Hail is covered.")


def test_a_response_ends_with_one_end_of_turn(template: ChatTemplate) -> None:
    ids = template.response_ids("Hail is covered.")
    assert ids.count(template.end_of_turn) == 1
    assert ids[-1] == template.end_of_turn
    assert ids[-1] in template.tokenizer.all_special_ids


def test_system_text_reaches_the_model_whatever_the_template_says_of_it(template: ChatTemplate) -> None:
    assert template.prompt_text(TURNS).count("Be brief.") == 1


def test_a_model_without_a_template_is_refused_with_the_remedy(tokenizer: Any) -> None:
    tokenizer.chat_template = None
    with pytest.raises(ModelError, match=r"engine\.chat_template=chatml"):
        ChatTemplate(tokenizer)
    assert ChatTemplate(tokenizer, "chatml").tokenizer.chat_template == CHATML


def test_a_template_file_that_is_missing_is_named(tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.jinja"):
        ChatTemplate(tokenizer, "nowhere.jinja")


def test_identity_changes_with_the_template(tokenizer: Any) -> None:
    own = ChatTemplate(tokenizer).identity
    assert ChatTemplate(tokenizer).identity == own
    assert ChatTemplate(tokenizer, "chatml").identity != own
