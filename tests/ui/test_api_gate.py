"""Who is let in, how often, and with how much; and what a reply tells those who are not."""

import socket
from pathlib import Path

import httpx
import pytest
from fakes import ScriptedEngine
from serving import ANSWER, QUESTION, get, post, running, service_of

from assistant.config import ServeSettings
from assistant.errors import ConfigError, UsageError
from assistant.workspace import Workspace
from ui.api.bearer_tokens import Tokens, read_tokens
from ui.api.endpoints import listening_socket
from ui.requests import RateLimit

CHAT = {"model": "cars", "messages": [{"role": "user", "content": QUESTION}]}


def error_of(reply: httpx.Response) -> dict[str, str]:
    error: dict[str, str] = reply.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


def test_only_holders_of_a_token_are_let_in(served: Workspace) -> None:
    with running(service_of(served, ScriptedEngine(ANSWER)), tokens=["right", "other"]) as url:
        for wrong in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Basic right"},
            {"Authorization": "right"},
        ):
            refused = post(f"{url}/v1/chat/completions", json=CHAT, headers=wrong)
            assert (refused.status_code, error_of(refused)["code"]) == (401, "invalid_api_key")
            assert refused.headers["WWW-Authenticate"] == "Bearer" and "wrong" not in refused.text
            assert get(f"{url}/metrics", headers=wrong).status_code == 401
        for token in ("right", "other"):
            headers = {"Authorization": f"Bearer {token}"}
            assert post(f"{url}/v1/chat/completions", json=CHAT, headers=headers).status_code == 200
        assert get(f"{url}/health").status_code in (200, 503)
        # A page that is open in a browser has no token, so origins need not be looked at.
        headers |= {"Origin": "https://example.org", "Sec-Fetch-Site": "cross-site"}
        assert get(f"{url}/v1/models", headers=headers).status_code == 200


def test_without_a_token_no_web_page_is_answered(address: str) -> None:
    for origin in ("https://evil.example", "null", "http://localhost.evil.example"):
        refused = post(f"{address}/v1/chat/completions", json=CHAT, headers={"Origin": origin})
        assert (refused.status_code, error_of(refused)["code"]) == (403, "wrong_origin")
    for site, mode, status in (
        ("cross-site", "no-cors", 403),
        ("same-site", "cors", 403),
        ("cross-site", "navigate", 200),
        ("none", "cors", 200),
    ):
        for path in ("/metrics", "/v1/models"):
            headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
            assert get(f"{address}{path}", headers=headers).status_code == status, f"{site} {mode} {path}"
    # A form of a web page can send text without asking first.
    simple = post(f"{address}/v1/chat/completions", content="{}", headers={"Content-Type": "text/plain"})
    assert simple.status_code == 400


def test_cors_is_off_unless_a_page_is_named(served: Workspace, address: str) -> None:
    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in httpx.options(f"{address}/v1/models", headers=asks).headers
    service = service_of(served, ScriptedEngine(ANSWER), {"serve": {"cors_origins": ["https://app.example"]}})
    with running(service) as url:
        allowed = httpx.options(f"{url}/v1/models", headers=asks)
        assert allowed.headers["access-control-allow-origin"] == "https://app.example"
        assert get(f"{url}/v1/models", headers={"Origin": "https://app.example"}).status_code == 200
        other = httpx.options(f"{url}/v1/models", headers=asks | {"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_large_requests_are_refused_before_they_are_read(served: Workspace) -> None:
    service = service_of(served, ScriptedEngine(ANSWER), {"serve": {"max_request_kb": 4}})
    with running(service) as url:
        stated = post(f"{url}/v1/chat/completions", content=b"x" * 5000)
        assert (stated.status_code, error_of(stated)["code"]) == (413, "request_too_large")
        chunked = post(f"{url}/v1/chat/completions", content=(b"x" * 1000 for _ in range(10)))
        assert chunked.status_code == 413


def test_a_client_that_asks_too_often_is_told_when_to_come_back(served: Workspace) -> None:
    service = service_of(served, ScriptedEngine(ANSWER), {"serve": {"requests_per_minute": 3}})
    with running(service, tokens=["mine", "yours"]) as url:

        def status(token: str) -> httpx.Response:
            return get(f"{url}/v1/models", headers={"Authorization": f"Bearer {token}"})

        assert [status("mine").status_code for _ in range(3)] == [200] * 3
        refused = status("mine")
        assert (refused.status_code, error_of(refused)["type"]) == (429, "rate_limit_error")
        assert 1 <= int(refused.headers["Retry-After"]) <= 21
        assert status("yours").status_code == 200


def test_tokens_are_guessed_slowly_whatever_else_may_be_asked_and_hold_nobody_up(served: Workspace) -> None:
    service = service_of(served, ScriptedEngine(ANSWER), {"serve": {"requests_per_minute": 0}})
    with running(service, tokens=["mine"]) as url:

        def status(token: str) -> int:
            return get(f"{url}/v1/models", headers={"Authorization": f"Bearer {token}"}).status_code

        assert [status(f"guess {number}") for number in range(22)] == [401] * 20 + [429] * 2
        assert status("mine") == 200


def test_a_rate_limit_lets_in_as_many_as_it_says() -> None:
    now = 0.0
    limit = RateLimit(60, clock=lambda: now)
    assert [limit.wait("a") for _ in range(60)] == [0.0] * 60
    assert limit.wait("a") == pytest.approx(1.0) and limit.wait("b") == 0.0
    now = 1.0
    assert limit.wait("a") == 0.0 and limit.wait("a") > 0
    assert RateLimit(0).wait("a") == 0.0


def test_others_are_not_let_near_without_a_token() -> None:
    for host in ("0.0.0.0", "::"):
        with pytest.raises(UsageError, match="without a token"):
            listening_socket(ServeSettings(host=host, port=0), Tokens())
    listening_socket(ServeSettings(host="0.0.0.0", port=0), Tokens.of(["secret"])).close()
    listening_socket(ServeSettings(host="localhost", port=0), Tokens()).close()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="Cannot listen"):
        listening_socket(ServeSettings(port=taken.getsockname()[1]), Tokens())


def test_tokens_come_from_a_file_or_the_environment(tmp_path: Path, workspace: Workspace) -> None:
    file = tmp_path / "tokens"
    file.write_text("one\n\n two \n")
    tokens = read_tokens(ServeSettings(token_file=str(file)), workspace, {"ASSISTANT_TOKEN": "three"})
    for token in ("one", "two"):
        caller = tokens.caller_of(f"bearer {token}".encode())
        assert caller and caller.may("admin") and caller.corpora is None
    assert tokens.caller_of(b"Bearer three") is None and tokens.caller_of(b"Bearer ") is None
    assert read_tokens(ServeSettings(), workspace, {"ASSISTANT_TOKEN": "three"}).caller_of(b"Bearer three")
    assert read_tokens(ServeSettings(), workspace, {}).is_open
    assert "one" not in repr(tokens)
    file.write_text("\n")
    for wrong in (file, tmp_path / "missing"):
        with pytest.raises(ConfigError, match="token_file"):
            read_tokens(ServeSettings(token_file=str(wrong)), workspace, {})


def test_replies_forbid_browsers_what_they_might_make_of_them(address: str) -> None:
    for path in ("/docs", "/v1/models", "/health", "/nothing"):
        headers = get(f"{address}{path}").headers
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"] and "server" not in headers
    page = get(f"{address}/docs").text
    assert "/v1/chat/completions" in page and "<script" not in page and "https://" not in page
