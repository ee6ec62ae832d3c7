"""Time to an answer, with an adapter, against transformers' own ``generate`` with PEFT: the table of docs/engines.md.

    python -m bench.engines house --workspace FOLDER --corpus sample

All in one run, and question by question in turn, so that a busy machine is busy for all. Prompts are those of
questions with their evidence; answers are greedy and have at most 64 tokens. Measured are the time to the first piece
of text and to the whole answer; the same for a second question about the same passages; tokens a second of eight
conversations at once, each about passages of its own; and whether the answers are those of plain transformers. How
many of those bfloat16 changes by itself (plain transformers in float32) says how many changes mean nothing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import click

from assistant import config
from assistant.config import DeviceSettings, Settings
from assistant.engines.adapted import AdaptedModel
from assistant.engines.local import LocalEngine
from assistant.engines.openvino_engine import OpenVINOEngine, why_not
from assistant.engines.transformers_engine import TransformersEngine
from assistant.models.loading import choose
from assistant.prompt import build_messages, fitting_evidence
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Message
from assistant.workspace import Workspace
from eval.cases import read_cases

_CASES = Path("data/sample/cases.jsonl")
_CONVERSATIONS = 8
_SECOND = "Which of these passages is the most recent?"

Prompt = list[Message]
Ask = Callable[[Prompt], Iterator[str]]


@dataclass(frozen=True)
class Asked:
    """A question with its evidence, and another question about the same evidence."""

    first: Prompt
    second: Prompt


@dataclass
class Times:
    """Seconds of one system, by question."""

    first_piece: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    """Seconds of all cores, which other programs on the machine change less."""
    answers: list[str] = field(default_factory=list)

    def add(self, ask: Ask, prompt: Prompt) -> None:
        """Ask once."""
        began, spent = time.perf_counter(), time.process_time()
        pieces = ask(prompt)
        text = next(pieces, "")
        self.first_piece.append(time.perf_counter() - began)
        self.answers.append(text + "".join(pieces))
        self.whole.append(time.perf_counter() - began)
        self.processor.append(time.process_time() - spent)


class Plain:
    """What a program does that uses transformers and PEFT as their documentation shows."""

    def __init__(self, settings: Settings, device: DeviceSettings, adapters: Path, adapter: str, tokens: int) -> None:
        weights = AdaptedModel(settings.engine, choose(device), adapters)
        self.template = weights.template
        self._model = weights.peft(adapter)
        self._tokens = tokens

    def ask(self, prompt: Prompt) -> Iterator[str]:
        """The answer, piece by piece."""
        import threading

        import torch
        from transformers import TextIteratorStreamer

        ids = torch.tensor([self.template.prompt_ids(prompt)])
        pieces = TextIteratorStreamer(self.template.tokenizer, skip_prompt=True, skip_special_tokens=True)
        options: dict[str, Any] = {"max_new_tokens": self._tokens, "do_sample": False, "streamer": pieces}
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        thread = threading.Thread(target=lambda: self._model.generate(**inputs, **options))
        thread.start()
        yield from pieces
        thread.join()


def prompts(workspace: Workspace, corpus: str, settings: Settings, count: int, engine: LocalEngine) -> list[Asked]:
    """The first answerable cases with the evidence that is found for them."""
    catalog = Catalog(workspace.corpus(corpus))
    retriever = Retriever(catalog, Embedder(settings.embedder, settings.device), settings.retrieval, settings.device)
    cases = [case for case in read_cases(_CASES) if not case.unanswerable and not case.history]

    def messages(question: str, evidence: Sequence[Any]) -> Prompt:
        return build_messages(settings.answer.system, evidence, (), question, engine.control_tokens)

    asked = []
    for case in cases[:: max(1, len(cases) // count)][:count]:
        found = retriever.search(case.question, settings.answer.evidence)
        shown = fitting_evidence(
            found,
            settings.answer.prompt_tokens,
            lambda some, question=case.question: engine.count(messages(question, some)),  # type: ignore[misc]
        )
        asked.append(Asked(messages(case.question, shown), messages(_SECOND, shown)))
    catalog.close()
    return asked


def together(ask: Ask, some: Sequence[Prompt], at_once: int, engine: LocalEngine) -> tuple[float, list[str]]:
    """Tokens a second of all prompts, so many at once, and the answers."""
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(lambda prompt: "".join(ask(prompt)), some))
    seconds = time.perf_counter() - began
    return sum(len(engine.template.response_ids(answer)) for answer in answers) / seconds, answers


def apart(some: Sequence[Prompt], mark: str) -> list[Prompt]:
    """The same prompts with a beginning that none of them had before, so that none has been read."""
    marked = ((one, f"{mark} {number}\n{one[-1].content}") for number, one in enumerate(some))
    return [[*one[:-1], replace(one[-1], content=content)] for one, content in marked]


def equal(one: Sequence[str], other: Sequence[str]) -> str:
    """How many answers are the same."""
    same = sum(a.strip() == b.strip() for a, b in zip(one, other, strict=True))
    return f"{same} of {len(one)}"


def report(name: str, times: Times, plain: Times) -> None:
    """One line: medians, and as parts of plain transformers'."""
    parts = (("answer", times.whole, plain.whole), ("first text", times.first_piece, plain.first_piece))
    shown = [f"{what} {median(own):.2f} s ({median(own) / median(its):.2f}x)" for what, own, its in parts]
    spent, least = median(times.processor), median(plain.processor)
    shown.append(f"processor {spent:.2f} s ({spent / least:.2f}x)")
    click.echo(f"{name:30} {', '.join(shown)}, as plain: {equal(times.answers, plain.answers)}")


