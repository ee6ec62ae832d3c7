"""The tools, called by the package's own client: in this process, and over standard input and output."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from fakes import ScriptedEngine
from mcp import Client, StdioServerParameters
from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, TextContent
from serving import ANSWER, QUESTION, service_of

from assistant.workspace import Workspace
from ui.mcp_server import create_local_server

STDIO_SERVER = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from fakes import ScriptedEngine
from serving import ANSWER, service_of
from assistant.workspace import Workspace
from ui.mcp_server import create_local_server
create_local_server(service_of(Workspace(Path(sys.argv[1])), ScriptedEngine(ANSWER))).run()
"""


def call(server: Any, name: str, **arguments: object) -> CallToolResult:
    async def main() -> CallToolResult:
        async with Client(server) as client:
            return await client.call_tool(name, arguments)

    return anyio.run(main)


@pytest.fixture
def server(served: Workspace) -> MCPServer:
    return create_local_server(service_of(served, ScriptedEngine(ANSWER)))


def test_tools_say_what_they_do_and_that_documents_give_no_orders(server: MCPServer) -> None:
    async def main() -> None:
        async with Client(server) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert tools.keys() == {"search", "ask"}
            assert all(tool.description and tool.annotations for tool in tools.values())
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools.values())
            assert client.instructions and "never an instruction" in client.instructions
            assert "'refused'" in client.instructions

    anyio.run(main)


def test_evidence_comes_structured_and_with_its_place(server: MCPServer) -> None:
    found = call(server, "search", question=QUESTION, corpus="cars", k=3).structured_content
    assert found
    hit = found["hits"][0]
    assert hit["document"] == "hail.md" and "150 euros" in hit["text"] and hit["end"] > hit["start"]


def test_an_answer_comes_with_citations(server: MCPServer) -> None:
    answered = call(server, "ask", question=QUESTION, corpus="cars", adapter="house").structured_content
    assert answered and answered["answer"] == ANSWER and answered["adapter"] == "house"
    assert answered["sentences"][0]["citations"][0]["document"] == "hail.md"


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("ask", {"question": QUESTION}, "There is no corpus 'default'"),
        ("ask", {"question": QUESTION, "corpus": "../cars"}, "There is no corpus '../cars'"),
        ("ask", {"question": QUESTION, "corpus": "cars", "adapter": "../../x"}, "There is no adapter '../../x'"),
        (
            "ask",
            {"question": QUESTION, "corpus": "cars", "adapter": "zz"},
            "no adapter 'zz'. There are: base,",
        ),
        ("search", {"question": " ", "corpus": "cars"}, ""),
        ("search", {"question": "hail", "corpus": "cars", "k": 0}, "are wrong: k: Input should be greater"),
        ("search", {"question": "hail", "corpus": "cars", "folder": "nowhere/*"}, "'nowhere/*'"),
        ("search", {}, "are wrong: question: Field required."),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(
    server: MCPServer, tool: str, arguments: dict[str, object], said: str
) -> None:
    result = call(server, tool, **arguments)
    (content,) = result.content
    assert result.is_error and isinstance(content, TextContent)
    assert said in content.text and "Traceback" not in content.text and "http" not in content.text


def test_it_speaks_over_standard_input_and_output(served: Workspace) -> None:
    root = Path(__file__).parent.parent.parent
    parameters = StdioServerParameters(command=sys.executable, args=["-c", STDIO_SERVER, str(served.root)], cwd=root)
    answered = call(parameters, "ask", question=QUESTION, corpus="cars")
    assert not answered.is_error and answered.structured_content
    assert answered.structured_content["answer"] == ANSWER


@pytest.mark.slow
def test_every_message_of_mcp_gets_an_answer_over_standard_input(served: Workspace) -> None:
    ask = '{"jsonrpc": "2.0", "id": %s, "method": "tools/call", "params": {"name": "search", "arguments": %s}}'
    lines = [
        '{"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18",'
        ' "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}}',
        '{"jsonrpc": "2.0", "method": "notifications/initialized"}',
        ask % (1, '{"question": "\\ud800 hail", "corpus": "cars"}'),
        ask % ('"two"', '{"question": "hail", "corpus": "\\udfff"}'),
        ask % ('"\\ud800"', '{"question": "hail", "corpus": "cars"}'),
        "no JSON",
        "[" * 100_000,
        ask % (7, '{"question": "hail", "corpus": "cars"}'),
    ]
    command = [sys.executable, "-c", STDIO_SERVER, str(served.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        server.stdin.write("\n".join(lines) + "\n")
        server.stdin.flush()
        replies = [json.loads(server.stdout.readline()) for _ in range(7)]
        server.stdin.close()
        assert server.wait(60) == 0
    by_number = {str(reply["id"]): reply for reply in replies}
    assert set(by_number) == {"0", "1", "two", "None", "7"}
    assert all("cannot be read" in by_number[number]["error"]["message"] for number in ("1", "two", "None"))
    assert "result" in by_number["7"]


def test_nothing_in_the_text_of_an_answer_leads_or_loads_anything(served: Workspace) -> None:
    said = f"{ANSWER} See www.evil.example and ![x] (https://evil.example/p)."
    server = create_local_server(service_of(served, ScriptedEngine(said)))
    answer = call(server, "ask", question=QUESTION, corpus="cars").structured_content
    assert answer
    for text in (answer["answer"], *(sentence["text"] for sentence in answer["sentences"])):
        assert "![" not in text and text.count("evil.example") == text.count("evil.example``") + text.count(
            "evil.example/p``"
        )


@pytest.mark.parametrize("tool", ["search", "ask"])
def test_a_question_that_is_too_long_is_an_error(server: MCPServer, tool: str) -> None:
    result = call(server, tool, question="x" * 4001, corpus="cars")
    (content,) = result.content
    assert result.is_error and isinstance(content, TextContent) and "4,001 characters" in content.text
