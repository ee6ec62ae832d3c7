"""Signing in: who a request comes from, how long, and that no web page, guess or header can stand in for a person."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from signing import CHEAP, LOCALHOST, PASSWORD, client_of, make_people, sign_in, small_app
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from assistant.config import UiSettings
from assistant.errors import ConfigError
from assistant.workspace import Workspace
from ui.access import AppGate
from ui.people import People, User
from ui.requests import Guesses, Proxies, network_of
from ui.signin import Sessions, SignIn, local_target
from ui.uploads import Arrivals

HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return make_people(tmp_path_factory.mktemp("people"), ana="editor", ben="expert")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, people: People) -> FastAPI:
    """Anyone may guess as often as they like here; that guesses are counted has a test of its own."""
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    trusted = {"trusted_header": "X-Forwarded-User", "trusted_proxies": ["127.0.0.1"]}
    return small_app(workspace, people, sign_ins_per_minute=1000, **trusted)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with client_of(app, client=("192.0.2.7", 5000)) as client:
        yield client


def test_without_a_session_every_route_is_shut(client: TestClient) -> None:
    paths = [
        "/",
        "/en",
        "/en/",
        "/en/config",
        "/en/assets/index.js",
        "/en/gradio_api/info",
        "/en/theme.css",
        "/nowhere",
    ]
    paths += ["/en/gradio_api/file=/etc/passwd", "/en/gradio_api/queue/data?session_hash=x", "/openapi.json"]
    for path in paths:
        assert client.get(path).status_code == 401, path
        assert client.get(path, headers=HTML).headers["location"].startswith("/sign-in?next="), path
    for path in ("/en/gradio_api/queue/join", "/en/gradio_api/upload", "/en/gradio_api/run/say"):
        assert client.post(path, json={}).status_code == 401, path


def test_a_session_opens_the_page_until_it_is_ended(client: TestClient) -> None:
    answer = sign_in(client, "ana", target="/en?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/en?x=1")
    assert client.get("/en/").status_code == 200
    assert client.get("/en/config").json()["username"] == "ana"
    token = dict(client.cookies)
    assert client.post("/sign-out").headers["location"] == "/sign-in"
    assert client.get("/en/").status_code == 401
    client.cookies.update(token)
    assert client.get("/en/").status_code == 401, "the token of a session that has ended is worth nothing"


def test_the_cookie_cannot_be_read_by_scripts_or_sent_by_other_sites(app: FastAPI, client: TestClient) -> None:
    cookie = sign_in(client, "ana").headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
    with client_of(app, "https://localhost:7860") as encrypted:
        assert "Secure" in sign_in(encrypted, "ana").headers["set-cookie"]
    with client_of(app) as proxied:
        proxied.headers["x-forwarded-proto"] = "https"
        assert "Secure" in sign_in(proxied, "ana").headers["set-cookie"]


@pytest.mark.parametrize(("name", "password"), [("ana", "wrong password"), ("nobody", PASSWORD), ("", ""), ("ana", "")])
def test_a_wrong_password_says_nothing_about_the_name(client: TestClient, name: str, password: str) -> None:
    answer = sign_in(client, name, password)
    assert answer.status_code == 401 and "set-cookie" not in answer.headers
    assert "Name or password is not right" in answer.text


def test_a_session_begins_with_a_token_that_nobody_knew_before(client: TestClient) -> None:
    cookie = sign_in(client, "ana").headers["set-cookie"].partition("=")[0]
    client.cookies.clear()
    client.headers["cookie"] = f"{cookie}=planted-by-someone-else"
    given = sign_in(client, "ana").headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert len(given) > 40 and "planted" not in given
    assert client.get("/en/").status_code == 401


@pytest.mark.parametrize("token", ["", "x", "x" * 5000, "ana", "../", "\u00e9"])
def test_a_made_up_token_is_nobody(client: TestClient, token: str) -> None:
    cookie = sign_in(client, "ana").headers["set-cookie"].partition("=")[0]
    client.cookies.clear()
    answer = client.get("/en/", headers={"cookie": f"{cookie}={token}".encode("latin-1")})  # type: ignore[arg-type]
    assert answer.status_code == 401


def test_a_session_ends_when_it_is_not_used() -> None:
    now = [0.0]
    sessions = Sessions(10, lambda: now[0])
    token = sessions.begin("ana", "stamp")
    for now[0] in (599.0, 1198.0):
        assert sessions.name_of(token, lambda _: "stamp") == "ana", "use prolongs it"
    now[0] = 1799.0
    assert sessions.name_of(token, lambda _: "stamp") is None
    now[0] = 1198.0
    assert sessions.name_of(token, lambda _: "stamp") is None, "it does not come back"


def test_a_users_file_that_cannot_be_read_lets_nobody_in_and_signs_nobody_out(
    workspace: Workspace, tmp_path: Path
) -> None:
    people = make_people(tmp_path, ana="editor")
    whole = people.file.read_text(encoding="utf-8")
    with client_of(small_app(workspace, people)) as ana:
        sign_in(ana, "ana")
        people.file.write_text("{", encoding="utf-8")
        answer = ana.get("/en/")
        assert answer.status_code == 503 and str(people.file) not in answer.text
        people.file.write_text(whole, encoding="utf-8")
        assert ana.get("/en/").status_code == 200


def test_a_session_ends_with_the_password_and_with_the_user(workspace: Workspace, tmp_path: Path) -> None:
    people = make_people(tmp_path, ana="editor", ben="expert")
    app = small_app(workspace, people)
    with client_of(app) as ana, client_of(app) as ben:
        sign_in(ana, "ana")
        sign_in(ben, "ben")
        people.set_password("ana", "another password")
        people.remove("ben")
        assert ana.get("/en/").status_code == ben.get("/en/").status_code == 401


def test_guesses_are_slowed_down_by_address_and_by_name(workspace: Workspace, people: People) -> None:
    app = small_app(workspace, people, sign_ins_per_minute=2)
    with client_of(app, client=("192.0.2.1", 1)) as one, client_of(app, client=("192.0.2.2", 1)) as other:
        assert [sign_in(one, "ana", f"wrong {number}").status_code for number in range(3)] == [401, 401, 429]
        assert int(sign_in(one, "ana").headers["retry-after"]) > 0, "now the right one does not get in either"
        assert sign_in(other, "ana").status_code == 303, "who guesses does not keep the owner out"

    statuses = []
    for number in range(12):
        with client_of(app, client=(f"198.51.100.{number}", 1)) as many:
            statuses.append(sign_in(many, "ana", "wrong password").status_code)
    assert statuses[-1] == 429, "many addresses together are slowed down too"


def app_at(clock: Callable[[], float], people: People) -> Starlette:
    """The form alone, with the limits of the default settings, on a clock of its own."""
    settings = UiSettings()
    return Starlette(
        routes=SignIn(settings, people, guesses=Guesses("sign-in", settings.sign_ins_per_minute, clock)).routes
    )


def test_guesses_from_many_places_are_few_and_keep_no_known_browser_out(people: People) -> None:
    now = [0.0]
    app = app_at(lambda: now[0], people)
    with client_of(app, client=("192.0.2.1", 1)) as owner:
        assert sign_in(owner, "ana").status_code == 303
        statuses = []
        for number in range(200):  # 100 addresses, twice each, in an hour
            now[0] += 18
            with client_of(app, client=(f"198.51.100.{number % 100}", 1)) as stranger:
                statuses.append(sign_in(stranger, "ana", f"guess {number}").status_code)
        assert statuses.count(401) <= 60 and statuses.count(401) + statuses.count(429) == 200
        assert statuses[-1] == 429, "the name has nothing left for strangers"
        assert sign_in(owner, "ana").status_code == 303, "but its owner gets in at once"
        assert sign_in(owner, "ben").status_code == 303, "and so does who was not guessed at"
    with client_of(app, client=("198.51.100.1", 1)) as stranger:
        now[0] += 3600
        assert sign_in(stranger, "ana").status_code == 303, "nobody is shut out for good"


def test_a_known_browser_has_tries_of_its_own_and_not_more_than_others(people: People) -> None:
    app = app_at(lambda: 0.0, people)
    with client_of(app) as client:
        sign_in(client, "ana")
        statuses = [sign_in(client, "ana", f"guess {number}").status_code for number in range(40)]
    assert statuses.count(401) == 30, "whoever sits down at it may not guess for ever"
    with client_of(app) as other:
        assert sign_in(other, "ana").status_code == 303, "and its guesses are nobody else's"


def test_a_device_cookie_is_worth_nothing_for_others_changed_or_after_another_password(tmp_path: Path) -> None:
    people = make_people(tmp_path, ana="editor", ben="expert")
    app = app_at(lambda: 0.0, people)

    def tries_with(changed: Callable[[str], str]) -> int:
        """How many of 12 guesses are tried by a browser whose cookies were changed."""
        with client_of(app, client=("192.0.2.9", 1)) as client:
            sign_in(client, "ben")
            cookies = [f"{name}={value}" for name, value in client.cookies.items() if "." in value]
            client.cookies.clear()
            headers = {"cookie": "; ".join(map(changed, cookies))}
            form = {"name": "ben", "password": "wrong password"}
            return [client.post("/sign-in", data=form, headers=headers).status_code for _ in range(12)].count(401)

    assert tries_with(lambda cookie: cookie) == 12
    assert tries_with(lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1")) == 6, "as many as any address"
    people.set_password("ana", "another password")
    assert people.device_mark("ana", "x") != people.device_mark("ben", "x")
    before = people.device_mark("ben", "x")
    people.set_password("ben", PASSWORD)
    assert people.device_mark("ben", "x") != before, "it ends with the password"
    assert people.device_mark("nobody", "x") == ""


def test_the_device_cookie_goes_to_the_form_alone_and_stays(client: TestClient) -> None:
    cookies = sign_in(client, "ana").headers.get_list("set-cookie")
    (known,) = [cookie for cookie in cookies if "Max-Age" in cookie]
    assert all(part in known for part in ("Path=/sign-in", "HttpOnly", "SameSite=lax", "Max-Age=31536000"))


def test_what_succeeds_is_no_guess(people: People) -> None:
    app = app_at(lambda: 0.0, people)
    for _ in range(40):
        with client_of(app) as client:  # each a new browser, as in an office behind one address
            assert sign_in(client, "ana").status_code == 303


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_visitor_counts_once_whatever_address_of_their_network_they_take(address: str, network: str) -> None:
    assert network_of(address) == network


def test_passwords_are_hashed_one_by_one_and_a_crowd_is_turned_away_at_once(tmp_path: Path) -> None:
    people = _SlowPeople(make_people(tmp_path, ana="editor").file)
    sign_in_ = SignIn(UiSettings(sign_ins_per_minute=1000), people)
    known = f"{sign_in_._device_cookie('ana')}=x.{people.device_mark('ana', 'x')}"

    async def crowd() -> list[int]:
        transport = httpx.ASGITransport(Starlette(routes=sign_in_.routes))
        async with httpx.AsyncClient(transport=transport, base_url=LOCALHOST) as client:

            async def guess(number: int, cookie: str = "") -> int:
                form = {"name": "ana", "password": f"guess {number}"}
                return (await client.post("/sign-in", data=form, headers={"cookie": cookie})).status_code

            strangers = [asyncio.create_task(guess(number)) for number in range(150)]
            turned_away = 0
            while turned_away < 133:  # the others wait: one is hashed, and 16 are next
                await asyncio.sleep(0)
                turned_away = sum(task.done() for task in strangers)
            owner = asyncio.create_task(guess(0, known))
            while people.hashing < 2:
                await asyncio.sleep(0.001)
            people.go_on.set()
            return [await task for task in (*strangers, owner)]

    statuses = asyncio.run(crowd())
    assert statuses.count(503) == 133 and statuses[-1] == 401, "who is known waits for no stranger"
    assert people.most == 2


class _SlowPeople(People):
    """Hashes for as long as it is told to, and counts how many passwords at a time."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, CHEAP)
        self.go_on, self.hashing, self.most = threading.Event(), 0, 0
        self._lock = threading.Lock()

    def verified(self, name: str, password: str) -> User | None:
        with self._lock:
            self.hashing += 1
            self.most = max(self.most, self.hashing)
        self.go_on.wait(30)
        with self._lock:
            self.hashing -= 1
        return super().verified(name, password)


