"""One corpus opened for questions, for Python programs.

with open_assistant("claims", workspace="/srv/assistant") as assistant:
    answer = assistant.ask("What is the deductible for hail damage?")
"""

from collections.abc import Generator, Sequence
from pathlib import Path

from assistant import config
from assistant.artifacts.cards import BASE
from assistant.config import AnswerSettings, Settings
from assistant.engines.opening import check_adapter
from assistant.service import Query, ServedModel, Service, open_corpus, service_of
from assistant.types import Answer, Evidence, Filter, Message, Update
from assistant.workspace import DEFAULT_CORPUS, locate


class OpenedAssistant:
    """One corpus of a service, for as many threads as like to ask: the embedder and the engine are shared, a
    retriever is lent to each call."""

    def __init__(self, service: Service, corpus: str, adapter: str | None = None) -> None:
        """``adapter`` answers unless a call names one.

        Raises UsageError for a corpus that does not exist, here and not at the first question.
        """
        open_corpus(service.workspace, corpus).close()
        self._service = service
        self._corpus = corpus
        self._adapter = adapter

    @property
    def answering(self) -> AnswerSettings:
        """When and how questions are answered."""
        return self._service.settings.answer

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
        return self._service.ask(self._query(question, history, only, adapter))

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
        yield from self._service.stream(self._query(question, history, only, adapter))

    def search(self, question: str, k: int | None = None, only: Filter | None = None) -> list[Evidence]:
        """The best passages for a question, ``retrieval.k`` of them unless told otherwise. Loads no language model.

        Raises UsageError as ``ask`` does.
        """
        return self._service.search(self._corpus, question, k, only)

    def close(self) -> None:
        """Close the corpus; a call that is under way ends first. Later ones raise UsageError."""
        self._service.close()

    def _query(self, question: str, history: Sequence[Message], only: Filter | None, adapter: str | None) -> Query:
        name = adapter or self._adapter
        return Query(ServedModel(self._corpus, None if name == BASE else name), question, tuple(history), only)


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
    service = service_of(config.stated(space, chosen), chosen)
    check_adapter(chosen, space.adapters, adapter)
    return OpenedAssistant(service, corpus, adapter)
