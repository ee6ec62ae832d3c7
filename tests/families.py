"""Small tokenizers with the chat templates of well-known models, in their essential form."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tiny import tiny_model


@dataclass(frozen=True, slots=True)
class Family:
    """What a tokenizer needs to turn conversations into tokens as a model's own does."""

    template: str
    named: tuple[str, str]
    """Beginning and end of text, which have names in the tokenizer."""
    special: tuple[str, ...]
    """Control tokens that have none."""
    end: str
    """Of a turn."""
    added: tuple[str, ...] = ()
    """Tokens that are not flagged as special."""
    behind: str = ""
    """What the template writes behind the end of the last turn."""


_CHATML = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
FAMILIES = {
    "Llama 3.2": Family(
        "{{- bos_token }}{%- if not date_string is defined %}{%- if strftime_now is defined %}"
        "{%- set date_string = strftime_now('%d %b %Y') %}{%- else %}{%- set date_string = '26 Jul 2024' %}"
        "{%- endif %}{%- endif %}{%- if messages[0].role == 'system' %}"
        "{%- set system = messages[0].content | trim %}{%- set messages = messages[1:] %}"
        "{%- else %}{%- set system = '' %}{%- endif %}"
        "{{- '<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n' }}"
        "{{- 'Today Date: ' + date_string + '\n\n' + system + '<|eot_id|>' }}"
        "{%- for message in messages %}{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' }}"
        "{{- message.content | trim + '<|eot_id|>' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}",
        ("<|begin_of_text|>", "<|end_of_text|>"),
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|eot_id|>",
    ),
    "Mistral v0.3": Family(
        "{%- if messages[0].role == 'system' %}{%- set system = messages[0].content + '\n\n' %}"
        "{%- set messages = messages[1:] %}{%- else %}{%- set system = '' %}{%- endif %}"
        "{%- set questions = messages | selectattr('role', 'equalto', 'user') | list %}{{- bos_token }}"
        "{%- for message in messages %}{%- if message.role == 'user' %}"
        "{{- '[INST] ' + (system if message == questions[-1] else '') + message.content + '[/INST]' }}"
        "{%- else %}{{- ' ' + message.content | trim + eos_token }}{%- endif %}{%- endfor %}",
        ("<s>", "</s>"),
        ("[INST]", "[/INST]"),
        "</s>",
    ),
    "Gemma 3": Family(
        "{{ bos_token }}{%- if messages[0].role == 'system' %}{%- set prefix = messages[0].content + '\n\n' %}"
        "{%- set messages = messages[1:] %}{%- else %}{%- set prefix = '' %}{%- endif %}"
        "{%- for message in messages %}{%- set role = 'model' if message.role == 'assistant' else message.role %}"
        "{{ '<start_of_turn>' + role + '\n' + (prefix if loop.first else '') + message.content | trim }}"
        "{{ '<end_of_turn>\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{%- endif %}",
        ("<bos>", "<eos>"),
        ("<start_of_turn>", "<end_of_turn>"),
        "<end_of_turn>",
        added=("\n\n", "<unused0>"),
        behind="\n",
    ),
    "Phi-4-mini": Family(
        "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}",
        ("<|endoftext|>", "<|endoftext|>"),
        ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        "<|end|>",
        behind="<|endoftext|>",
    ),
    "Qwen2.5": Family(
        _CHATML, ("<|endoftext|>", "<|im_end|>"), ("<|im_start|>",), "<|im_end|>", ("<tool_call>",), "\n"
    ),
    "Qwen3": Family(
        "{%- for message in messages %}{%- if message.role == 'assistant' %}"
        "{%- set content = message.content.split('</think>')[-1].lstrip('\n') %}"
        "{{- '<|im_start|>assistant\n' + ('<think>\n\n</think>\n\n' if loop.last else '') + content + '<|im_end|>\n' }}"
        "{%- else %}{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{%- endif %}"
        "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
        "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
        "{%- endif %}",
        ("<|endoftext|>", "<|im_end|>"),
        ("<|im_start|>",),
        "<|im_end|>",
        added=("<think>", "</think>"),
        behind="\n",
    ),
    "DeepSeek-R1 distill": Family(
        "{{ bos_token }}{%- for message in messages %}{%- if message.role == 'system' %}{{ message.content }}"
        "{%- elif message.role == 'user' %}{{ '<｜User｜>' + message.content }}"
        "{%- else %}{{ '<｜Assistant｜>' + message.content.split('</think>')[-1] + '<｜end▁of▁sentence｜>' }}"
        "{%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{%- endif %}",
        ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
        (),
        "<｜end▁of▁sentence｜>",
        added=("<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"),
    ),
    "SmolLM2": Family(_CHATML, ("<|im_start|>", "<|im_end|>"), ("<|endoftext|>",), "<|im_end|>", behind="\n"),
    "gpt-oss": Family(
        "{{- '<|start|>system<|message|>Current date: ' + strftime_now('%Y-%m-%d') + '<|end|>' }}"
        "{%- for message in messages %}{%- if message.role == 'assistant' %}"
        "{{- '<|start|>assistant<|channel|>final<|message|>' + message.content }}"
        "{{- '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' }}"
        "{%- else %}{{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}{%- endif %}"
        "{%- endfor %}{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}",
        ("<|startoftext|>", "<|return|>"),
        ("<|start|>", "<|message|>", "<|end|>", "<|channel|>", "<|endoftext|>"),
        "<|return|>",
    ),
    "Magistral": Family(
        "{{- bos_token }}{%- for message in messages %}{%- if message.role == 'system' %}"
        "{{- '[SYSTEM_PROMPT]' + message.content + '[/SYSTEM_PROMPT]' }}{%- elif message.role == 'user' %}"
        "{{- '[INST]' + message.content + '[/INST]' }}{%- else %}{{- message.content + eos_token }}{%- endif %}"
        "{%- endfor %}",
        ("<s>", "</s>"),
        ("[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[THINK]", "[/THINK]"),
        "</s>",
    ),
}


def model_of(name: str, folder: Path, **changes: Any) -> Path:
    """A random model on disk with the tokenizer of a family."""
    tokenizer = tokenizer_of(name)
    tiny_model(folder, vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, **changes)
    tokenizer.save_pretrained(folder)
    return folder


@cache
def tokenizer_of(name: str) -> Any:
    """A tokenizer of bytes, some words, and the control tokens of a family."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    family = FAMILIES[name]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("h", "a"), ("i", "l"), ("H", "a"), ("Ha", "il"), ("Ġ", "Hail"), ("Ġ", "c"), ("Ċ", "Ċ")]
    texts = [*letters, *("".join(merge) for merge in merges)]
    backend = Tokenizer(BPE(vocab={text: number for number, text in enumerate(texts)}, merges=merges))
    # As Llama 3 and Qwen cut text: line breaks stay together.
    cut = pre_tokenizers.Split(Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated")
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([cut, plain])
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(token, normalized=False) for token in (*family.named, *family.special)])
    backend.add_tokens([AddedToken(token, normalized=False) for token in family.added])
    first, last = family.named
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, bos_token=first, eos_token=last, pad_token=last, chat_template=family.template
    )
