"""Which names the app and the API answer to, and that only known proxies speak for their visitors."""

import socket
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import uvicorn
from fakes import ScriptedEngine
from fastapi import FastAPI
from serving import service_of
from signing import client_of, make_people, sign_in, small_app
from starlette.datastructures import Headers
from starlette.testclient import TestClient
from starlette.types import Scope

from assistant.config import ServeSettings, Settings, UiSettings, load
from assistant.doctor import CHECKS
from assistant.errors import ConfigError
from assistant.workspace import Workspace
from ui.api.bearer_tokens import Tokens
from ui.api.endpoints import create_app
from ui.people import People
from ui.requests import Hosts, Proxies, WrongHost
from ui.server import ClientLimits, server_of

OWN = (
    "localhost", "LOCALHOST", "localhost:7860", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8000",
    "[0:0:0:0:0:0:0:1]:8000",
)  # fmt: skip
OTHERS = (
    "evil.test", "evil.test:7860", "rebound", "127.0.0.1.evil.test", "localhost.evil.test", "evil.test.localhost",
    "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "127.0.1", "127.0.0.2", "0.0.0.0", "0", "192.0.2.1",
    "[::]", "[::ffff:127.0.0.1]", "[2001:db8::1]:80", "metadata.google.internal",
)  # fmt: skip
MALFORMED = (
    "", " ", "localhost.", "localhost.:7860", "localhost:", "localhost:x", "localhost:123456", "user@localhost",
    "localhost:80@evil.test", "evil.test#@localhost", "localhost/x", "localhost\\x", "::1", "[::1", "[localhost]",
    "[127.0.0.1]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "localhost, evil.test", "localhost evil.test", "%6cocalhost",
    "l\u00f6calhost", "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3", "*", ".", "-",
)  # fmt: skip


def asked_for(*hosts: str, path: str = "/", server: str = "127.0.0.1", client: str = "192.0.2.7") -> Scope:
    headers = [(b"host", host.encode("utf-8")) for host in hosts]
    ends = {"server": (server, 7860), "client": (client, 5000)}
    return {"type": "http", "scheme": "http", "path": path, "headers": headers, **ends}


def status_of(hosts: Hosts, scope: Scope) -> int:
    try:
        hosts.check(scope)
    except WrongHost as wrong:
        return wrong.status
    return 200


@pytest.mark.parametrize(
    "hosts", [Hosts("ui", UiSettings()), Hosts("serve", ServeSettings()), Hosts("ui", UiSettings(), is_open=True)]
)
def test_a_server_answers_to_its_loopback_names_alone(hosts: Hosts) -> None:
    assert {host: status_of(hosts, asked_for(host)) for host in OWN} == dict.fromkeys(OWN, 200)
    assert {host: status_of(hosts, asked_for(host)) for host in OTHERS} == dict.fromkeys(OTHERS, 421)
    assert {host: status_of(hosts, asked_for(host)) for host in MALFORMED} == dict.fromkeys(MALFORMED, 400)


def test_no_host_two_hosts_and_a_target_with_a_host_are_refused() -> None:
    hosts = Hosts("ui", UiSettings())
    for scope in (
        asked_for(),
        asked_for("localhost", "localhost"),
        asked_for("localhost", "evil.test"),
        asked_for("localhost", path="http://evil.test/en/"),
        asked_for("localhost", path="evil.test:80"),
        asked_for("localhost", path="*"),
    ):
        assert status_of(hosts, scope) == 400


