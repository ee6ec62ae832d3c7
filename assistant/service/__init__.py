"""A workspace opened for questions: the one place where retriever, engine and checked answers become an answerer.

    with open_service(workspace, settings) as service:
        for update in service.stream(Query(service.model("claims/house"), "What is covered?")):
            ...

Nothing here knows of HTTP; whoever serves brings the threads. Models are loaded once. SQLite connections and indexes
are lent to one request at a time, the embedder is used in turns, and the engine queues its requests itself. After an
ingest, the next request sees what is new.
"""

import gc
import logging
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from assistant.answer import Assistant
from assistant.artifacts.cards import BASE, adapters_shown
from assistant.config import AnswerSettings, EngineSettings, Settings
from assistant.engines import Engine, warm_up
from assistant.engines.opening import check_engine, open_answering, refuse_too_large, uses_server
from assistant.errors import AssistantError, UnknownCorpus, UnknownModel, UsageError
from assistant.feedback.checked import CheckedAnswers
from assistant.models.catalogue import entry_of
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.pool import RetrieverPool, refuse_unmatched
from assistant.retrieval.retriever import JointRetriever, Retriever, refuse_long
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.store.index import Index, only_read
from assistant.store.lance import LanceIndex, shared_at
from assistant.types import Answer, Evidence, Filter, Message, Update, whole_answer
from assistant.workspace import DEFAULT_CORPUS, Workspace

