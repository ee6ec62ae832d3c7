"""``from assistant import open_assistant``: small, light to import, and safe for threads."""

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from endpoint import Reply, serving
from fakes import FakeEmbedder, ScriptedEngine

import assistant
from assistant import open_assistant
from assistant.config import Settings
from assistant.errors import AdapterError, ConfigError, QuestionTooLongError, UsageError
from assistant.retrieval.retriever import Retriever
from assistant.service import Service
from assistant.service.opened import OpenedAssistant
from assistant.types import Answer, Filter, Retrieved
from assistant.workspace import Workspace
from ingest.pipeline import ingest

ROOT = Path(__file__).parent.parent
TOWNS = [f"town{number}" for number in range(12)]


class CountedRetrievers:
    """Makes retrievers and keeps them."""

    def __init__(self) -> None:
        self.made: list[Retriever] = []

    def __call__(self, *arguments: Any) -> Retriever:
        self.made.append(Retriever(*arguments))
        return self.made[-1]


def opened_with(
    workspace: Workspace, settings: Settings, make_engine: Callable[[], ScriptedEngine], adapter: str | None = None
) -> OpenedAssistant:
    return OpenedAssistant(Service(workspace, settings, FakeEmbedder(), make_engine), "default", adapter)


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Workspace:
    """A workspace with a document for each town."""
    docs = tmp_path_factory.mktemp("docs")
    for number, town in enumerate(TOWNS):
        (docs / f"{town}.md").write_text(f"# {town}\n\nThe fire brigade of {town} has {number + 20} engines.")
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    return workspace


@pytest.fixture
def retrievers(monkeypatch: pytest.MonkeyPatch) -> CountedRetrievers:
    counted = CountedRetrievers()
    monkeypatch.setattr("assistant.service.Retriever", counted)
    return counted


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine("The fire brigade of town3 has 23 engines.")


@pytest.fixture
def opened(towns: Workspace, engine: ScriptedEngine, settings: Settings) -> Iterator[OpenedAssistant]:
    with opened_with(towns, settings, lambda: engine, adapter="house") as opened:
        yield opened


def question(town: str) -> str:
    return f"How many engines has the fire brigade of {town}?"


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, assistant; assert assistant.open_assistant.__name__ == 'open_assistant'\n"
        "assert not {'torch', 'transformers', 'faiss', 'gradio', 'langchain_core'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    light = "import sys, assistant; assert not {'numpy', 'pydantic', 'click'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", light], check=True, capture_output=True)


def test_the_public_names_are_these() -> None:
    assert assistant.__all__ == ["open_assistant"]
    public = {name for name in vars(OpenedAssistant) if not name.startswith("_")}
    assert public == {"answering", "ask", "stream", "search", "close"}
    with pytest.raises(AttributeError, match="no_such_name"):
        assistant.no_such_name  # type: ignore[attr-defined] # noqa: B018


def test_it_asks_searches_and_streams(opened: OpenedAssistant, engine: ScriptedEngine) -> None:
    answer = opened.ask(question("town3"))
    assert answer.sentences[0].citations[0].document == "town3.md" and answer.adapter == "house"
    assert opened.search("fire brigade town5", k=1)[0].document == "town5.md"
    first, *_, last = opened.stream(question("town3"), adapter="base")
    assert isinstance(first, Retrieved) and isinstance(last, Answer)
    assert last.text == answer.text and last.adapter is None
    assert engine.adapters == ["house", None]


def test_a_filter_that_fits_nothing_is_told(opened: OpenedAssistant) -> None:
    for call in (opened.ask, opened.search):
        with pytest.raises(UsageError, match=r"town99\.md"):
            call(question("town3"), only=Filter(("town99.md",)))
    assert opened.search("engines", only=Filter(("town7.md",)))[0].document == "town7.md"


def test_threads_get_their_own_answers_and_no_more_connections_than_threads(
    opened: OpenedAssistant, retrievers: CountedRetrievers
) -> None:
    def find(town: str) -> tuple[str, str]:
        return town, opened.search(question(town), k=1)[0].document

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(find, TOWNS * 5))
    assert found == [(town, f"{town}.md") for town in TOWNS * 5]
    assert len(retrievers.made) <= 4


