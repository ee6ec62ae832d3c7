"""A report speaks the language of whoever asks for it; what strangers wrote stays as it is."""

import ast
import string
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from bs4 import BeautifulSoup, Tag
from jinja2 import Environment, nodes
from report_of import results_with_effects
from results_of import costs_of, rows_of

import eval.report
from assistant.artifacts.evaluations import LABELS, Verdict
from assistant.text.languages import LANGUAGES, data
from eval.gate import VERDICTS, GateRules, gate_of
from eval.human_agreement import NO_OPINIONS, Agrees
from eval.metrics import METRICS, NO_EVIDENCE, REFUSED, UNANSWERABLE
from eval.metrics.usable import OUTCOMES
from eval.report import html_page, labels, write_report
from eval.report.decision import decision_of
from eval.report.figures import CURVES
from eval.report.html_page import page_of
from eval.report.labels import words_in
from eval.results import write_run

FOLDER = Path(eval.report.__file__).parent
TRANSLATED = [language for language in LANGUAGES if language != "en"]


def asked_for() -> Iterator[str]:
    """Every text of ours that a report may have."""
    for file in FOLDER.glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "words":
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
    yield from ("rewrite", "retrieve", "judge", "prompt", "generate", "quote")
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


def test_a_report_is_drawn_in_a_language_and_stays_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_page, "figures_of", lambda *_: {})  # their words are looked at above
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


def test_the_words_of_strangers_are_escaped_and_not_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_page, "figures_of", lambda *_: {})
    hostile = "no <b>answer</b> {count} \u202e usable"
    (row,) = rows_of(1)
    row = replace(row, case=replace(row.case, question=hostile, must_include=((hostile, "so"),), tags=("usable",)))
    results = results_with_effects([row])
    page = "".join(page_of(results, [row], costs_of(), "", NO_OPINIONS, [row], None, "de"))
    assert page.count("no &lt;b&gt;answer&lt;/b&gt; {count} \\u202e usable") >= 3 and "\u202e" not in page


def test_the_gate_says_the_same_as_its_verdict() -> None:
    results = results_with_effects(rows_of(40))
    asked = gate_of(GateRules(), "house+rag", results.means["house+rag"], ("cases", "base"))
    assert labels.verdict_of(asked, words_in("en")) == asked.verdict
    assert "gegenüber cases" in labels.verdict_of(asked, words_in("de"))
