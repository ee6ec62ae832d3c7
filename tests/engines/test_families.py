"""Chat templates of well-known models: the trained tokens are the conversation as the template writes it."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from families import FAMILIES, model_of, tokenizer_of
from tiny import settings_for
from toys import toy_pair

from assistant.engines.adapted import AdaptedModel
from assistant.engines.template import ChatTemplate
from assistant.models.loading import choose
from assistant.types import Message
from train.batches import rows_of

HISTORY = [Message("user", "Hi"), Message("assistant", "Hello.")]
SYSTEM = "Be brief."
RESPONSE = "Hail is covered. [1]"
EMPTY_THOUGHT = "<think>\n\n</think>\n\n"


def tokens(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def rendered(name: str, messages: list[Message]) -> str:
    """The conversation as transformers makes it, by itself."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    template = FAMILIES[name].template.replace("strftime_now('%Y-%m-%d')", "'2024-07-26'")
    known = {"date_string": "26 Jul 2024", "chat_template": template}
    return str(tokenizer_of(name).apply_chat_template(turns, tokenize=False, **known))


@pytest.mark.parametrize("history", [[], HISTORY], ids=["first turn", "later turn"])
@pytest.mark.parametrize("system", [[], [Message("system", SYSTEM)]], ids=["", "system"])
@pytest.mark.parametrize("name", FAMILIES)
def test_prompt_and_response_are_the_conversation_as_the_template_writes_it(
    name: str, system: list[Message], history: list[Message]
) -> None:
    tokenizer = tokenizer_of(name)
    template = ChatTemplate(tokenizer)
    messages = [*system, *history, Message("user", "What is covered?")]
    trained = template.prompt_ids(messages) + template.response_ids(RESPONSE)
    whole = rendered(name, [*messages, Message("assistant", RESPONSE)])
    assert whole.endswith(FAMILIES[name].end + FAMILIES[name].behind)
    whole = whole.removesuffix(FAMILIES[name].behind)
    if name == "DeepSeek-R1 distill":  # its prompts begin a thought, which its conversations leave out
        whole = whole.replace(RESPONSE, EMPTY_THOUGHT + RESPONSE)
    assert trained == tokens(tokenizer, whole)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_turn_ends_with_the_token_of_the_template(name: str) -> None:
    template = ChatTemplate(tokenizer_of(name))
    assert template.tokenizer.decode([template.end_of_turn]) == FAMILIES[name].end
    (row,) = rows_of([dataclasses.replace(toy_pair(0), response=RESPONSE)], "train", template, SYSTEM, None)
    assert template.tokenizer.decode(row.response).strip() == RESPONSE + FAMILIES[name].end


def test_an_end_that_is_an_added_token_but_not_a_special_one_is_taken() -> None:
    tokenizer = tokenizer_of("DeepSeek-R1 distill")
    template = ChatTemplate(tokenizer, thinks=False)
    tokenizer.chat_template = "{% for m in messages %}{{ m.role + ': ' + m.content + '<｜User｜>' }}{% endfor %}"
    try:
        assert tokenizer.decode([template.end_of_turn]) == "<｜User｜>"
    finally:
        tokenizer.chat_template = FAMILIES["DeepSeek-R1 distill"].template


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_stops_at_the_end_of_a_turn_and_at_its_own(name: str, tmp_path: Path) -> None:
    tokenizer, settings = tokenizer_of(name), settings_for(model_of(name, tmp_path / "model"))
    ends = AdaptedModel(settings.engine, choose(settings.device)).base.generation_config.eos_token_id
    assert set(ends) == {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(FAMILIES[name].end)}


@pytest.mark.parametrize("name", ["Llama 3.2", "gpt-oss"])
def test_a_prompt_is_the_same_on_every_day(name: str) -> None:
    prompt = ChatTemplate(tokenizer_of(name)).prompt_text([Message("user", "?")])
    now = datetime.now(UTC)
    assert "26 Jul 2024" in prompt or "2024-07-26" in prompt
    assert str(now.year) not in prompt


@pytest.mark.parametrize(
    ("name", "without", "with_thoughts"),
    [
        ("Qwen3", f"<|im_start|>assistant\n{EMPTY_THOUGHT}", "<|im_start|>assistant\n"),
        ("DeepSeek-R1 distill", f"<｜Assistant｜>{EMPTY_THOUGHT}", "<｜Assistant｜><think>\n"),
        ("gpt-oss", "<|start|>assistant<|channel|>final<|message|>", "<|start|>assistant"),
        ("Llama 3.2", "assistant<|end_header_id|>\n\n", "assistant<|end_header_id|>\n\n"),
    ],
)
def test_a_model_is_asked_not_to_think_unless_it_may(name: str, without: str, with_thoughts: str) -> None:
    messages = [Message("user", "?")]
    assert ChatTemplate(tokenizer_of(name)).prompt_text(messages).endswith(without)
    assert ChatTemplate(tokenizer_of(name), thinks=True).prompt_text(messages).endswith(with_thoughts)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_marks_of_thoughts_are_all_that_is_left_of_control_tokens(name: str) -> None:
    family, tokenizer = FAMILIES[name], tokenizer_of(name)
    template = ChatTemplate(tokenizer)
    marks = {"<think>", "</think>", "[THINK]", "[/THINK]", "<|start|>", "<|channel|>", "<|message|>", "<|end|>"}
    for token in dict.fromkeys((*family.named, *family.special)):
        kept = token if token in marks else ""
        assert template.decoded(tokens(tokenizer, f"Hail{token} hail")) == f"Hail{kept} hail"