def test_names_and_addresses_that_are_configured_are_answered() -> None:
    settings = UiSettings(
        host="192.0.2.5", allowed_hosts=("Assistant.Example", "[2001:db8::1]"), public_url="https://public.example/x"
    )
    for host in ("192.0.2.5:7860", "assistant.example", "[2001:DB8:0::1]", "public.example:443", "localhost"):
        assert status_of(Hosts("ui", settings), asked_for(host)) == 200, host
    for host in ("192.0.2.6", "www.assistant.example", "example"):
        assert status_of(Hosts("ui", settings), asked_for(host)) == 421, host
        assert status_of(Hosts("ui", settings, is_open=True), asked_for("assistant.example")) == 421, "for all to use"
    assert status_of(Hosts("serve", ServeSettings(allowed_hosts=("api.example",))), asked_for("api.example")) == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_who_listens_everywhere_answers_to_the_address_that_was_dialled_and_to_the_name_of_the_machine(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Desk.lan.example")
    hosts = Hosts("ui", UiSettings(host=host))
    for own in ("desk:7860", "desk.lan.example", "desk.local"):
        assert status_of(hosts, asked_for(own)) == 200, own
    for server in ("192.168.1.5", "::ffff:192.168.1.5"):
        assert status_of(hosts, asked_for("192.168.1.5:7860", server=server)) == 200
    assert status_of(hosts, asked_for("[2001:db8::5]", server="2001:db8::5")) == 200
    for other in ("192.168.1.6", "0.0.0.0", "[::]", "evil.test"):
        assert status_of(hosts, asked_for(other, server="192.168.1.5")) == 421, other


def test_the_refusal_says_what_to_set() -> None:
    for section, hosts in (("ui", Hosts("ui", UiSettings())), ("serve", Hosts("serve", ServeSettings()))):
        with pytest.raises(WrongHost) as told:
            hosts.check(asked_for("desk.example:7860"))
        assert told.value.remedy.endswith(f"""assistant {section} --set '{section}.allowed_hosts=["desk.example"]'""")
        assignment = told.value.remedy.partition("--set ")[2].strip("'")
        settings, _ = load(environment={}, assignments=[assignment])
        assert getattr(settings, section).allowed_hosts == ("desk.example",)


@pytest.mark.parametrize(
    "name", ["a:80", "http://a", "a/b", "*", "*.example", "", "a b", ".a", "a.", "[a]", "fe80::1%0"]
)
def test_a_name_that_no_browser_asks_for_is_refused_where_it_is_set(name: str) -> None:
    with pytest.raises(ConfigError, match="allowed_hosts"):
        load(environment={}, assignments=[f"ui.allowed_hosts=['{name}']"])


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return make_people(tmp_path_factory.mktemp("people"), ana="editor", ben="expert")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, people: People) -> FastAPI:
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    known = {"trusted_proxies": ["10.0.0.0/8"], "allowed_hosts": ["own.example"]}
    return small_app(workspace, people, sign_ins_per_minute=1000, **known)


@pytest.fixture
def ana(app: FastAPI) -> Iterator[TestClient]:
    with client_of(app, client=("192.0.2.7", 5000)) as client:
        sign_in(client, "ana")
        yield client


ROUTES = (
    "/", "/en/", "/en/config", "/sign-in", "/assets/app.css", "/en/assets/index.js", "/en/gradio_api/info",
    "/en/gradio_api/queue/data?session_hash=x", "/en/gradio_api/heartbeat/x", "/en/gradio_api/upload_progress",
    "/nowhere",
)  # fmt: skip


def test_every_route_looks_at_the_host(ana: TestClient) -> None:
    for path in ROUTES:
        answer = ana.get(path, headers={"host": "evil.test"})
        assert answer.status_code == 421 and "evil.test" in answer.json()["detail"], path
    for path in ("/sign-in", "/sign-out", "/en/gradio_api/queue/join", "/en/gradio_api/upload"):
        assert ana.post(path, headers={"host": "evil.test"}).status_code == 421, path
    assert ana.get("/en/config", headers={"host": "own.example"}).status_code == 200


