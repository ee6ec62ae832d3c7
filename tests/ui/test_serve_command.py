"""The commands: what they refuse at once, and what they serve with the bundled models."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest
from commands import run
from mcp import Client, StdioServerParameters
from openai import OpenAI
from serving import get

from assistant.workspace import Workspace

SAMPLE = Path(__file__).parent.parent.parent / "data" / "sample" / "docs"
QUESTION = "What is the deductible for hail damage to the car?"


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--host", "0.0.0.0"], {}, "without a token"),
        (["--set", "serve.token_file=/nowhere"], {}, "serve.token_file"),
        (["--port", "70000"], {}, "--port"),
    ],
)
def test_a_server_that_should_not_start_does_not(
    served: Workspace,
    arguments: list[str],
    variables: dict[str, str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ASSISTANT_TOKEN", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    status, _, told = run(capsys, "serve", "--workspace", str(served.root), *arguments)
    assert status == 2 and message in told


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a few sample documents, embedded by the bundled model."""
    root = tmp_path_factory.mktemp("sample") / "workspace"
    command = [sys.executable, "-m", "assistant", "ingest", str(SAMPLE / "circulars"), "--workspace", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    return root


@pytest.fixture(scope="module")
def real_server(sample: Path) -> Iterator[str]:
    """The address of ``assistant serve`` with a token, over the bundled models."""
    command = [sys.executable, "-m", "assistant", "serve", "--port", "0", "--workspace", str(sample)]
    environment = {**os.environ, "ASSISTANT_TOKEN": "secret"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout and process.stderr
        yield process.stdout.readline().split(" on ")[1].split("/v1")[0]
        process.terminate()
        told = process.stdout.read() + process.stderr.read()
        process.wait(120)
    assert "secret" not in told and "hail" not in told, told


@pytest.mark.slow
def test_the_bundled_model_answers_two_at_once_with_evidence(real_server: str) -> None:
    asked_at = time.monotonic()
    while get(f"{real_server}/health").status_code != 200:
        assert time.monotonic() - asked_at < 300
        time.sleep(0.1)
    client = OpenAI(base_url=f"{real_server}/v1", api_key="secret", max_retries=0, timeout=120)

    def ask(question: str) -> tuple[str, dict[str, object]]:
        reply = client.chat.completions.create(
            model="default", messages=[{"role": "user", "content": question}], max_tokens=48
        )
        return reply.choices[0].message.content or "", reply.model_extra["grounding"]  # type: ignore[index]

    with client, ThreadPoolExecutor(2) as threads:
        (text, grounding), (_, refusal) = threads.map(ask, [QUESTION, "Who won the chess world cup in 1972?"])
    assert not grounding["refused"] and "[" in text
    assert any(sentence["citations"] for sentence in grounding["sentences"])  # type: ignore[attr-defined]
    assert refusal["refused"]


@pytest.mark.slow
def test_tools_of_the_bundled_models_find_evidence(sample: Path) -> None:
    arguments = ["-m", "assistant", "mcp", "--workspace", str(sample)]

    async def main() -> None:
        async with Client(StdioServerParameters(command=sys.executable, args=arguments)) as client:
            result = await client.call_tool("search", {"question": QUESTION, "k": 2})
            assert result.structured_content and len(result.structured_content["hits"]) == 2

    anyio.run(main)