def test_a_client_cannot_choose_the_address_that_its_guesses_count_for(workspace: Workspace, people: People) -> None:
    app = small_app(workspace, people, sign_ins_per_minute=2)
    with client_of(app, client=("192.0.2.1", 1)) as client:
        statuses = []
        for number in range(3):
            client.headers["x-forwarded-for"] = f"198.51.100.{number}"
            statuses.append(sign_in(client, "ben", "wrong password").status_code)
    assert statuses == [401, 401, 429]


def test_a_trusted_proxy_names_who_has_signed_in_there(app: FastAPI) -> None:
    with client_of(app) as proxy:
        assert proxy.get("/en/config", headers={"x-forwarded-user": "ana"}).json()["username"] == "ana"
        assert proxy.get("/en/config", headers={"x-forwarded-user": "nobody"}).status_code == 401
        twice = [("x-forwarded-user", "ben"), ("x-forwarded-user", "ana")]
        assert proxy.get("/en/config", headers=twice).status_code == 401, "one of them may be the visitor's own"


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "127.0.0.1.example", "::ffff:192.0.2.7", "testclient"])
def test_nobody_else_is_believed_who_they_are(app: FastAPI, address: str) -> None:
    with client_of(app, client=(address, 5000)) as client:
        assert client.get("/en/", headers={"x-forwarded-user": "ana"}).status_code == 401


