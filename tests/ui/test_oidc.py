"""Signing in at a provider: who comes from there is whom it names, and nobody else can come as them.

The provider is a real one on this machine (``openid_provider``); its keys, pages and claims are changed by the tests.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import run
from joserfc.jwk import RSAKey
from openid_provider import CLIENT, SECRET, Claims, House, OpenIdProvider, dripping, providing, query_of
from signing import LOCALHOST, PASSWORD, client_of, make_people, sign_in
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.testclient import TestClient

from assistant import config
from assistant.config import Settings
from assistant.errors import ConfigError, UsageError
from assistant.workspace import Workspace
from ui.oidc import provider_of
from ui.people import People, User, people_of
from ui.rights import Access, RightsFile
from ui.signin import SignIn


@pytest.fixture(scope="module")
def running() -> Iterator[OpenIdProvider]:
    with providing() as provider:
        yield provider
    _AT_PROVIDER.close()


@pytest.fixture
def provider(running: OpenIdProvider) -> OpenIdProvider:
    running.be_honest()
    return running


_AT_PROVIDER = httpx.Client(verify=False)


@pytest.fixture
def house(tmp_path: Path, provider: OpenIdProvider) -> House:
    return House(tmp_path, provider.issuer)


@pytest.fixture
def browser(house: House) -> Iterator[TestClient]:
    with client_of(house.app) as client:
        yield client


def begun(browser: TestClient, target: str = "/en") -> str:
    """The address at the provider that a browser is sent to."""
    answer = browser.get("/sign-in/openid", params={"next": target})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def sent_back(address: str) -> str:
    """Where the provider sends a browser that comes by ``address``."""
    return _AT_PROVIDER.get(address).headers["location"]


def come(browser: TestClient, target: str = "/en") -> Any:
    """The response to one who has signed in at the provider."""
    return browser.get(
        sent_back(begun(browser, target)), headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    )


def who(browser: TestClient) -> list[str]:
    answer = browser.get("/en")
    return answer.json() if answer.status_code == 200 else []


def test_who_comes_from_the_provider_is_who_it_says_with_role_and_groups(house: House, browser: TestClient) -> None:
    answer = come(browser, "/en?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/en?x=1")
    assert who(browser) == ["oidc:ana", "expert", "oidc:claims"]
    cookie = answer.headers.get_list("set-cookie")[0]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/;" in cookie
    assert house.audit() == [("oidc:ana", "sign-in", "openid")]
    assert "id_token" not in house.people.file.read_text() and '"7"' not in house.people.file.read_text()


def test_role_and_groups_are_those_of_the_last_sign_in_and_groups_of_the_house_stay(
    tmp_path: Path, provider: OpenIdProvider
) -> None:
    house = House(tmp_path, provider.issuer, oidc={"roles": {"staff": "expert", "chiefs": "admin", "claims": "editor"}})
    with client_of(house.app) as browser:
        provider.person["groups"] = ["staff", "claims"]
        come(browser)
        house.people.set_groups("oidc:ana", ["oidc:staff", "oidc:claims", "house"])
        assert who(browser) == ["oidc:ana", "editor", "house", "oidc:claims", "oidc:staff"]
    with client_of(house.app) as other:
        provider.person["groups"] = ["staff"]
        come(other)
        assert who(other) == ["oidc:ana", "expert", "house", "oidc:staff"]
        provider.person["groups"] = ["elsewhere"]
        with client_of(house.app) as third:
            assert come(third).status_code == 403 and who(third) == []
        assert who(other) == ["oidc:ana", "expert", "house"], "who has no role there any more keeps nothing of it"
    assert ("nobody", "sign-in refused", "openid") in house.audit()


def test_groups_of_the_provider_open_what_rights_say_for_them_alone(house: House, browser: TestClient) -> None:
    rights = RightsFile(house.workspace)
    rights.set("corpus", "board", Access(("@claims",)))
    rights.set("corpus", "claims", Access(("@oidc:claims",)))
    come(browser)
    user = house.people.user("oidc:ana")
    assert user is not None and rights.rights().may_read(user, "corpus", "claims")
    assert not rights.rights().may_read(user, "corpus", "board"), "a group of the house is another one"
    assert not rights.rights().may_read(User("eve", "expert", ("claims",)), "corpus", "claims")


def test_a_person_of_the_house_and_one_of_the_provider_are_two(
    house: House, browser: TestClient, provider: OpenIdProvider
) -> None:
    provider.person["preferred_username"] = "ben"
    come(browser)
    assert who(browser) == ["oidc:ben", "expert", "oidc:claims"]
    with client_of(house.app) as local:
        sign_in(local, "ben")
        assert who(local) == ["ben", "admin"]
        assert sign_in(local, "oidc:ben").status_code == 401, "no password is theirs"
    assert [line[2] for line in house.audit()] == ["openid", "password", "password"]
    assert house.people.verified("oidc:ben", "") is None
    for give in (
        lambda: house.people.add("oidc:new", "admin", PASSWORD),
        lambda: house.people.set_password("oidc:ben", PASSWORD),
    ):
        with pytest.raises(UsageError, match="signs in at the provider"):
            give()


def test_a_proxy_names_nobody_of_the_provider(tmp_path: Path, provider: OpenIdProvider) -> None:
    house = House(tmp_path, provider.issuer, trusted_header="X-User", trusted_proxies=["127.0.0.1"])
    with client_of(house.app) as browser:
        come(browser)
        assert who(browser)[0] == "oidc:ana"
    with client_of(house.app) as proxy:
        assert proxy.get("/en", headers={"x-user": "ben"}).json()[0] == "ben"
        assert proxy.get("/en", headers={"x-user": "oidc:ana"}).status_code == 401


# What the provider says of a person


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"preferred_username": "ana\nadmin"}, id="a line break"),
        pytest.param({"preferred_username": "ana\u202enimda"}, id="letters that turn around"),
        pytest.param({"preferred_username": "<b onload=x>ana</b>"}, id="HTML"),
        pytest.param({"preferred_username": "HOUSE\\ana"}, id="the form of another provider"),
        pytest.param({"preferred_username": "oidc:ana"}, id="our own prefix"),
        pytest.param({"preferred_username": "shell:root"}, id="who sits at the terminal"),
        pytest.param({"preferred_username": "x" * 65}, id="too long"),
        pytest.param({"preferred_username": ""}, id="empty"),
        pytest.param({"preferred_username": None}, id="missing"),
        pytest.param({"preferred_username": ["ana"]}, id="a list"),
        pytest.param({"preferred_username": "\ud800"}, id="half a character"),
        pytest.param({"sub": 7}, id="a number"),
        pytest.param({"sub": "\u00e9"}, id="not ASCII"),
        pytest.param({"sub": "x" * 256}, id="too long"),
        pytest.param({"sub": ""}, id="empty"),
        pytest.param({"groups": [f"g{number}" for number in range(5000)]}, id="too many"),
    ],
)
def test_a_person_that_could_deceive_is_not_let_in(
    house: House, browser: TestClient, provider: OpenIdProvider, change: Claims
) -> None:
    provider.person |= change
    answer = come(browser)
    assert answer.status_code == 403 and "<b onload" not in answer.text and who(browser) == []
    assert [one.name for one in house.people.users()] == ["ben"]
    assert "\n" not in house.audit()[-1][1] and house.audit()[-1][:2] == ("nobody", "sign-in refused")


@pytest.mark.parametrize(
    ("groups", "taken"),
    [
        ("claims", ["oidc:claims"]),
        (
            ["claims", 7, None, {"a": 1}, "a\nb", "<b>", "", "x" * 65, "@admins", "oidc:board", "/claims"],
            ["oidc:claims"],
        ),
        ({"claims": True}, []),
        (7, []),
        (None, []),
        (["admin", "admins", "*"], ["oidc:admin", "oidc:admins"]),
        ([f"g{number}" for number in range(1000)], [f"oidc:g{number}" for number in range(1000)]),
    ],
    ids=["a text", "strange", "a mapping", "a number", "none", "names of roles", "many"],
)
def test_groups_are_names_and_give_no_role_by_themselves(
    browser: TestClient, provider: OpenIdProvider, groups: Any, taken: list[str]
) -> None:
    provider.person["groups"] = groups
    come(browser)
    assert who(browser) == ["oidc:ana", "expert", *sorted(taken)]


def test_a_name_that_changes_or_is_given_away_at_the_provider_makes_nobody_another(
    house: House, browser: TestClient, provider: OpenIdProvider
) -> None:
    come(browser)
    provider.person |= {"preferred_username": "ana.new", "groups": []}
    with client_of(house.app) as again:
        come(again)
        assert who(again) == ["oidc:ana", "expert"], "they keep what they have here"
    provider.person |= {"sub": "8", "preferred_username": "ana"}
    with client_of(house.app) as other:
        assert come(other).status_code == 403 and who(other) == []
    assert who(browser) == ["oidc:ana", "expert"]


@pytest.mark.parametrize("how", ["lock", "remove", "forget"])
def test_who_was_locked_or_removed_here_stays_out_until_they_are_let_in_again(
    house: House, browser: TestClient, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    come(browser)
    RightsFile(house.workspace).set("corpus", "cars", Access(("oidc:ana", "ben")))
    place = ["--workspace", str(house.workspace.root)]
    more = ["--yes"] if how == "forget" else []
    assert run(capsys, "users", how, "oidc:ana", *more, *place)[0] == 0
    assert who(browser) == [], "what they have open ends"
    with client_of(house.app) as again:
        answer = come(again)
        assert answer.status_code == 403 and "you are not let in here" in answer.text and who(again) == []
    readers = RightsFile(house.workspace).read().entries["corpus", "cars"].readers
    assert readers == (("oidc:ana", "ben") if how == "lock" else ("ben",))
    listed = json.loads(run(capsys, "users", "list", "--json", *place)[1])["users"]
    name = next(one["name"] for one in listed if one["locked"])
    assert (name == "oidc:ana") == (how != "forget"), "whose person was forgotten, nobody can read from the line"
    assert run(capsys, "users", "unlock", name, *place)[0] == 0
    with client_of(house.app) as again:
        come(again)
        assert who(again)[0] == name


def test_a_session_of_one_person_is_none_of_the_next_who_has_the_name(house: House, browser: TestClient) -> None:
    come(browser)
    text = house.people.file.read_text(encoding="utf-8")
    subject = house.people.accounts()["oidc:ana"].subject
    house.people.file.write_text(text.replace(subject, "0" * 64), encoding="utf-8")
    assert who(browser) == []


def test_a_session_from_the_provider_ends_after_hours_however_much_it_is_used(
    house: House, browser: TestClient
) -> None:
    begun_at = house.now[0]
    with client_of(house.app) as local:
        come(browser)
        sign_in(local, "ben")
        for hour in range(12):
            house.now[0] = begun_at + 3600 * hour
            assert who(browser) and who(local)
        house.now[0] = begun_at + 12 * 3600 + 1
        assert not who(browser) and who(local)


# What comes back to us


def test_a_state_counts_in_the_browser_that_has_begun(
    house: House, browser: TestClient, provider: OpenIdProvider
) -> None:
    """Login CSRF: somebody is led to the end of a sign-in that another has begun."""
    attackers = sent_back(begun(browser))
    with client_of(house.app) as victim:
        assert victim.get(attackers).status_code == 400 and who(victim) == []
        begun(victim)
        assert victim.get(attackers).status_code == 400 and who(victim) == []
    assert "/token" not in provider.asked, "and nothing of it is asked there"


def test_what_came_back_counts_once(browser: TestClient) -> None:
    address = begun(browser)
    flow = {name: value for name, value in browser.cookies.items() if name.endswith("-openid")}
    back = sent_back(address)
    assert browser.get(back).status_code == 303 and who(browser)
    browser.post("/sign-out")
    assert browser.get(back).status_code == 400, "the browser has given it away"
    browser.cookies.update(flow)
    assert browser.get(back).status_code == 403, "and the provider has taken the code"
    assert who(browser) == []


@pytest.mark.parametrize(
    "change",
    [
        {"state": ""},
        {"state": "x" * 43},
        {"state": "\u00e9"},
        {"code": ""},
        {"code": "made-up"},
        {"code": "x" * 10_000},
        {"iss": "https://other.example"},
        {"iss": ""},
        {"error": "access_denied"},
        {"error": "<script>alert(1)</script>\n"},
    ],
    ids=str,
)
def test_what_comes_back_changed_signs_nobody_in(house: House, browser: TestClient, change: dict[str, str]) -> None:
    """Mixed up providers among it: one that is not ours has answered."""
    query = {**query_of(sent_back(begun(browser))), **change}
    answer = browser.get("/sign-in/openid/callback", params=query)
    assert answer.status_code in {400, 403} and "<script" not in answer.text and who(browser) == []
    assert [one.name for one in house.people.users()] == ["ben"]


def test_an_issuer_that_is_not_named_is_missed_where_the_provider_always_names_it(
    browser: TestClient, provider: OpenIdProvider
) -> None:
    query = query_of(sent_back(begun(browser)))
    del query["iss"]
    assert browser.get("/sign-in/openid/callback", params=query).status_code == 403
    del provider.metadata["authorization_response_iss_parameter_supported"]


@pytest.mark.parametrize("flow", ["", "...", "s..v.%2F", ".n.v.%2F", "s.n..%2F", "s", "\u00e9.n.v.", "s" * 5000])
def test_a_cookie_of_a_strange_kind_is_none(browser: TestClient, flow: str) -> None:
    begun(browser)
    name = next(name for name in browser.cookies if name.endswith("-openid"))
    browser.cookies.clear()
    headers = {"cookie": f"{name}={flow}".encode("latin-1")}
    for state in (flow.partition(".")[0], ""):
        query = {"state": state, "code": "c"}
        answer = browser.get("/sign-in/openid/callback", params=query, headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 400


def test_a_session_begins_with_a_token_that_nobody_knew_before(house: House, browser: TestClient) -> None:
    back = sent_back(begun(browser))
    name = next(name for name in browser.cookies if name.endswith("-openid")).removesuffix("-openid")
    browser.cookies.set(name, "planted-by-someone-else")
    given = browser.get(back).headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert len(given) > 40 and "planted" not in given
    with client_of(house.app) as other:
        other.cookies.set(name, "planted-by-someone-else")
        assert who(other) == []


def test_who_signs_in_as_another_leaves_no_session_of_the_one_before(house: House, browser: TestClient) -> None:
    back = sent_back(begun(browser))
    sign_in(browser, "ben")
    before = dict(browser.cookies)
    assert browser.get("/sign-in/openid").headers["location"] == "/", "who is signed in need not begin"
    browser.get(back)
    assert who(browser)[0] == "oidc:ana"
    with client_of(house.app) as old:
        old.cookies.update(before)
        assert who(old) == []


def test_who_fails_again_and_again_is_slowed_down(tmp_path: Path, provider: OpenIdProvider) -> None:
    house = House(tmp_path, provider.issuer, sign_ins_per_minute=1)
    with client_of(house.app, client=("192.0.2.1", 1)) as stranger:
        answers = [stranger.get("/sign-in/openid/callback?state=x&code=y").status_code for _ in range(6)]
    assert answers == [400] * 5 + [429]
    with client_of(house.app) as browser:
        for _ in range(7):
            come(browser)
            assert who(browser)
            browser.post("/sign-out")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"x-forwarded-host": "evil.example"},
        {"forwarded": "host=evil.example"},
        {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"},
    ],
    ids=str,
)
@pytest.mark.parametrize("trusted", [[], ["127.0.0.1"]])
def test_the_provider_sends_people_to_the_address_of_the_settings_alone(
    tmp_path: Path, provider: OpenIdProvider, headers: dict[str, str], trusted: list[str]
) -> None:
    house = House(tmp_path, provider.issuer, trusted_proxies=trusted)
    with client_of(house.app) as browser:
        answer = browser.get("/sign-in/openid", headers=headers)
    is_refused = "host" in headers or (trusted and "x-forwarded-host" in headers)
    assert answer.status_code == (421 if is_refused else 303)
    if not is_refused:
        assert "evil" not in str(answer.headers)
        assert query_of(answer.headers["location"])["redirect_uri"] == f"{LOCALHOST}/sign-in/openid/callback"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/x\r\nset-cookie: a=b",
        "x" * 9000,
    ],
)
def test_signing_in_leads_to_pages_of_the_house_alone(browser: TestClient, target: str) -> None:
    assert come(browser, target).headers["location"] == "/"


# Id tokens


def _part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def unsigned(_: OpenIdProvider) -> Callable[[Claims], str]:
    return lambda claims: f"{_part({'alg': 'none', 'kid': '1'})}.{_part(claims)}."


def signed_with_the_public_key(provider: OpenIdProvider, of: Callable[[RSAKey], bytes]) -> Callable[[Claims], str]:
    def sign(claims: Claims) -> str:
        import hashlib
        import hmac

        said = f"{_part({'alg': 'HS256', 'kid': '1'})}.{_part(claims)}"
        signature = hmac.new(of(provider.first_key), said.encode(), hashlib.sha256).digest()
        return f"{said}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

    return sign


NOW = int(time.time())
WRONG_CLAIMS: dict[str, Claims] = {
    "another issuer": {"iss": "https://other.example"},
    "a longer issuer": {"iss": "http://127.0.0.1.evil.example"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "other"},
    "another audience with us as its party": {"aud": "other", "azp": CLIENT},
    "audiences without a party": {"aud": [CLIENT, "other"]},
    "another party": {"aud": [CLIENT, "other"], "azp": "other"},
    "no audience": {"aud": None},
    "expired": {"exp": NOW - 120},
    "never expires": {"exp": None},
    "expires in words": {"exp": "tomorrow"},
    "of the future": {"iat": NOW + 3600},
    "not valid yet": {"nbf": NOW + 3600},
    "no time": {"iat": None},
    "another nonce": {"nonce": "x" * 43},
    "no nonce": {"nonce": None},
    "an empty nonce": {"nonce": ""},
    "of another access token": {"at_hash": "x"},
}


@pytest.mark.parametrize("change", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_a_token_for_another_place_time_or_flow_is_not_believed(
    house: House, browser: TestClient, provider: OpenIdProvider, change: Claims
) -> None:
    provider.changes = change
    answer = come(browser)
    assert answer.status_code == 403 and "did not sign you in" in answer.text and who(browser) == []
    assert [one.name for one in house.people.users()] == ["ben"]


FORGERIES: dict[str, Callable[[OpenIdProvider], Callable[[Claims], str]]] = {
    "alg none": unsigned,
    "HS256 with the public key as PEM": lambda one: signed_with_the_public_key(
        one, lambda key: key.as_pem(private=False)
    ),
    "HS256 with the public key as DER": lambda one: signed_with_the_public_key(
        one, lambda key: key.as_der(private=False)
    ),
    "HS256 with our secret": lambda one: signed_with_the_public_key(one, lambda _: SECRET.encode()),
    "a key of the attacker's under a known name": lambda _: (
        lambda claims: _signed_by(RSAKey.generate_key(2048), claims, kid="1")
    ),
    "a key that comes along": lambda one: (
        lambda claims: _signed_by(one.next_key, claims, jwk=one.next_key.as_dict(private=False))
    ),
    "the address of a key that comes along": lambda one: (
        lambda claims: _signed_by(one.next_key, claims, kid="2", jku=f"{one.issuer}/keys?of=evil")
    ),
    "an unknown key": lambda one: lambda claims: one.signed(claims, kid="3"),
    "other claims under the signature": lambda one: (
        lambda claims: ".".join(
            [*_split(one.signed(claims), 0), _part({**claims, "sub": "8"}), *_split(one.signed(claims), 2)]
        )
    ),
    "a signature that is cut": lambda one: lambda claims: one.signed(claims)[:-8],
    "a header that has to be understood": lambda one: (
        lambda claims: _signed_by(one.first_key, claims, kid="1", crit=["x"], x="y")
    ),
    "no token at all": lambda _: lambda _: "a.b.c",
    "a list for claims": lambda one: lambda _: _raw(one, b"[]"),
    "a megabyte of claims": lambda one: lambda claims: one.signed({**claims, "more": "x" * 300_000}),
}


def _split(token: str, at: int) -> list[str]:
    return [token.split(".")[at]]


def _signed_by(key: RSAKey, claims: Claims, **header: Any) -> str:
    return _raw_by(key, json.dumps(claims).encode(), **header)


def _raw(provider: OpenIdProvider, payload: bytes) -> str:
    return _raw_by(provider.first_key, payload, kid="1")


def _raw_by(key: RSAKey, payload: bytes, **header: Any) -> str:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    said = f"{_part({'alg': 'RS256', **header})}.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}"
    private: Any = key.private_key
    signature = private.sign(said.encode(), PKCS1v15(), SHA256())
    return f"{said}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_is_not_believed(
    house: House,
    browser: TestClient,
    provider: OpenIdProvider,
    forgery: Callable[[OpenIdProvider], Callable[[Claims], str]],
) -> None:
    provider.sign = forgery(provider)
    assert come(browser).status_code == 403 and who(browser) == []
    assert [one.name for one in house.people.users()] == ["ben"]


def test_our_own_way_to_forge_makes_tokens_that_would_be_believed(
    browser: TestClient, provider: OpenIdProvider
) -> None:
    provider.sign = lambda claims: _signed_by(provider.first_key, claims, kid="1")
    come(browser)
    assert who(browser)


def test_a_clock_may_be_a_minute_off(browser: TestClient, provider: OpenIdProvider) -> None:
    provider.changes = {"iat": NOW + 30, "exp": int(time.time()) - 30}
    come(browser)
    assert who(browser)


def test_a_new_key_counts_at_once_and_a_withdrawn_one_no_more_after_minutes(
    house: House, browser: TestClient, provider: OpenIdProvider
) -> None:
    come(browser)
    browser.post("/sign-out")
    provider.published, provider.signs_with = [provider.next_key], provider.next_key
    come(browser)
    assert who(browser), "it is read anew for a key that is not known"
    assert provider.asked.count("/keys") == 2
    browser.post("/sign-out")
    provider.signs_with = provider.first_key
    come(browser)
    assert who(browser) == []
    provider.published = [provider.first_key]
    come(browser)
    browser.post("/sign-out")
    provider.published = [provider.next_key]
    house.now[0] += 601
    assert come(browser).status_code == 403, "who has stolen it has it in vain"


# A provider that is down, slow or hostile


def elsewhere() -> Response:
    return RedirectResponse("http://127.0.0.1:1/evil", 302)


ANSWERS: dict[str, Callable[[], Response]] = {
    "an error": lambda: Response("down for maintenance", 503),
    "another place": elsewhere,
    "megabytes": lambda: Response(b" " * (2 << 20), media_type="application/json"),
    "a bomb": lambda: Response(b"\x1f\x8b\x08\x00", headers={"content-encoding": "gzip"}),
    "drop by drop": lambda: dripping(3),
    "no JSON": lambda: Response("<html>"),
    "a list": lambda: JSONResponse([]),
    "deep JSON": lambda: Response("[" * 200_000),
}


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_provider_that_is_down_or_hostile_is_one_line_and_local_people_go_on(
    tmp_path: Path, provider: OpenIdProvider, path: str, answer: Callable[[], Response]
) -> None:
    house = House(tmp_path, provider.issuer, most_seconds=0.5 if answer is ANSWERS["drop by drop"] else 60)
    browser = client_of(house.app)
    provider.instead[path] = answer
    started = time.perf_counter()
    if path == "/.well-known/openid-configuration":
        page = browser.get("/sign-in/openid?next=/de")
        assert page.status_code == 503 and 'value="/de"' in page.text
    else:
        page = come(browser)
        assert page.status_code in {403, 503}
    assert time.perf_counter() - started < 2.5, "the last drop is not waited for"
    assert ("Haus cannot be reached just now" in page.text) == (page.status_code == 503)
    assert page.text.count('role="alert"') == 1 and who(browser) == []
    assert sign_in(browser, "ben").status_code == 303 and who(browser) == ["ben", "admin"]


def test_a_provider_that_is_down_is_not_asked_by_everyone(
    house: House, browser: TestClient, provider: OpenIdProvider
) -> None:
    provider.instead["/.well-known/openid-configuration"] = lambda: Response("", 503)
    for _ in range(5):
        assert browser.get("/sign-in/openid").status_code == 503
    assert len(provider.asked) == 1
    provider.instead.clear()
    house.now[0] += 6
    come(browser)
    assert who(browser), "and it is asked again soon"


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://other.example"},
        {"issuer": None},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "ftp://127.0.0.1/authorize"},
        {"authorization_endpoint": "https://["},
        {"authorization_endpoint": ["http://127.0.0.1"]},
    ],
    ids=str,
)
def test_a_provider_that_publishes_nonsense_is_none(
    browser: TestClient, provider: OpenIdProvider, change: Claims
) -> None:
    provider.metadata |= change
    assert browser.get("/sign-in/openid").status_code == 503


# The form, and signing out


def test_the_form_offers_the_provider_in_the_language_of_its_reader_and_without_a_script(browser: TestClient) -> None:
    for language, words in (("en", "Sign in with Haus"), ("de", "Anmelden mit Haus"), ("fr", "Se connecter avec Haus")):
        page = browser.get("/sign-in?next=/de%3Fx=1", headers={"accept-language": language})
        assert words in page.text and "<script" not in page.text
        assert f'href="{LOCALHOST}/sign-in/openid?next=/de%3Fx%3D1"' in page.text
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "form-action 'self'" in policy and "unsafe" not in policy


def test_without_a_provider_there_is_no_trace_of_one(tmp_path: Path) -> None:
    people = make_people(tmp_path, ana="expert")
    with client_of(Starlette(routes=SignIn(Settings().ui, people).routes)) as browser:
        page = browser.get("/sign-in").text
        assert "provider" not in page.partition("</style>")[2] and "openid" not in page
        assert browser.get("/sign-in/openid").status_code == 404
    assert provider_of(Settings()) is None


def test_signing_out_ends_the_session_here_and_leads_to_where_it_ends_there(
    house: House, browser: TestClient, provider: OpenIdProvider
) -> None:
    come(browser)
    token = dict(browser.cookies)
    page = browser.post("/sign-out", headers={"origin": LOCALHOST})
    assert page.status_code == 200 and "<script" not in page.text
    address = page.text.partition("url=")[2].partition('"')[0].replace("&amp;", "&")
    assert address.startswith(f"{provider.issuer}/logout?")
    told = query_of(address)
    assert told["post_logout_redirect_uri"] == f"{LOCALHOST}/sign-in" and told["client_id"] == CLIENT
    assert len(told["id_token_hint"].split(".")) == 3
    browser.cookies.update(token)
    assert who(browser) == []
    assert house.audit()[-1][:2] == ("oidc:ana", "sign-out")


@pytest.mark.parametrize("address", [None, "javascript:alert(1)", 7])
def test_where_no_session_can_end_at_the_provider_it_ends_here(
    browser: TestClient, provider: OpenIdProvider, address: Any
) -> None:
    provider.metadata["end_session_endpoint"] = address
    come(browser)
    answer = browser.post("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in") and who(browser) == []


def test_who_has_come_with_a_password_is_not_sent_to_the_provider(house: House, browser: TestClient) -> None:
    come(browser)
    with client_of(house.app) as local:
        sign_in(local, "ben")
        assert local.post("/sign-out").headers["location"] == "/sign-in"


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}], ids=str)
def test_another_web_page_signs_nobody_out(browser: TestClient, headers: dict[str, str]) -> None:
    come(browser)
    assert browser.post("/sign-out", headers=headers).status_code == 403
    assert browser.get("/sign-out").status_code in {404, 405} or browser.get("/sign-out").json()
    assert who(browser)


# Settings


@pytest.mark.parametrize(
    "issuer",
    ["http://login.example", "login.example", "https://", "https://a.example/?x=1", "https://a.example/#x", "ftp://a"],
)
def test_an_issuer_that_others_could_answer_for_is_refused(issuer: str) -> None:
    with pytest.raises(ConfigError, match=r"oidc\.issuer"):
        config.load(None, {}, [f"oidc.issuer={issuer}"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"oidc": {"client_id": ""}}, "client_id"),
        ({"ui": {"public_url": ""}}, "public_url"),
        ({"oidc": {"secret_file": "nowhere"}}, "secret_file"),
    ],
    ids=["client", "address", "secret"],
)
def test_settings_that_do_not_suffice_are_told_before_anyone_comes(changes: dict[str, Any], told: str) -> None:
    whole = {"oidc": {"issuer": "https://a.example", "client_id": "c"}, "ui": {"public_url": LOCALHOST}}
    settings = Settings.model_validate(
        {section: {**values, **changes.get(section, {})} for section, values in whole.items()}
    )
    with pytest.raises(ConfigError, match=told):
        provider_of(settings, {})


def test_the_secret_stands_in_a_file_or_a_variable_and_in_no_setting(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    whole = {"oidc": {"issuer": "https://a.example", "client_id": "c"}, "ui": {"public_url": LOCALHOST}}
    by_variable = provider_of(Settings.model_validate(whole), {"ASSISTANT_OIDC_SECRET": SECRET})
    whole["oidc"]["secret_file"] = str(tmp_path / "secret")
    by_file = provider_of(Settings.model_validate(whole), {})
    assert by_variable and by_file and by_variable._client.client_secret == by_file._client.client_secret == SECRET
    config.load(None, {"ASSISTANT_OIDC_SECRET": SECRET})


def test_with_a_provider_everyone_has_to_sign_in_though_nobody_has_yet(workspace: Workspace) -> None:
    assert isinstance(people_of(workspace, Settings().ui, has_provider=True), People)
