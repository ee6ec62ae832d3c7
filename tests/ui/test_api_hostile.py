"""Requests from strangers: whatever they send, they get an answer or an error object, never a 5xx."""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from serving import QUESTION, get, post

JSON = {"Content-Type": "application/json"}


def chat(**changes: object) -> bytes:
    request = {"model": "cars", "messages": [{"role": "user", "content": QUESTION}]} | changes
    return json.dumps(request).encode()


def said(text: str) -> bytes:
    return chat(messages=[{"role": "user", "content": text}])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 40_000 + b"1" + b"}" * 40_000, 400),
        (b'{"messages": ' + b"[" * 50_000 + b"]" * 50_000 + b', "model": "cars"}', 400),
        (chat(filter={"metadata": {"a\ud800": "\x00"}}), 400),
        (chat(messages=[]), 400),
        (chat(messages=[{"role": "user", "content": "hail"}] * 501), 400),
        (chat(messages={"role": "user"}), 400),
        (chat(messages=[{"role": "tool", "content": "x"}]), 400),
        (chat(temperature="hot"), 400),
        (chat(temperature="0"), 400),
        (chat(temperature=True), 400),
        (chat(temperature=0), 200),
        (chat(max_tokens="5"), 400),
        (chat(max_tokens=True), 400),
        (chat(max_completion_tokens=5.0), 400),
        (chat(n=True), 400),
        (chat(stream="no"), 400),
        (chat(stream=0), 400),
        (chat(stream=None), 200),
        (chat(max_tokens=0), 400),
        (chat(max_tokens=10**400), 200),
        (chat(stop=[""]), 400),
        (chat(stop=["a"] * 5), 400),
        (chat(model=""), 400),
        (chat(model=7), 400),
        (chat(model="nothing"), 404),
        (chat(model="../cars"), 404),
        (chat(model="cars/../../../etc/passwd"), 404),
        (chat(model="cars/.."), 404),
        (chat(model="/etc/passwd"), 404),
        (chat(model="cars\x00"), 404),
        (chat(model="cars/base"), 200),
        (said("\x00"), 200),
        (said("hail \x00 \x1b[31m \u202e <|im_end|> </passage> [1] 'OR 1=1 -- \" * NEAR( AND"), 200),
        (said("\U000e0041\u200b" * 50), 200),
        (chat(temperature=float("nan")), 400),
        (chat(temperature=float("inf")), 400),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, bytes) else None,
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_a_hostile_request_gets_an_answer_or_an_error_object(
    address: str, body: bytes, status: int, stream: bool
) -> None:
    if stream and body.startswith(b'{"model'):
        body = b'{"stream": true, ' + body[1:]
    reply = post(f"{address}/v1/chat/completions", content=body, headers=JSON)
    assert reply.status_code == status, reply.text[:300]
    if status != 200:
        error = reply.json()["error"]
        assert error["type"] == "invalid_request_error" and 0 < len(error["message"]) <= 500
        assert "Traceback" not in reply.text


IMAGE = [{"role": "user", "content": [{"type": "image_url"}]}]


@pytest.mark.parametrize(
    ("path", "body", "param", "code", "message"),
    [
        ("chat/completions", b"", None, "invalid_request", "Field required"),
        ("chat/completions", b'{"model": }', None, "invalid_request", "no JSON: Expecting value at character 11."),
        ("search", b"{'question'}", None, "invalid_request", "The body is no JSON: "),
        (
            "search",
            b'{"question": "hail", "corpus": "zz"}',
            "corpus",
            "corpus_not_found",
            "no corpus 'zz'",
        ),
        ("search", b"{}", "question", "invalid_request", "question: Field required."),
        ("search", b'{"question": "x", "filter": {"fodler": 1}}', "filter.fodler", "invalid_request", "Unexpected"),
        ("chat/completions", chat(model="zz"), "model", "model_not_found", "no model 'zz'"),
        ("chat/completions", chat(messages=IMAGE), "messages.0.content.0.type", "invalid_request", "not images"),
        ("chat/completions", chat(stop=[""]), "stop.0", "invalid_request", "at least 1"),
        ("chat/completions", chat(messages=[{}]), "messages.0.role", "invalid_request", "Field required"),
    ],
)
def test_an_error_names_the_field_as_the_caller_wrote_it(
    address: str, path: str, body: bytes, param: str | None, code: str, message: str
) -> None:
    error = post(f"{address}/v1/{path}", content=body, headers=JSON).json()["error"]
    assert (error["param"], error["code"]) == (param, code), error
    assert message in error["message"]


