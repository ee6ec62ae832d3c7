"""No text becomes a control token: the special tokens of a prompt are those that its template puts there."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import evidence

from assistant import models
from assistant.engines.template import CHATML, ChatTemplate
from assistant.prompt import build_messages
from assistant.types import Message
from assistant.untrusted.injection import TURN_MARKERS, harmless

ZERO_WIDTH = "\u200b"
FULL_WIDTH = {ord(character): chr(ord(character) + 0xFEE0) for character in "<>|[]/_abcdeimnrst"}
LLAMA_3 = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ raise_exception('none') }}"
    "{% endif %}{{ '<start_of_turn>' + message['role'] + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ '[SYSTEM_PROMPT]' + message['content'] + '[/SYSTEM_PROMPT]' }}{% elif message['role'] == 'user' %}"
    "{{ '[INST]' + message['content'] + '[/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
PHI = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
FAMILIES = {
    "chatml": (CHATML, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]),
    "llama 3": (LLAMA_3, ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"]),
    "gemma": (GEMMA, ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<unused0>"]),
    "mistral": (MISTRAL, ["<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"]),
    "phi": (PHI, ["<|endoftext|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]),
}
NORMALIZERS = {"as written": None, "NFKC": "NFKC", "without accents": "NFKD"}


@cache
def family(name: str, normalizer: str) -> ChatTemplate:
    """A tokenizer of bytes with the special tokens and the template of a family, that reads normalised text."""
    from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    template, special = FAMILIES[name]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if normalizer == "NFKC":
        backend.normalizer = normalizers.Sequence([normalizers.Replace(ZERO_WIDTH, ""), normalizers.NFKC()])
    elif normalizer == "without accents":
        backend.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents()])
    # Normalised special tokens are looked for in normalised text: the worst that a tokenizer can do.
    backend.add_special_tokens([AddedToken(token, normalized=normalizer != "as written") for token in special])
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, bos_token=special[0], eos_token=special[1], chat_template=template
    )
    return ChatTemplate(tokenizer)


@cache
def bundled() -> ChatTemplate:
    from transformers import AutoTokenizer

    return ChatTemplate(AutoTokenizer.from_pretrained(models.engine_folder("bundled")))


def special_ids(template: ChatTemplate, text: str) -> list[int]:
    """The control tokens of a prompt that has ``text`` everywhere where a stranger can put it."""
    context = f"{text} > {text}\n| {text} |"
    history = [Message("user", text), Message("assistant", text)]
    messages = build_messages("Be brief.", [evidence(text, context=context)], history, text, template.control_tokens)
    ids = set(template.tokenizer.all_special_ids) | set(template.tokenizer.get_added_vocab().values())
    return [token for token in template.prompt_ids(messages) if token in ids]


@cache
def its_own(template: ChatTemplate) -> list[int]:
    """The control tokens that the template itself puts there."""
    return special_ids(template, "x")


def spellings(token: str) -> list[str]:
    """A control token, and what a tokenizer or a reader may take for it."""
    middle = len(token) // 2
    return [
        token,
        token.translate(FULL_WIDTH),
        token[:middle] + ZERO_WIDTH + token[middle:],
        ZERO_WIDTH.join(token),
        token[:middle] + token + token[middle:],
        token[0] + token[:middle] + token + token[1:],
        token.replace("<", "<\u0338").replace("s", "s\u0301"),
        token[:middle],
        token[middle:],
        token[0],
        token[1:],
    ]


def hostile_texts(tokens: list[str]) -> st.SearchStrategy[str]:
    pieces = st.sampled_from([spelling for token in tokens for spelling in spellings(token)])
    return st.lists(pieces | st.text(max_size=3) | st.sampled_from([" ", "\n", "|", "<", "[", "/"])).map("".join)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_spelling_of_a_control_token_stays_text(name: str, normalizer: str) -> None:
    template = family(name, normalizer)
    expected = its_own(template)
    assert expected, "the template puts some"
    for token in template.control_tokens:
        for spelling in spellings(token):
            assert special_ids(template, spelling) == expected, repr(spelling)


@settings(max_examples=15)
@given(st.data())
@pytest.mark.parametrize("normalizer", NORMALIZERS)
@pytest.mark.parametrize("name", FAMILIES)
def test_no_splice_of_control_tokens_becomes_one(name: str, normalizer: str, data: st.DataObject) -> None:
    template = family(name, normalizer)
    text = data.draw(hostile_texts(sorted(template.control_tokens)))
    assert special_ids(template, text) == its_own(template)


@settings(max_examples=40)
@given(hostile_texts(sorted(TURN_MARKERS)))
def test_the_bundled_model_sees_only_the_turns_of_its_template(text: str) -> None:
    assert special_ids(bundled(), text) == its_own(bundled())


@settings(max_examples=200)
@given(hostile_texts([*sorted(TURN_MARKERS), "</passage>", "< passage id", "aab", "ab ab"]))
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    tokens = frozenset({"aab", "ab ab", "b a"})
    once = harmless(text, tokens)
    assert harmless(once, tokens) == once
    assert once.replace(" ", "") == text.replace(" ", "")


def test_without_the_protection_a_text_would_be_read_as_a_turn() -> None:
    """The tests above can fail: these tokenizers do read such text as control tokens."""
    for name, (_, special) in FAMILIES.items():
        for normalizer, spelling in (("as written", special[-1]), ("NFKC", special[-1].translate(FULL_WIDTH))):
            template: Any = family(name, normalizer)
            ids = template.tokenizer(spelling, add_special_tokens=False)["input_ids"]
            assert ids == [template.tokenizer.convert_tokens_to_ids(special[-1])], (name, normalizer)
