"""Our retriever and our assistant as LangChain components, for those who build on LangChain; nothing inside uses this.

from assistant.langchain_edge import ChatAssistant, CorpusRetriever

documents = CorpusRetriever.open("default", k=5).invoke("hail damage deductible")
message = ChatAssistant.open("default", adapter="house").invoke("What is the deductible for hail damage?")
message.response_metadata["sentences"][0]["citations"]
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from langchain_core.caches import BaseCache
from langchain_core.callbacks import CallbackManagerForLLMRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from assistant.errors import UsageError
from assistant.render.records import answer_json, hit_json
from assistant.render.streaming import SettledText, as_said, text_of
from assistant.service.opened import OpenedAssistant, open_assistant
from assistant.types import Answer, Grounded, Message
from assistant.workspace import DEFAULT_CORPUS

# What other chat models take; a caller who gives it relies on it.
_NOT_TAKEN = ("tools", "functions", "response_format")


class CorpusRetriever(BaseRetriever):
    """Evidence as LangChain documents: the text is the content, everything else of a hit its metadata."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    assistant: OpenedAssistant
    k: int = 8

    @classmethod
    def open(cls, corpus: str = DEFAULT_CORPUS, k: int = 8, workspace: str | Path | None = None) -> "CorpusRetriever":
        """The retriever of a corpus. Raises what ``open_assistant`` raises."""
        return cls(assistant=open_assistant(corpus, workspace=workspace), k=k)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002
    ) -> list[Document]:
        hits = map(hit_json, self.assistant.search(query, self.k))
        return [Document(page_content=hit.pop("text"), metadata=hit) for hit in hits]


class ChatAssistant(BaseChatModel):
    """The assistant as a chat model: it searches, answers and cites by itself, so a prompt needs no passages.

    The last message is the question, those before it the conversation. The content of a reply is its sentences with
    the numbers of the passages they rest on; ``response_metadata`` is the JSON of ``assistant ask``.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    assistant: OpenedAssistant
    adapter: str | None = None
    # Documents change: LangChain may not keep an answer in a cache of its own.
    cache: BaseCache | bool | None = False

    @classmethod
    def open(
        cls, corpus: str = DEFAULT_CORPUS, adapter: str | None = None, workspace: str | Path | None = None
    ) -> "ChatAssistant":
        """The assistant over a corpus. Raises what ``open_assistant`` raises."""
        return cls(assistant=open_assistant(corpus, workspace=workspace, adapter=adapter), adapter=adapter)

    @property
    def _llm_type(self) -> str:
        return "domain-assistant"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        question, history = _asked(messages, stop, kwargs)
        answer = self.assistant.ask(question, history, adapter=self.adapter)
        message = AIMessage(text_of(answer, with_sources=False), response_metadata=answer_json(None, answer))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        """Sentence by sentence, from the first one that answers: before it, another answer may yet take their place."""
        question, history = _asked(messages, stop, kwargs)
        teller = SettledText(self.assistant.answering, with_sources=False)
        with closing(self.assistant.stream(question, history, adapter=self.adapter)) as updates:
            for update in updates:
                if isinstance(update, Answer):
                    yield _chunk(teller.rest(update), answer_json(None, update))
                elif isinstance(update, Grounded) and (told := teller.next(update.sentence)):
                    yield _chunk(told)


def _asked(
    messages: Sequence[BaseMessage], stop: Sequence[str] | None, options: Mapping[str, Any]
) -> tuple[str, list[Message]]:
    """The question and the conversation before it. Raises UsageError for what the assistant cannot take."""
    for name, value in {"stop": stop, **{name: options.get(name) for name in _NOT_TAKEN}}.items():
        if value:
            raise UsageError(f"The assistant takes no {name}.", f"Leave out {name}.")
    turns = []
    for message in messages:
        parts = message.content if isinstance(message.content, list) else [message.content]
        if any(part.get("type") != "text" for part in parts if not isinstance(part, str)):
            raise UsageError("The assistant reads text alone, no images or files.", "Leave out the other parts.")
        if isinstance(message, HumanMessage):
            turns.append(Message("user", message.text))
        elif isinstance(message, AIMessage):  # whole, or added up from a stream
            turns.append(Message("assistant", as_said(message.text)))
        else:
            raise UsageError(
                f"The assistant takes no message of type '{message.type}'.",
                "What it is told is the setting answer.system.",
            )
    if not turns or turns[-1].role != "user":
        raise UsageError("The last message is no question.", "End with a HumanMessage.")
    return turns[-1].content, turns[:-1]


def _chunk(content: str, metadata: dict[str, Any] | None = None) -> ChatGenerationChunk:
    position = None if metadata is None else "last"
    message = AIMessageChunk(content=content, response_metadata=metadata or {}, chunk_position=position)
    return ChatGenerationChunk(message=message)
