"""An engine that says what is known already, so that the one way of asking serves a batch too.

ask a case ──▶ known: the answer, grounded as ever
           └─▶ not known: Unanswered, with the prompt; many prompts are put to the model at once, then ask again
"""

import time
from collections.abc import Collection, Generator, Sequence

from assistant.engines.base import Engine
from assistant.engines.fronting import FrontingEngine
from assistant.types import Message, well_formed
from assistant.work.progress import note, progress_bar
from eval.running.generations import Generation, Generations, Prompt

_AT_ONCE = 64


class Unanswered(Exception):
    """The model has not been asked this yet."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__("the model has not been asked this yet")
        self.prompt = prompt


class PlaybackEngine(FrontingEngine):
    """Stands in for an engine: its tokenizer, and what it has said. The model is asked by ``generate`` alone."""

    def __init__(self, engine: Engine, generations: Generations) -> None:
        super().__init__(lambda: engine)
        self._generations = generations
        self.used: list[Generation] = []
        """What was said since the list was emptied last."""

    def stream(
        self,
        messages: Sequence[Message],
        max_new_tokens: int,
        temperature: float,  # noqa: ARG002 - an evaluation is greedy
        adapter: str | None = None,
    ) -> Generator[str, None, bool]:
        """What the model said, in one piece. Raises Unanswered."""
        yield self._said(messages, max_new_tokens, adapter)
        return False

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        """What the model said to each. Raises Unanswered."""
        return [self._said(messages, max_new_tokens, adapter) for messages in requests]

    def generate(self, prompts: Collection[Prompt]) -> None:
        """Put prompts to the model, those of one adapter and length together, and keep what it says.

        Raises what ``Engine.complete`` raises; what was said before that is kept.
        """
        with progress_bar("generating", len(prompts), shown=bool(prompts)) as bar:
            for batch in _batches(prompts):
                self._generations.add(self._generated(batch))
                bar.advance(len(batch))

    def _generated(self, batch: Sequence[Prompt]) -> list[tuple[Prompt, Generation]]:
        started = time.perf_counter()
        requests = [prompt.messages for prompt in batch]
        said = [*map(well_formed, self._engine.complete(requests, batch[0].max_new_tokens, batch[0].adapter))]
        share = (time.perf_counter() - started) / len(batch)
        if silent := sum(not text for text in said):
            note(f"The model gave no answer to {silent} of {len(batch)} prompts; if it thinks, raise engine.thinking.")
        return [(prompt, Generation(text, share, self._tokens(text))) for prompt, text in zip(batch, said, strict=True)]

    def _tokens(self, text: str) -> int:
        return self.count([Message("user", text)]) - self.count([Message("user", "")])

    def _said(self, messages: Sequence[Message], max_new_tokens: int, adapter: str | None) -> str:
        prompt = Prompt(tuple(messages), max_new_tokens, adapter)
        known = self._generations.get(prompt)
        if known is None:
            raise Unanswered(prompt)
        self.used.append(known)
        return known.said


class SilentEngine(PlaybackEngine):
    """Says nothing: then the documents are quoted, which is what an answer without a model is."""

    def _said(self, messages: Sequence[Message], max_new_tokens: int, adapter: str | None) -> str:  # noqa: ARG002
        return ""


def _batches(prompts: Collection[Prompt]) -> list[list[Prompt]]:
    """Prompts of one adapter and one length of answer, sorted by size, so that little is padded.

    How prompts are put together depends on nothing but the prompts.
    """
    batches: list[list[Prompt]] = []
    for prompt in sorted(prompts, key=_order):
        last = batches[-1] if batches else []
        if last and len(last) < _AT_ONCE and _together(last[0], prompt):
            last.append(prompt)
        else:
            batches.append([prompt])
    return batches


def _together(one: Prompt, other: Prompt) -> bool:
    return (one.adapter, one.max_new_tokens) == (other.adapter, other.max_new_tokens)


def _order(prompt: Prompt) -> tuple[str, int, int, list[tuple[str, str]]]:
    size = sum(len(message.content) for message in prompt.messages)
    words: list[tuple[str, str]] = [(message.role, message.content) for message in prompt.messages]
    return prompt.adapter or "", -prompt.max_new_tokens, -size, words
