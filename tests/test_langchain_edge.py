"""Our retriever and our assistant as LangChain sees them."""

import functools
import operator
from collections.abc import Iterator

import pytest
from fakes import FakeEmbedder, ScriptedEngine
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever

from assistant.config import Settings
from assistant.errors import UsageError
from assistant.langchain_edge import ChatAssistant, CorpusRetriever
from assistant.service import Service
from assistant.service.opened import OpenedAssistant
from assistant.workspace import Workspace
from ingest.pipeline import ingest

QUESTION = "Is hail damage to the car covered?"


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine("Hail damage to the car is covered. [1] The deductible for hail damage is 150 euros. [1]")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Workspace:
    """A workspace with two documents."""
    docs = tmp_path_factory.mktemp("docs")
    (docs / "hail.md").write_text(
        "# Hail\n\nHail damage to the car is covered. The deductible for hail damage is 150 euros."
    )
    (docs / "trips.md").write_text("# Trips\n\nA trip may last up to 56 days.")
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    return workspace


@pytest.fixture
def opened(corpus: Workspace, settings: Settings, engine: ScriptedEngine) -> Iterator[OpenedAssistant]:
    with OpenedAssistant(Service(corpus, settings, FakeEmbedder(), lambda: engine), "default") as opened:
        yield opened


def test_a_corpus_is_a_langchain_retriever(opened: OpenedAssistant) -> None:
    retriever = CorpusRetriever(assistant=opened, k=1)
    assert isinstance(retriever, BaseRetriever)
    for (document,) in retriever.batch([QUESTION, "hail damage", "deductible for hail"]):  # in threads
        assert document.page_content.startswith("Hail damage to the car is covered.")
        assert document.metadata["document"] == "hail.md" and document.metadata["rank"] == 1


def test_the_assistant_is_a_langchain_chat_model_that_cites(opened: OpenedAssistant) -> None:
    model = ChatAssistant(assistant=opened)
    assert isinstance(model, BaseChatModel)
    message = model.invoke(QUESTION)
    assert message.content == "Hail damage to the car is covered. [1] The deductible for hail damage is 150 euros. [1]"
    (citation,) = message.response_metadata["sentences"][1]["citations"]
    assert citation["document"] == "hail.md" and "150 euros" in citation["quote"]
    assert message.response_metadata["refused"] is False


def test_what_is_streamed_is_what_is_answered(opened: OpenedAssistant) -> None:
    model = ChatAssistant(assistant=opened)
    first, *rest = list(model.stream(QUESTION))
    assert first.content == "Hail damage to the car is covered. [1]"
    whole = first
    for chunk in rest:
        whole += chunk
    answered = model.invoke(QUESTION)
    assert whole.content == answered.content
    assert whole.response_metadata["sentences"] == answered.response_metadata["sentences"]


@pytest.mark.parametrize(
    "said", ["The moon is made of cheese. It shines at night.", "", "I can't find an answer to this."]
)
def test_no_unsupported_sentence_is_streamed_before_it_gives_way(
    opened: OpenedAssistant, engine: ScriptedEngine, said: str
) -> None:
    engine.answer = said
    model = ChatAssistant(assistant=opened)
    streamed = "".join(str(chunk.content) for chunk in model.stream(QUESTION))
    assert streamed == model.invoke(QUESTION).content
    assert "cheese" not in streamed and streamed


def test_a_sentence_beside_the_point_is_not_streamed_before_it_gives_way(
    opened: OpenedAssistant, engine: ScriptedEngine
) -> None:
    engine.answer = "Hail damage to the car is covered."
    model = ChatAssistant(assistant=opened)
    question = "What is the deductible for hail damage in euros?"
    answered = model.invoke(question)
    assert answered.response_metadata["quoted"], "supported, and no answer"
    assert "".join(str(chunk.content) for chunk in model.stream(question)) == answered.content


def test_a_refusal_says_so(opened: OpenedAssistant, engine: ScriptedEngine, settings: Settings) -> None:
    engine.answer = settings.answer.refusal["en"]
    message = ChatAssistant(assistant=opened).invoke(QUESTION)
    assert message.response_metadata["refused"] is True
    assert str(message.content).startswith(settings.answer.refusal["en"])


def test_it_is_a_part_of_a_chain_and_follows_a_conversation(opened: OpenedAssistant, engine: ScriptedEngine) -> None:
    prompt = ChatPromptTemplate.from_messages(
        [("human", QUESTION), ("ai", "Hail damage is covered."), ("human", "{question}")]
    )
    chain = prompt | ChatAssistant(assistant=opened, adapter="house") | StrOutputParser()
    assert "150 euros" in chain.invoke({"question": "And what is the deductible for hail damage?"})
    assert [message.role for message in engine.prompts[-1]] == ["system", "user", "assistant", "user"]
    assert engine.adapters == ["house"]


@pytest.mark.parametrize(
    "messages",
    [
        [SystemMessage("You are a pirate."), HumanMessage("Ahoy?")],
        [HumanMessage("a"), AIMessage("b")],
        [ToolMessage("42", tool_call_id="1")],
        [HumanMessage([{"type": "text", "text": "Is this covered?"}, {"type": "image_url", "image_url": "data:,"}])],
        [],
    ],
)
def test_what_it_cannot_take_is_refused_and_not_dropped(opened: OpenedAssistant, messages: list[HumanMessage]) -> None:
    with pytest.raises((UsageError, ValueError)):
        ChatAssistant(assistant=opened).invoke(messages)
    with pytest.raises(UsageError, match="stop"):
        ChatAssistant(assistant=opened).invoke(QUESTION, stop=["\n"])
    with pytest.raises(UsageError, match="tools"):
        ChatAssistant(assistant=opened).invoke(QUESTION, tools=[{"type": "function"}])


def test_a_streamed_answer_can_be_the_past_and_its_marks_are_left_out(
    opened: OpenedAssistant, engine: ScriptedEngine
) -> None:
    chat = ChatAssistant(assistant=opened)
    said = functools.reduce(operator.add, chat.stream(QUESTION))
    assert "[1]" in said.text
    chat.invoke([HumanMessage(QUESTION), said, HumanMessage(QUESTION)])
    (past,) = (turn.content for turn in engine.prompts[-1] if turn.role == "assistant")
    assert past == "Hail damage to the car is covered. The deductible for hail damage is 150 euros."


def test_a_reader_who_leaves_stops_the_model(opened: OpenedAssistant, engine: ScriptedEngine) -> None:
    engine.answer += " Hail damage to the car is covered." + " The deductible for hail damage is paid." * 50
    stream = ChatAssistant(assistant=opened).stream(QUESTION)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert engine.pieces_given < 40


@pytest.mark.parametrize("component", [CorpusRetriever, ChatAssistant])
def test_a_wrong_name_is_told_when_it_is_opened(
    corpus: Workspace, component: type[CorpusRetriever | ChatAssistant]
) -> None:
    with pytest.raises(UsageError, match="there are: default"):
        component.open("claims", workspace=corpus.root)
