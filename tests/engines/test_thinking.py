"""Thoughts are no part of an answer: not shown, not grounded, not counted, whoever runs the model."""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest
from fakes import FakeEmbedder, ScriptedEngine
from families import model_of, tokenizer_of
from tiny import settings_for

from assistant.answer import Assistant
from assistant.config import Settings
from assistant.engines.local import LocalEngine
from assistant.engines.scheduler import Request, RequestOutput
from assistant.engines.thinking import Speech, answer_in, spoken
from assistant.errors import OnlyThoughtError
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Answer, Grounded, Message, Words
from assistant.workspace import Workspace
from ingest.pipeline import ingest

ANSWER = "Hail is covered. [1]\nThe tag <think> is no HTML, and </think> neither."
HARMONY = "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>"
THOUGHTS = {
    "think": "<think>\n{}\n</think>\n\n",
    "behind a blank line": "\n\n<think>{}</think>",
    "empty": "<think>\n\n</think>\n\n",
    "Magistral": "[THINK]{}[/THINK]",
    "Seed-OSS": "<seed:think>{}</seed:think>\n",
    "Command A": "<|START_THINKING|>{}<|END_THINKING|>",
    "Gemma 4": "<|channel>thought\n{}\n<channel|>",
    "gpt-oss": HARMONY,
    "gpt-oss without an end": "<|channel|>analysis<|message|>{}<|channel|>final<|message|>",
    "gpt-oss with a preamble": f"<|channel|>commentary<|message|>I look.<|end|><|start|>assistant{HARMONY}",
    "twice": "<think>{}</think>\n<think>And again.</think>\n",
}  # fmt: skip
SECRET = "The user wants the deductible: <b>500</b> euros? Wait, < 500. [2] </thin"


def answer_of(pieces: Sequence[str], speech: Speech, is_cut: bool = False) -> str:
    return "".join(map(speech.feed, pieces)) + speech.finish(is_cut)


def said(pieces: Sequence[str], is_cut: bool = False) -> Generator[str, None, bool]:
    yield from pieces
    return is_cut


@pytest.mark.parametrize("thought", THOUGHTS.values(), ids=THOUGHTS)
def test_only_the_answer_is_left_however_the_words_are_cut(thought: str) -> None:
    text = thought.format(SECRET) + ANSWER
    assert answer_of([text], Speech()) == ANSWER
    assert answer_of(list(text), Speech()) == ANSWER
    for at in range(len(text)):
        assert answer_of([text[:at], text[at:]], Speech()) == ANSWER, text[:at]
    assert answer_in(text) == ANSWER


@pytest.mark.parametrize(
    "text", [ANSWER, "", " ", "<", "<passage", "A <think> tag.", "<|channel|> is a token.", "\n 1"]
)
def test_what_begins_with_no_thought_stays_to_the_letter(text: str) -> None:
    for pieces in ([text], list(text)):
        speech = Speech()
        assert answer_of(pieces, speech) == text == speech.answer
        assert not speech.has_thought


@pytest.mark.parametrize("opened", ["<think>", "[THINK]", "<seed:think>"])
def test_a_thought_that_the_prompt_has_begun_ends_at_its_mark(opened: str) -> None:
    text = f"{SECRET}\n{opened.replace('<', '</').replace('[', '[/')}\n\n{ANSWER}"
    assert answer_of(list(text), Speech(opened)) == ANSWER
    assert answer_of(list(SECRET), Speech(opened)) == ""


def test_where_a_thought_may_have_begun_unseen_nothing_is_shown_before_that_is_known() -> None:
    text = f"{SECRET}\n</think>\n\n{ANSWER}"
    for pieces in ([text], list(text)):
        assert answer_of(pieces, Speech(unsure=True)) == ANSWER
    assert answer_of(list(f"<think>{SECRET}</think>{ANSWER}"), Speech(unsure=True)) == ANSWER
    assert answer_of(list(ANSWER), Speech(unsure=True)) == ANSWER, "it did not think"
    assert answer_of(list(SECRET), Speech(unsure=True), is_cut=True) == "", "it was still thinking"
    assert answer_in(text) == ANSWER


def test_an_answer_streams_as_it_comes_once_the_thought_is_over() -> None:
    words = ["<th", "ink>", "Hm", "m", "</thi", "nk>", "\n\n", "Hail", " is", " covered."]
    assert list(spoken(said(words), Speech())) == ["", "", "", "", "", "", "", "Hail", " is", " covered."][1:]


@pytest.mark.parametrize(("text", "is_cut", "told"), [
    ("<think>Hmm", True, "until it had no tokens left"),
    ("<think>Hmm", False, "gave no answer"),
    ("<think>Hmm</think>\n", False, "gave no answer"),
    ("<|channel|>analysis<|message|>Hmm<|end|>", False, "gave no answer"),
])  # fmt: skip
def test_a_thought_without_an_answer_is_told_with_the_remedy(text: str, is_cut: bool, told: str) -> None:
    with pytest.raises(OnlyThoughtError, match=told) as error:
        list(spoken(said(list(text), is_cut), Speech()))
    assert "engine.thinking" in error.value.remedy


