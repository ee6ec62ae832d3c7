"""Half a character (a lone surrogate) comes in through JSON and arguments; every entrance tells or replaces it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import run
from fakes import ScriptedEngine
from serving import ANSWER, QUESTION, post, service_of

from assistant import config
from assistant.cli.ask import read_questions
from assistant.errors import AssistantError, ConfigError, UsageError
from assistant.render.records import answer_json
from assistant.service import Query, Service
from assistant.types import Filter, Message
from assistant.workspace import Workspace

HALF = "x\ud800y"
TURNS = (Message("user", f"Is hail covered, {HALF}?"), Message("assistant", HALF))
FILTERS = [Filter((HALF,)), Filter(folder=HALF), Filter(metadata={HALF: "x"}), Filter(metadata={"language": HALF})]


@pytest.mark.parametrize(
    "ask",
    [
        lambda service: Query(service.model("cars"), HALF),
        lambda service: Query(service.model("cars"), QUESTION, TURNS),
        lambda service: Query(service.model("cars"), "And for that?", TURNS),
        *(lambda service, only=only: Query(service.model("cars"), QUESTION, only=only) for only in FILTERS),
        lambda service: Query(service.adapted("cars", HALF), QUESTION),
        lambda service: Query(service.model(HALF), QUESTION),
    ],
)
def test_a_question_with_half_characters_is_answered_or_refused(
    served: Workspace, ask: Callable[[Service], Query]
) -> None:
    service = service_of(served, ScriptedEngine(ANSWER))
    try:
        *_, answer = service.stream(ask(service))
    except AssistantError as error:
        assert str(error)
    else:
        json.dumps(answer_json(None, answer, trace=True), ensure_ascii=False).encode()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "\\ud800", "question": "hail"}',
        '{"id": 1, "question": "hail \\udfff"}',
        '{"question": "hail", "history": [{"role": "user", "content": "\\ud800"}]}',
        '{"question": "hail", "filter": {"folder": "\\ud800"}}',
        '{"question": "hail", "filter": {"metadata": {"\\ud800": "x"}}}',
    ],
)
def test_a_line_of_a_batch_is_told_by_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(f'{{"question": "hail"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(UsageError, match="Line 2 is no question"):
        read_questions(file)


@pytest.mark.parametrize("option", ["--folder", "--document", "--where", "--corpus", "--set"])
def test_an_option_is_told_in_one_line(served: Workspace, capsys: pytest.CaptureFixture[str], option: str) -> None:
    value = {"--where": "language=a\udcff", "--set": "embedder.query_prefix=\udcff"}.get(option, "a\udcff")
    status, _, told = run(capsys, "search", "hail", "--corpus=cars", option, value, "--workspace", str(served.root))
    assert status == 2 and told.startswith("Error: ") and len(told.splitlines()) == 1


@pytest.mark.parametrize("written", ["answer.system=\ud800", "pairs.tone=['\ud800']", "answer.greeting={en: '\udfff'}"])
def test_a_setting_with_half_characters_is_told(tmp_path: Path, written: str) -> None:
    with pytest.raises(ConfigError):
        config.load(None, {}, [written])
    file = tmp_path / "config.yaml"
    file.write_text('answer:\n  system: "\\ud800"\n', encoding="utf-8")
    with pytest.raises(ConfigError):
        config.load(file, {})


@pytest.mark.parametrize(
    "body",
    [
        {"model": "cars", "messages": [{"role": "user", "content": HALF}]},
        {"model": "cars", "messages": [{"role": "system", "content": HALF}, {"role": "user", "content": QUESTION}]},
        {"model": HALF, "messages": [{"role": "user", "content": QUESTION}]},
        {"model": "cars", "messages": [{"role": "user", "content": QUESTION}], "stop": [HALF]},
        {"model": "cars", "messages": [{"role": "user", "content": QUESTION}], "filter": {"folder": HALF}},
        {"question": HALF},
        {"question": QUESTION, "corpus": HALF},
        {"question": QUESTION, "filter": {"metadata": {HALF: HALF}}},
    ],
)
def test_the_api_says_what_is_wrong(address: str, body: dict[str, Any]) -> None:
    path = "search" if "question" in body else "chat/completions"
    sent = json.dumps(body).encode()
    reply = post(f"{address}/v1/{path}", content=sent, headers={"content-type": "application/json"})
    assert reply.status_code in {200, 400, 404} and reply.json()
