"""How soon and how calmly the app answers a person: start-up, the page, the first words, a source on its page; and
how far what is seen jumps meanwhile.

    python -m bench.ui [--questions 40] [--sources 20]

A browser asks the running app with the real models, after one question that is not counted, different questions of
the sample that its documents answer. The sources that are opened stand on a PDF of 80 pages, each page for the first
time: neither the app nor the browser has it yet. Layout shift is the browser's own measure
(https://web.dev/articles/cls): the part of the window that moved, times how far. All of it is added up here, also what
follows a click or a key, which the browser would excuse.
"""

import io
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from playwright.sync_api import Browser, Page, sync_playwright

from bench.app import running
from eval.cases import read_cases

PDF_PAGES = 80
_RISKS = ("hail", "storm", "flood", "theft", "fire", "frost", "glass breakage", "collision", "vandalism", "lightning")
_THINGS = ("car", "bicycle", "garage", "roof", "boat", "caravan", "garden shed", "cellar")
_SAMPLE = Path("data/sample")
# Looking at every frame would have the browser draw all of them, on the processor that the model needs.
_LOOK_MS = 20
# True once the question stands on the page with its first words, with a refusal, or with the closest places.
_HAS_WORDS = """(question) => {
  const turn = document.querySelector("#chat-now .turn");
  const asked = turn?.querySelector(".question")?.textContent === question;
  return asked && turn.querySelector(".prose, .refusal, .nearest");
}"""
_ADDS_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shifted += one.value; })
  .observe({type: "layout-shift", buffered: true});
"""
_SETTLES_MS = 2000
"""Until a page counts as still."""
_WIDTHS = (1440, 1024, 390)
_FOLLOW_UPS = 5
_HAS_PAGE = """() => {
  const picture = document.querySelector("#source figure img");
  return picture?.complete && picture.naturalWidth > 0 && document.querySelector("#source .found");
}"""


@contextmanager
def browsing() -> Iterator[Browser]:
    """The system's Chromium, while the block runs."""
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    with (
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)) as browser,
    ):
        yield browser


def long_pdf() -> bytes:
    """80 pages of terms, each page about other things."""
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    chance, buffer = random.Random(0), io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for number, (risk, thing) in enumerate(_subjects(), 1):
        canvas.setFont("Helvetica-Bold", 13)
        canvas.drawString(72, 770, f"§ {number} {risk.capitalize()} and the {thing}")
        canvas.setFont("Helvetica", 10)
        for line in range(38):
            amount, days = chance.randint(50, 5000), chance.randint(2, 90)
            text = f"({line + 1}) The deductible for {risk} damage to the {thing} in class {line + 1} is {amount} euros"
            canvas.drawString(72, 745 - 17 * line, f"{text}, to be reported within {days} days.")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def first_words(page: Page, question: str) -> float:
    """Seconds from Enter to the first words of the answer; returns when the answer is complete."""
    box = page.locator("#chat-question textarea")
    box.fill(question)
    started = time.perf_counter()
    box.press("Enter")
    page.wait_for_function(_HAS_WORDS, arg=question, timeout=120_000, polling=_LOOK_MS)
    seconds = time.perf_counter() - started
    page.locator("#chat-now .turn:not(.is-coming) .actions").wait_for(timeout=120_000)
    return seconds


def shifted(page: Page) -> float:
    """How far what is seen has jumped since this was last asked."""
    value: float = page.evaluate("() => { const sum = window.shifted; window.shifted = 0; return sum; }")
    return value


def wait_for_marked_page(page: Page) -> None:
    """Wait until the page of a source stands beside the chat with its words marked."""
    page.wait_for_function(_HAS_PAGE, timeout=30_000, polling=_LOOK_MS)


def opened_pages(page: Page, most: int) -> Iterator[float]:
    """Seconds from the click on each passage of the last answer to its page with the words marked."""
    for number in range(most):
        page.locator("#chat-now [data-do=why]").click()
        passages = page.locator("#source .passage").filter(has_text="long.pdf")
        page.locator("#source .reasons").wait_for()
        if passages.count() <= number:
            return
        started = time.perf_counter()
        passages.nth(number).click()
        wait_for_marked_page(page)
        yield time.perf_counter() - started