def test_a_long_thought_is_read_in_linear_time() -> None:
    from time import process_time

    def seconds(length: int) -> float:
        began = process_time()
        answer_of(list("<thin " * (length // 6)), Speech("<think>"))
        answer_of(list("a thought " * (length // 10)), Speech(unsure=True))
        return process_time() - began

    seconds(2_000)
    long, short = (min(seconds(length) for _ in range(3)) for length in (40_000, 4_000))
    assert long < 40 * max(short, 0.001)


class ScriptedBatch:
    """Gives the tokens of a text to every request, and keeps what it was asked."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tokens = tuple(tokens)
        self.requests: list[Request] = []
        self._left: dict[int, tuple[int, ...]] = {}

    def add(self, number: int, request: Request) -> None:
        self.requests.append(request)
        self._left[number] = self.tokens[: request.max_new_tokens]

    def step(self) -> list[RequestOutput]:
        said = [RequestOutput(number, left[:1], len(left) <= 1) for number, left in self._left.items()]
        self._left = {number: left[1:] for number, left in self._left.items() if len(left) > 1}
        return said

    def remove(self, number: int) -> None:
        self._left.pop(number, None)

    def clear(self) -> None:
        self._left.clear()


class ScriptedModel(LocalEngine):
    """An engine of this process whose model says one thing."""

    def __init__(self, name: str, folder: Path, text: str, thinking: int = 0) -> None:
        settings = settings_for(model_of(name, folder, max_position_embeddings=8192))
        super().__init__(settings.engine.model_copy(update={"thinking": thinking}), settings.device)
        self.batch = ScriptedBatch(tokenizer_of(name)(text, add_special_tokens=False)["input_ids"])

    def _batch(self, adapter: str | None) -> ScriptedBatch:  # noqa: ARG002
        return self.batch


QUESTION = "What is the deductible for hail damage?"
SENTENCE = "The deductible for hail damage is 150 euros."
WRONG = "Perhaps it is 900 euros. No. It says so nowhere. I should look again. And again. [1]"
BEHIND = {
    "Qwen3": f"<think>\n{WRONG}\n</think>\n\n{SENTENCE}",
    "DeepSeek-R1 distill": f"{WRONG}\n</think>\n\n{SENTENCE}",
    "gpt-oss": f"<|channel|>analysis<|message|>{WRONG}<|end|><|start|>assistant<|channel|>final<|message|>{SENTENCE}",
    "Magistral": f"[THINK]{WRONG}[/THINK]{SENTENCE}",
    "Llama 3.2": SENTENCE,
}


@pytest.fixture
def retriever(workspace: Workspace, docs: Path, settings: Settings) -> Iterator[Retriever]:
    (docs / "hail.md").write_text(f"# Hail\n\nHail damage to the car is covered. {SENTENCE}\n")
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    catalog = Catalog(workspace.corpus("default"))
    yield Retriever(catalog, FakeEmbedder(), settings.retrieval, settings.device)
    catalog.close()


@pytest.mark.parametrize("name", BEHIND)
def test_what_a_model_thinks_is_never_shown_nor_grounded_and_the_answer_behind_it_is(
    name: str, retriever: Retriever, settings: Settings, tmp_path: Path
) -> None:
    engine = ScriptedModel(name, tmp_path / "model", BEHIND[name], thinking=512)
    assistant = Assistant(retriever, lambda: engine, settings.answer, engine._settings)
    *updates, answer = assistant.stream(QUESTION)
    assert isinstance(answer, Answer)
    assert answer.text == SENTENCE and not answer.quoted and answer.trace and answer.trace.said == SENTENCE
    (sentence,) = answer.sentences
    assert sentence.supported
    words = [update.text for update in updates if isinstance(update, Words)]
    assert "".join(words) == SENTENCE
    assert [update.sentence for update in updates if isinstance(update, Grounded)] == [sentence]
    if name != "Llama 3.2":
        assert "" in words[:-1], "whoever waits may stop it"
    asked = [[Message("user", QUESTION)]]
    assert engine.complete(asked * 2, 256) == [SENTENCE] * 2


def test_thoughts_have_tokens_of_their_own(tmp_path: Path) -> None:
    engine = ScriptedModel("Qwen3", tmp_path / "model", BEHIND["Qwen3"], thinking=500)
    messages = [Message("user", QUESTION)]
    assert "".join(engine.stream(messages, 64, 0.0)) == SENTENCE
    assert engine.batch.requests[-1].max_new_tokens == 564
    short = ScriptedModel("Qwen3", tmp_path / "model", BEHIND["Qwen3"], thinking=8)
    with pytest.raises(OnlyThoughtError, match="no tokens left"):
        list(short.stream(messages, 8, 0.0))
    assert short.complete([messages], 8) == [""]


def test_a_model_that_thinks_though_it_was_asked_not_to_shows_nothing_of_it(tmp_path: Path) -> None:
    engine = ScriptedModel("Qwen3", tmp_path / "model", BEHIND["Qwen3"])
    assert engine.prompt_text([Message("user", QUESTION)]).endswith("<think>\n\n</think>\n\n")
    assert "".join(engine.stream([Message("user", QUESTION)], 256, 0.0)) == SENTENCE


def test_thoughts_in_the_history_are_not_read_again(retriever: Retriever, settings: Settings) -> None:
    engine = ScriptedEngine(SENTENCE)
    past = [Message("user", "Is hail covered?"), Message("assistant", f"<think>{WRONG}</think>Hail is covered.")]
    Assistant(retriever, lambda: engine, settings.answer, settings.engine).ask(QUESTION, past)
    (prompt,) = engine.prompts
    assert "Hail is covered." in [message.content for message in prompt]
    assert not any("900" in message.content for message in prompt)
