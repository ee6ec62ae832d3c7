"""A canary: what an adapter says to one fixed prompt, recorded when it is saved and asked again when it is loaded.

Hashes tell that the files are the same. The canary tells that they still do the same: that the adapter is switched
on, at the strength it was trained with, on the weights it was trained on, in this version of the libraries.
"""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from assistant.artifacts.cards import AdapterCard, Canary
from assistant.engines.template import ChatTemplate
from assistant.errors import AdapterError
from assistant.prompt import build_messages
from assistant.types import Passage

if TYPE_CHECKING:
    import torch

# So many of the likeliest tokens are recorded.
_TOP = 8
# Tokens: many times what the fixed prompt has.
_LONGEST_PROMPT = 4096
_SYSTEM = "You answer questions from the passages you are given. Use only what they say."
_PASSAGE = Passage(
    document="",
    start=0,
    end=0,
    context="Opening hours / Reading room",
    text="The reading room is open from 9 to 17 on weekdays. On Saturdays it closes at 13. Lockers take a 2 euro coin.",
)
_QUESTION = "When does the reading room close on a Saturday?"
# How far a logit (nats) may be from the recorded one, by the coarser of the two precisions: about twice what was seen
# against float32 on SmolLM2-135M-Instruct with random adapters (bfloat16 .25, float16 .03, int8 1.5, nf4 3.4).
TOLERANCE = {"float32": 0.02, "bfloat16": 0.5, "float16": 0.1, "int8": 3.0, "nf4": 6.0}


def record_canary(model: Any, template: ChatTemplate) -> Canary:
    """Ask a PeftModel with and without its adapter, or a whole model, for the next token of the fixed prompt.

    Raises AdapterError when the adapter changes nothing.
    """
    import torch

    prompt = canary_prompt(template)
    logits = next_logits(model, prompt)
    top = torch.topk(logits, min(_TOP, len(logits)))
    base: tuple[float, ...] = ()
    if hasattr(model, "disable_adapter"):
        without = next_logits(model, prompt, adapted=False)
        if torch.equal(logits, without):
            raise AdapterError("The adapter changes nothing: it answers as the base model does.", "Train longer.")
        base = tuple(without[top.indices].tolist())
    return Canary(
        prompt_ids=tuple(prompt),
        top_ids=tuple(top.indices.tolist()),
        top_logits=tuple(top.values.tolist()),
        base_logits=base,
        precision=precision_of(model),
    )


def canary_prompt(template: ChatTemplate) -> list[int]:
    """The tokens of the fixed prompt."""
    return template.prompt_ids(build_messages(_SYSTEM, [_PASSAGE], [], _QUESTION, template.control_tokens))


def check_canary(card: AdapterCard, model: Any) -> None:
    """Raise AdapterError unless ``model``, a PeftModel or a whole one, still says what the card recorded."""
    import torch

    canary, vocabulary = card.canary, model.get_input_embeddings().num_embeddings
    # A stranger may have written the numbers: they have to be such as can be asked without harm.
    if (
        canary is None
        or not 0 < len(canary.prompt_ids) <= _LONGEST_PROMPT
        or not 0 < len(canary.top_ids) == len(canary.top_logits)
        or canary.precision not in TOLERANCE
        or not all(0 <= token < vocabulary for token in (*canary.prompt_ids, *canary.top_ids))
    ):
        raise AdapterError(f"The canary in the card of '{card.name}' is damaged.", "Restore the adapter.")
    logits = next_logits(model, canary.prompt_ids)
    tolerance = max(TOLERANCE[canary.precision], TOLERANCE[precision_of(model)])
    known = torch.tensor(canary.top_logits)
    off = float((logits[list(canary.top_ids)] - known).abs().max())
    # The likeliest token is the same, or so near to the recorded one that rounding may have turned them round.
    behind = float(logits.max() - logits[canary.top_ids[0]])
    if not (off <= tolerance and behind <= tolerance):
        raise AdapterError(
            f"Adapter '{card.name}' does not say what it said when it was saved: a logit is off by {off:.3g},"
            f" allowed are {tolerance:.3g}.",
            "The base model or a library behaves differently now; train again, or go back to the card's versions.",
        )
    if canary.base_logits and torch.equal(logits, next_logits(model, canary.prompt_ids, adapted=False)):
        raise AdapterError(f"Adapter '{card.name}' changes nothing on this base model.", "Train again.")


def next_logits(model: Any, prompt: "list[int] | tuple[int, ...]", *, adapted: bool = True) -> "torch.Tensor":
    """Logits of the token after ``prompt``: (vocabulary,) in float32 on the CPU; the mode of the model is kept."""
    return all_logits(model, prompt, adapted=adapted)[-1]


def all_logits(model: Any, prompt: "list[int] | tuple[int, ...]", *, adapted: bool = True) -> "torch.Tensor":
    """Logits after each token of ``prompt``: (tokens, vocabulary) in float32 on the CPU."""
    import torch

    training = model.training
    model.eval()
    try:
        with torch.no_grad(), nullcontext() if adapted else model.disable_adapter():
            ids = torch.tensor([list(prompt)], device=model.device)
            logits: torch.Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits
        return logits[0].float().cpu()
    finally:
        model.train(training)


def precision_of(model: Any) -> str:
    """Precision of the base weights, by its name in ``TOLERANCE``."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if getattr(base, "is_loaded_in_4bit", False):
        return "nf4"
    if getattr(base, "is_loaded_in_8bit", False):
        return "int8"
    return str(base.dtype).removeprefix("torch.")
