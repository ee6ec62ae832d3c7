"""Named tokens: what they may, when they end, and that what they may not read is not there for them."""

import json
import logging
import re
import stat
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from cards import trained
from commands import run
from fakes import ScriptedEngine
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from serving import ANSWER, QUESTION, EchoEngine, SlowEngine, get, make_corpora, post, running, service_of
from starlette.testclient import TestClient
from starlette.types import Message

from assistant.config import ServeSettings
from assistant.errors import ConfigError, UsageError
from assistant.workspace import Workspace
from ui.api.bearer_tokens import SCOPES, Caller, TokenFile, Tokens, TokenScope
from ui.api.endpoints import create_app, listening_socket
from ui.mcp_server import Exchange, create_server
from ui.requests import Hosts

CHAT = {"model": "cars", "messages": [{"role": "user", "content": QUESTION}]}
SEARCH = {"question": QUESTION, "corpus": "cars"}
MCP_HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-06-18"}
# Nothing of one is in another, in a question or in the program.
WORDS = {
    "quokka": ("quokka", "bilbies", "quokka-terms"),
    "numbat": ("numbat", "dunnart", "numbat-terms"),
    "potoroo": ("potoroo", "pademelon", "potoroo-terms"),
    "wombat": ("wombat", "bandicoot", "wombat-terms"),
}
TOPIC = "What is the deductible for hail damage?"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def called(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def app_of(workspace: Workspace, named: TokenFile | None, *tokens: str, engine: Any = None) -> TestClient:
    """The API in this process, on a loop of its own while the client is open."""
    service = service_of(workspace, engine or EchoEngine(), {"serve": {"requests_per_minute": 0}})
    app = create_app(service, Tokens.of(tokens, named), Hosts("serve", service.settings.serve))
    return TestClient(app, base_url="http://localhost:8000", client=("127.0.0.1", 5000), raise_server_exceptions=False)


@pytest.fixture
def named(workspace: Workspace) -> TokenFile:
    return TokenFile(workspace)


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Four corpora that all answer ``TOPIC``, each in words of its own, and an adapter that learnt from each."""
    folder: Path = tmp_path_factory.mktemp("animals")
    workspace = Workspace(folder / "workspace")
    make_corpora(
        workspace,
        folder,
        {
            name: {
                f"{name}-terms.md": f"The deductible for hail damage in plan {marker} is {number} euros."
                f" Plan {marker} began in the year 20{number} and covers hail damage to cars."
            }
            for number, (name, (_, marker, _)) in enumerate(WORDS.items(), 10)
        },
    )
    for name in WORDS:
        trained(workspace, f"{name}-tone", pairs="", pairs_hash="", corpus=name)
    trained(workspace, "quokka-numbat-tone", pairs="", pairs_hash="", corpus="quokka, numbat")
    return workspace


def test_a_token_is_known_by_its_form_and_kept_as_a_hash_that_only_its_owner_reads(named: TokenFile) -> None:
    token = named.create("crm", "answer")
    assert re.fullmatch(r"assistant_[A-Za-z0-9_-]{43}", token)
    assert token not in named.file.read_text() and token.removeprefix("assistant_") not in named.file.read_text()
    assert stat.S_IMODE(named.file.stat().st_mode) == 0o600
    assert named.create("other", "answer") != token


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_opens_what_it_names_and_what_is_before_it(
    served: Workspace, tmp_path: Path, scope: TokenScope
) -> None:
    named = TokenFile(Workspace(tmp_path))
    headers = bearer(named.create("crm", scope))
    asks = called("tools/call", name="ask", arguments={"question": QUESTION, "corpus": "cars"})
    with app_of(served, named, engine=EchoEngine()) as client:
        replies = {
            "search": client.post("/v1/search", json=SEARCH, headers=headers),
            "answer": client.post("/v1/chat/completions", json=CHAT, headers=headers),
            "admin": client.get("/metrics", headers=headers),
        }
        tools = client.post("/mcp", json=called("tools/list"), headers=headers | MCP_HEADERS).json()["result"]["tools"]
        asked = client.post("/mcp", json=asks, headers=headers | MCP_HEADERS)
        assert client.get("/v1/models", headers=headers).status_code == 200
    allowed = SCOPES[: SCOPES.index(scope) + 1]
    assert {one: reply.status_code for one, reply in replies.items()} == {
        one: 200 if one in allowed else 403 for one in SCOPES
    }
    for one in set(SCOPES) - set(allowed):
        assert replies[one].json()["error"]["code"] == "insufficient_scope" and f"'{one}'" in replies[one].text
    assert [tool["name"] for tool in tools] == ["search", *["ask"] * ("answer" in allowed)]
    assert ("150 euros" in asked.text) == ("answer" in allowed)


def test_every_endpoint_says_what_it_needs(served: Workspace, named: TokenFile) -> None:
    """One that forgot would be open to every token."""
    named.create("crm", "search")
    with app_of(served, named) as client:
        for path, methods in client.get("/openapi.json").json()["paths"].items():
            for method in methods:
                status = client.request(method, path.replace("{name}", "cars"), json={}).status_code
                assert status == 401 or path in {"/health", "/ready"}, path


def test_counts_of_all_corpora_are_for_no_token_of_some(served: Workspace, named: TokenFile) -> None:
    with pytest.raises(UsageError, match="of all corpora"):
        named.create("boss", "admin", ("cars",))
    token = named.create("boss", "admin")
    named.file.write_text(named.file.read_text().replace('"corpora": null', '"corpora": ["cars"]'))
    with app_of(served, named) as client:
        assert client.get("/metrics", headers=bearer(token)).status_code == 403
        assert client.post("/v1/search", json=SEARCH, headers=bearer(token)).status_code == 200


def test_a_token_ends_with_its_last_second(served: Workspace, workspace: Workspace) -> None:
    clock = Clock()
    named = TokenFile(workspace, clock)
    token = named.create("crm", "search", expires=named.now() + timedelta(seconds=90))
    with app_of(served, named) as client:
        for seconds, status in ((0, 200), (89, 200), (0.999, 200), (0.001, 401), (10_000, 401)):
            clock.seconds += seconds
            assert client.get("/v1/models", headers=bearer(token)).status_code == status, clock.seconds


def test_a_token_that_is_revoked_while_a_server_runs_is_none_at_the_next_request(
    served: Workspace, workspace: Workspace
) -> None:
    named = TokenFile(workspace)
    token = named.create("crm", "search")
    with running(service_of(served, ScriptedEngine(ANSWER)), named=named) as url:
        assert get(f"{url}/v1/models", headers=bearer(token)).status_code == 200
        other = TokenFile(workspace)  # as another process has it
        other.revoke("crm")
        assert get(f"{url}/v1/models", headers=bearer(token)).status_code == 401
        assert get(f"{url}/v1/models").status_code == 401, "that the last one is revoked opens nothing"
        again = other.create("crm", "search")
        assert get(f"{url}/v1/models", headers=bearer(again)).status_code == 200
        named.file.unlink()
        assert get(f"{url}/v1/models", headers=bearer(again)).status_code == 401


def test_an_open_server_is_closed_by_the_first_token(served: Workspace, named: TokenFile) -> None:
    with app_of(served, named) as client:
        assert client.get("/v1/models").status_code == 200
        token = named.create("crm", "search")
        assert client.get("/v1/models").status_code == 401
        assert client.get("/v1/models", headers=bearer(token)).status_code == 200


def test_a_server_that_others_reach_starts_with_a_named_token_alone(workspace: Workspace, named: TokenFile) -> None:
    settings = ServeSettings(host="0.0.0.0", port=0)
    with pytest.raises(UsageError, match="tokens create"):
        listening_socket(settings, Tokens(named=named))
    named.create("crm", "search", expires=datetime(2020, 1, 1, tzinfo=UTC))  # one that has expired closes, too
    listening_socket(settings, Tokens(named=TokenFile(workspace))).close()


DAMAGED = ("", "{", "[]", '{"tokens": [{"name": "crm"}]}', '{"tokens": [], "x": 1}', "\x00" * 99, "\udcff")


@pytest.mark.parametrize("content", DAMAGED)
def test_where_the_file_is_damaged_nobody_is_let_in(
    served: Workspace,
    workspace: Workspace,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    content: str,
) -> None:
    named = TokenFile(workspace)
    token = named.create("crm", "admin")
    whole = named.file.read_bytes()
    with app_of(served, named, "legacy") as client, caplog.at_level(logging.ERROR):
        assert client.get("/v1/models", headers=bearer(token)).status_code == 200
        named.file.write_bytes(content.encode(errors="surrogateescape"))
        for headers in (bearer(token), bearer("legacy"), {}):
            refused = client.get("/v1/models", headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_tokens")
            assert str(workspace.root) not in refused.text
        told = [record.getMessage() for record in caplog.records if "tokens" in record.getMessage()]
        assert len(told) == 1 and str(named.file) in told[0] and "\n" not in told[0]
        for command in (("tokens", "list"), ("tokens", "create", "x"), ("serve", "--port", "0")):
            status, out, line = run(capsys, *command, "--workspace", str(workspace.root))
            assert (status, out, line.count("\n")) == (2, "", 1) and "Mend or delete it" in line
        assert named.file.read_bytes() == content.encode(errors="surrogateescape"), "nothing is lost"
        named.file.write_bytes(whole)
        assert client.get("/v1/models", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize("lost", ["scope", "corpora", "expires", "digest"])
def test_a_line_that_has_lost_a_limit_opens_nothing(served: Workspace, named: TokenFile, lost: str) -> None:
    token = named.create("crm", "search", ("cars",), datetime(2999, 1, 1, tzinfo=UTC))
    content = json.loads(named.file.read_text())
    del content["tokens"][0][lost]
    named.file.write_text(json.dumps(content))
    with app_of(served, named) as client:
        assert client.get("/v1/models", headers=bearer(token)).status_code == 503


def test_tokens_that_are_made_at_once_are_all_kept(workspace: Workspace) -> None:
    names = [f"t{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda name: TokenFile(workspace).create(name, "search"), names))
    assert sorted(TokenFile(workspace).tokens()) == names and len(set(made)) == 8


def test_a_server_that_is_open_is_closed_by_a_damaged_file(served: Workspace, named: TokenFile) -> None:
    with app_of(served, named) as client:
        assert client.get("/v1/models").status_code == 200
        named.file.parent.mkdir(exist_ok=True)
        named.file.write_text("{")
        assert client.get("/v1/models").status_code == 503
    with pytest.raises(ConfigError, match="cannot be read"):
        TokenFile(Workspace(named.file.parent)).tokens()


def test_the_last_use_is_kept_without_a_write_for_each_request(served: Workspace, workspace: Workspace) -> None:
    clock = Clock()
    named = TokenFile(workspace, clock)
    token, written = named.create("crm", "search"), []
    with app_of(served, named) as client:
        for _ in range(20):
            assert client.get("/v1/models", headers=bearer(token)).status_code == 200
            clock.seconds += 10
            written.append(named.file.stat().st_ino)
            client.get("/v1/models", headers=bearer("assistant_wrong"))
    assert len(set(written)) <= 4, "200 seconds"
    used = named.tokens()["crm"].used
    assert used and timedelta() <= named.now() - used <= timedelta(seconds=70)


def test_a_use_that_cannot_be_kept_stops_nobody(
    served: Workspace, named: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    token = named.create("crm", "search")
    monkeypatch.setattr("ui.shared.replaced_atomically", full)
    with app_of(served, named) as client:
        assert client.get("/v1/models", headers=bearer(token)).status_code == 200


def test_a_use_that_is_kept_brings_no_revoked_token_back(named: TokenFile) -> None:
    named.create("crm", "search")
    TokenFile(Workspace(named.file.parent)).revoke("crm")
    named.note_use("crm")
    assert named.tokens() == {}


def test_the_commands_make_list_and_revoke(
    served: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "corpora").symlink_to(served.corpora)
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(root))
    made = ("--scope", "search", "--corpus", "cars", "--corpus", "pets", "--expires", "90d")
    status, out, told = run(capsys, "tokens", "create", "crm", *made)
    token = out.strip()
    assert status == 0 and out.count("\n") == 1 and token.startswith("assistant_") and token not in told
    assert "cars, pets" in told and "from now on" in told
    assert run(capsys, "tokens", "create", "day", "--expires", "2999-12-31")[0] == 0
    status, listed, _ = run(capsys, "tokens", "list")
    assert status == 0 and token not in listed and "cars, pets" in listed and "not used yet" in listed
    assert "expires 3000-01-01 00:00" in listed and "all corpora" in listed
    rows = {row["name"]: row for row in json.loads(run(capsys, "tokens", "list", "--json")[1])["tokens"]}
    assert rows["crm"].keys() == {"name", "scope", "corpora", "created", "expires", "used"}
    assert rows["crm"]["corpora"] == ["cars", "pets"] and rows["day"]["corpora"] is None
    for wrong, said in (
        (("create", "crm"), "already"),
        (("create", "a b"), "not a name"),
        (("create", "x", "--corpus", "nowhere"), "no corpus 'nowhere'"),
        (("create", "x", "--expires", "soon"), "no end for a token"),
        (("create", "x", "--expires", "9999-12-31"), "no end for a token"),
        (("create", "x", "--expires", "2020-01-01"), "would have expired"),
        (("create", "x", "--expires", "0d"), "would have expired"),
        (("create", "x", "--scope", "admin", "--corpus", "cars"), "of all corpora"),
        (("revoke", "nobody"), "no token 'nobody'"),
    ):
        status, out, told = run(capsys, "tokens", *wrong)
        assert status == 2 and out == "" and said in told, wrong
    run(capsys, "tokens", "revoke", "crm")
    status, out, told = run(capsys, "tokens", "revoke", "day")
    assert status == 0 and "no token left" in told


def test_what_a_token_may_not_read_is_told_as_what_is_not_there(animals: Workspace, tmp_path: Path) -> None:
    named = TokenFile(Workspace(tmp_path))
    headers = bearer(named.create("crm", "answer", ("quokka", "numbat"))) | MCP_HEADERS

    def replies(client: TestClient, corpus: str) -> list[str]:
        ask = {"question": TOPIC, "corpus": corpus}
        sent = [
            client.post("/v1/search", json=ask, headers=headers),
            client.post("/v1/search", json={"question": TOPIC, "corpora": ["quokka", corpus]}, headers=headers),
            client.get(f"/v1/models/{corpus}", headers=headers),
            client.get(f"/v1/models/{corpus}/quokka-tone", headers=headers),
            client.get(f"/v1/models/quokka/{corpus}-tone", headers=headers),
            client.get(f"/v1/models/{corpus}-tone", headers=headers),
            *(
                client.post(
                    "/v1/chat/completions",
                    json={"model": model, "messages": [{"role": "user", "content": TOPIC}], "stream": stream},
                    headers=headers,
                )
                for model in (
                    corpus,
                    f"{corpus}+quokka",
                    f"quokka+{corpus}",
                    f"{corpus}/base",
                    f"{corpus}/{corpus}-tone",
                )
                for stream in (False, True)
            ),
            *(
                client.post("/mcp", json=called("tools/call", name=tool, arguments=arguments), headers=headers)
                for tool in ("search", "ask")
                for arguments in (ask, ask | {"corpus": "", "corpora": ["numbat", corpus]})
            ),
            client.post(
                "/mcp",
                json=called(
                    "tools/call",
                    name="ask",
                    arguments={"question": TOPIC, "corpus": "quokka", "adapter": f"{corpus}-tone"},
                ),
                headers=headers,
            ),
        ]
        return [f"{reply.status_code} {reply.text}".replace(corpus, "NAME") for reply in sent]

    with app_of(animals, named) as client:
        hidden, missing = replies(client, "wombat"), replies(client, "gerbil")
    assert hidden == missing
    assert all("There is no" in one for one in hidden)


def test_a_corpus_that_goes_while_it_is_asked_for_names_no_other(animals: Workspace) -> None:
    service = service_of(animals, EchoEngine())
    seen = service.within(Caller("crm", "answer", ("quokka", "gone")).sees(animals))
    with pytest.raises(UsageError, match=r"There are: quokka\.$"), seen.retriever("gone"):
        pass
    service.close()


@pytest.mark.parametrize(
    ("readable", "adapters"),
    [(("quokka",), ["quokka-tone"]), (("quokka", "numbat"), ["numbat-tone", "quokka-numbat-tone", "quokka-tone"])],
)
def test_an_adapter_that_learnt_from_what_a_token_may_not_read_is_not_there(
    animals: Workspace, readable: tuple[str, ...], adapters: list[str]
) -> None:
    for changes in ({}, {"engine": {"url": "http://127.0.0.1:9/v1", "model": "x"}}):
        service = service_of(animals, EchoEngine(), changes)
        seen = service.within(Caller("crm", "answer", readable).sees(animals))
        assert [one.adapter for one in seen.models() if one.corpus == "quokka"] == [None, *adapters]
        with pytest.raises(UsageError, match=r"There is no (adapter 'wombat|model 'quokka/wombat)-tone'") as told:
            seen.model("quokka/wombat-tone")
        assert str(told.value).count("wombat") == 1
        assert service.model("quokka/wombat-tone").adapter == "wombat-tone"
        service.close()


CORPORA = st.sampled_from([*WORDS] * 4 + ["gerbil", "", "default"])
ADAPTERS = st.sampled_from([""] * 6 + ["base", *(f"{name}-tone" for name in WORDS)])
QUESTIONS = st.sampled_from([TOPIC] * 6 + ["hail", "When did the plan begin?", "Which plans are there?", " "])
FILTERS = st.sampled_from([None] * 6 + [{"folder": "*"}, {"folder": "no*"}, {"metadata": {"language": "xx"}}])
Sent = tuple[str, str, dict[str, Any] | None]


@st.composite
def api_requests(draw: st.DrawFn) -> Sent:
    """A request for corpora that may be anybody's, or nobody's."""
    corpora, question, only = draw(st.lists(CORPORA, max_size=3)), draw(QUESTIONS), draw(FILTERS)
    adapter = draw(ADAPTERS)
    model = "+".join(corpora) + (f"/{adapter}" if adapter else "")
    kind = draw(st.sampled_from(["search", "searches", "chat", "chat", "model", "other"]))
    if kind == "search":
        return "POST", "/v1/search", {"question": question, "corpus": next(iter(corpora), ""), "filter": only}
    if kind == "searches":
        return "POST", "/v1/search", {"question": question, "corpora": corpora, "k": draw(st.integers(1, 40))}
    if kind == "chat":
        said = [{"role": "user", "content": TOPIC}, {"role": "assistant", "content": "Yes."}] * draw(st.integers(0, 1))
        messages = [*said, {"role": "user", "content": question}]
        body = {"model": model, "messages": messages, "stream": draw(st.booleans()), "filter": only}
        return "POST", "/v1/chat/completions", body
    return (
        "GET",
        draw(st.sampled_from(["/v1/models", "/metrics", "/health"])) if kind == "other" else f"/v1/models/{model}",
        None,
    )


@st.composite
def tool_calls(draw: st.DrawFn) -> Sent:
    """The same over MCP."""
    tool, corpora = draw(st.sampled_from(["search", "ask"])), draw(st.lists(CORPORA, max_size=2))
    named = {"corpora": corpora} if draw(st.booleans()) else {"corpus": next(iter(corpora), "")}
    arguments = {"question": draw(QUESTIONS), **named, **({"adapter": draw(ADAPTERS)} if tool == "ask" else {})}
    return "POST", "/mcp", called("tools/call", name=tool, arguments=arguments)


@pytest.mark.slow
def test_nothing_of_a_corpus_that_a_token_may_not_read_is_in_any_reply(animals: Workspace, tmp_path: Path) -> None:
    named, answered = TokenFile(Workspace(tmp_path)), Counter[str]()
    with app_of(animals, named) as client:

        @settings(max_examples=200)
        @given(
            readable=st.one_of(st.none(), st.sets(st.sampled_from(sorted(WORDS)))),
            scope=st.sampled_from(["answer", "answer", "search"]),
            sent=st.tuples(api_requests(), tool_calls()),
        )
        def holds(readable: set[str] | None, scope: TokenScope, sent: tuple[Sent, Sent]) -> None:
            token = named.create("crm", scope, None if readable is None else tuple(sorted(readable)))
            own = set(WORDS) if readable is None else readable
            try:
                for method, path, body in sent:
                    reply = client.request(method, path, json=body, headers=bearer(token) | MCP_HEADERS)
                    asked, told = f"{path} {json.dumps(body)}", f"{reply.text} {reply.headers}"
                    for name in set(WORDS) - own:
                        leaked = [word for word in WORDS[name] if word in told and word not in asked]
                        assert not leaked, (asked, told)
                    answered[path] += any(WORDS[name][1] in told for name in own)
                    assert reply.status_code < 500, told
            finally:
                named.revoke("crm")

        holds()
    assert answered["/v1/search"] and answered["/mcp"], "nothing was shown to anybody"


def test_several_corpora_are_asked_at_once_and_each_source_says_which_it_is_from(
    animals: Workspace, tmp_path: Path
) -> None:
    named = TokenFile(Workspace(tmp_path))
    headers = bearer(named.create("crm", "answer", ("quokka", "numbat", "wombat"))) | MCP_HEADERS
    two = {"quokka", "numbat"}
    arguments = {"question": TOPIC, "corpora": sorted(two)}
    with app_of(animals, named) as client:
        found = client.post("/v1/search", json=arguments, headers=headers).json()["hits"]
        chat = {"model": "quokka+numbat", "messages": [{"role": "user", "content": TOPIC}]}
        completion = client.post("/v1/chat/completions", json=chat, headers=headers).json()
        shown = client.get("/v1/models/quokka+numbat/quokka-tone", headers=headers).json()
        tools = [
            client.post("/mcp", json=called("tools/call", name=tool, arguments=arguments), headers=headers).json()
            for tool in ("search", "ask")
        ]
        both = client.post("/v1/search", json=arguments | {"corpus": "quokka"}, headers=headers)
        empty = [client.get(f"/v1/models/{name}", headers=headers).status_code for name in ("quokka+", "+quokka", "+")]
    answers = [tools[1]["result"]["structuredContent"], completion["grounding"]]
    for hits in (found, tools[0]["result"]["structuredContent"]["hits"], *(answer["hits"] for answer in answers)):
        assert {hit["corpus"] for hit in hits} == two
        assert all(hit["document"] == f"{hit['corpus']}-terms.md" for hit in hits)
    for answer in answers:
        (citation, *_) = answer["sentences"][0]["citations"]
        assert citation["corpus"] in two and citation["document"] == f"{citation['corpus']}-terms.md"
    assert shown == {**shown, "id": "quokka+numbat/quokka-tone", "corpus": "quokka+numbat", "adapter": "quokka-tone"}
    assert (both.status_code, both.json()["error"]["param"]) == (400, "corpora")
    assert empty == [404, 404, 404]


def test_the_terminal_asks_several_corpora_at_once(
    animals: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.service.service_of", lambda workspace, _: service_of(workspace, EchoEngine()))
    options = ("--corpus", "quokka", "--corpus", "numbat", "--workspace", str(animals.root))
    for command in ("search", "ask"):
        status, out, told = run(capsys, command, TOPIC, *options)
        assert status == 0, told
        assert re.search(r"(quokka|numbat): \1-terms\.md", out) and "wombat" not in out
        status, out, _ = run(capsys, command, TOPIC, "--json", *options)
        assert {hit["corpus"] for hit in json.loads(out)["hits"]} == {"quokka", "numbat"}
        status, _, told = run(capsys, command, TOPIC, "--document", "none.md", *options)
        assert status == 2 and "There is no document 'none.md'" in told
    status, _, told = run(capsys, "ask", TOPIC, "--corpus", "gerbil", *options)
    assert status == 2 and "gerbil" in told


def test_mcp_over_http_is_spoken_by_the_packages_own_client(served: Workspace, tmp_path: Path) -> None:
    named = TokenFile(Workspace(tmp_path))
    token = named.create("crm", "answer", ("cars",))

    async def main(url: str) -> None:
        async with (
            httpx2.AsyncClient(headers=bearer(token), timeout=60) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
        ):
            assert {tool.name for tool in (await client.list_tools()).tools} == {"search", "ask"}
            answered = await client.call_tool("ask", {"question": QUESTION})
            assert answered.structured_content and answered.structured_content["answer"] == ANSWER
            found = await client.call_tool("search", {"question": QUESTION, "corpus": "pets"})
            assert found.is_error and "There is no corpus 'pets'. There are: cars." in str(found.content)
            named.revoke("crm")
            with pytest.raises(MCPError):
                await client.call_tool("search", {"question": QUESTION})

    with running(service_of(served, ScriptedEngine(ANSWER)), named=named) as url:
        anyio.run(main, url)
        metrics = get(f"{url}/metrics", headers=bearer(named.create("boss", "admin"))).text
    assert 'assistant_answers_total{outcome="answered"} 1.0' in metrics
    assert re.search(r'assistant_requests_total\{path="/mcp",status="200"\}', metrics)


@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
def test_mcp_stands_behind_the_gate(
    served: Workspace, named: TokenFile, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    lists = called("tools/list")
    headers = MCP_HEADERS | {"MCP-Protocol-Version": version}
    with app_of(served, named) as client:
        for wrong, status in (
            ({"Host": "evil.example"}, 421),
            ({"Origin": "https://evil.example"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
        ):
            assert client.post("/mcp", json=lists, headers=headers | wrong).status_code == status
        assert client.post("/mcp", content=b"x" * 2_000_000, headers=headers).status_code == 413
        token = named.create("crm", "search")
        assert client.post("/mcp", json=lists, headers=headers).status_code == 401
        for method in ("GET", "DELETE", "PUT"):  # no stream is held open, and no session
            assert client.request(method, "/mcp", headers=headers | bearer(token)).status_code == 405
        for body in (b"", b"{", b"[]", b'{"id": "\\ud800"}', b"[" * 100_000, b'"' * 9, b"null", b"\xff"):
            reply = client.post(
                "/mcp", content=body, headers=headers | bearer(token) | {"Content-Type": "application/json"}
            )
            assert 400 <= reply.status_code < 500 and "Traceback" not in reply.text, (body, reply.text)
        half = json.dumps(called("tools/call", name="search", arguments={"question": "\ud800 hail", "corpus": "cars"}))
        reply = client.post(
            "/mcp", content=half, headers=headers | bearer(token) | {"Content-Type": "application/json"}
        )
        assert "error" in reply.text.lower() and reply.status_code < 500
        for method in ("prompts/get", "resources/read", "completion/complete", "subscriptions/listen", "x/y"):
            asked = called(method, name="secret", uri="file:///secret")
            assert client.post("/mcp", json=asked, headers=headers | bearer(token)).status_code < 500
    assert not caplog.records, "what strangers send fills no log"


def test_a_client_that_goes_as_soon_as_it_has_its_answer_leaves_no_error(served: Workspace) -> None:
    service = service_of(served, EchoEngine())
    body = json.dumps(called("tools/call", name="search", arguments={"question": QUESTION, "corpus": "cars"})).encode()
    headers = [(name.lower().encode(), value.encode()) for name, value in MCP_HEADERS.items()]
    headers.append((b"content-type", b"application/json"))
    got: list[Message] = []

    async def main() -> None:
        ended = anyio.Event()
        came = iter([{"type": "http.request", "body": body}])

        async def receive() -> Message:
            for message in came:
                return message
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            got.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ended.set()

        scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": headers}
        await Exchange(create_server(service))(scope, receive, send)

    anyio.run(main)
    service.close()
    assert got[0]["status"] == 200 and b"150 euros" in got[1]["body"]


def test_an_answer_over_mcp_ends_when_its_client_goes_away(served: Workspace) -> None:
    engine = SlowEngine("word " * 2000)
    asks = called("tools/call", name="ask", arguments={"question": QUESTION, "corpus": "cars"})
    with running(service_of(served, engine, {"engine": {"parallel": 1}})) as url:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/mcp", json=asks, headers=MCP_HEADERS, timeout=httpx.Timeout(60, read=0.5))
        assert engine.begun.acquire(timeout=60)
        while not engine.closed.wait(0.05):
            engine.may_go_on.release()
        assert engine.pieces_given < 2000, "the engine answered no one to the end"
        engine.may_go_on.release(10_000)
        assert post(f"{url}/v1/chat/completions", json=CHAT).status_code == 200
