"""Retrieval over a real index with a cheap embedder, and once with the real one."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from fakes import FakeEmbedder

from assistant.config import Settings
from assistant.errors import IdentityError, UsageError, WorkspaceError
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Filter
from assistant.workspace import Workspace
from ingest.pipeline import ingest

FILES = {
    "home/hail.md": "# Hail\n\nHail damage to the roof is covered. The deductible is 150 euros.",
    "home/flood.md": "# Flood\n\nFlood damage is covered after a waiting period of 30 days.",
    "travel/trips.md": "# Trips\n\nA trip may last up to 56 days.",
    "travel/luggage.md": "---\ntitle: Luggage\nauthor: Anna\n---\n\nLost luggage is paid up to 2,000 euros.",
    "de/frist.md": "# Kündigung\n\nDie Kündigungsfrist beträgt drei Monate zum Ende des Versicherungsjahres.",
}
Search = Callable[..., list[str]]


@pytest.fixture
def retriever(workspace: Workspace, docs: Path, settings: Settings) -> Iterator[Retriever]:
    for name, text in FILES.items():
        (docs / name).parent.mkdir(exist_ok=True)
        (docs / name).write_text(text)
    embedder = FakeEmbedder()
    ingest(workspace, "default", [docs], settings, embedder=embedder)
    catalog = Catalog(workspace.corpus("default"))
    yield Retriever(catalog, embedder, settings.retrieval, settings.device)
    catalog.close()


def documents(retriever: Retriever, question: str, only: Filter | None = None) -> list[str]:
    return [hit.document for hit in retriever.search(question, only=only)]


def test_the_passage_that_fits_comes_first_with_both_scores(retriever: Retriever) -> None:
    hit = retriever.search("What is the deductible for hail damage to the roof?")[0]
    assert hit.document == "home/hail.md" and hit.rank == 1
    assert hit.dense_rank == 1 and hit.lexical_rank == 1
    assert hit.dense is not None and hit.lexical is not None
    assert Path(hit.path).exists()


def test_a_german_question_finds_a_part_of_a_compound(retriever: Retriever) -> None:
    assert documents(retriever, "Welche Frist gilt für die Kündigung?")[0] == "de/frist.md"


@pytest.mark.parametrize(
    ("only", "allowed"),
    [
        (Filter(documents=("home/flood.md",)), {"home/flood.md"}),
        (Filter(folder="travel/*"), {"travel/trips.md", "travel/luggage.md"}),
        (Filter(metadata={"language": "de"}), {"de/frist.md"}),
        (Filter(metadata={"author": "Anna"}), {"travel/luggage.md"}),
        (Filter(folder="travel/*", metadata={"author": "Anna"}), {"travel/luggage.md"}),
        (Filter(folder="nowhere/*"), set()),
        (Filter(metadata={"x' OR 1=1 --": "y"}), set()),
    ],
)
def test_filters_let_nothing_else_through(retriever: Retriever, only: Filter, allowed: set[str]) -> None:
    assert set(documents(retriever, "What is covered in euros, days and Monate?", only)) == allowed


@pytest.mark.parametrize(
    "question",
    [
        "🙂",
        "?",
        "a",
        '"',
        "hail AND (",
        "NEAR/2 *",
        "'; DROP TABLE chunks; --",
        "\0",
        "日本語の質問",
        "hail\ndamage",
        "§ 12",
    ],
)
def test_odd_questions_are_answered(retriever: Retriever, question: str) -> None:
    assert len(documents(retriever, question)) == len(FILES)


def test_a_question_of_ten_thousand_words_is_answered_soon(retriever: Retriever) -> None:
    question = " ".join(f"word{number} hail damage" for number in range(3_400))
    started = time.process_time()
    assert "home/hail.md" in documents(retriever, question)[:2]
    assert time.process_time() - started < 2


@pytest.mark.parametrize("question", ["", " ", "\n\t"])
def test_an_empty_question_is_refused(retriever: Retriever, question: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        retriever.search(question)


def test_the_same_question_gives_the_same_hits(retriever: Retriever) -> None:
    assert retriever.search("damage covered") == retriever.search("damage covered")


def test_near_duplicates_are_shown_once(
    retriever: Retriever, workspace: Workspace, docs: Path, settings: Settings
) -> None:
    (docs / "home/hail-copy.md").write_text(FILES["home/hail.md"].replace("# Hail", "# Hail 2025"))
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    found = documents(retriever, "deductible for hail damage to the roof")
    assert len([name for name in found if "hail" in name]) == 1


def test_a_search_follows_an_ingest_of_another_process(
    retriever: Retriever, workspace: Workspace, docs: Path, settings: Settings
) -> None:
    assert "home/storm.md" not in documents(retriever, "storm surge")
    (docs / "home/storm.md").write_text("# Storm\n\nA storm surge is not covered.")
    (docs / "home/flood.md").unlink()
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    found = documents(retriever, "storm surge flood")
    assert found[0] == "home/storm.md" and "home/flood.md" not in found


def test_an_index_of_another_embedder_is_refused_with_the_command_that_repairs(
    retriever: Retriever, settings: Settings
) -> None:
    other = Retriever(retriever.catalog, FakeEmbedder("other"), settings.retrieval, settings.device)
    with pytest.raises(IdentityError) as caught:
        other.search("hail")
    assert "other" in caught.value.message and "--rebuild" in caught.value.remedy


def test_an_empty_corpus_is_a_clear_error(workspace: Workspace, settings: Settings) -> None:
    catalog = Catalog(workspace.corpus("empty"))
    with pytest.raises(WorkspaceError, match="empty"):
        Retriever(catalog, FakeEmbedder(), settings.retrieval, settings.device).search("hail")
    catalog.close()


def test_no_hit_is_longer_than_a_chunk_may_be_and_none_says_a_text_twice(
    workspace: Workspace, docs: Path, settings: Settings
) -> None:
    sentences = [f"Rule {number} of this long section says something of its own about cars." for number in range(60)]
    (docs / "long.md").write_text("# Rules\n\n" + "\n\n".join(sentences))
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    catalog = Catalog(workspace.corpus("default"))
    retriever = Retriever(catalog, FakeEmbedder(), settings.retrieval, settings.device)
    text = catalog.text(catalog.files()[0].document_id or 0)
    hits = retriever.search("Rule 30 about cars")
    spans = sorted((hit.start, hit.end) for hit in hits)
    assert all(text[hit.start : hit.end] == hit.text for hit in hits)
    assert all(first[1] <= second[0] for first, second in pairwise(spans)), "no text twice"
    assert max(len(hit.text) for hit in hits) <= settings.ingest.chunk_characters
    catalog.close()


@pytest.mark.slow
def test_the_bundled_embedder_finds_meaning_without_a_shared_word(
    workspace: Workspace, docs: Path, settings: Settings
) -> None:
    (docs / "a.md").write_text("# Bicycles\n\nA stolen bicycle is paid for at its new value.")
    (docs / "b.md").write_text("# Teeth\n\nDental prostheses are reimbursed at seventy percent.")
    ingest(workspace, "default", [docs], settings)
    catalog = Catalog(workspace.corpus("default"))
    embedder = Embedder(settings.embedder, settings.device)
    dense = settings.retrieval.model_copy(update={"fusion": "dense"})
    hits = Retriever(catalog, embedder, dense, settings.device).search("Someone took my bike. Do I get money?")
    assert hits[0].document == "a.md"
    catalog.close()


def test_a_document_in_two_places_is_shown_where_the_filter_looks(
    retriever: Retriever, workspace: Workspace, docs: Path, settings: Settings
) -> None:
    (docs / "zoo").mkdir()
    (docs / "zoo/hail.md").write_text(FILES["home/hail.md"])
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    assert documents(retriever, "hail", Filter(folder="zoo")) == ["zoo/hail.md"]
    assert documents(retriever, "hail", Filter(documents=("home/hail.md",))) == ["home/hail.md"]


def test_a_document_that_claims_an_unknown_language_does_no_harm(
    workspace: Workspace, docs: Path, settings: Settings
) -> None:
    (docs / "odd.html").write_text('<html lang="jp"><body><p>Short text</p></body></html>')
    (docs / "hail.md").write_text(FILES["home/hail.md"])
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    catalog = Catalog(workspace.corpus("default"))
    retriever = Retriever(catalog, FakeEmbedder(), settings.retrieval, settings.device)
    assert documents(retriever, "hail damage to the roof")[0] == "hail.md"
    catalog.close()


def test_a_question_is_searched_in_two_wordings_at_once(retriever: Retriever) -> None:
    standalone, asked = "Is flood damage covered?", "and hail on the roof?"
    both = retriever.search(standalone, fallback=asked)
    assert {hit.document for hit in both[:2]} == {"home/flood.md", "home/hail.md"}
    assert both[0].document == "home/flood.md", "the wording that stands by itself weighs more"
    alone = {wording: {hit.chunk: hit for hit in retriever.search(wording)} for wording in (standalone, asked)}
    for hit in both:
        offers = [hits[hit.chunk] for hits in alone.values() if hit.chunk in hits]
        assert hit.dense == max(offer.dense for offer in offers if offer.dense is not None)
        assert hit.dense_rank == min(offer.dense_rank for offer in offers if offer.dense_rank is not None)
        lexical = [offer.lexical for offer in offers if offer.lexical is not None]
        assert hit.lexical == (max(lexical) if lexical else None)
    assert [hit.rank for hit in both] == list(range(1, len(both) + 1))
    assert [hit.score for hit in both] == sorted((hit.score for hit in both), reverse=True)


@pytest.mark.parametrize("asked", ["", " ", "\n", "Is hail damage covered?", "hail \ud800"])
def test_a_second_wording_that_says_nothing_new_changes_nothing(retriever: Retriever, asked: str) -> None:
    question = "Is hail damage covered?"
    found = [hit.document for hit in retriever.search(question, fallback=asked)]
    assert found[0] == "home/hail.md"
    if asked.strip() in {"", question}:
        assert retriever.search(question, fallback=asked) == retriever.search(question)


def edition(year: int, days: int, section: str = "Loan period", tail: str = "") -> str:
    """A long section of which one number differs from edition to edition."""
    rest = " ".join(f"Rule {one} of part {one} holds for shelf {one} and reader {one}." for one in range(20))
    return (
        f"---\ntitle: Rules {year}\ndate: {year}-01-01\n---\n\n# {section}\n\n"
        f"Books are lent for {days} days. {rest}{tail}\n"
    )


@pytest.fixture
def editions(workspace: Workspace, docs: Path, settings: Settings) -> Iterator[Callable[..., Retriever]]:
    opened: list[Catalog] = []

    def make(**files: str) -> Retriever:
        for name, text in files.items():
            (docs / f"{name}.md").write_text(text)
        embedder = FakeEmbedder()
        ingest(workspace, "default", [docs], settings, embedder=embedder)
        opened.append(Catalog(workspace.corpus("default")))
        return Retriever(opened[-1], embedder, settings.retrieval, settings.device)

    yield make
    for catalog in opened:
        catalog.close()


def test_an_edition_that_differs_in_one_number_is_no_duplicate(editions: Callable[..., Retriever]) -> None:
    retriever = editions(old=edition(2023, 21), new=edition(2025, 28), copy=edition(2025, 28, tail=" Welcome."))
    found = {hit.document for hit in retriever.search("For how many days are books lent?")}
    assert "old.md" in found and len(found) == 2


def test_the_section_of_the_newest_edition_is_found_from_an_older_one(editions: Callable[..., Retriever]) -> None:
    other = edition(2026, 28, section="Opening hours").partition("# ")[2]
    retriever = editions(old=edition(2023, 21), middle=edition(2024, 25), new=f"{edition(2025, 28)}\n# {other}")
    by_document = {hit.document: hit for hit in retriever.search("For how many days are books lent?")}
    newest = retriever.newest_edition(by_document["old.md"])
    assert newest is not None and newest.document == "new.md" and newest.heading.endswith("Loan period")
    assert retriever.newest_edition(newest) is None


def test_the_section_of_the_newest_edition_is_found_within_a_chunk_of_several(
    editions: Callable[..., Retriever],
) -> None:
    def terms(year: int, amount: int, rest: str) -> str:
        head = f"---\ntitle: Terms {year}\ndate: {year}-01-01\n---\n\n# Terms\n\n## Scope\n\nAll is covered. {rest}\n\n"
        return f"{head}## Deductible\n\nYou bear {amount} euros of each loss. {rest}\n"

    long = " ".join(f"Thing {number} that stands in your home counts as a loss of its own." for number in range(30))
    retriever = editions(old=terms(2023, 300, long), new=terms(2025, 500, "That is all."))
    found = retriever.search("How many euros do I bear of each loss?")
    hits = {hit.document: hit for hit in reversed(found) if "bear" in hit.text}
    newest = retriever.newest_edition(hits["old.md"])
    assert hits["old.md"].heading.endswith("Deductible") and not hits["new.md"].heading.endswith("Deductible")
    assert newest is not None and "500 euros" in newest.text
