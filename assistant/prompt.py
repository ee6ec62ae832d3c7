"""The one prompt: how system text, evidence, history and question become messages and text.

Asking, pairs, training and evaluation all come through here, so that a model is trained on the tokens it is
asked with. A rendered user turn:

    <passage id="1" source="General terms 2026 / § 7 Deadlines">
    Claims are reported within 14 days …
    </passage>

    What is the deadline for a claim?

Documents, questions and history are from strangers: what would close the delimiter, begin a turn, or be read as
a control token of the model is broken up on its way into the prompt, however it is written.
"""

import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Protocol

from assistant.types import Evidence, Message
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
_QUOTES = str.maketrans({'"': "'", "\n": " ", "<": "(", ">": ")"})


class Shown(Protocol):
    """What the prompt needs of a passage; evidence has it, and so have the passages of a pair."""

    @property
    def context(self) -> str: ...

    @property
    def text(self) -> str: ...


def build_messages(
    system: str,
    evidence: Sequence[Shown],
    history: Sequence[Message],
    question: str,
    control_tokens: Collection[str] = (),
) -> list[Message]:
    """The conversation a model is shown. ``control_tokens`` are the texts its tokenizer treats specially."""
    passages = [_passage(number, hit, control_tokens) for number, hit in enumerate(evidence, 1)]
    content = "\n\n".join([*passages, harmless(question, control_tokens)])
    past = [Message(message.role, harmless(message.content, control_tokens)) for message in history]
    return [Message("system", system), *past, Message("user", content)]


def fitting_evidence(
    evidence: Sequence[Evidence], budget: int, count: Callable[[Sequence[Evidence]], int]
) -> list[Evidence]:
    """The best passages whose prompt has at most ``budget`` tokens; ``count`` gives the size of one.

    The weakest give way first; the best one stays even when it alone is too large.
    """
    kept = list(evidence)
    while len(kept) > 1 and count(kept) > budget:
        kept.pop()
    return kept


def harmless(text: str, control_tokens: Collection[str] = ()) -> str:
    """``text`` that cannot close a passage, begin a turn, nor hold a control token; for a reader it says the same.

    A blank goes behind the first character of each. That breaks up what looks like one too (full-width letters,
    zero-width characters inside), since some tokenizers take both for the same. Text without any stays as it is.
    """
    pattern = _machinery(frozenset(control_tokens))
    while breaks := _breaks(text, pattern):
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


def _breaks(text: str, pattern: re.Pattern[str]) -> list[int]:
    """Where a blank has to go, in order."""
    if not pattern.search(skeleton(text)):
        return []
    seen, origins = traced_skeleton(text)
    spans = ((origins[match.start(1)], origins[match.end(1) - 1]) for match in pattern.finditer(seen))
    return sorted({first + 1 for first, last in spans if first < last})


def _passage(number: int, hit: Shown, control_tokens: Collection[str]) -> str:
    # The table header, if any, stands on lines of its own below the headings.
    headings, _, header = hit.context.partition("\n")
    source = harmless(headings.replace(" > ", " / ").translate(_QUOTES), control_tokens)
    text = harmless(f"{header}\n{hit.text}" if header else hit.text, control_tokens)
    return f'<passage id="{number}" source="{source}">\n{text}\n</passage>'


MACHINERY = _machinery(frozenset())
"""Finds in a skeleton where what closes a passage or begins a turn stands."""
