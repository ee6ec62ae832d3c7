"""Marks keep every character, words follow the numbers, and figures show what they are given."""

import re
from dataclasses import replace
from typing import Literal

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from report_of import results_with_effects
from results_of import costs_of, results_of, rows_of

from assistant.artifacts.evaluations import Difference, Effect, Mean, words_in
from eval.report.figures import figures_of
from eval.report.labels import effect_summaries, number, signed, size_of, tone_of
from eval.report.question_views import Facets, differing, marked, partners_of, question_views, words_of
from eval.results import RowCitation, RowSentence

Spans = list[tuple[int, int]]
SPANS = st.lists(st.tuples(st.integers(-5, 40), st.integers(-5, 40)), max_size=5)


@given(st.text(max_size=30), SPANS, SPANS)
def test_marking_loses_no_character_and_marks_those_of_the_spans(text: str, gold: Spans, cited: Spans) -> None:
    pieces = marked(text, {"gold": gold, "cited": cited})
    assert "".join(piece.text for piece in pieces) == text
    by_character = [piece.marks.split() for piece in pieces for _ in piece.text]
    for name, spans in (("gold", gold), ("cited", cited)):
        inside = {place for first, last in spans for place in range(max(first, 0), last)}
        assert [name in marks for marks in by_character] == [place in inside for place in range(len(text))]


@given(st.text(max_size=60), st.text(max_size=60))
def test_only_words_that_the_other_lacks_are_marked(text: str, other: str) -> None:
    pieces = differing(text, words_of(other))
    assert "".join(piece.text for piece in pieces) == text
    assert not [piece for piece in differing(text, words_of(text)) if piece.marks]


def test_a_number_that_differs_is_marked() -> None:
    pieces = differing("You have 14 days.", words_of("you have 30 days"))
    assert [piece.text for piece in pieces if piece.marks] == ["14"]


@pytest.mark.parametrize(
    ("metric", "verdict", "tone"),
    [
        ("correctness", "higher", "good"),
        ("correctness", "lower", "bad"),
        ("false_refusal", "higher", "bad"),
        ("false_refusal", "lower", "good"),
        ("copy_density", "higher", "open"),
        ("correctness", "same", "even"),
        ("correctness", "too thin to tell", "open"),
        ("correctness", "anecdote", "open"),
    ],
)
def test_good_news_is_what_the_metric_calls_better(metric: str, verdict: str, tone: str) -> None:
    assert tone_of(_effect(metric, verdict)) == tone


def test_findings_are_about_the_headline_metric_and_never_promise_what_is_open() -> None:
    results = results_of(rows_of(10))
    effects = (_effect("usable", "too thin to tell"), _effect("recall@5", "higher"))
    (finding,) = effect_summaries(replace(results, effects=effects))
    assert finding.words == "Too thin to tell whether the adapter helps"
    assert "below 0.20" in finding.figures
    (german,) = effect_summaries(replace(results, effects=effects), words_in("de"))
    assert german.figures.startswith("brauchbare Antworten +0.05"), "a metric has its title, not its name in a file"


def _effect(metric: str, verdict: str) -> Effect:
    difference = Difference(Mean(0.05, -0.1, 0.2, 40, 40, 10, {}), 0.4, 0.2)
    return Effect("adapter", "house - base", metric, difference, verdict, 0.02)


def test_numbers_are_written_as_people_write_them() -> None:
    assert [number(None), number(0.617), number(-1)] == ["–", "0.62", "−1.00"]
    assert [signed(0.5), signed(-0.04), signed(None)] == ["+0.50", "−0.04", "–"]
    assert [size_of(0), size_of(2048), size_of(3 * 2**30)] == ["0 bytes", "2 KiB", "3.0 GiB"]


@pytest.mark.parametrize("number_", [-0.001, -0.0])
def test_zero_has_no_sign(number_: float) -> None:
    assert number(number_) == "0.00"
    assert signed(number_) == "0.00"


def test_answers_are_compared_with_the_judged_one_and_that_with_its_like() -> None:
    systems = results_of(rows_of(1)).systems
    assert partners_of(systems, "house+rag") == {
        "base": "house+rag",
        "base+rag": "house+rag",
        "house": "house+rag",
        "house+rag": "base+rag",
    }
    assert partners_of(systems[:1], "base") == {"base": ""}


def test_a_citation_of_a_passage_that_is_not_there_is_left_out() -> None:
    (row,) = rows_of(1)
    answer = replace(row.answers["base"], sentences=(RowSentence("Yes.", True, "", (RowCitation(9, 0, 4),)),))
    row = replace(row, answers={"base": answer})
    results = results_of(rows_of(1, ("base",)))
    (view,) = question_views([row], results, Facets(results))
    assert view.answers[0].sentences[0].citations == []


@pytest.mark.parametrize(("said", "unlike", "differing_words"), [("in 14 days", "", ["14"]), ("glass is", "base", [])])
def test_what_another_answer_says_is_marked_unless_all_is_another(
    said: str, unlike: str, differing_words: list[str]
) -> None:
    (row,) = rows_of(1, ("base", "base+rag"))
    texts = {"base": "in 30 days", "base+rag": said}
    answers = {name: replace(one, text=texts[name], sentences=()) for name, one in row.answers.items()}
    results = results_of([row])
    results = replace(results, gate=replace(results.gate, system="base"))
    (view,) = question_views([replace(row, answers=answers)], results, Facets(results))
    (sentence,) = view.answers[1].sentences
    assert view.answers[1].unlike == unlike
    assert [piece.text for piece in sentence.pieces if piece.marks] == differing_words


def test_facets_are_codes_and_tell_questions_apart() -> None:
    rows = rows_of(10)
    results = results_of(rows)
    facets = Facets(results)
    codes = {name: code for letter in "klt" for code, name in facets.choices(letter)}
    for view in question_views(rows, results, facets):
        case = view.row.case
        assert set(view.facets.split()) == {codes[name] for name in (case.kind, case.language, *case.tags)}


def test_a_question_without_a_kind_is_found_among_the_unnamed() -> None:
    rows = [replace(row, case=replace(row.case, kind="")) for row in rows_of(3)]
    results = results_of(rows)
    facets = Facets(replace(results, data=replace(results.data, kinds={"fact": 1, "unnamed": 3})))
    (code,) = [code for code, name in facets.choices("k") if name == "unnamed"]
    assert all(code in facets.of(row).split() for row in rows)


def test_figures_take_their_colours_from_the_page_and_name_themselves() -> None:
    results = results_with_effects(rows_of(40))
    figures = figures_of(results, costs_of(), effect_summaries(results))
    assert set(figures) == {"effects", "curves", "failures", "costs"}
    for figure in figures.values():
        svg = BeautifulSoup(figure, "lxml").svg
        assert svg is not None and svg["role"] == "img" and svg["aria-label"]
        assert not [one for one in svg.find_all(style=True) if re.search("#|font-family", str(one["style"]))]
        assert not svg.find_all("style")


@pytest.mark.parametrize("found", ["effects", "curves", "failures", "costs"])
def test_a_figure_without_numbers_is_left_out(found: Literal["effects", "curves", "failures", "costs"]) -> None:
    results = results_with_effects(rows_of(5))
    nothing = Mean(None, None, None, 0, 5, 0, {"why": 5})
    means = {system: dict.fromkeys(metrics, nothing) for system, metrics in results.means.items()}
    empty = replace(results, means=means, effects=(), first_failures={})
    assert found not in figures_of(empty, costs_of(), effect_summaries(empty))
