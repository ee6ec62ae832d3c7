"""Our retriever and our assistant as LangChain components, for those who build on LangChain; nothing inside uses this.

from assistant.langchain_edge import ChatAssistant, CorpusRetriever

documents = CorpusRetriever.open("default", k=5).invoke("hail damage deductible")
message = ChatAssistant.open("default", adapter="house").invoke("What is the deductible for hail damage?")
message.response_metadata["sentences"][0]["citations"]
"""

import re
from collections.abc import Iterator, Sequence
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
from assistant.opened import OpenedAssistant, open_assistant
from assistant.presentation import answer_json, hit_json
from assistant.types import Answer, Grounded, Message, Sentence
from assistant.workspace import DEFAULT_CORPUS

# In a later prompt the numbers of an answer would mean other passages.
_MARKS = re.compile(r"\s?\[(?:\d+|unsupported)\]")


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
        return [_as_document(hit_json(hit)) for hit in self.assistant.search(query, self.k)]


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
        **kwargs: Any,  # noqa: ARG002
    ) -> ChatResult:
        question, history = _asked(messages, stop)
        answer = self.assistant.ask(question, history, adapter=self.adapter)
        message = AIMessage(_content(answer), response_metadata=answer_json(None, answer))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> Iterator[ChatGenerationChunk]:
        """Sentence by sentence, from the first one that answers: before it, another answer may yet take their place."""
        question, history = _asked(messages, stop)
        said: list[Sentence] = []
        given = ""
        with closing(self.assistant.stream(question, history, adapter=self.adapter)) as updates:
            for update in updates:
                if isinstance(update, Answer):
                    yield _chunk(_rest(_content(update), given), answer_json(None, update))
                elif isinstance(update, Grounded):
                    said.append(update.sentence)
                    if any(sentence.supported and sentence.to_the_point for sentence in said):
                        rest = _rest(_joined(said), given)
                        given += rest
                        yield _chunk(rest)


def _asked(messages: Sequence[BaseMessage], stop: Sequence[str] | None) -> tuple[str, list[Message]]:
    """The question and the conversation before it. Raises UsageError for what the assistant cannot take."""
    if stop:
        raise UsageError("The assistant takes no stop words.", "Leave out stop.")
    turns = []
    for message in messages:
        if isinstance(message, HumanMessage):
            turns.append(Message("user", message.text))
        elif isinstance(message, AIMessage):  # whole, or added up from a stream
            turns.append(Message("assistant", _MARKS.sub("", message.text)))
        else:
            raise UsageError(
                f"The assistant takes no message of type '{message.type}'.",
                "What it is told is the setting answer.system.",
            )
    if not turns or turns[-1].role != "user":
        raise UsageError("The last message is no question.", "End with a HumanMessage.")
    return turns[-1].content, turns[:-1]


def _content(answer: Answer) -> str:
    return answer.text if answer.refused or answer.small_talk else _joined(answer.sentences)


def _joined(sentences: Sequence[Sentence]) -> str:
    return " ".join(f"{sentence.text} {_marks(sentence)}".rstrip() for sentence in sentences)


def _marks(sentence: Sentence) -> str:
    if not sentence.supported:
        return "[unsupported]"
    return "".join(f"[{number}]" for number in dict.fromkeys(citation.hit for citation in sentence.citations))


def _rest(content: str, given: str) -> str:
    """What is left to say; an answer that takes back what was said begins below it."""
    return content.removeprefix(given) if content.startswith(given) else f"\n\n{content}"


def _chunk(content: str, metadata: dict[str, Any] | None = None) -> ChatGenerationChunk:
    position = None if metadata is None else "last"
    message = AIMessageChunk(content=content, response_metadata=metadata or {}, chunk_position=position)
    return ChatGenerationChunk(message=message)


def _as_document(hit: dict[str, Any]) -> Document:
    text = hit.pop("text")
    return Document(page_content=text, metadata=hit)