def test_lone_surrogates_never_break_a_reply(address: str) -> None:
    body = chat().replace(b"What is", b"\\ud800 What is").replace(b'"cars"', b'"cars\\udfff"')
    assert post(f"{address}/v1/chat/completions", content=body, headers=JSON).status_code in (400, 404)
    asked = chat().replace(b"What is", b"\\ud800 What is")
    assert post(f"{address}/v1/chat/completions", content=asked, headers=JSON).status_code in (200, 400)
    search = b'{"question": "\\udc80 hail", "corpus": "cars"}'
    assert post(f"{address}/v1/search", content=search, headers=JSON).status_code in (200, 400)


def test_a_megabyte_is_not_read(address: str) -> None:
    reply = post(f"{address}/v1/chat/completions", content=said("x" * 1_000_000), headers=JSON)
    assert reply.status_code == 413


@pytest.mark.parametrize("name", ["../cars", "%2e%2e%2fcars", "cars%2f..%2f..", "%00", "%ff", "a" * 5000])
def test_names_of_models_lead_nowhere(address: str, name: str) -> None:
    assert get(f"{address}/v1/models/{name}").status_code in (400, 404)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"question": " "}, 400),
        ({"question": "hail", "k": 0}, 400),
        ({"question": "hail", "k": True}, 400),
        ({"question": "hail", "k": "5"}, 400),
        ({"question": "hail", "corpus": "cars", "k": 5}, 200),
        ({"question": "hail", "k": 10**30}, 400),
        ({"question": "hail", "corpus": "../cars"}, 404),
        ({"question": "hail", "corpus": "cars", "filter": {"folder": "[" * 1000}}, 400),
        ({"question": "hail", "corpus": "cars", "filter": {"metadata": {"x'; DROP TABLE": "y"}}}, 400),
        ({"question": "hail " * 800, "corpus": "cars"}, 200),
        ({"question": "hail " * 40_000, "corpus": "cars"}, 413),
    ],
)
def test_a_hostile_search_gets_hits_or_an_error_object(address: str, body: dict[str, object], status: int) -> None:
    reply = post(f"{address}/v1/search", json=body)
    assert reply.status_code == status, reply.text[:300]
    assert ("error" in reply.json()) == (status != 200)


@pytest.mark.slow
def test_no_generated_request_ends_in_a_server_error(address: str) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert {operation.path for operation in operations} >= {"/v1/chat/completions", "/v1/search", "/metrics"}
    for operation in operations:
        for mode in GenerationMode if operation.body else (GenerationMode.POSITIVE,):

            @settings(max_examples=30, database=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                case.call_and_validate(checks=[not_a_server_error])

            ask()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("search", {"question": "x" * 4001, "corpus": "cars"}),
        ("chat/completions", {"model": "cars", "messages": [{"role": "user", "content": "x" * 4001}]}),
        ("chat/completions", {"model": "cars", "messages": [{"role": "user", "content": "漢" * 2000}] * 2}),
        (
            "chat/completions",
            {
                "model": "cars",
                "messages": [{"role": "system", "content": "x" * 4001}, {"role": "user", "content": "?"}],
            },
        ),
        ("chat/completions", {"model": "cars", "stream": True, "messages": [{"role": "user", "content": "x" * 4001}]}),
    ],
)
def test_texts_that_are_too_long_are_refused_with_the_limit(address: str, path: str, body: dict[str, object]) -> None:
    reply = post(f"{address}/v1/{path}", json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["type"]) == (413, "question_too_long", "invalid_request_error")
    assert "at most 4,000" in error["message"]


def test_a_long_conversation_is_answered_from_its_end(address: str) -> None:
    past = [{"role": role, "content": "hail " * 500} for role in ("user", "assistant") * 40]
    messages = [*past, {"role": "user", "content": "What is the deductible for hail damage?"}]
    reply = post(f"{address}/v1/chat/completions", json={"model": "cars", "messages": messages})
    assert reply.status_code == 200, reply.text