@click.command()
@click.argument("adapter")
@click.option("--workspace", type=click.Path(path_type=Path), required=True)
@click.option("--corpus", default="sample")
@click.option("--count", default=20, help="Questions.")
@click.option("--max-new-tokens", default=64)
@click.option("--float32/--no-float32", default=True, help="Ask plain transformers in float32 too.")
def main(adapter: str, workspace: Path, corpus: str, count: int, max_new_tokens: int, float32: bool) -> None:
    """Compare the engines that run in this process."""
    space = Workspace(workspace.absolute())
    settings, _ = config.load(space.config_file)
    engines: dict[str, LocalEngine] = {
        "transformers": TransformersEngine(settings.engine, settings.device, space.adapters)
    }
    if reason := why_not(settings.engine, settings.device):
        click.echo(f"openvino is left out: {reason}")
    else:
        engines["openvino"] = OpenVINOEngine(settings.engine, settings.device, space.adapters)
    asked = prompts(space, corpus, settings, count, engines["transformers"])
    lengths = [engines["transformers"].count(one.first) for one in asked]
    click.echo(f"{len(asked)} questions, {median(lengths):.0f} tokens a prompt (median), {max_new_tokens} an answer")
    plain = Plain(settings, settings.device, space.adapters, adapter, max_new_tokens)
    asks: dict[str, Ask] = {"plain": plain.ask} | {
        name: lambda prompt, engine=engine: engine.stream(prompt, max_new_tokens, 0.0, adapter)  # type: ignore[misc]
        for name, engine in engines.items()
    }
    warm = [replace(message, content=message.content[:400]) for message in asked[0].first]
    for ask in asks.values():
        list(ask(warm))
    first = {name: Times() for name in asks}
    second = {name: Times() for name in asks}
    for one in asked:
        for name, ask in asks.items():
            first[name].add(ask, one.first)
            second[name].add(ask, one.second)
    for name in asks:
        report(name, first[name], first["plain"])
    for name in asks:
        report(f"{name}, second question", second[name], second["plain"])
    _conversations(engines, asked, adapter, max_new_tokens)
    if float32:
        exact = Plain(settings, DeviceSettings(name="cpu", dtype="float32"), space.adapters, adapter, max_new_tokens)
        times = Times()
        for one in asked:
            times.add(exact.ask, one.first)
        for name in asks:
            click.echo(f"{name:34} as plain transformers in float32: {equal(first[name].answers, times.answers)}")


def _conversations(engines: dict[str, LocalEngine], asked: Sequence[Asked], adapter: str, tokens: int) -> None:
    """Tokens a second of several conversations at once: their first questions, then another one each.

    An adapter that answers in a sentence leaves little to be said together; the base model says all it may.
    """
    turns = {"first": [one.first for one in asked], "second": [one.second for one in asked]}
    for name, engine in engines.items():
        for voice in (adapter, None):
            for turn, some in turns.items():

                def ask(prompt: Prompt, engine: LocalEngine = engine, voice: str | None = voice) -> Iterator[str]:
                    return engine.stream(prompt, tokens, 0.0, voice)

                one, alone = together(ask, apart(some, "Case"), 1, engine)
                many, answers = together(ask, apart(some, "Matter"), _CONVERSATIONS, engine)
                lost = sum(not answer for answer in answers)
                length = sum(len(engine.template.response_ids(answer)) for answer in alone) / len(alone)
                click.echo(
                    f"{name}, {voice or 'base'}, {turn} questions, {length:.0f} tokens an answer:"
                    f" one {one:.1f} tokens/s, {_CONVERSATIONS} at once {many:.1f} ({many / one:.2f}x), {lost} lost"
                )


if __name__ == "__main__":
    main()
