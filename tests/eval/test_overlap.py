"""ROUGE-L and chrF are those of the packages that everybody compares with; similarity is a bounded cosine."""

import time

import numpy as np
import pytest
from fakes import FakeEmbedder

from eval.metrics.answers import chrf, embedded_once, rouge_l, semantic_similarity

WORDS = "deductible hail claim policy pays within days notice cover glass storm theft bicycle broker".split()


def sentence(generator: np.random.Generator, words: int) -> str:
    return " ".join(generator.choice(WORDS, words))


def test_rouge_l_agrees_with_rouge_score() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    generator = np.random.default_rng(1)
    for _ in range(100):
        answer, gold = (sentence(generator, int(generator.integers(1, 30))) for _ in range(2))
        assert rouge_l(answer, [gold]) == pytest.approx(scorer.score(gold, answer)["rougeL"].fmeasure)


def test_chrf_agrees_with_sacrebleu() -> None:
    from sacrebleu.metrics.chrf import CHRF

    reference = CHRF()
    generator = np.random.default_rng(2)
    texts = [sentence(generator, int(generator.integers(1, 12))) for _ in range(40)]
    texts += ["€150", "a", "Die Selbstbeteiligung beträgt 150 €.", "ab", "§ 7 (2)"]
    for answer, gold in zip(texts, reversed(texts), strict=True):
        assert chrf(answer, [gold]) == pytest.approx(reference.sentence_score(answer, [gold]).score / 100)


def test_the_best_gold_answer_counts_and_without_one_there_is_no_score() -> None:
    assert rouge_l("14 days", ["three weeks", "14 days"]) == chrf("14 days", ["three weeks", "14 days"]) == 1.0
    assert rouge_l("x", []) is chrf("x", []) is semantic_similarity("x", [], FakeEmbedder().embed_texts) is None


def test_an_empty_answer_agrees_with_nothing() -> None:
    embed = FakeEmbedder().embed_texts
    assert rouge_l("", ["14 days"]) == chrf("", ["14 days"]) == semantic_similarity(" ", ["14 days"], embed) == 0.0


def test_an_endless_answer_is_scored_in_a_moment() -> None:
    answer = "the policy pays for hail within fourteen days and " * 2000
    started = time.process_time()
    assert rouge_l(answer, [answer[:5000]]) is not None
    assert chrf(answer, [answer[:5000]]) is not None
    assert time.process_time() - started < 5


def test_similarity_is_the_best_cosine_and_never_below_nothing() -> None:
    embed = FakeEmbedder().embed_texts
    assert semantic_similarity("hail claim", ["glass", "hail claim"], embed) == pytest.approx(1.0)
    opposite = {"a": [1.0, 0.0], "b": [-1.0, 0.0]}
    assert semantic_similarity("a", ["b"], lambda texts: np.array([opposite[t] for t in texts], np.float32)) == 0.0


def test_texts_are_embedded_once_and_in_one_batch() -> None:
    fake = FakeEmbedder()
    embed = embedded_once(["a b", "c d", "a b"], fake.embed_texts)
    assert fake.embedded == ["a b", "c d"]
    assert np.array_equal(embed(["c d", "a b"]), FakeEmbedder().embed_texts(["c d", "a b"]))
    with pytest.raises(KeyError):
        embed(["never seen"])
