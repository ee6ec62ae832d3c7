"""What is assumed of a tokenizer that is out of reach, behind a server."""

from collections.abc import Sequence

from assistant.types import Message

# What chat templates put around each turn.
_TOKENS_A_TURN = 6
_BYTES_A_TOKEN = 3

CONTROL_TOKENS = frozenset(
    # ChatML, Qwen, SmolLM, Yi
    "<|im_start|> <|im_end|> <|im_sep|> <|endoftext|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|>"
    " <|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|>"
    " <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|>"
    " <tool_call> </tool_call> <tool_response> </tool_response> <think> </think>"
    # Llama 2, 3, 4; Mistral
    " <s> </s> <unk> [INST] [/INST] <<SYS>> <</SYS>>"
    " <|begin_of_text|> <|end_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|> <|eom_id|> <|python_tag|>"
    " <|finetune_right_pad_id|> <|header_start|> <|header_end|> <|eot|> <|eom|> <|image|>"
    " [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_CALLS] [TOOL_RESULTS] [/TOOL_RESULTS]"
    " [TOOL_CONTENT] [CALL_ID] [ARGS] [IMG] [IMG_BREAK] [IMG_END] [PREFIX] [MIDDLE] [SUFFIX] [THINK] [/THINK]"
    # Gemma
    " <bos> <eos> <pad> <mask> <start_of_turn> <end_of_turn> <start_of_image> <end_of_image> <|turn> <turn|>"
    # Phi, Zephyr, OLMo, GLM, Granite, EXAONE
    " <|system|> <|user|> <|assistant|> <|end|> <|tool|> <|/tool|> <|tool_call|> <|/tool_call|> <|tool_response|>"
    " <|observation|> <|endofprompt|> [gMASK] <sop> <eop> <|start_of_role|> <|end_of_role|> <|endofturn|>"
    " [|system|] [|user|] [|assistant|] [|endofturn|]"
    # gpt-oss
    " <|start|> <|message|> <|channel|> <|constrain|> <|return|> <|call|> <|startoftext|>"
    # DeepSeek
    " <｜begin▁of▁sentence｜> <｜end▁of▁sentence｜> <｜User｜> <｜Assistant｜> <｜tool▁calls▁begin｜>"
    " <｜tool▁calls▁end｜> <｜tool▁call▁begin｜> <｜tool▁call▁end｜> <｜tool▁outputs▁begin｜>"
    " <｜tool▁outputs▁end｜> <｜tool▁sep｜>"
    # Command
    " <BOS_TOKEN> <EOS_TOKEN> <PAD> <|START_OF_TURN_TOKEN|> <|END_OF_TURN_TOKEN|> <|SYSTEM_TOKEN|> <|USER_TOKEN|>"
    " <|CHATBOT_TOKEN|> <|START_RESPONSE|> <|END_RESPONSE|>"
    " <|START_THINKING|> <|END_THINKING|> <|START_ACTION|> <|END_ACTION|> <|START_TOOL_RESULT|>"
    " <|END_TOOL_RESULT|>".split()
)
"""Texts that the chat templates of well-known models are made of; in a document they may not stand as such."""


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Tokens that a prompt may have: a digit is one, and so are three bytes of anything else (docs/servers.md)."""
    texts = [message.content for message in messages]
    digits = sum(character.isdecimal() for text in texts for character in text)
    others = sum(len(text.encode(errors="replace")) for text in texts) - digits
    return digits + -(-others // _BYTES_A_TOKEN) + _TOKENS_A_TURN * (len(messages) + 1)