def test_one_thread_uses_one_connection_whatever_it_leaves_half_read(
    opened: OpenedAssistant, retrievers: CountedRetrievers
) -> None:
    for town in TOWNS:
        stream = opened.stream(question(town))
        next(stream)
        stream.close()
        with pytest.raises(UsageError):
            opened.ask(" ")
    assert len(retrievers.made) == 1


def test_the_engine_is_made_once_however_many_ask_first(towns: Workspace, settings: Settings) -> None:
    made: list[ScriptedEngine] = []
    together = threading.Barrier(6)

    def make_engine() -> ScriptedEngine:
        made.append(ScriptedEngine("The fire brigade of town3 has 23 engines."))
        return made[-1]

    with opened_with(towns, settings, make_engine) as opened, ThreadPoolExecutor(6) as threads:

        def ask(_: int) -> str:
            together.wait(60)
            return opened.ask(question("town3")).text

        assert len(set(threads.map(ask, range(6)))) == 1
    assert len(made) == 1


def test_what_was_ingested_meanwhile_is_found(workspace: Workspace, docs: Path, settings: Settings) -> None:
    def write(name: str, text: str) -> None:
        (docs / name).write_text(text)
        ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())

    write("trips.md", "# Trips\n\nA trip may last up to 56 days.")
    with opened_with(workspace, settings, lambda: ScriptedEngine("")) as opened:
        assert opened.search("harbour master", k=1)[0].document == "trips.md"
        write("harbour.md", "# Harbour\n\nThe harbour master lives in the lighthouse.")
        assert opened.search("harbour master", k=1)[0].document == "harbour.md"


def test_closing_waits_for_no_one_and_leaves_nothing_open(
    retrievers: CountedRetrievers, towns: Workspace, engine: ScriptedEngine, settings: Settings
) -> None:
    opened = opened_with(towns, settings, lambda: engine)
    stream = opened.stream(question("town3"))
    next(stream)
    opened.search("engines")
    opened.close()
    *_, answer = stream  # a call that was under way ends in peace
    assert isinstance(answer, Answer)
    for retriever in retrievers.made:
        with pytest.raises(Exception, match="closed"):
            retriever.catalog.generation()
    with pytest.raises(UsageError, match="closed"):
        opened.search("engines")
    opened.close()


def test_wrong_names_are_told_when_it_is_opened(towns: Workspace, tmp_path: Path) -> None:
    for corpus, told in (("claims", "there are: default"), ("../claims", "no name|not a name")):
        with pytest.raises(UsageError, match=told):
            open_assistant(corpus, workspace=towns.root)
    with pytest.raises(AdapterError, match="house"):
        open_assistant(workspace=towns.root, adapter="house")
    Workspace(tmp_path).config_file.write_text("engine:\n  modell: x\n")
    with pytest.raises(ConfigError, match=r"engine\.model"):
        open_assistant(workspace=tmp_path)


@pytest.mark.slow
def test_every_example_of_the_documentation_runs(
    workspace: Workspace,
    docs: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the real embedder over a part of the sample; a server says what the model would."""
    for folder in ("circulars", "faq"):
        shutil.copytree(ROOT / "data/sample/docs" / folder, docs / folder)
    ingest(workspace, "sample", [docs], settings)
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(workspace.root))
    with serving(Reply("With a deductible of 150 euros the customer bears 75 euros. [1]")) as endpoint:
        monkeypatch.setenv("ASSISTANT_ENGINE__URL", endpoint.url)
        examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(encoding="utf-8"), re.DOTALL)
        for example in examples:
            exec(compile(example, "docs/python.md", "exec"), {})
            printed = capsys.readouterr().out
            assert "deductible" in printed, example
    assert len(examples) >= 5 and len(endpoint.requests) >= 5


def test_a_question_that_is_too_long_is_an_error_of_its_own(towns: Workspace, settings: Settings) -> None:
    short = settings.model_copy(update={"answer": settings.answer.model_copy(update={"question_characters": 20})})
    opened = opened_with(towns, short, lambda: ScriptedEngine(""))
    for ask in (opened.ask, opened.search, lambda text: list(opened.stream(text))):
        with pytest.raises(QuestionTooLongError):
            ask("x" * 21)