def test_a_header_is_nothing_unless_one_is_trusted(workspace: Workspace, people: People) -> None:
    with client_of(small_app(workspace, people)) as client:
        assert client.get("/en/", headers={"x-forwarded-user": "ana", "remote-user": "ana"}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8080"},
        {"origin": "https://localhost:7860.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_web_page_can_do_nothing_with_a_session(client: TestClient, headers: dict[str, str]) -> None:
    sign_in(client, "ana")
    for path in ("/en/gradio_api/queue/join", "/sign-out", "/sign-in"):
        assert client.post(path, json={}, headers=headers).status_code == 403, path
    assert client.get("/en/config", headers=headers).status_code == 403
    assert client.get("/en/").status_code == 200, "and it is still signed in"


def test_a_link_from_another_page_still_opens_the_app(client: TestClient) -> None:
    sign_in(client, "ana")
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/en/", headers=headers).status_code == 200


def test_a_public_address_is_known_behind_a_proxy_that_changes_the_host(workspace: Workspace, people: People) -> None:
    app = small_app(workspace, people, public_url="https://assistant.example/")
    with client_of(app) as client:
        client.headers["origin"] = "https://assistant.example"
        answer = client.post("/sign-in", data={"name": "ana", "password": PASSWORD})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/x\nset-cookie: a=b",
        "evil.example",
        "",
        "///evil.example",
        "http:evil.example",
        "//[",
        "http://[x]y",
    ],
)
def test_signing_in_leads_nowhere_else(client: TestClient, address: str) -> None:
    assert local_target(address) == "/"
    assert sign_in(client, "ana", target=address).headers["location"] == "/"
    assert local_target("/de?x=1#y") == "/de?x=1#y"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"name=" + b"x" * 20_000, b"&" * 5000, b"name=%00&password=%00"])
