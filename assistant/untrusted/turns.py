"""Marks of the prompt and of models in texts of strangers: what would close a passage or begin a turn is broken up."""

import re
from collections.abc import Collection
from functools import lru_cache

from assistant.untrusted.confusables import skeleton, traced_skeleton

TURN_MARKERS = frozenset(
    """
    <|im_start|> <|im_end|> <|im_sep|> <|endoftext|> <|begin_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|>
    <|eom_id|> <|system|> <|user|> <|assistant|> <|end|> <|python_tag|> <|start|> <|message|> <|channel|> <|return|>
    <start_of_turn> <end_of_turn> <bos> <eos> <s> </s> [INST] [/INST] <<SYS>> <</SYS>> [SYSTEM_PROMPT] [/SYSTEM_PROMPT]
    [AVAILABLE_TOOLS] [TOOL_CALLS] [TOOL_RESULTS] <tool_call> <tool_response> <think> </think>
    <|START_OF_TURN_TOKEN|> <|END_OF_TURN_TOKEN|> <｜User｜> <｜Assistant｜> <｜begin▁of▁sentence｜>
    <｜end▁of▁sentence｜>
    """.split()
)
"""What well-known chat templates mark turns with. For many models it is plain text and no control token (Llama 2's
``[INST]``), and a model knows the marks of others too: so they are broken up for every model."""
_DELIMITER = r"(?i:(?:<|&lt;?|&#0*60;?|&#x0*3c;?)(?:/\s*)?passage\b)"


def harmless(text: str, control_tokens: Collection[str] = ()) -> str:
    """``text`` that cannot close a passage, begin a turn, nor hold a control token; for a reader it says the same.

    A blank goes behind the first character of each. That breaks up what looks like one too (full-width letters,
    zero-width characters inside), since some tokenizers take both for the same. Text without any stays as it is.
    """
    pattern = _machinery(frozenset(control_tokens))
    while pattern.search(skeleton(text)):
        seen, origins = traced_skeleton(text)
        spans = ((origins[match.start(1)], origins[match.end(1) - 1]) for match in pattern.finditer(seen))
        breaks = sorted({first + 1 for first, last in spans if first < last})
        if not breaks:
            return text
        pieces = (text[start:end] for start, end in zip([0, *breaks], [*breaks, len(text)], strict=True))
        text = " ".join(pieces)
    return text


@lru_cache(maxsize=8)
def _machinery(control_tokens: frozenset[str]) -> re.Pattern[str]:
    """Finds where a delimiter, a turn marker or a control token begins in a skeleton; they may overlap."""
    # A token of one character cannot be broken up, and one of white space only controls nothing.
    cores = {skeleton(token).strip() for token in control_tokens | TURN_MARKERS}
    tokens = sorted((core for core in cores if len(core) > 1), key=lambda core: (-len(core), core))
    return re.compile(f"(?=({'|'.join([_DELIMITER, *map(re.escape, tokens)])}))")


MACHINERY = _machinery(frozenset())
"""Finds in a skeleton where what closes a passage or begins a turn stands."""
