"""Several corpora searched as one."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fakes import FakeEmbedder, ScriptedEngine
from serving import ANSWER, HAIL, PETS, make_corpora, service_of

from assistant.config import Settings
from assistant.errors import UsageError
from assistant.retrieval.editions import with_newest
from assistant.retrieval.retriever import JointRetriever, Retriever
from assistant.service import Query, ServedModel, Service
from assistant.types import Filter, Message
from assistant.workspace import Workspace
from ingest.pipeline import ingest

OLD = "---\ntitle: Rates\ndate: 2019-03-01\n---\n\n# Rates\n\nThen the deductible for hail damage was 90 euros.\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("joint")
    workspace = Workspace(folder / "workspace")
    make_corpora(workspace, folder, {"cars": {"hail.md": HAIL}, "pets": {"pets.md": PETS}})
    (folder / "pets" / "hail.md").write_text(OLD, encoding="utf-8")
    settings = Settings.model_validate({"ingest": {"workers": 1}})
    ingest(workspace, "pets", [folder / "pets"], settings, embedder=FakeEmbedder())
    service = service_of(workspace, ScriptedEngine(ANSWER))
    yield service
    service.close()


@pytest.fixture
def joint(service: Service) -> Iterator[JointRetriever]:
    with service.retriever("cars") as cars, service.retriever("pets") as pets:
        yield JointRetriever([cars, pets])


def test_passages_of_all_corpora_are_found_and_say_where_they_are_from(joint: JointRetriever) -> None:
    hits = joint.search("What is the deductible for hail damage, and are dogs insured?", 10)
    assert {(hit.corpus, hit.document) for hit in hits} >= {
        ("cars", "hail.md"),
        ("pets", "hail.md"),
        ("pets", "pets.md"),
    }
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert len({hit.chunk for hit in hits}) == len(hits)


def test_one_corpus_alone_is_searched_as_ever(service: Service) -> None:
    question = "What is the deductible for hail damage?"
    with service.retriever("pets") as pets:
        alone = pets.search(question)
        joined = JointRetriever([pets]).search(question)
    assert [(hit.document, hit.start, hit.score) for hit in joined] == [
        (hit.document, hit.start, hit.score) for hit in alone
    ]


def test_frequencies_and_sizes_add_up(service: Service) -> None:
    with service.retriever("cars") as cars, service.retriever("pets") as pets:
        joint = JointRetriever([cars, pets])
        joint.search("hail")
        assert joint.size == cars.size + pets.size
        counts = [part.document_frequencies(["hail"])["hail"] for part in (cars, pets, joint)]
        assert counts[0] + counts[1] == counts[2] > counts[0]


def test_corpora_of_different_embedders_are_not_mixed(service: Service) -> None:
    with service.retriever("cars") as cars, service.retriever("pets") as pets:
        pets.search("hail")
        other = Retriever(pets.catalog, FakeEmbedder(), pets.settings, service.settings.device)
        other.search("hail")
        other.embedder = FakeEmbedder("other")
        with pytest.raises(UsageError, match="different embedders"):
            JointRetriever([cars, other]).search("hail")


def test_a_question_to_several_corpora_is_answered_from_all(service: Service) -> None:
    answer = service.ask(Query(ServedModel("cars"), "What is the deductible for hail damage?", also=("pets",)))
    assert {hit.corpus for hit in answer.hits} == {"cars", "pets"}


def test_the_newest_edition_that_was_found_is_not_found_again(tmp_path: Path) -> None:
    workspace, settings = Workspace(tmp_path / "workspace"), Settings.model_validate({"ingest": {"workers": 1}})
    make_corpora(workspace, tmp_path, {"cars": {"cars.md": PETS}, "pets": {"pets.md": PETS}})
    for year, amount in (("2019", 90), ("2024", 120)):
        text = OLD.replace("2019", year).replace("90", str(amount))
        (tmp_path / "pets" / f"rates-{year}.md").write_text(text, encoding="utf-8")
    ingest(workspace, "pets", [tmp_path / "pets"], settings, embedder=FakeEmbedder())
    with (
        closing(service_of(workspace, ScriptedEngine(ANSWER))) as service,
        service.retriever("cars") as cars,
        service.retriever("pets") as pets,
    ):
        joint = JointRetriever([cars, pets])
        hits = joint.search("Then the deductible for hail damage", 10)
        found = with_newest(hits, "the deductible for hail damage", joint.newest_edition)
    places = [(hit.corpus, hit.document, hit.start) for hit in found]
    assert {"rates-2019.md", "rates-2024.md"} <= {hit.document for hit in hits}
    assert sorted(places) == sorted(set(places))


def test_a_citation_is_of_its_own_corpus_where_another_has_a_document_of_that_name(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    asked = "What does the library card cost? How much is that a month? Ask the library what the card will cost."
    said = "The library card costs 60 euros a year."
    make_corpora(workspace, tmp_path, {"cars": {"card.md": asked}, "pets": {"card.md": said}})
    past = (Message("user", "What does the library card cost?"), Message("assistant", said))
    query = Query(ServedModel("cars"), "How much is that a month?", past, also=("pets",))
    with closing(service_of(workspace, ScriptedEngine(ANSWER))) as service:
        answer = service.ask(query)
    (citation,) = answer.sentences[0].citations
    assert answer.text == "€60 a year ÷ 12 = €5 a month"
    assert answer.hits[citation.hit - 1].corpus == "pets"


def test_a_filter_has_to_fit_one_of_the_corpora(service: Service) -> None:
    question = "What is the deductible for hail damage?"
    asked = Query(ServedModel("cars"), question, also=("pets",), only=Filter(documents=("pets.md",)))
    assert {hit.corpus for hit in service.ask(asked).hits} <= {"pets"}
    with pytest.raises(UsageError, match=r"There is no document 'none\.md'"):
        service.ask(Query(ServedModel("cars"), question, also=("pets",), only=Filter(documents=("none.md",))))


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (Filter(since="2018"), {"hail.md"}),
        (Filter(since="2019-03-01"), {"hail.md"}),
        (Filter(until="2019"), {"hail.md"}),
        (Filter(since="2019", until="2019-03"), {"hail.md"}),
    ],
)
def test_documents_are_chosen_by_their_dates(service: Service, only: Filter, expected: set[str]) -> None:
    assert {hit.document for hit in service.search("pets", "hail", 10, only)} == expected


@pytest.mark.parametrize("only", [Filter(since="2020"), Filter(until="2018")])
def test_dates_that_no_document_has_are_told_with_those_that_there_are(service: Service, only: Filter) -> None:
    with pytest.raises(UsageError, match="from 2019-03-01 to 2019-03-01"):
        service.search("pets", "hail", 10, only)
