"""Pairs become the tokens that the model is asked with; nothing is cut, dropped, or learnt that should not be."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from toys import toy_pair

from assistant import models
from assistant.engines.template import ChatTemplate
from assistant.errors import TrainingError
from assistant.prompt import build_messages
from assistant.types import Message
from train.batches import loss_tokens, rows_of

SYSTEM = "Use only the passages."
INSTRUCT = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture(params=["own", "chatml", "file"])
def template(request: pytest.FixtureRequest, tmp_path: Path) -> ChatTemplate:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(models.engine_folder("bundled"))
    if request.param == "file":
        (tmp_path / "template.jinja").write_text(INSTRUCT)
        return ChatTemplate(tokenizer, str(tmp_path / "template.jinja"))
    return ChatTemplate(tokenizer, "" if request.param == "own" else "chatml")


def test_a_row_is_the_prompt_that_chat_sends_and_then_the_response(template: ChatTemplate) -> None:
    pair = dataclasses.replace(toy_pair(3), history=(Message("user", "Hi"), Message("assistant", "Hello.")))
    (row,) = rows_of([pair], "train", template, SYSTEM, None)
    messages = build_messages(SYSTEM, pair.passages, pair.history, pair.instruction, template.control_tokens)
    assert list(row.prompt) == template.prompt_ids(messages)
    assert template.tokenizer.decode(list(row.prompt)) == template.prompt_text(messages)
    assert template.tokenizer.decode(list(row.response[:-1])) == pair.response
    assert row.response[-1] == template.end_of_turn
    assert row.response.count(template.end_of_turn) == 1
    assert loss_tokens([row]) == len(row.response)


def test_a_pair_keeps_its_own_system_text(template: ChatTemplate) -> None:
    (row,) = rows_of([dataclasses.replace(toy_pair(0), system="Rhyme.")], "train", template, SYSTEM, None)
    text = template.tokenizer.decode(list(row.prompt))
    assert "Rhyme." in text and SYSTEM not in text


def test_a_response_cannot_hold_control_tokens(template: ChatTemplate) -> None:
    control = template.tokenizer.eos_token
    (row,) = rows_of([dataclasses.replace(toy_pair(0), response=f"a{control}b")], "train", template, SYSTEM, None)
    assert row.response.count(template.end_of_turn) == 1
    assert template.tokenizer.eos_token_id not in row.response[:-1]


def test_only_rows_of_the_split_are_made(template: ChatTemplate) -> None:
    pairs = [toy_pair(0), toy_pair(1, "validation"), toy_pair(2, "test"), toy_pair(3)]
    assert [row.id for row in rows_of(pairs, "train", template, SYSTEM, None)] == ["p0", "p3"]
    assert [row.id for row in rows_of(pairs, "validation", template, SYSTEM, None)] == ["p1"]


def test_a_row_that_does_not_fit_is_named_and_one_that_just_fits_is_whole(template: ChatTemplate) -> None:
    pairs = [toy_pair(0), toy_pair(1, words=80)]
    rows = rows_of(pairs, "train", template, SYSTEM, None)
    assert rows_of(pairs, "train", template, SYSTEM, len(rows[1])) == rows
    with pytest.raises(TrainingError, match=rf"1 of 2 .* 'p1' has {len(rows[1])}") as error:
        rows_of(pairs, "train", template, SYSTEM, len(rows[1]) - 1)
    assert "\n" not in str(error.value)
    with pytest.raises(TrainingError, match=r"12 of 12 .*( 'p\d+' has \d+,){10} …\.") as error:
        rows_of([toy_pair(number, words=60 + number) for number in range(12)], "train", template, SYSTEM, 5)


def test_a_history_that_the_chat_template_refuses_names_its_pair(template: ChatTemplate) -> None:
    strict = "{% if messages[1].role == 'assistant' %}{{ raise_exception('roles must alternate') }}{% endif %}"
    tokenizer = copy.deepcopy(template.tokenizer)
    tokenizer.chat_template = strict + tokenizer.chat_template
    pair = dataclasses.replace(toy_pair(0), history=(Message("assistant", "Hello."),))
    with pytest.raises(TrainingError, match="refuses the pair 'p0': roles must alternate"):
        rows_of([pair], "train", ChatTemplate(tokenizer), "", None)


def test_a_response_of_a_million_characters_is_named_and_not_cut() -> None:
    from transformers import AutoTokenizer

    template = ChatTemplate(AutoTokenizer.from_pretrained(models.engine_folder("bundled")))
    with pytest.raises(TrainingError, match="'p0' has"):
        rows_of([dataclasses.replace(toy_pair(0), response="word " * 200_000)], "train", template, SYSTEM, 8192)


def test_a_response_without_tokens_is_refused(template: ChatTemplate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "response_ids", lambda _: [template.end_of_turn])
    with pytest.raises(TrainingError, match="'p0' has no tokens to learn"):
        rows_of([toy_pair(0)], "train", template, SYSTEM, None)