def told(name: str, seconds: Sequence[float]) -> str:
    """One line: median, slowest tenth, and how many."""
    ordered = sorted(seconds)
    slow = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    return f"{name:44} p50 {statistics.median(ordered):5.2f} s   p90 {slow:5.2f} s   n {len(ordered)}"


def _subjects() -> list[tuple[str, str]]:
    return [(risk, thing) for risk in _RISKS for thing in _THINGS][:PDF_PAGES]


def sample_questions(count: int) -> list[str]:
    """Different questions of the sample that its documents answer, in any order."""
    cases = [case for case in read_cases(_SAMPLE / "cases.jsonl") if not case.unanswerable and not case.history]
    return [case.question for case in random.Random(0).sample(cases, count)]


def _about_pdf() -> list[str]:
    return [f"What is the deductible for {risk} damage to the {thing}?" for risk, thing in _subjects()]


def _ingested(folder: Path) -> Path:
    """A workspace with the sample's documents and the long PDF."""
    shutil.copytree(_SAMPLE / "docs", folder / "docs")
    (folder / "docs" / "long.pdf").write_bytes(long_pdf())
    workspace = folder / "workspace"
    command = [sys.executable, "-m", "assistant", "ingest", str(folder / "docs"), "--workspace", str(workspace)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return workspace


@click.command()
@click.option("--questions", default=40, show_default=True, help="How many of the sample's cases are asked.")
@click.option(
    "--sources", default=20, show_default=True, help="How many questions about the long PDF have theirs opened."
)
def main(questions: int, sources: int) -> None:
    """Measure the app with a browser; a few minutes."""
    first, *others = sample_questions(questions + 1)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(_ingested(Path(folder)), "ui.questions_per_minute=0") as app,
        browsing() as browser,
    ):
        visits = {width: _visited(browser, app.address, width) for width in _WIDTHS}
        page = visits[_WIDTHS[0]].page
        first_words(page, first)
        words, jumps = [], []
        for question in _each_in_a_new_chat(page, others):
            shifted(page)
            words.append(first_words(page, question))
            jumps.append(shifted(page))
        for number in range(_FOLLOW_UPS):
            first_words(page, f"And what else, number {number}?")
            jumps.append(shifted(page))
        opened: list[float] = []
        for question in _each_in_a_new_chat(page, random.Random(0).sample(_about_pdf(), sources)):
            first_words(page, question)
            opened.extend(opened_pages(page, 3))
    click.echo(f"{'start-up, models cached':44} {app.start_seconds:9.2f} s")
    for width in _WIDTHS:
        visit = visits[width]
        click.echo(f"{f'page can be used, {width} px':44} {visit.seconds:9.2f} s   layout shift {visit.shifted:.3f}")
    click.echo(told("first words after Enter", words))
    click.echo(f"{'layout shift of an answer, worst':44} {max(jumps):9.3f}     n {len(jumps)}")
    click.echo(told("click to the marked page, 80-page PDF", opened))


@dataclass(frozen=True, slots=True)
class _FirstVisit:
    page: Page
    seconds: float
    """Until a question can be typed."""
    shifted: float


def _visited(browser: Browser, address: str, width: int) -> _FirstVisit:
    page = browser.new_page(viewport={"width": width, "height": 900}, locale="en-GB")
    page.add_init_script(_ADDS_SHIFTS)
    began = time.perf_counter()
    page.goto(f"{address}/en/")
    page.locator(".suggestion").first.wait_for()
    seconds = time.perf_counter() - began
    page.wait_for_timeout(_SETTLES_MS)
    return _FirstVisit(page, seconds, shifted(page))


def _each_in_a_new_chat(page: Page, questions: Sequence[str]) -> Iterator[str]:
    """The questions, each to be asked without a history."""
    for question in questions:
        page.locator("#chat-new").click()
        page.locator(".welcome").wait_for()
        yield question


if __name__ == "__main__":
    main()
