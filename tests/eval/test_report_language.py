"""A report speaks the language of whoever asks for it; what strangers wrote stays as it is."""

import ast
import string
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from jinja2 import Environment, nodes
from report_of import results_with_effects
from results_of import costs_of, rows_of

import eval.report
from assistant.artifacts import evaluations
from assistant.artifacts.evaluations import (
    ENGLISH,
    FEWEST_QUESTIONS,
    LABELS,
    VERDICTS,
    Difference,
    Effect,
    Gate,
    Mean,
    Verdict,
    reason_of,
    verdict_of,
    words_in,
)
from assistant.text.languages import LANGUAGES, data
from eval import gate
from eval.gate import GateRules, gate_of
from eval.human_agreement import NO_OPINIONS, Agrees
from eval.metrics import METRICS, NO_EVIDENCE, REFUSED, UNANSWERABLE
from eval.metrics.usable import OUTCOMES
from eval.report import html_page, labels, write_report
from eval.report.decision import decision_of
from eval.report.figures import CURVES
from eval.report.html_page import page_of
from eval.results import write_run

FOLDER = Path(eval.report.__file__).parent
TRANSLATED = [language for language in LANGUAGES if language != "en"]


def asked_for() -> Iterator[str]:
    """Every text of ours that a report may have."""
    for file in (*FOLDER.glob("*.py"), Path(evaluations.__file__), Path(gate.__file__)):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in {"words", "Phrase"}:
                yield from (one.value for one in call.args if isinstance(one, ast.Constant))  # type: ignore[misc]
    for file in (FOLDER / "templates").glob("*.jinja"):
        tree = Environment().parse(file.read_text(encoding="utf-8"))
        for filled in tree.find_all(nodes.Call):
            if isinstance(filled.node, nodes.Name) and filled.node.name == "t":
                yield from (one.value for one in filled.args if isinstance(one, nodes.Const))
    yield from (one.meaning for one in METRICS if one.name not in labels.MEANINGS)
    for some in (
        labels.TITLES, labels.EFFECTS, labels.OUTCOME_MEANINGS, labels.FAILURE_TITLES, labels.FAILURE_MEANINGS,
        labels.MEANINGS, labels.KINDS, labels.STATUS_WORDS, labels.ASKED_WORDS, VERDICTS, CURVES,
    ):  # fmt: skip
        yield from some.values()
    for several in labels.EFFECT_MEANINGS.values():
        yield from several
    for group, sections in html_page.SECTIONS:
        yield from (group, *(name for _, name in sections))
    yield from (*OUTCOMES, *LABELS, *get_args(Verdict), *get_args(Agrees))
    yield from ("kind", "language", "tag", "document", "or", "regressed", "mended", "Too thin to tell {whether}")
    yield from ("rewrite", "retrieve", "judge", "prompt", "generate", "ground", "quote")
    yield from ("retrieval", "adapter", "perfect retrieval", "distraction", UNANSWERABLE, REFUSED, NO_EVIDENCE)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_of_a_report_has_its_words_in_every_language(language: str) -> None:
    known = data(language, "report")
    texts = dict.fromkeys(asked_for())
    assert [one for one in texts if one not in known] == []
    assert [one for one in known if one not in texts] == [], "no text that nothing asks for"
    assert [one for one in texts if places(one) != places(known[one])] == []


def test_a_report_is_drawn_in_a_language_and_stays_in_it(tmp_path: Path) -> None:
    rows = rows_of(12)
    results = results_with_effects(rows)
    write_run(tmp_path, results, rows, costs_of())
    # None: as after ratings.
    for asked, language in ((TRANSLATED[0], TRANSLATED[0]), (None, TRANSLATED[0]), (TRANSLATED[1], TRANSLATED[1])):
        page = BeautifulSoup(write_report(tmp_path, asked).read_text(encoding="utf-8"), "lxml")
        assert page.html is not None and page.html["lang"] == language
        decision, verdict = decision_of(results, words_in(language)), page.select_one(".verdict > p")
        assert verdict is not None and verdict.get_text() == f"{decision.use} {decision.what_for}".strip()
        ours = page.select("h2, h3, nav a, option, dt, dd, thead th, .tools label, p")
        known = data(language, "report")
        assert [one for one in map(Tag.get_text, ours) if known.get(one, one) != one] == [], "English"


