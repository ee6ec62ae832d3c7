"""Grounding metrics follow their published algorithms, worked out by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from even import EvenRetriever
from hypothesis import given
from hypothesis import strategies as st
from samples import evidence

from assistant.types import Evidence
from eval.cases import Case, GoldSpan
from eval.metrics.grounding import (
    CitedSentence,
    Claims,
    citation_precision,
    citation_recall,
    citation_scores,
    cited_sentences,
    cites_gold,
    claim_recall,
    claim_scores,
    claimed,
    context_utilisation,
    copied_fragments,
    copy_coverage,
    copy_density,
    copy_scores,
    faithfulness,
    hallucination,
    self_knowledge,
)
from eval.running.scoring import supports_by

Said = CitedSentence


def says_all_letters(sentence: str, passages: Sequence[str]) -> bool:
    """Passages and sentences are bags of letters; passages support what they hold together."""
    return set(sentence) <= set("".join(passages))


PASSAGES = ["ab", "cd", "abcd", "xyz"]


@pytest.mark.parametrize(
    ("sentences", "recall", "precision"),
    [
        ([Said("a", (1,))], 1.0, 1.0),
        ([Said("q", (1,))], 0.0, 0.0),
        ([Said("a", ())], 0.0, None),
        # Both passages are needed together.
        ([Said("ac", (1, 2))], 1.0, 1.0),
        # The third supports it alone; the first two are needed without it, but not beside it.
        ([Said("ac", (3, 1))], 1.0, 0.5),
        ([Said("a", (1, 3))], 1.0, 1.0),
        ([Said("ac", (1, 2, 4))], 1.0, 2 / 3),
        # Not even together: none counts.
        ([Said("aq", (1, 2))], 0.0, 0.0),
        # A number of no passage: nothing supported, and its citations are not counted at all.
        ([Said("a", (1, 9))], 0.0, None),
        ([Said("a", (0,))], 0.0, None),
        ([Said("a", (1,)), Said("a", (9,))], 0.5, 1.0),
        # Of more than three citations only three count.
        ([Said("z", (1, 2, 3, 4))], 0.0, 0.0),
        ([Said("a", (1,)), Said("q", (2,)), Said("b", ())], 1 / 3, 0.5),
        ([], None, None),
    ],
)
def test_citations_are_judged_as_in_alce(
    sentences: list[CitedSentence], recall: float | None, precision: float | None
) -> None:
    assert citation_recall(sentences, PASSAGES, says_all_letters) == (None if recall is None else pytest.approx(recall))
    assert citation_precision(sentences, PASSAGES, says_all_letters) == (
        None if precision is None else pytest.approx(precision)
    )


def test_a_refusal_or_an_answer_without_passages_has_no_citation_score() -> None:
    for passages, refused in ((PASSAGES, True), ([], False)):
        scores = citation_scores([Said("a", (1,))], passages, refused, says_all_letters)
        assert all(score.value is None and score.reason for score in scores.values())
    silent = citation_scores([Said("a", ())], PASSAGES, False, says_all_letters)
    assert silent["citation_recall"].value == 0.0
    assert silent["citation_precision"].reason == "the answer cites nothing"


def test_markers_belong_to_the_sentence_that_they_stand_in_or_behind() -> None:
    said = "Hail is covered [1][2]. The deductible is 150 euros. [3] It is halved at a station [2] [2]."
    assert cited_sentences(said) == [
        Said("Hail is covered.", (1, 2)),
        Said("The deductible is 150 euros.", (3,)),
        Said("It is halved at a station.", (2,)),
    ]
    assert cited_sentences("[2] Hail is covered.") == [Said("Hail is covered.", (2,))]
    assert cited_sentences("[1] [2]") == cited_sentences("") == []


def test_a_citation_is_right_when_its_passage_holds_gold() -> None:
    gold = ((GoldSpan("terms-1.md", quote="hail is covered"),),)
    right, wrong = evidence("Hail is covered."), evidence("Glass is covered.", 2)
    assert cites_gold(gold, [right, wrong]) == 0.5
    assert cites_gold(gold, []) is cites_gold((), [right]) is None


def matrix(*rows: Sequence[int]) -> np.ndarray:
    return np.array(rows, bool)


# Four claims of the response: from a passage and right, from a passage and wrong, known by itself, made up.
CLAIMS = Claims(
    matrix([1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]),
    np.array([1, 0, 1, 0], bool),
    matrix([1, 1, 0], [0, 0, 0], [0, 1, 0]),
    np.array([1, 1, 0], bool),
)


def test_claims_follow_the_algebra_of_ragchecker() -> None:
    assert faithfulness(CLAIMS) == 0.5
    assert hallucination(CLAIMS) == 0.25
    assert self_knowledge(CLAIMS) == 0.25
    assert claim_recall(CLAIMS) == pytest.approx(2 / 3)
    assert context_utilisation(CLAIMS) == 0.5


@given(st.integers(1, 6), st.integers(0, 5), st.integers(1, 6), st.integers(0, 1000))
def test_every_claim_is_faithful_known_or_made_up(r: int, c: int, g: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    claims = Claims(*(generator.random(shape) < 0.5 for shape in ((r, c), (r,), (g, c), (g,))))
    parts = (faithfulness(claims), hallucination(claims), self_knowledge(claims))
    assert sum(part for part in parts if part is not None) == pytest.approx(1.0)


def test_matrices_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="numbers of rows"):
        Claims(matrix([1, 0]), np.array([1, 0], bool), matrix([1, 1]), np.array([1], bool))


def any_word(sentence: str, passages: Sequence[Evidence]) -> bool:
    return any(word in passage.text for passage in passages for word in sentence.rstrip(".").split() if len(word) > 4)


FACTS = Case("1", "What do I pay?", ("150 euros",), must_include=(("150 euros", "€150"), ("14 days",)))


def test_an_answer_is_held_against_passages_and_required_facts() -> None:
    passages = [evidence("The deductible is €150.", context=""), evidence("Pay in 14 days.", 2, context="")]
    sentences = ["The deductible is 150 euros.", "Lindmoor was founded in 1904."]
    scores = claim_scores(FACTS, sentences, passages, False, any_word)
    assert {name: score.value for name, score in scores.items()} == {
        "faithfulness": 0.5,
        "hallucination": 0.5,
        "self_knowledge": 0.0,
        "claim_recall": 1.0,
        "context_utilisation": 0.5,
    }


def test_what_cannot_be_known_has_a_reason() -> None:
    passages = [evidence("The deductible is €150.")]
    refused = claim_scores(FACTS, ["I cannot find this."], passages, True, any_word)
    assert {score.reason for score in refused.values()} == {"a refusal says nothing that could be scored"}
    without_facts = claim_scores(Case("2", "?", ("x",)), ["It is 150 euros."], passages, False, any_word)
    assert without_facts["faithfulness"].value is not None
    assert without_facts["hallucination"].reason == "the case names no facts"
    missed = claim_scores(FACTS, ["It is so."], [evidence("Nothing here.")], False, any_word)
    assert missed["context_utilisation"].reason == "no passage holds a required fact"
    assert missed["faithfulness"].reason == "the answer claims nothing"


def test_questions_and_grammar_alone_claim_nothing() -> None:
    assert claimed(["What is hail?", "It is.", "Hail is ice.", "…"]) == ["Hail is ice."]


@pytest.mark.parametrize(
    ("answer", "source", "fragments"),
    [
        ("a b c x d e", "z a b c d e", [3, 2]),
        ("a b", "b a", [1, 1]),
        ("x y", "a b", []),
        # Greedy from the left: the longest run that begins here.
        ("a b c d", "a b q b c d", [2, 2]),
        ("ab", "a b", []),
        ("", "a", []),
    ],
)
def test_copied_fragments_by_hand(answer: str, source: str, fragments: list[int]) -> None:
    assert copied_fragments(answer.split(), source.split()) == fragments


def test_coverage_and_density_by_hand() -> None:
    assert copy_coverage([3, 2], 6) == pytest.approx(5 / 6)
    assert copy_density([3, 2], 6) == pytest.approx(13 / 6)
    assert copy_coverage([], 0) is copy_density([], 0) is None


def test_a_copy_is_all_covered_and_as_dense_as_long() -> None:
    text = "storm and hail are covered from wind force 8"
    scores = copy_scores(text, ["Glass. " + text], False, "en")
    assert (scores["copy_coverage"].value, scores["copy_density"].value) == (1.0, 9.0)
    assert copy_scores("", [text], False, "en")["copy_density"].reason == "the answer has no words"
    assert copy_scores(text, [], False, "en")["copy_density"].reason == "no passage was shown"


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_fragments_never_exceed_the_answer(answer: list[str], source: list[str]) -> None:
    assert sum(copied_fragments(answer, source)) == sum(token in source for token in answer)


def test_what_a_passage_says_word_for_word_it_supports_and_no_part_of_a_word() -> None:
    supports = supports_by(EvenRetriever(), 0.6)  # type: ignore[arg-type]
    passage = evidence("The fee is\n15 euros. The rate is 2.5 percent.")
    assert supports("15 euros.", [passage], "") and supports("The fee is 15 euros.", [passage], "")
    assert not supports("5 euros.", [passage], "") and not supports("5 percent.", [passage], "")


def test_a_row_that_is_quoted_is_supported_and_one_with_a_cell_of_another_is_not() -> None:
    lines = (
        "| Role | Payment and reserve | Refusal |",
        "| Handler | up to €5,000 per claim | up to €2,500 claimed |",
        "| Senior handler | up to €25,000 per claim | up to €15,000 claimed |",
    )
    hit = evidence("\n".join(lines), document="handbook.pdf", context="")
    supports = supports_by(EvenRetriever(), 0.6)  # type: ignore[arg-type]
    assert supports("Senior handler: up to €25,000 per claim (Payment and reserve)", [hit], "")
    both = "Senior handler: up to €25,000 per claim (Payment and reserve); up to €15,000 claimed (Refusal)"
    assert supports(both, [hit], "")
    assert not supports(both.replace("€25,000", "€5,000"), [hit], "")
    assert not supports("Handler: up to €15,000 claimed (Refusal)", [hit], "")
