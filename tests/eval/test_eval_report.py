"""A report needs nothing but itself, says what the files say, and runs nothing that a stranger wrote."""

import base64
import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup
from hostile_run import PAYLOADS, write_hostile_run
from report_of import report_of, results_with_effects
from results_of import results_of, rows_of

from assistant.artifacts.evaluations import (
    COSTS_FILE,
    DECISION_FILE,
    REPORT_FILE,
    RESULTS_FILE,
    ROWS_FILE,
    Gate,
    Light,
    Mean,
)
from assistant.errors import UsageError
from eval.aggregation import slices_of
from eval.report import JUNIT_FILE, MARKDOWN_FILE, write_report
from eval.report.summaries import result_lines
from eval.results import CaseRow, RowAnswer, RowSentence


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> BeautifulSoup:
    """Of an ordinary run."""
    return BeautifulSoup(report_of(tmp_path_factory.mktemp("run"), rows_of(40)), "lxml")


def test_a_page_asks_for_nothing_from_elsewhere(page: BeautifulSoup) -> None:
    assert not page.find_all(["link", "img", "iframe", "object", "embed", "base"])
    links = [element[name] for name in ("src", "href", "action") for element in page.select(f"[{name}]")]
    assert links
    assert all(str(link).startswith("#") for link in links)
    style = "".join(element.get_text() for element in page.find_all("style"))
    assert "@import" not in style and "url(" not in style