_log = logging.getLogger(__name__)
Readiness = Literal["loading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What a caller calls a model: a corpus, and the adapter that answers; None for the base model."""

    corpus: str
    adapter: str | None = None

    @property
    def name(self) -> str:
        """``corpus`` or ``corpus/adapter``."""
        return self.corpus if self.adapter is None else f"{self.corpus}/{self.adapter}"


@dataclass(frozen=True, slots=True)
class Query:
    """One question with all that a caller may say about its answer."""

    model: ServedModel
    question: str
    history: tuple[Message, ...] = ()
    only: Filter | None = None
    instructions: str = ""
    """The caller's own system text; it stands behind ours."""
    max_new_tokens: int | None = None
    """No more than ``engine.max_new_tokens``; None takes that."""
    temperature: float | None = None
    """None takes ``engine.temperature``."""
    checked: bool = True
    """Whether an answer that someone has checked is given again; not where models are compared."""
    also: tuple[str, ...] = ()
    """Other corpora that are searched together with the model's."""
    folder: Path | None = None
    """Where the model's corpus lies, if it is none of the workspace's: what one person alone may ask."""


@dataclass(slots=True)
class _State:
    """What changes while a service runs, for all who ask it."""

    settings: Settings
    engine: Engine | None = None
    readiness: Readiness = "loading"
    is_closed: bool = False


class Service:
    """Answers and searches for several threads at once, from what its workspace shows."""

    def __init__(
        self, workspace: Workspace, settings: Settings, embedder: Embedder, make_engine: Callable[[], Engine]
    ) -> None:
        """``embedder`` has to bear several threads; ``make_engine`` is called once, when a model is first needed."""
        self.workspace = workspace
        self._embedder = embedder
        self._make_engine = make_engine
        self.observe: Callable[[Query, Update | None], None] = lambda _query, _update: None
        """Is told of each question as it is asked, and of each update of its answer."""
        self._state = _State(settings)
        self._engine_lock = threading.Lock()
        self._pools: dict[str, RetrieverPool] = {}
        self._pools_lock = threading.Lock()

    def within(self, workspace: Workspace) -> "Service":
        """The same service, for whom ``workspace`` shows less of what it holds: models and indexes are shared."""
        view = copy(self)
        view.workspace = workspace
        return view

    @property
    def settings(self) -> Settings:
        """Those of the next answer: the model may be changed while the service runs."""
        return self._state.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._state.settings = settings

    @property
    def readiness(self) -> Readiness:
        """Whether the models are loaded."""
        return self._state.readiness

    def load(self) -> None:
        """Load embedder and engine, which otherwise happens at the first question. Raises ModelError."""
        engine = None
        try:
            self._embedder.load()
            engine = self.engine()
            warm_up(engine)
        except BaseException:
            if engine in (None, self._state.engine):
                self._state.readiness = "failed"
            raise
        if engine is self._state.engine:  # and no other model was chosen meanwhile, which is loaded on its own
            self._state.readiness = "ready"

    def engine(self) -> Engine:
        """The one engine, made by whoever needs it first."""
        with self._engine_lock:
            self._state.engine = self._state.engine or self._make_engine()
            return self._state.engine

    def change_model(self, name: str) -> None:
        """Have another language model answer from the next question on; the one before goes with its last answer.

        It is loaded in the background, and ``readiness`` tells when it is there. One that is no name of the catalogue
        stays among ``ui.models`` when it gives way. Raises what ``check_engine``, ``open_answering`` and
        ``refuse_too_large`` raise; then all is as it was.
        """
        before = self.settings.engine.model
        changed = self.settings.engine.model_copy(update={"model": name})
        check_engine(changed)
        offered = self.settings.ui.models
        if entry_of(before) is None and before not in offered:
            offered = (*offered, before)
        ui = self.settings.ui.model_copy(update={"models": offered})
        settings = self.settings.model_copy(update={"engine": changed, "ui": ui})
        engine = open_answering(settings, self.workspace.adapters)
        refuse_too_large(settings, self.settings if self._state.engine else None)
        with self._engine_lock:
            self._state.settings, self._state.engine = settings, engine
        self._state.readiness = "loading"
        threading.Thread(target=self._load_changed, daemon=True).start()
        # An engine and its queue hold each other: two models would lie in memory until somebody looks.
        gc.collect()

    def _load_changed(self) -> None:
        try:
            self.load()
        except AssistantError as error:
            _log.error("%s", error)
        except Exception:
            _log.exception("The model that was chosen cannot be loaded.")

    def models(self) -> list[ServedModel]:
        """Every corpus by itself and with every adapter."""
        adapters = adapters_shown(self.workspace)
        return [
            ServedModel(corpus, adapter) for corpus in self.workspace.corpus_names() for adapter in (None, *adapters)
        ]

    def model(self, name: str) -> ServedModel:
        """What a name stands for: ``corpus/adapter``, ``corpus``, or ``adapter`` where there is one corpus.

        Raises UnknownModel, naming those that there are.
        """
        corpora, known = self.workspace.corpus_names(), {model.name: model for model in self.models()}
        is_adapter = len(corpora) == 1 and name.partition("/")[0] not in corpora
        full_name = f"{corpora[0]}/{name}" if is_adapter else name
        corpus, _, adapter = full_name.partition("/")
        if corpus in corpora and adapter and uses_server(self.settings.engine):
            return ServedModel(corpus, self.adapter(adapter))
        found = known.get(full_name.removesuffix(f"/{BASE}"))
        if found is None:
            raise UnknownModel(f"There is no model {name[:200]!r}.", _there_are(known))
        return found

    def joined(self, name: str) -> tuple[ServedModel, tuple[str, ...]]:
        """What ``cars+pets/adapter`` stands for: the model of the first corpus, and those that are searched with it.

        Raises UnknownModel, and UnknownCorpus for one of the others.
        """
        names, slash, adapter = name.partition("/")
        first, *others = names.split("+")
        model = self.model(f"{first}{slash}{adapter}")
        return model, self.corpora([model.corpus, *others])[1:]

    def adapted(self, corpus: str, adapter: str = "") -> ServedModel:
        """A corpus with an adapter; without a name, with the base model.

        Raises UnknownCorpus, and UnknownModel with the adapters that there are.
        """
        return ServedModel(self.corpus(corpus), self.adapter(adapter))

    def adapter(self, name: str) -> str | None:
        """An adapter that exists; None for the base model. Raises UnknownModel with the adapters that there are."""
        if name in ("", BASE):
            return None
        known = adapters_shown(self.workspace)
        # A server knows its adapters, we do not; but not every one of those that are here, too, is for every caller.
        is_servers = uses_server(self.settings.engine) and self.workspace.shows("adapter", name)
        if name not in known and not is_servers:
            raise UnknownModel(f"There is no adapter {name[:200]!r}.", _there_are((BASE, *known)))
        return name

    def corpus(self, name: str = "") -> str:
        """A corpus that exists; without a name ``default``, or the only one. Raises UnknownCorpus."""
        return self.corpora([name] if name else [])[0]

    def corpora(self, names: Sequence[str]) -> tuple[str, ...]:
        """Corpora that exist, each once; without names the one of ``corpus``. Raises UnknownCorpus."""
        known = self.workspace.corpus_names()
        wanted = names or [known[0] if len(known) == 1 else DEFAULT_CORPUS]
        for name in wanted:
            if name not in known:
                raise UnknownCorpus(f"There is no corpus {name[:200]!r}.", _there_are(known))
        return tuple(dict.fromkeys(wanted))

    def search(
        self, corpus: str, question: str, k: int | None = None, only: Filter | None = None, also: Sequence[str] = ()
    ) -> list[Evidence]:
        """The best passages of a corpus, or of it and ``also`` others together.

        Raises QuestionTooLongError, what ``Retriever.search`` raises, and UsageError for a filter that fits nothing.
        """
        refuse_long(question, self.settings.answer.question_characters)
        with self.lent(Query(ServedModel(corpus), question, only=only, also=tuple(also))) as retriever:
            return retriever.search(question, k, only)

    def ask(self, query: Query) -> Answer:
        """The answer to a question, or a refusal. Raises what ``Assistant.ask`` raises."""
        return whole_answer(self.stream(query))

    def stream(self, query: Query, engine: Engine | None = None) -> Generator[Update, None, None]:
        """The answer as it comes into being; closing the generator stops the model.

        ``engine`` may stand in front of the service's own. Raises what ``Assistant.stream`` raises.
        """
        if (adapter := query.model.adapter) and not self.workspace.shows("adapter", adapter):
            self.adapter(adapter)  # raises, as for one that there is not
        with self.lent(query) as retriever:
            answerer = self.answerer(query, retriever, engine)
            with closing(answerer.stream(query.question, query.history, query.only, query.model.adapter)) as updates:
                for update in updates:
                    self.observe(query, update)
                    yield update

    def answerer(self, query: Query, retriever: Retriever, engine: Engine | None = None) -> Assistant:
        """Who answers a question: a retriever, the engine or one that stands in front of it, and checked answers."""
        # What was checked stands on one corpus of the workspace.
        is_checked = query.checked and not query.also and not query.folder
        checked = CheckedAnswers(self.workspace, query.model.corpus) if is_checked else None
        return Assistant(
            retriever, lambda: engine or self.engine(), self.answering(query), self.generation(query), checked
        )

    def answering(self, query: Query) -> AnswerSettings:
        """The settings of an answer, with the caller's system text behind ours."""
        ours = self.settings.answer
        system = f"{ours.system}\n\n{query.instructions}" if query.instructions else ours.system
        return ours.model_copy(update={"system": system})

    def generation(self, query: Query) -> EngineSettings:
        """The settings of the engine, within what the caller asks for."""
        ours = self.settings.engine
        longest = min(query.max_new_tokens or ours.max_new_tokens, ours.max_new_tokens)
        temperature = ours.temperature if query.temperature is None else query.temperature
        return ours.model_copy(update={"max_new_tokens": longest, "temperature": temperature})

    def retriever(self, corpus: str, only: Filter | None = None) -> AbstractContextManager[Retriever]:
        """A retriever that is no one else's while a ``with`` block runs.

        Raises UnknownCorpus for a corpus that is gone, UsageError for a filter that fits nothing, and after ``close``.
        """
        name = self.corpus(corpus)
        with self._pools_lock:
            if self._state.is_closed:
                raise UsageError("This assistant is closed.", "Open it again.")
            whole = self.workspace.whole
            pool = self._pools.setdefault(name, RetrieverPool(lambda: self._over(open_corpus(whole, name))))
        return pool.lent(only)

    def _over(self, index: Index) -> Retriever:
        return Retriever(index, self._embedder, self.settings.retrieval, self.settings.device)

    @contextmanager
    def lent(self, query: Query) -> Iterator[Retriever]:
        """One retriever for all corpora of a question that hold something its filter lets through.

        Raises what ``retriever`` raises.
        """
        self.observe(query, None)
        with ExitStack() as lent:
            if folder := query.folder:  # few documents are opened in no time, and may be deleted afterwards
                pool = lent.enter_context(closing(RetrieverPool(lambda: self._over(Catalog(folder)))))
                yield lent.enter_context(pool.lent(query.only))
                return
            if not query.also:
                yield lent.enter_context(self.retriever(query.model.corpus, query.only))
                return
            corpora = dict.fromkeys((query.model.corpus, *query.also))
            all_parts = [lent.enter_context(self.retriever(corpus)) for corpus in corpora]
            parts = [part for part in all_parts if not query.only or part.catalog.holds(query.only)]
            if query.only and not parts:
                refuse_unmatched(query.only, all_parts[0].catalog)
            yield JointRetriever(parts)

    def close(self) -> None:
        """Close the catalogs; a request that is under way ends first. Later ones raise UsageError."""
        with self._pools_lock:
            self._state.is_closed = True
            pools = list(self._pools.values())
        for pool in pools:
            pool.close()


def _there_are(names: Sequence[str] | dict[str, ServedModel]) -> str:
    return f"There are: {', '.join(names)}." if names else "Run: assistant ingest FOLDER"


@contextmanager
def open_service(workspace: Workspace, settings: Settings) -> Iterator[Service]:
    """The service of a workspace with the models of its settings; nothing is loaded yet.

    Raises ModelError for an embedder that is nowhere to be had.
    """
    service = service_of(workspace, settings)
    try:
        yield service
    finally:
        service.close()


def service_of(workspace: Workspace, settings: Settings) -> Service:
    """The service of a workspace, to be closed by whoever asked for it. Raises what ``open_service`` raises."""
    embedder, workspace = Embedder(settings.embedder, settings.device), with_shared(workspace, settings)
    return Service(workspace, settings, embedder, lambda: open_answering(settings, workspace.adapters))


def with_shared(workspace: Workspace, settings: Settings) -> Workspace:
    """A workspace with the corpora at ``store.url``. Raises UsageError without the package that reads them."""
    return replace(workspace, shared=shared_at(settings.store.url)) if settings.store.url else workspace


def open_corpus(workspace: Workspace, corpus: str) -> Index:
    """A corpus that exists, from its catalog where that is here. Raises UsageError with the names of those that do."""
    folder = workspace.corpus(corpus)
    if workspace.shows("corpus", corpus) and (folder / CATALOG_FILE).exists():
        return Catalog(folder)
    names = workspace.corpus_names()
    if workspace.shared and corpus in names:
        return LanceIndex(shared_at(workspace.shared.url), corpus)
    ingest = "Run: assistant ingest FOLDER" + ("" if corpus == DEFAULT_CORPUS else f" --corpus {corpus}")
    raise UsageError(
        f"There is no corpus '{corpus}' in {workspace.root}" + (f"; there are: {', '.join(names)}." if names else "."),
        f"Add --corpus {names[0]}, or {ingest[0].lower()}{ingest[1:]}" if names else ingest,
    )


def refuse_foreign(workspace: Workspace, corpus: str) -> None:
    """Raise UsageError for a corpus that is only read here."""
    shared, is_here = workspace.shared, (workspace.corpus(corpus) / CATALOG_FILE).exists()
    if shared and not is_here and corpus in shared.names():
        raise only_read(corpus, shared.url)
