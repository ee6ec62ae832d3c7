"""A corpus learns by itself when its evidence is too weak; nobody labels anything, and a small corpus is enough."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEmbedder
from samples import evidence

from assistant.artifacts.calibration import (
    PRIOR,
    Calibration,
    calibration_of,
    probabilities,
    short,
    standardised,
)
from assistant.config import Settings
from assistant.refusal.answerability import FEATURES
from assistant.store.catalog import CALIBRATION_FILE, Catalog
from assistant.workspace import Workspace
from ingest.answerability_fit import Examples, fit, fitted, operating_point, other_domains, reworded, without
from ingest.pairs.candidates import CandidatePair
from ingest.pipeline import ingest

TOPICS = ("hail", "trips", "horses", "glass", "boats", "bicycles", "flood", "theft", "teeth", "luggage")


def calibration_in(folder: Path) -> Calibration:
    with closing(Catalog(folder)) as catalog:
        return calibration_of(catalog, FakeEmbedder().fingerprint)


def write_documents(folder: Path, topics: tuple[str, ...] = TOPICS) -> None:
    for number, topic in enumerate(topics, 20):
        (folder / f"{topic}.md").write_text(
            f"# Terms for {topic}\n\n## Who is insured against {topic}?\n\n"
            f"The household is insured against {topic}.\n\n"
            f"## Deductible for {topic}\n\nThe deductible for {topic} is {number} euros in every calendar year.\n"
        )


def run(workspace: Workspace, docs: Path, settings: Settings) -> Path:
    ingest(workspace, "default", [docs], settings, confirmed=True, embedder=FakeEmbedder())
    return workspace.corpus("default") / CALIBRATION_FILE


def random_examples(count: int, seed: int = 0) -> Examples:
    chance = np.random.default_rng(seed)
    features = chance.normal(size=(count, len(FEATURES)))
    return Examples(features, (features[:, 1] + 0.3 * chance.normal(size=count) > 0).astype(float))


@pytest.mark.parametrize(
    ("precision", "recall", "said"),
    [
        (0.8, 0.51, "about 5 in 10 at once, others when the answer is checked against the documents. About 2 in 10"),
        (0.99, 0.97, "nearly all at once, others when the answer is checked against the documents. Hardly any"),
        (0.62, 0.02, "hardly any at once, others when the answer is checked against the documents. About 4 in 10"),
    ],
)
def test_a_calibration_says_in_words_what_becomes_of_questions(precision: float, recall: float, said: str) -> None:
    made = replace(PRIOR, precision=precision, recall=recall, answerable=30, unanswerable=40)
    told = f"Questions that the documents do not answer are refused: {said} refusals are mistaken"
    assert made.in_words() == f"{told} (tried on 70 questions made for that)."
    assert "in 10" not in PRIOR.in_words() and PRIOR.in_words().startswith("Questions that the documents do not")


def test_an_ingest_leaves_a_calibration_that_says_what_it_was_made_from(
    workspace: Workspace, docs: Path, settings: Settings
) -> None:
    write_documents(docs)
    file = run(workspace, docs, settings)
    made = calibration_in(file.parent)
    assert made != PRIOR and made.answerable > 5 and made.unanswerable > 5
    assert len(made.documents) == len(TOPICS)
    assert 0 < made.threshold < 1 and "precision" in str(made)


def test_it_is_made_again_only_when_the_corpus_changed_much_or_it_is_missing(
    workspace: Workspace, docs: Path, settings: Settings
) -> None:
    write_documents(docs)
    file = run(workspace, docs, settings)
    first = file.read_bytes()
    write_documents(docs, (*TOPICS, "keys"))  # 1 of 11 is new
    assert run(workspace, docs, settings).read_bytes() == first
    write_documents(docs, (*TOPICS, "keys", "fire", "storm"))
    second = run(workspace, docs, settings).read_bytes()
    assert second != first
    file.unlink()  # as after a kill
    assert run(workspace, docs, settings).read_bytes() == second


@pytest.mark.slow
def test_the_same_documents_give_the_same_whatever_was_there_before(
    workspace: Workspace, docs: Path, settings: Settings
) -> None:
    """Read at once, or one after the other and then anew: ids of chunks are others."""
    write_documents(docs)
    file = run(workspace, docs, settings)
    first = file.read_bytes()
    for one in reversed(TOPICS):
        (docs / f"{one}.md").rename(docs.parent / f"{one}.md")
    for one in reversed(TOPICS):
        (docs.parent / f"{one}.md").rename(docs / f"{one}.md")
        ingest(workspace, "slowly", [docs], settings, embedder=FakeEmbedder())
    assert (workspace.corpus("slowly") / CALIBRATION_FILE).read_bytes() != first, "it was made from fewer"
    ingest(workspace, "slowly", [docs], settings, rebuild=True, embedder=FakeEmbedder())
    assert (workspace.corpus("slowly") / CALIBRATION_FILE).read_bytes() == first


def test_three_documents_are_enough_and_none_is_no_mistake(
    workspace: Workspace, docs: Path, settings: Settings
) -> None:
    (docs / "empty.md").write_text("")
    run(workspace, docs, settings)
    write_documents(docs, TOPICS[:3])
    file = run(workspace, docs, settings)
    made = calibration_in(file.parent)
    assert np.abs(np.subtract(made.weights, PRIOR.weights)).max() < 1.0


def test_it_can_be_left_out(workspace: Workspace, docs: Path) -> None:
    write_documents(docs, TOPICS[:3])
    off = Settings.model_validate({"ingest": {"workers": 1, "calibrate": False}})
    assert not run(workspace, docs, off).exists()


def test_the_weights_maximise_the_penalised_likelihood() -> None:
    some, start = random_examples(200), np.linspace(-1, 1, len(FEATURES) + 1)
    rows = standardised(some.features)
    weights = fit(rows, some.answers, start, 5.0)

    def loss(candidate: np.ndarray) -> float:
        given = probabilities(rows, candidate)
        penalty = np.asarray([5.0] * len(FEATURES) + [2.0])
        likelihood = np.where(some.answers == 1, np.log(given), np.log(1 - given))
        return float(-likelihood.sum() + 0.5 * (penalty * (candidate - start) ** 2).sum())

    nudges = np.random.default_rng(1).normal(scale=0.01, size=(50, len(weights)))
    assert all(loss(weights) < loss(weights + nudge) for nudge in nudges)


def test_strength_holds_the_weights_at_the_prior_and_many_examples_move_them() -> None:
    start = np.zeros(len(FEATURES) + 1)
    few, many = random_examples(10), random_examples(2000)
    near = fit(standardised(few.features), few.answers, start, 1000.0)
    far = fit(standardised(many.features), many.answers, start, 10.0)
    assert np.abs(near[:-1]).max() < 0.05
    assert far[1] == max(far[:-1]) and far[1] > 1


def test_without_both_kinds_of_examples_the_prior_stands() -> None:
    nothing = Examples(np.empty((0, len(FEATURES))), np.empty(0))
    assert fitted(nothing, "e", ("a",)) == replace(PRIOR, embedder="e", documents=("a",))
    only = random_examples(20)
    assert fitted(Examples(only.features, np.ones(20)), "e", ()).weights == PRIOR.weights


def test_the_operating_point_refuses_most_among_the_precise_ones() -> None:
    given = np.asarray([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
    answers = np.asarray([0, 0, 0, 1, 0, 1, 1, 1, 1, 1], float)
    point = operating_point(given, answers)
    assert point.threshold == pytest.approx(0.35)
    # three of four refused, none of six wrongly
    assert (point.precision, point.recall) == (1.0, 0.75)


def test_what_is_not_a_number_counts_as_average() -> None:
    features = np.full((1, len(FEATURES)), np.nan)
    assert standardised(features).tolist() == [[0.0] * len(FEATURES) + [1.0]]


@pytest.mark.parametrize(("changed", "still"), [(1, True), (2, True), (3, False)])
def test_a_fifth_of_the_documents_may_change(changed: int, still: bool) -> None:
    hashes = [f"{number:064x}"[::-1] for number in range(1, 21)]
    made = Calibration(PRIOR.weights, 0.5, embedder="e", documents=short(hashes))
    others = [f"{number:064x}"[::-1] for number in range(100, 100 + changed)]
    assert made.fits([*hashes[changed:], *others], "e") is still
    assert not made.fits(hashes, "another")


def test_a_question_is_reworded_in_part_the_same_way_every_time() -> None:
    question = "How high is the yearly deductible for broken glass panes in rented holiday flats?"
    changed = reworded(question, ["zebra", "quartz"], 0)
    assert changed == reworded(question, ["zebra", "quartz"], 0) != question
    assert len({reworded(question, ["zebra", "quartz"], wording) for wording in range(4)}) > 1
    kept = set(question.split()) & set(changed.split())
    assert {"How", "is", "the", "for", "in"} <= kept and len(kept) >= 8


def test_a_hidden_document_takes_all_passages_that_say_the_answer_with_it() -> None:
    answer = "The deductible for hail is 150 euros."
    candidate = CandidatePair("What is the deductible for hail?", answer, answer, "wh", 1, "home.md", "en")
    hits = [
        evidence(answer, 1, document="home.md"),
        evidence("Hail is a natural hazard.", 2, document="home.md"),
        evidence(f"As before: {answer}", 3, document="home-2024.md"),
        evidence("Trips may last up to 56 days.", 4, document="travel.md"),
    ]
    assert [hit.document for hit in without(candidate, hits)] == ["travel.md"]


def test_questions_of_other_domains_are_many_and_distinct() -> None:
    assert all(len(some) >= 40 and len(set(some)) == len(some) for some in other_domains().values())
