"""How far metrics can be trusted: figures as others compute them, intervals that hold, and never more than is known."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.metrics import cohen_kappa_score

from assistant.artifacts.evaluations import Label, Rating
from eval.human_agreement import FEWEST_RATINGS, REFUSING, Agreement, RatedScores, agreement_of
from eval.metrics import Score
from eval.statistics import cohen_kappa, kendall_tau_b, krippendorff_alpha, value_of, weighted_interval


def rated(
    label: Label, value: float, number: int = 0, refused: bool = False, unanswerable: bool = False, raters: int = 1
) -> RatedScores:
    given = tuple(Rating(f"q{number}", "base", "x", f"rater {one}", "", label, "yes", True) for one in range(raters))
    return RatedScores(f"document {number % 9}", unanswerable, refused, {"correctness": Score(value)}, given)


def agreement(rated: Sequence[RatedScores], metric: str = "correctness") -> Agreement:
    return next(one for one in agreement_of(rated).metrics if one.metric == metric)


@pytest.mark.parametrize("seed", range(6))
def test_tau_b_and_kappa_are_those_of_scipy_and_scikit_learn(seed: int) -> None:
    chance = random.Random(seed)
    values = [chance.choice([0, 0.25, 0.5, 1]) for _ in range(40)]
    people = [chance.choice([0, 0.5, 1]) for _ in range(40)]
    assert value_of(kendall_tau_b(values, people), 40) == pytest.approx(kendalltau(values, people).statistic)
    yes, also = [value > 0.3 for value in values], [one > 0.6 for one in people]
    assert value_of(cohen_kappa(yes, also), 40) == pytest.approx(cohen_kappa_score(yes, also))


def test_a_weight_counts_as_so_many_answers() -> None:
    values, people, weights = [0.1, 0.4, 0.4, 0.9], [0.0, 1.0, 0.5, 1.0], np.array([[2.0, 1.0, 3.0, 1.0]])
    copies = [0, 0, 1, 2, 2, 2, 3]
    expected = kendalltau([values[place] for place in copies], [people[place] for place in copies]).statistic
    assert kendall_tau_b(values, people)(weights)[0] == pytest.approx(expected)
    yes, also = [value > 0.3 for value in values], [one > 0.6 for one in people]
    expected = cohen_kappa_score([yes[place] for place in copies], [also[place] for place in copies])
    assert cohen_kappa(yes, also)(weights)[0] == pytest.approx(expected)


def test_alpha_is_that_of_the_published_example() -> None:
    # Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: interval data, four observers.
    none = None
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, none, none, none],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, none, 3],
        [none, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, none],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, none],
    ]
    units = [[float(one) for one in unit if one is not None] for unit in zip(*observers, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.849, abs=0.0005)


def test_alpha_of_raters_who_never_differ_or_never_meet_is_unknown() -> None:
    assert krippendorff_alpha([[1.0, 1.0], [1.0, 1.0]]) is None
    assert krippendorff_alpha([[1.0], [0.0]]) is None
    assert krippendorff_alpha([]) is None


def test_intervals_of_tau_b_hold_what_they_promise() -> None:
    chance = np.random.default_rng(1)
    held, runs, documents, each = 0, 150, 25, 3
    clusters = [f"d{number}" for number in range(documents) for _ in range(each)]

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        about = np.repeat(chance.normal(size=count // each), each)  # answers about a document are alike
        good = about + chance.normal(size=count)
        return np.round(good + about + chance.normal(size=count), 1), np.digitize(good, [-0.5, 0.7]) / 2

    truth = kendalltau(*drawn(60_000)).statistic
    for _ in range(runs):
        values, people = drawn(documents * each)
        bounds = weighted_interval(kendall_tau_b(list(values), list(people)), clusters, 400)
        assert bounds
        held += bounds[0] <= truth <= bounds[1]
    assert 0.89 <= held / runs <= 0.99


def test_a_metric_that_people_share_follows_them_and_its_opposite_is_told() -> None:
    labels: list[Label] = ["right", "partly", "wrong"] * 20
    worth = {"right": 0.9, "partly": 0.5, "wrong": 0.1}
    good = agreement([rated(label, worth[label], number) for number, label in enumerate(labels)])
    assert (good.verdict, good.n, good.documents) == ("follows people", 60, 9)
    assert good.value == pytest.approx(1.0)
    bad = agreement([rated(label, 1 - worth[label], number) for number, label in enumerate(labels)])
    assert bad.verdict == "against people" and bad.value == pytest.approx(-1.0)
    chance = random.Random(0)
    loose = agreement([rated(label, chance.random(), number) for number, label in enumerate(labels)])
    assert loose.verdict == "no clear relation" and loose.low is not None and loose.low < 0


def test_few_ratings_few_documents_and_no_variety_give_no_figure() -> None:
    few = agreement([rated("right", number / 10, number) for number in range(FEWEST_RATINGS - 1)])
    assert (few.verdict, few.value, few.low) == ("too few ratings", None, None)
    one_document = agreement([rated("right", number / 40, 9 * number) for number in range(40)])
    assert (one_document.verdict, one_document.documents) == ("too few ratings", 1)
    same = agreement([rated("right", number / 40, number) for number in range(40)])
    assert (same.verdict, same.value) == ("does not vary", None)


def test_two_judgements_of_which_one_is_always_no_agree_about_nothing() -> None:
    labels: list[Label] = ["partly", "wrong"] * 20
    some = [replace(rated(label, 0.5, number), scores={"exact_match": Score(float(number % 3 == 0))})
            for number, label in enumerate(labels)]  # fmt: skip
    found = agreement(some, "exact_match")
    assert (found.statistic, found.value, found.verdict) == ("kappa", None, "does not vary")


def test_less_is_better_is_turned_round() -> None:
    labels: list[Label] = ["right", "wrong"] * 15
    some = [
        RatedScores(
            f"d{number % 9}",
            False,
            False,
            {"hallucination": Score(0.0 if label == "right" else 1.0)},
            (Rating("q", "base", "x", "a", "", label, "yes" if label == "right" else "no"),),
        )
        for number, label in enumerate(labels)
    ]
    assert agreement(some, "hallucination").value == pytest.approx(1.0)


def test_what_should_be_refused_is_judged_from_answers_and_refusals() -> None:
    some = [
        *(rated("right", 0.0, number, refused=True, unanswerable=True) for number in range(12)),
        *(rated("should have refused", 0.0, number, unanswerable=True) for number in range(12)),
        *(rated("wrong", 0.0, number, refused=True) for number in range(12)),
        *(rated("right", 1.0, number) for number in range(12)),
    ]
    found = agreement(some, REFUSING)
    assert (found.statistic, found.verdict) == ("kappa", "follows people") and found.value == pytest.approx(1.0)


def test_an_answer_that_two_people_rate_is_one_point() -> None:
    labels: list[Label] = ["right", "wrong"] * 15
    once = [rated(label, number / 30, number) for number, label in enumerate(labels)]
    twice = [rated(label, number / 30, number, raters=2) for number, label in enumerate(labels)]
    assert agreement(twice) == agreement(once)
    trust = agreement_of(twice)
    assert (trust.answers, trust.ratings, trust.raters) == (30, 60, 2)
    assert (trust.between.answers, trust.between.same, trust.between.alpha) == (30, 1.0, 1.0)
    assert trust.labels == {"right": 30, "partly": 0, "wrong": 30, "should have refused": 0}


def test_nobody_has_rated() -> None:
    trust = agreement_of([])
    assert (trust.answers, trust.metrics, trust.between.alpha) == (0, (), None)