def test_the_words_of_strangers_are_escaped_and_not_translated() -> None:
    hostile = "no <b>answer</b> {count} \u202e usable"
    (row,) = rows_of(1)
    row = replace(row, case=replace(row.case, question=hostile, must_include=((hostile, "so"),), tags=("usable",)))
    results = results_with_effects([row])
    page = "".join(page_of(results, [row], costs_of(), "", NO_OPINIONS, [row], None, "de"))
    assert page.count("no &lt;b&gt;answer&lt;/b&gt; {count} \\u202e usable") >= 3 and "\u202e" not in page


def test_the_gate_says_the_same_as_its_verdict() -> None:
    results = results_with_effects(rows_of(40))
    asked = gate_of(GateRules(), "house+rag", results.means["house+rag"], ("cases", "base"))
    assert verdict_of(asked, ENGLISH) == asked.verdict
    assert "gegenüber cases" in verdict_of(asked, words_in("de"))


def asked_of(
    value: float | None = 0.5, change: float | None = None, rules: str = "{}", lost: tuple[str, ...] = (), n: int = 60
) -> Gate:
    """A gate over one metric: its mean, and how it changed by ``change`` ± .05."""

    def mean(value: float | None) -> Mean:
        reasons = {UNANSWERABLE: n} if value is None else {}
        low, high = (None, None) if value is None else (value - 0.05, value + 0.05)
        return Mean(value, low, high, 0 if value is None else n, n, n // 10, reasons)

    changes = []
    if change is not None:
        found = Difference(mean(change), None, 0.08)
        changes.append(Effect("baseline", "", "usable", found, "", 0.02))
    asked = GateRules.model_validate({"metrics": {"usable": yaml.safe_load(rules)}})
    return gate_of(asked, "base+rag", {"usable": mean(value)}, ("cases", "base+rag"), changes, lost=lost)


@pytest.mark.parametrize(
    ("asked", "english", "german"),
    [
        (asked_of(rules="{floor: 0.6}"), "0.500, at least 0.600 is asked", "0.500, mindestens 0.600 ist verlangt"),
        (
            asked_of(change=-0.2),
            "-0.200 [-0.250, -0.150], worse than the margin of 0.020",
            "-0.200 [-0.250, -0.150], schlechter als der Spielraum von 0.020",
        ),
        (
            asked_of(change=0.1, rules="{floor: 0.4}"),
            "0.500, at least 0.400 is asked; +0.100 [+0.050, +0.150]: no fall",
            "0.500, mindestens 0.400 ist verlangt; +0.100 [+0.050, +0.150]: kein Rückgang",
        ),
        (
            asked_of(None, rules="{floor: 0.4}"),
            f"scored on 0 of 60 questions ({UNANSWERABLE}), {FEWEST_QUESTIONS} are needed",
            f"bei 0 von 60 Fragen bewertet ({words_in('de')(UNANSWERABLE)}), {FEWEST_QUESTIONS} sind nötig",
        ),
        (asked_of(n=40, rules="{floor: 0.4}"), "about 4 documents, 5 are needed", "über 4 Dokumente, 5 sind nötig"),
        (asked_of(), "nothing is asked of it", "dafür ist nichts verlangt"),
        (
            asked_of(lost=("a {b} <c>",)),
            "1 spans of gold that the baseline found have gone from the corpus; the first: a {b} <c>",
            "1 Goldstellen, die es in der Vergleichsbasis gab, sind nicht mehr in der Sammlung; die erste: a {b} <c>",
        ),
    ],
)
def test_why_a_light_is_as_it_is_is_said_in_the_language_of_the_reader(asked: Gate, english: str, german: str) -> None:
    light = asked.lights[0]
    assert (light.reason, reason_of(light, ENGLISH), reason_of(light, words_in("de"))) == (english, english, german)
    assert reason_of(light, words_in("fr")) not in (english, german)


def test_a_report_says_its_reasons_in_its_language() -> None:
    judged, rows = asked_of(change=-0.2), rows_of(12)
    results = replace(results_with_effects(rows), gate=judged)
    page = "".join(page_of(results, rows, costs_of(), "", NO_OPINIONS, [], None, "de"))
    assert "schlechter als der Spielraum" in page and "worse than the margin" not in page
    old = replace(judged, lights=tuple(replace(light, why=()) for light in judged.lights))
    page = "".join(page_of(replace(results, gate=old), rows, costs_of(), "", NO_OPINIONS, [], None, "de"))
    assert '<td class="long" lang="en">' in page and "worse than the margin" in page, "of a run of an earlier version"
