"""The assistant for Python programs, and how a corpus is opened by name.

from assistant import open_assistant

with open_assistant("claims", workspace="/srv/assistant") as assistant:
    answer = assistant.ask("What is the deductible for hail damage?")
    print(answer.text, [citation.quote for sentence in answer.sentences for citation in sentence.citations])
"""

import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from assistant import config
from assistant.answer import Assistant
from assistant.artifacts.adapters import BASE
from assistant.config import AnswerSettings, Settings
from assistant.conversation.rewriting import refuse_long
from assistant.engines.base import Engine
from assistant.engines.opening import check_adapter, open_answering
from assistant.errors import UsageError
from assistant.feedback.checked import CheckedAnswers
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.pool import Retrievers
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.types import Answer, Evidence, Filter, Message, Update
from assistant.workspace import DEFAULT_CORPUS, Workspace, locate


class OpenedAssistant:
    """One corpus and one engine, for as many threads as like to ask.

    Each call has a retriever, and so a connection to the catalog, to itself; there are as many as were ever needed at
    once. Embedder and engine are shared: the engine says who waits. After an ingest, the next call sees what is new.
    """

    def __init__(
        self,
        make_retriever: Callable[[], Retriever],
        make_engine: Callable[[], Engine],
        settings: Settings,
        adapter: str | None = None,
        checked: CheckedAnswers | None = None,
    ) -> None:
        """``make_engine`` is called once, when a model is first needed; ``adapter`` answers unless a call names one."""
        self._retrievers = Retrievers(make_retriever)
        self._make_engine = make_engine
        self._settings = settings
        self._adapter = adapter
        self._checked = checked
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    @property
    def answering(self) -> AnswerSettings:
        """When and how questions are answered."""
        return self._settings.answer

    def __enter__(self) -> "OpenedAssistant":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(
        self,
        question: str,
        history: Sequence[Message] = (),
        only: Filter | None = None,
        adapter: str | None = None,
    ) -> Answer:
        """The answer to a question, or a refusal. ``adapter`` stands in for the opened one; ``base`` is none.

        Raises UsageError for an empty question or a filter that fits nothing, QuestionTooLongError, ModelError,
        AdapterError and IdentityError for what cannot be run.
        """
        with self._retrievers.lent(only) as retriever:
            return self._assistant(retriever).ask(question, history, only, self._named(adapter))

    def stream(
        self,
        question: str,
        history: Sequence[Message] = (),
        only: Filter | None = None,
        adapter: str | None = None,
    ) -> Generator[Update, None, None]:
        """The answer as it comes into being, the whole ``Answer`` last; closing the generator stops the model.

        What ``Words`` have said may yet turn out unsupported: the ``Answer`` stands. Raises what ``ask`` raises.
        """
        with self._retrievers.lent(only) as retriever:
            yield from self._assistant(retriever).stream(question, history, only, self._named(adapter))

    def search(self, question: str, k: int | None = None, only: Filter | None = None) -> list[Evidence]:
        """The best passages for a question, ``retrieval.k`` of them unless told otherwise. Loads no language model.

        Raises UsageError as ``ask`` does.
        """
        refuse_long(question, self._settings.answer.question_characters)
        with self._retrievers.lent(only) as retriever:
            return retriever.search(question, k, only)

    def close(self) -> None:
        """Close the corpus; a call that is under way ends first. Later ones raise UsageError."""
        self._retrievers.close()

    def _assistant(self, retriever: Retriever) -> Assistant:
        return Assistant(retriever, self._opened_engine, self._settings.answer, self._settings.engine, self._checked)

    def _named(self, adapter: str | None) -> str | None:
        name = adapter or self._adapter
        return None if name == BASE else name

    def _opened_engine(self) -> Engine:
        with self._lock:
            self._engine = self._engine or self._make_engine()
            return self._engine


def open_assistant(
    corpus: str = DEFAULT_CORPUS,
    *,
    workspace: str | Path | None = None,
    adapter: str | None = None,
    settings: Settings | None = None,
) -> OpenedAssistant:
    """Open a corpus for questions; models are loaded when they are first needed. Use it in a ``with`` block.

    ``workspace`` is found as the command line finds it: as named, else ASSISTANT_WORKSPACE, else ``.assistant`` here.
    ``settings`` stand in for those of the workspace and the environment. Raises UsageError for a corpus that does not
    exist, ConfigError for wrong settings, AdapterError for a missing adapter, ModelError for a missing embedder.
    """
    space = locate(workspace)
    chosen = settings or config.load(space.config_file)[0]
    embedder = Embedder(chosen.embedder, chosen.device)
    check_adapter(chosen, space.adapters, adapter)
    open_corpus(space, corpus).close()  # a wrong name is told here and not at the first question
    return OpenedAssistant(
        lambda: Retriever(open_corpus(space, corpus), embedder, chosen.retrieval, chosen.device),
        lambda: open_answering(chosen, space.adapters),
        chosen,
        adapter,
        CheckedAnswers(space.root, corpus),
    )


def open_corpus(workspace: Workspace, corpus: str) -> Catalog:
    """The catalog of a corpus that exists. Raises UsageError with the names of those that do."""
    folder = workspace.corpus(corpus)
    if (folder / CATALOG_FILE).exists():
        return Catalog(folder)
    names = workspace.corpus_names()
    ingest = "Run: assistant ingest FOLDER" + ("" if corpus == DEFAULT_CORPUS else f" --corpus {corpus}")
    raise UsageError(
        f"There is no corpus '{corpus}' in {workspace.root}" + (f"; there are: {', '.join(names)}." if names else "."),
        f"Add --corpus {names[0]}, or {ingest[0].lower()}{ingest[1:]}" if names else ingest,
    )
