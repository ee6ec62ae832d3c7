"""A filter that fits nothing is told with the nearest thing that exists, before a question is answered."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import FakeEmbedder
from pydantic import ValidationError

from assistant.cli import main
from assistant.cli.ask import BatchQuestion
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.retrieval.pool import refuse_unmatched
from assistant.service import Service
from assistant.store.catalog import Catalog
from assistant.types import Evidence, Filter
from assistant.workspace import Workspace
from ingest.pipeline import ingest
from ui.api.protocol import SearchRequest

FILES = {
    "policies/home/hail.md": "# Hail\n\nHail damage to the roof is covered. The deductible is 150 euros.",
    "policies/travel.md": "---\nauthor: Anna\n---\n\n# Trips\n\nA trip may last up to 56 days.",
    "old/memo.md": "---\ndate: 2019-05-06\n---\n\n# Memo\n\nThe office moved.",
    "de/frist.md": "# Kündigung\n\nDie Kündigungsfrist beträgt drei Monate zum Ende des Versicherungsjahres.",
    "empty.pdf": "",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Workspace:
    docs, workspace = tmp_path_factory.mktemp("docs"), Workspace(tmp_path_factory.mktemp("workspace"))
    for name, text in FILES.items():
        (docs / name).parent.mkdir(exist_ok=True, parents=True)
        (docs / name).write_text(text, "utf-8")
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    return workspace


@pytest.fixture
def catalog(corpus: Workspace) -> Iterator[Catalog]:
    catalog = Catalog(corpus.corpus("default"))
    yield catalog
    catalog.close()


@pytest.mark.parametrize(
    "only",
    [
        Filter(),
        Filter(documents=("de/frist.md", "policies/travel.md")),
        Filter(folder="policies"),
        Filter(folder="polic*"),
        Filter(metadata={"author": "Anna", "format": "markdown"}),
        Filter(("policies/travel.md",), "policies/*", {"title": "Trips"}),
        Filter(since="2019-05-06", until="2019-05-06"),
        Filter(since="2019-05", until="2019"),
    ],
)
def test_what_fits_a_document_passes(catalog: Catalog, only: Filter) -> None:
    refuse_unmatched(only, catalog)


@pytest.mark.parametrize(
    ("only", "names", "remedy"),
    [
        (Filter(("hail.md",)), "'hail.md'", "Did you mean policies/home/hail.md?"),
        (Filter(("/some/docs/policies/travel.md",)), "travel.md", "Did you mean policies/travel.md?"),
        (Filter(("de/frist.md", "polices/travel.md")), "polices/travel.md", "Did you mean policies/travel.md?"),
        (Filter(("#",)), "'#'", "assistant documents"),
        (Filter(("empty.pdf",)), "could not be read: empty.pdf is empty", "assistant ingest"),
        (Filter(folder="policies/travel.md"), "policies/travel.md", "It is a document: use --document."),
        (Filter(folder="*" * 60_000), "60,000 characters", "Name a folder"),
        (Filter(folder="polices"), "'polices'", "Did you mean policies?"),
        (Filter(folder="polices/*"), "'polices/*'", "Did you mean policies/*?"),
        (Filter(folder="policy/home/*.md"), "policy/home", "Did you mean policies/home/*?"),
        (Filter(metadata={"language": "German"}), "language=German", "There are: de, en."),
        (Filter(metadata={"title": "Trip"}), "title=Trip", "Trips"),
        (Filter(metadata={"lang": "de"}), "lang=de", "language"),
        (Filter(metadata={"author": "Otto"}), "author=Otto", "title, format, language, date"),
        (Filter(("de/frist.md",), "policies"), "all parts", "Leave one out"),
        (Filter(since="2019-05-07"), "since 2019-05-07", "from 2019-05-06 to 2019-05-06"),
        (Filter(until="2018"), "until 2018", "from 2019-05-06"),
        *(
            (Filter(since=day), f"'{day}' is no date", "2025-12-31")
            for day in ("2025-1", "2025-02-30", "20251231", "May")
        ),
    ],
)
def test_what_fits_none_is_refused_with_the_nearest(catalog: Catalog, only: Filter, names: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_unmatched(only, catalog)
    assert names in caught.value.message and remedy in caught.value.remedy


@pytest.mark.parametrize(
    "option",
    [
        ("--document", "none.md"),
        ("--folder", "none/*"),
        ("--where", "language=xx"),
        ("--since", "2030"),
        ("--until", "19"),
    ],
)
def test_a_search_ends_with_2_and_one_line(
    corpus: Workspace, capsys: pytest.CaptureFixture[str], option: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["search", "hail", *option, "--workspace", str(corpus.root)])
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    assert option[1] in err


def test_a_batch_is_refused_before_its_first_answer(
    corpus: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    row = {"id": "x7", "question": "roof", "filter": {"documents": ["policies/home/hial.md"]}}
    (tmp_path / "batch.jsonl").write_text(f"hail\n{json.dumps(row)}\n")
    with pytest.raises(SystemExit) as ended:
        main(["search", "--batch", str(tmp_path / "batch.jsonl"), "--workspace", str(corpus.root)])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert "Question x7" in err and "Did you mean policies/home/hail.md?" in err


def test_only_documents_of_a_time_are_searched(corpus: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def search(_: Service, *arguments: object) -> list[Evidence]:
        asked.extend(one for one in arguments if isinstance(one, Filter))
        return []

    monkeypatch.setattr(Service, "search", search)
    with pytest.raises(SystemExit):
        main(["search", "office", "--since", "2019", "--until", "2019-05", "--workspace", str(corpus.root)])
    assert asked == [Filter(since="2019", until="2019-05")]


def test_the_api_and_files_of_questions_read_one_filter() -> None:
    written = {"documents": ["a.md"], "folder": "b/*", "metadata": {"language": "de"}, "since": "2019", "until": "2020"}
    expected = Filter(("a.md",), "b/*", {"language": "de"}, "2019", "2020")
    assert SearchRequest.model_validate({"question": "x", "filter": written}).filter == expected
    assert BatchQuestion.model_validate({"question": "x", "filter": written}).filter == expected
    for wrong in ({"from": "2019"}, {"since": 2019}, {"documents": ["a"] * 1001}):
        for body in (SearchRequest, BatchQuestion):
            with pytest.raises(ValidationError):
                body.model_validate({"question": "x", "filter": wrong})