def test_a_form_of_a_strange_kind_is_a_wrong_password(client: TestClient, content: bytes) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post("/sign-in", content=content, headers=kind)
    assert answer.status_code in {400, 401}


def test_the_form_speaks_the_language_of_its_reader_and_needs_no_script(client: TestClient) -> None:
    page = client.get("/sign-in", headers={"accept-language": "de-AT,de;q=0.9"})
    assert "Anmelden" in page.text and 'lang="de"' in page.text
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src" not in policy


def test_names_and_targets_are_escaped_on_the_form(client: TestClient) -> None:
    hostile = '"><script>alert(1)</script>'
    page = sign_in(client, hostile, target=f"/{hostile}").text
    assert "<script>" not in page and "&#34;&gt;&lt;script&gt;" in page


def test_a_wrong_network_is_told_when_the_app_starts() -> None:
    with pytest.raises(ConfigError, match="trusted_proxies"):
        Proxies(UiSettings(trusted_proxies=("proxy.example",)))
    with pytest.raises(ConfigError, match="trusted_proxies"):
        Proxies(UiSettings(trusted_header="X-Forwarded-User"))


def test_two_apps_on_one_machine_do_not_sign_each_other_out(tmp_path: Path) -> None:
    one, other = (SignIn(UiSettings(), People(tmp_path / name / "users.json")) for name in ("a", "b"))
    assert one.cookie != other.cookie


@pytest.mark.parametrize("change", ["remove", "password", "role"])
@pytest.mark.parametrize("speaks", [True, False])
def test_a_stream_that_is_open_ends_within_a_second_with_its_person(tmp_path: Path, change: str, speaks: bool) -> None:
    people = make_people(tmp_path, ana="editor", ben="expert")
    changes: dict[str, Callable[[], object]] = {
        "remove": lambda: people.remove("ana"),
        "password": lambda: people.set_password("ana", "another password"),
        "role": lambda: people.set_role("ana", "expert"),
    }
    settings = UiSettings.model_validate({"trusted_header": "X-User", "trusted_proxies": ["127.0.0.1"]})
    sent: list[Message] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            if speaks:
                await send({"type": "http.response.body", "body": b"word ", "more_body": True})
            await asyncio.sleep(0.01)

    gate = AppGate(app, settings, Proxies(settings), SignIn(settings, people), Arrivals(), {})
    headers = [(b"host", b"localhost:7860"), (b"x-user", b"ana")]
    scope: Scope = {
        "type": "http", "method": "GET", "path": "/en/gradio_api/queue/data", "query_string": b"session_hash=s",
        "headers": headers, "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 7860), "scheme": "http",
    }  # fmt: skip

    async def told(message: Message) -> None:
        sent.append(message)

    async def heard() -> Message:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def visit() -> bool:
        stream = asyncio.create_task(gate(scope, heard, told))
        while not sent:
            await asyncio.sleep(0.01)
        changes[change]()
        done, _ = await asyncio.wait({stream}, timeout=1)
        stream.cancel()
        return bool(done)

    is_over = asyncio.run(visit())
    assert is_over == (change != "role"), "another role is no reason to sign in again"
    assert not is_over or sent[-1] == {"type": "http.response.body", "body": b""}, "it ends as a whole answer does"
