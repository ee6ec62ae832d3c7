"""The page in a real browser: it sorts, filters and opens questions, fits a phone, and runs nothing of a stranger's."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import launched
from hostile_run import PAYLOADS, write_hostile_run
from playwright.sync_api import BrowserContext, Page, expect
from report_of import report_of, results_with_effects
from results_of import rows_of

from assistant.artifacts.evaluations import REPORT_FILE
from eval.gate import with_baseline
from eval.report import write_report

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("figures")]


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    """A browser of its own."""
    with launched() as browser:
        yield browser.new_context(viewport={"width": 390, "height": 844})


def _opened(context: BrowserContext, file: Path, part: str = "") -> Page:
    page = context.new_page()
    for event in ("pageerror", "dialog"):
        page.on(event, lambda found: pytest.fail(str(found)))
    page.on("console", lambda message: pytest.fail(message.text))
    page.goto(f"{file.as_uri()}{part}")
    return page


def test_a_page_filters_sorts_and_opens(context: BrowserContext, tmp_path: Path) -> None:
    report_of(tmp_path, rows_of(20))
    page = _opened(context, tmp_path / REPORT_FILE, "#q3-p1")
    assert page.locator("#q3").evaluate("one => one.open")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.fill("[name=words]", "claim 7?")
    assert page.locator(".question:visible").count() == 1
    assert page.inner_text("#question-count") == "1 of 20"
    page.click("[type=reset]")
    expect(page.locator(".question:visible")).to_have_count(20)
    page.select_option("[name=order]", "lowest 0")
    scores = [
        line.split()[0] for line in page.locator(".question").evaluate_all("all => all.map(e => e.dataset.scores)")
    ]
    values = [float(score) for score in scores if score != "-"]
    assert values == sorted(values) and set(scores[len(values) :]) == {"-"}
    page.select_option("[name=comparison]", "won 0")
    shown = page.locator(".question:visible > summary")
    assert 0 < shown.count() < 20
    assert all("✓" not in one.split("base+rag")[0] for one in shown.all_inner_texts())


_CUT = """() => [...document.querySelectorAll("main table, main svg")].filter(one => {
    const box = one.getBoundingClientRect(), around = one.closest(".scroll");
    const sees = around && around.tabIndex === 0 && around.role === "region" && around.ariaLabel
        && getComputedStyle(around).backgroundImage !== "none" && around.getBoundingClientRect().right <= innerWidth;
    return box.width && box.right > innerWidth && !sees;
}).map(one => one.textContent.slice(0, 80))"""
_CROSSED = """() => {
    const figure = document.querySelector("[aria-label^='Effects with']").getBoundingClientRect();
    const boxes = name => [...document.querySelectorAll(`[aria-label^='Effects with'] ${name}`)].map(
        one => one.getBoundingClientRect());
    const zero = boxes("path").filter(box => box.width < 3 && box.height > figure.height / 2);
    return [zero.length, boxes("text").filter(box => zero.some(
        line => box.left < line.right && box.right > line.left && box.top < line.bottom - 2)).length];
}"""


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_what_is_wider_than_the_page_can_be_scrolled_by_keys_and_shows_that_it_goes_on(
    context: BrowserContext, tmp_path: Path, width: int
) -> None:
    report_of(tmp_path, rows_of(30))
    page = _opened(context, tmp_path / REPORT_FILE)
    page.set_viewport_size({"width": width, "height": 844})
    page.evaluate("document.querySelectorAll('details.more').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(_CUT) == []
    wider = page.locator(".scroll").evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth).length")
    assert (wider > 0) == (width == 390)
    assert page.evaluate(_CROSSED) == [1, 0]


def test_paper_holds_every_table_and_no_row_is_cut_in_two(context: BrowserContext, tmp_path: Path) -> None:
    report_of(tmp_path, rows_of(30))
    page = _opened(context, tmp_path / REPORT_FILE)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 1000})  # A4 without its margins
    right = page.locator("main table, main svg").evaluate_all("all => all.map(e => e.getBoundingClientRect().right)")
    assert max(right) <= 680
    for kind, rule in (("breakInside", "tr, table, svg, .whole"), ("breakAfter", "h2, h3, p:has(+ .scroll)")):
        found = page.locator(rule).evaluate_all(f"all => all.map(e => getComputedStyle(e).{kind})")
        assert set(found) == {"avoid"}


def test_a_page_runs_nothing_of_a_strangers(context: BrowserContext, tmp_path: Path) -> None:
    write_hostile_run(tmp_path, " ".join(PAYLOADS))
    page = _opened(context, write_report(tmp_path))
    page.locator(".question > summary").first.click()
    assert "<script>alert(1)</script>" in page.inner_text("h1"), "shown as it is written"


def test_questions_that_regressed_can_be_filtered(context: BrowserContext, tmp_path: Path) -> None:
    report_of(tmp_path / "then", rows_of(30, seed=1))
    rows = with_baseline(rows_of(30, seed=2), tmp_path / "then", "house+rag")
    results = results_with_effects(rows)
    report_of(tmp_path, rows, replace(results, gate=replace(results.gate, baseline="then")))
    page = _opened(context, tmp_path / REPORT_FILE)
    page.select_option("[name=comparison]", "regressed")
    shown = page.locator(".question:visible")
    assert 0 < shown.count() < 30
    assert all("regressed" in one for one in shown.all_inner_texts())
    assert page.locator(".question:visible > summary .outcome:last-child.good").count() == 0