def test_the_api_answers_to_the_names_that_it_is_given(served: Workspace) -> None:
    service, tokens = service_of(served, ScriptedEngine("")), Tokens.of(["secret"])
    api = create_app(service, tokens, Hosts("ui", UiSettings(allowed_hosts=("own.example",))))
    client = TestClient(api, base_url="http://localhost:8000", headers={"authorization": "Bearer secret"})
    for path in ("/v1/models", "/docs", "/openapi.json", "/metrics"):
        assert client.get(path, headers={"host": "own.example"}).status_code == 200, path
        refused = client.get(path, headers={"host": "evil.test"})
        assert refused.status_code == 421 and refused.json()["error"]["code"] == "wrong_host", path
    assert client.post("/v1/search", json={"question": "hail"}, headers={"host": "evil.test"}).status_code == 421


@pytest.mark.parametrize(
    "path", ["/en", "/en?next=//evil.test", "//evil.test/en", "/en//", "/\\evil.test/", "/en/%2e%2e/"]
)
def test_no_redirect_leads_elsewhere(ana: TestClient, path: str) -> None:
    answer = ana.get(path, headers={"x-forwarded-host": "evil.test"})
    assert answer.headers.get("location", "http://localhost:7860/").startswith("http://localhost:7860/")


SAID: dict[str, str] = {
    "x-forwarded-host": "evil.test", "x-forwarded-server": "evil.test", "forwarded": "host=evil.test;proto=https",
    "x-gradio-server": "http://evil.test", "x-forwarded-proto": "https", "x-forwarded-prefix": "/evil.test",
    "x-forwarded-port": "666", "x-real-ip": "198.51.100.1", "x-forwarded-for": "198.51.100.1",
}  # fmt: skip


@pytest.mark.parametrize("header", SAID)
@pytest.mark.parametrize("address", ["192.0.2.7", "127.0.0.1", "::1"])
def test_what_anybody_says_for_a_proxy_is_not_believed(app: FastAPI, header: str, address: str) -> None:
    with client_of(app, client=(address, 5000)) as client:
        sign_in(client, "ana")
        plain, told = client.get("/en/config"), client.get("/en/config", headers={header: SAID[header]})
        assert told.json()["root"] == plain.json()["root"] == "http://localhost:7860/en"
        assert "evil.test" not in client.get("/en/", headers=SAID).text


def test_a_known_proxy_says_host_scheme_and_visitor(app: FastAPI) -> None:
    said = {"x-forwarded-host": "own.example", "x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.1"}
    with client_of(app, "http://127.0.0.1:7860", client=("10.1.2.3", 5000)) as proxy:
        proxy.headers.update(said | {"origin": "https://own.example"})
        answer = proxy.post("/sign-in", data={"name": "ana", "password": "correct horse battery"})
        assert answer.status_code == 303 and "Secure" in answer.headers["set-cookie"]
        session = answer.headers["set-cookie"].partition(";")[0]
        del proxy.headers["origin"]
        assert proxy.get("/en/config", headers={"cookie": session}).json()["root"] == "https://own.example/en"
        wrong = proxy.get("/en/config", headers={"cookie": session, "x-forwarded-host": "evil.test"})
        assert wrong.status_code == 421, "a proxy hands on what it was asked for"


def test_the_visitor_is_who_the_last_trusted_proxy_has_seen() -> None:
    proxies = Proxies(UiSettings(trusted_proxies=("10.0.0.0/8",), trusted_header="X-User"))

    def visitor(*said: str, client: str = "10.1.1.1") -> object:
        scope = asked_for("localhost", client=client)
        scope["headers"] += [(b"x-forwarded-for", one.encode()) for one in said]
        return proxies.as_sent(scope)["client"][0]

    assert visitor("198.51.100.1") == visitor("6.6.6.6, 198.51.100.1") == "198.51.100.1"
    assert visitor("6.6.6.6", "198.51.100.1, 10.2.2.2") == "198.51.100.1", "it may stand in several headers"
    assert visitor() == visitor("10.3.3.3") == visitor("") == "10.1.1.1"
    assert visitor("6.6.6.6", client="192.0.2.7") == "192.0.2.7"
    assert visitor("6.6.6.6", client="::ffff:10.1.1.1") == "6.6.6.6"
    assert visitor("6.6.6.6:4000, 10.2.2.2:9") == visitor("6.6.6.6:4001") == "6.6.6.6", "some add the port"
    assert visitor("[2001:db8::7]:4000") == visitor("[2001:db8::7]") == visitor("2001:db8::7") == "2001:db8::7"