def test_a_page_allows_no_script_but_its_own(page: BeautifulSoup) -> None:
    (script,) = page.find_all("script")
    policy = str(page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"])  # type: ignore[index]
    digest = base64.b64encode(hashlib.sha256(script.get_text().encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"script-src 'sha256-{digest}'" in policy


def test_every_link_within_a_page_leads_somewhere(page: BeautifulSoup) -> None:
    ids = {element["id"] for element in page.find_all(id=True)}
    for element in page.find_all(href=True):
        assert str(element["href"])[1:] in ids
    for element in page.select("[clip-path]"):
        assert str(element["clip-path"])[5:-1] in ids


def test_the_decision_comes_first_and_is_the_same_everywhere(tmp_path: Path) -> None:
    rows = rows_of(12)
    lights = (
        Light("correctness", "fail", "0.41, at least 0.50 is asked", 0.41, 0.5, 0.02),
        Light("recall@5", "thin", "scored on 9 of 12 questions, 30 are needed", 0.7, 0.6, 0.02),
        Light("crag", "warn", "a fall", 0.7, 0.6, 0.02),
    )
    gate = Gate("house+rag", "old", "house+rag", "fail", 3, "house+rag fails against old: correctness.", lights)
    results = replace(results_of(rows), gate=gate)
    page = report_of(tmp_path, rows, results)
    use = f"It may not replace what is in use. {gate.verdict}"
    assert BeautifulSoup(page, "lxml").select_one("header .verdict.bad > p").get_text().startswith(use)  # type: ignore[union-attr]
    assert (tmp_path / MARKDOWN_FILE).read_text(encoding="utf-8").startswith(f"## ✗ {use}\n")
    assert next(iter(result_lines(results))) == use
    suite = ElementTree.fromstring((tmp_path / JUNIT_FILE).read_bytes())
    assert suite.findtext("system-out") == gate.verdict
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["correctness"]
    assert [case.get("name") for case in suite if case.find("error") is not None] == ["recall@5"]


# Of one page all: a figure has room for the beginning of each, which are three.
@pytest.mark.usefixtures("figures")
@pytest.mark.parametrize("payload", [" ".join(PAYLOADS[first::3]) for first in range(3)])
def test_words_of_strangers_stay_words(tmp_path: Path, payload: str) -> None:
    write_hostile_run(tmp_path, payload)
    page = BeautifulSoup(write_report(tmp_path).read_text(encoding="utf-8"), "lxml")
    (script,) = page.find_all("script")
    assert "alert" not in script.get_text()
    assert not page.find_all(["img", "iframe", "base", "object", "x"])
    assert len(page.find_all("meta")) == 4
    assert not [name for element in page.find_all() for name in element.attrs if name.startswith("on")]
    assert all(str(element["href"]).startswith("#") for element in page.find_all(href=True))
    for selector in (
        "h1",
        ".verdict > p",
        ".asked",
        ".answer .text",
        ".passage .text",
        ".passage h4",
        ".reason",
        "th",
    ):
        assert payload in " ".join(element.get_text() for element in page.select(selector)), selector
    assert payload[:16] in " ".join(element.get_text() for element in page.select("svg text"))
    assert "49" not in page.select_one("h1").get_text()  # type: ignore[union-attr]
    assert payload in str(ElementTree.fromstring((tmp_path / JUNIT_FILE).read_bytes()).get("name"))
    _check_tables((tmp_path / MARKDOWN_FILE).read_text(encoding="utf-8"))


def _check_tables(summary: str) -> None:
    """Every line of a table has the cells of its head, and outside of code nobody is called and nothing is markup."""
    for table in re.findall(r"(?:^\|.*\n)+", summary, re.MULTILINE):
        lines = [re.sub(r"`[^`]*`", "", line).replace("\\|", "") for line in table.splitlines()]
        assert len({line.count("|") for line in lines}) == 1
    plain = re.sub(r"`[^`]*`", "", summary)
    assert not re.search(r"(?<!\\)<|(?<!\w)@\w|(?<!\\)\]\(", plain)


def test_what_does_not_print_is_shown_by_its_code(tmp_path: Path) -> None:
    write_hostile_run(tmp_path, "safe\u202egnp.exe\u0000\u200b")
    for file in (REPORT_FILE, MARKDOWN_FILE, JUNIT_FILE):
        write_report(tmp_path)
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert not {"\u202e", "\u0000"} & set(text)
        assert "\\u202e" in text


def test_a_long_answer_is_cut_and_says_so(tmp_path: Path) -> None:
    rows, words = rows_of(3), "word " * 20_000
    long = replace(rows[0].answers["base"], text=words, sentences=(RowSentence(words, True, ""),))
    rows[0] = replace(rows[0], answers={**rows[0].answers, "base": long})
    page = report_of(tmp_path, rows)
    assert "96,000 more characters in per_question.jsonl" in page
    assert len(page) < 400_000


def test_nothing_and_silence_are_shown_as_such(tmp_path: Path) -> None:
    rows = [replace(row, passages=(), answers=dict(_silent(row))) for row in rows_of(5)]
    results = results_with_effects(rows)
    nothing = Mean(None, None, None, 0, 5, 0, {"the documents hold no answer to the question": 5})
    means = {system: dict.fromkeys(metrics, nothing) for system, metrics in results.means.items()}
    page = report_of(tmp_path, rows, replace(results, means=means, effects=(), language_models=(), slices=()))
    text = BeautifulSoup(page, "lxml").get_text(" ")
    assert "(nothing was said)" in text
    assert "the documents hold no answer to the question" in text
    assert not re.search(r"\b(nan|None(?! of)|inf|Undefined)\b", text)


def _silent(row: CaseRow) -> Iterator[tuple[str, RowAnswer]]:
    for system, answer in row.answers.items():
        yield system, replace(answer, text="", said="", sentences=(), shown=(), found=())


@pytest.mark.usefixtures("figures")
@pytest.mark.parametrize("systems", [("base",), ("extractive", "oracle"), ("base", "base+rag", "house+rag", "noise")])
def test_any_systems_and_a_single_question_make_a_report(tmp_path: Path, systems: tuple[str, ...]) -> None:
    page = BeautifulSoup(report_of(tmp_path, rows_of(1, systems)), "lxml")
    assert len(page.select(".question")) == 1
    assert [head.get_text() for head in page.select(".heads span")][2:] == list(systems)


@pytest.mark.slow
def test_an_adapter_of_which_nothing_is_known_is_named(tmp_path: Path) -> None:
    rows = rows_of(12)
    results = results_with_effects(rows)
    unknown = replace(results, data=replace(results.data, held_out={}, leaks={}))
    page = report_of(tmp_path / "unknown", rows, unknown)
    assert page.count("Nobody knows any more what house has learnt from") == 1 and "No adapter was asked" not in page
    known = report_of(tmp_path / "known", rows, results)
    assert "Nobody knows any more" not in known and "house learnt nothing from the documents of 12" in known
    assert "No adapter was asked" in report_of(tmp_path / "none", rows_of(12, ("base", "base+rag")))


@pytest.mark.usefixtures("figures")
def test_equal_runs_have_equal_reports(tmp_path: Path) -> None:
    for name in ("one", "other"):
        report_of(tmp_path / name)
    for file in (REPORT_FILE, MARKDOWN_FILE, JUNIT_FILE):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_a_damaged_run_leaves_the_report_that_was_there(tmp_path: Path) -> None:
    before = report_of(tmp_path)
    with (tmp_path / ROWS_FILE).open("a", encoding="utf-8") as stream:
        stream.write("{}\n")
    with pytest.raises(UsageError, match=ROWS_FILE):
        write_report(tmp_path)
    assert (tmp_path / REPORT_FILE).read_text(encoding="utf-8") == before
    assert {file.name for file in tmp_path.iterdir()} == {
        REPORT_FILE, DECISION_FILE, MARKDOWN_FILE, JUNIT_FILE, RESULTS_FILE, ROWS_FILE, COSTS_FILE
    }  # fmt: skip


def test_a_summary_fits_a_comment(tmp_path: Path) -> None:
    report_of(tmp_path, rows_of(40, ("base", "base+rag", "house", "house+rag", "oracle", "noise", "extractive")))
    assert len((tmp_path / MARKDOWN_FILE).read_text(encoding="utf-8")) < 10_000


@pytest.mark.slow
@pytest.mark.usefixtures("figures")
def test_a_thousand_questions_of_four_systems_are_counted_and_drawn_in_20_seconds(tmp_path: Path) -> None:
    rows = rows_of(1000)
    started = time.process_time()
    results = replace(results_with_effects(rows), slices=tuple(slices_of(rows)))
    page = report_of(tmp_path, rows, results)
    assert time.process_time() - started < 20
    assert page.count('<details class="question"') == 1000
