"""Evidence is judged before a model is asked: what is there is let through, what is not there is refused, in words."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeEmbedder
from samples import evidence

from assistant.artifacts.calibration import PRIOR, calibration_of, write_calibration
from assistant.config import Settings
from assistant.refusal.answerability import (
    FEATURES,
    Held,
    features_of,
    held,
    judge,
    missing_words,
    shifted,
    unknown_names,
)
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import CALIBRATION_FILE, Catalog, written_here
from assistant.workspace import Workspace
from ingest.pipeline import ingest

TEXTS = {
    "hail": "Hail damage to the car is covered. The deductible for hail damage is 150 euros.",
    "trips": "A trip may last up to 56 days. Longer trips need a travel contract of their own.",
    "pets": "Dogs of the household are insured. Horses are not insured under this policy.",
    "glass": "Broken glass is replaced at once. Call the glazier before you throw anything away.",
    "boats": "Sailing boats are insured in harbours. Motor boats need a permit of the harbour master.",
}


@pytest.fixture
def retriever(workspace: Workspace, docs: Path, settings: Settings) -> Iterator[Retriever]:
    for name, text in TEXTS.items():
        (docs / f"{name}.md").write_text(f"# {name.title()}\n\n{text}\n")
    embedder = FakeEmbedder()
    ingest(workspace, "default", [docs], settings, embedder=embedder)
    catalog = Catalog(workspace.corpus("default"))
    yield Retriever(catalog, embedder, settings.retrieval, settings.device)
    catalog.close()


@pytest.mark.parametrize(
    "question",
    ["What is the deductible for hail damage?", "How long may a trip last?", "Are horses insured?", "glass glazier"],
)
def test_what_the_documents_say_is_let_through(retriever: Retriever, settings: Settings, question: str) -> None:
    assert judge(question, retriever.search(question, 4), retriever, settings.answer).answerable


@pytest.mark.parametrize("question", ["What is the capital of Peru?", "Who composed the Moonlight Sonata?"])
def test_what_they_do_not_say_is_refused_with_what_was_looked_for(
    retriever: Retriever, settings: Settings, question: str
) -> None:
    verdict = judge(question, retriever.search(question, 4), retriever, settings.answer)
    assert not verdict.answerable
    assert verdict.missing and set(verdict.missing) <= set(question.rstrip("?").split())
    assert not {"What", "Who", "the"} & set(verdict.missing)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Who composed the Moonlight Sonata?", ("Moonlight", "Sonata")),
        ("Can you tell me when the free parking will start in France?", ("parking", "France")),
        ("How much cheaper is it for astronauts?", ("astronauts",)),
        ("Wie hoch ist der Schaden durch Vulkane?", ("Schaden", "Vulkane")),
        ("Übernehmen Sie Schäden durch Kernenergie in Japan?", ("Schäden", "Kernenergie", "Japan")),
        ("zahlt ihr hagelschaden in frankreich?", ()),
        ("Tell me how to start it. Please explain!", ()),
        ("Quel est le prix du billet pour Paris ?", ("Paris",)),
        ("Is form B-17 needed?", ("B-17",)),
        ("WIE HOCH IST DER SCHADEN DURCH VULKANE?", ()),
    ],
)
def test_missing_are_words_that_carry_a_subject_as_they_were_asked(
    retriever: Retriever, question: str, words: tuple[str, ...]
) -> None:
    assert missing_words(question, held(question, retriever.search(question, 4), retriever), retriever) == words


@pytest.mark.parametrize(
    ("question", "unknown"),
    [
        ("Which glazier is there in Nuremberg?", [("Nuremberg",)]),
        ("Was kostet es für einen VW Golf?", [("VW", "Golf")]),
        ("Are Horses of the Household insured?", []),
        ("I live in Nuremberg. Are horses insured?", []),  # told, not asked
        ("Was kostet es in Nürnberg?", []),  # German nouns have capitals too
        ("Horses pro Quadratmeter?", []),  # in what language?
        ("WHICH GLAZIER IS THERE IN NUREMBERG?", []),
    ],
)
def test_a_name_that_is_asked_about_and_stands_in_no_document_is_unknown(
    retriever: Retriever, question: str, unknown: list[tuple[str, ...]]
) -> None:
    retriever.search(question, 4)
    assert unknown_names(question, retriever) == tuple(unknown)


def test_nothing_found_is_refused_and_nothing_refuses_at_no_caution(retriever: Retriever, settings: Settings) -> None:
    question = "Who composed the Moonlight Sonata?"
    assert not judge(question, [], retriever, settings.answer).answerable
    bold = settings.answer.model_copy(update={"caution": 0.0})
    assert judge(question, retriever.search(question, 4), retriever, bold).answerable


def test_caution_multiplies_the_odds_of_the_threshold() -> None:
    assert shifted(0.5, 1.0) == 0.5
    assert shifted(0.5, 3.0) == pytest.approx(0.75)
    assert shifted(0.2, 0.0) == 0.0
    assert shifted(1.0, 0.5) == 1.0


def test_the_judgement_says_what_it_rests_on_in_numbers(retriever: Retriever, settings: Settings) -> None:
    question = "What is the deductible for hail damage?"
    judgement = judge(question, retriever.search(question, 4), retriever, settings.answer).judgement
    assert {"probability", "threshold", "bm25"} <= judgement.keys()
    assert all(math.isfinite(value) for value in judgement.values())


def test_features_fall_when_the_answer_is_taken_away(retriever: Retriever) -> None:
    question = "What is the deductible for hail damage?"
    hits = retriever.search(question, 5)
    rest = [hit for hit in hits if hit.document != "hail.md"]

    def values(found: list) -> dict[str, float]:  # type: ignore[type-arg]
        return dict(
            zip(FEATURES, features_of(question, found, held(question, found, retriever), retriever), strict=True)
        )

    shown, hidden = values(hits[:4]), values(rest[:4])
    for name in ("lead", "bm25", "passage_coverage", "window_coverage"):
        assert shown[name] > hidden[name], name
    assert shown["unknown"] == hidden["unknown"] == 0.0


def test_an_embedder_whose_similarities_lie_closer_is_judged_alike(
    retriever: Retriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = "What is the deductible for hail damage?"
    hits = retriever.search(question, 4)
    there = held(question, hits, retriever)
    wide = features_of(question, hits, there, retriever)
    close = [replace(hit, dense=0.8 + (hit.dense or 0.0) / 5) for hit in hits]
    monkeypatch.setattr(retriever.embedder, "contrast", 5.0)
    assert features_of(question, close, there, retriever) == pytest.approx(wide)


def test_words_of_one_family_count_in_part(retriever: Retriever) -> None:
    found = [evidence("The vessel is registered.")]
    exact, near, far = (
        features_of("x", found, Held("en", {term: 1.0}, (frozenset({"regist"}),)), retriever)[
            FEATURES.index("window_coverage")
        ]
        for term in ("regist", "registrar", "glazier")
    )
    assert exact == 1.0 and 0 < near < 1 and far == 0.0


def test_a_calibration_is_used_only_with_its_own_embedder(retriever: Retriever) -> None:
    fingerprint = retriever.embedder.fingerprint
    assert calibration_of(retriever.catalog, fingerprint).embedder == fingerprint
    assert calibration_of(retriever.catalog, "another") == PRIOR


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"weights": [1.0], "threshold": 0.5}', '{"weights": "all", "threshold": 2}', "\x00" * 9]
)
def test_a_damaged_calibration_gives_way_to_the_prior(retriever: Retriever, settings: Settings, content: str) -> None:
    (written_here(retriever.catalog).folder / CALIBRATION_FILE).write_text(content)
    assert calibration_of(retriever.catalog, retriever.embedder.fingerprint) == PRIOR
    question = "How long may a trip last?"
    assert judge(question, retriever.search(question, 4), retriever, settings.answer).answerable


def test_a_new_calibration_counts_at_once(retriever: Retriever, settings: Settings) -> None:
    question, fingerprint = "How long may a trip last?", retriever.embedder.fingerprint
    found = retriever.search(question, 4)
    write_calibration(written_here(retriever.catalog).folder, replace(PRIOR, embedder=fingerprint, threshold=0.999999))
    assert not judge(question, found, retriever, settings.answer).answerable