def test_nothing_that_proxies_say_reaches_the_app() -> None:
    proxies = Proxies(UiSettings(trusted_proxies=("10.0.0.0/8",), trusted_header="X-Forwarded-User"))
    for client, kept in (("10.1.1.1", {"host", "x-forwarded-user"}), ("192.0.2.7", {"host"})):
        scope = asked_for("localhost", client=client)
        scope["headers"] += [
            (name.encode(), value.encode()) for name, value in {**SAID, "x-forwarded-user": "ana"}.items()
        ]
        assert set(Headers(scope=proxies.as_sent(scope))) == kept


@pytest.fixture(scope="module")
def listening(app: FastAPI) -> Iterator[tuple[str, int]]:
    """Where the app listens on a socket."""
    started = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server_socket:
        server: uvicorn.Server = server_of(app, started.set, ClientLimits(), patience_seconds=1)
        thread = threading.Thread(target=server.run, args=([server_socket],), daemon=True)
        thread.start()
        assert started.wait(20)
        yield server_socket.getsockname()
        server.should_exit = True
        thread.join(20)


WEBSOCKET = (
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==",
)  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["GET /sign-in HTTP/1.1", "Host: localhost"], 200),
        (["GET /sign-in HTTP/1.0", "Host: localhost"], 200),
        (["GET /sign-in HTTP/1.0"], 400),
        (["GET /sign-in HTTP/1.1"], 400),
        (["GET /sign-in HTTP/1.1", "Host: localhost", "Host: localhost"], 400),
        (["GET /sign-in HTTP/1.1", "Host: localhost", "Host: evil.test"], 400),
        (["GET /sign-in HTTP/1.1", "Host: evil.test"], 421),
        (["GET /sign-in HTTP/1.1", "Host: user@localhost"], 400),
        (["GET http://evil.test/sign-in HTTP/1.1", "Host: localhost"], 400),
        (["GET http://localhost/sign-in HTTP/1.1", "Host: evil.test"], 400),
        (["GET //evil.test/sign-in HTTP/1.1", "Host: localhost"], 401),
        (["OPTIONS * HTTP/1.1", "Host: localhost"], 400),
        (["GET /en/ HTTP/1.1", "Host: evil.test", *WEBSOCKET], 403),
        (["GET /en/ HTTP/1.1", "Host: localhost", *WEBSOCKET], 403),
        (["GET /reports/../ HTTP/1.1", "Host: localhost"], 401),
    ],
)
def test_requests_on_the_wire(listening: tuple[str, int], lines: Sequence[str], status: int) -> None:
    with socket.create_connection(listening, timeout=120) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close" if len(lines) < 4 else "X: y", "", ""]).encode())
        assert connection.recv(64).split(b" ")[1] == str(status).encode()


def test_doctor_says_what_is_missing_behind_a_proxy(tmp_path: Path) -> None:
    settings = Settings(ui=UiSettings(public_url="https://assistant.example"))
    check = partial(CHECKS["app address"], Workspace(tmp_path))
    (finding,) = check(settings)
    assert finding.severity == "warning" and "ui.trusted_proxies" in finding.remedy
    assert not list(check(Settings()))


def test_a_workspace_without_users_is_for_this_machine(tmp_path: Path) -> None:
    with client_of(small_app(Workspace(tmp_path), allowed_hosts=["own.example"])) as client:
        assert client.get("/en/").status_code == 200
        refused = client.get("/en/", headers={"host": "own.example"})
        assert refused.status_code == 421 and "assistant users add" in refused.json()["detail"]
