"""The app as it is seen: 24 pictures over widths, light and dark, English and German, held against those of before.

    python -m pytest tests/ui/test_pictures.py --update-pictures      keeps what is seen now; look at each picture

Nobody can read a page out of its HTML: that a tab lies under a button, or a word ends in the middle, is seen.
"""

import io
import os
import sqlite3
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apps import app_context
from browser import PATIENCE, serving
from cards import trained
from fakes import FakeEmbedder
from pictures import difference, keep, one_font_browser, picture_of
from PIL import Image, ImageChops, ImageFilter
from playwright.sync_api import Error, Page, expect
from report_of import report_of
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from results_of import rows_of
from serving import LoadedEngine
from signing import PASSWORD, make_people

from assistant.artifacts.pairs import Pair, PairsHeader, write_pairs
from assistant.config import Settings
from assistant.feedback.database import Assessment, Versions
from assistant.service import Query, ServedModel
from assistant.text.languages import Language
from assistant.types import Answer, Message, Passage
from assistant.workspace import Workspace
from eval.report import write_report
from ingest.pipeline import ingest
from ui.app import create_app
from ui.context import AppContext

pytestmark = pytest.mark.slow

KEPT = Path(__file__).parent / "pictures"
BROWSER = KEPT / "browser.txt"
"""Which one the pictures were taken with: another one may give a button another height, which moves all below it."""
# What is shown, width, light or dark, language.
NAMES = """
signin-1440-light-en     signin-390-dark-de
welcome-1024-light-en    welcome-390-light-de
answer-1440-dark-en      answer-1024-light-de      answer-390-light-en
source-1440-light-en     source-1024-dark-de       source-390-light-de
refusal-390-dark-en
documents-1440-light-de  documents-390-light-en
train-1440-dark-de       train-1024-light-en       train-390-light-de
evaluate-1440-light-en   evaluate-1024-dark-de     evaluate-390-dark-de
rate-1024-light-en
teaching-1440-light-de   teaching-1024-dark-en
report-1440-light-en     report-390-dark-de
""".split()
HEIGHTS = {1440: 900, 1024: 768, 390: 844}
CHANGING = ".conversations time, .preview .meta + .meta { visibility: hidden; }"
"""Times of today, and where a test keeps its files."""
TERMS = (
    "Motor insurance: terms and conditions", "", "§ 4 Hail and storm",
    "Hail damage to the car is covered by partial cover.", "The deductible for hail damage is 150 euros.",
    "It is halved if the hail station repairs the car.", "", "§ 5 Glass",
    "A cracked windscreen is replaced without a deductible.",
)  # fmt: skip
FAQ = """# Questions about the car

## Is hail damage to my car covered?

Yes, by partial cover.

## Who pays for a hire car abroad?

We pay it for seven days, up to 80 euros a day.
"""
HAUSRAT = """# Hausratversicherung

## Wie hoch ist die Selbstbeteiligung bei einem Wasserschaden?

Die Selbstbeteiligung bei einem Wasserschaden beträgt 250 Euro.

## Sind Fahrräder auch nachts versichert?

Ein Fahrrad ist auch nachts gegen Diebstahl versichert, wenn es angeschlossen war.
"""
QUESTIONS = {
    "en": "What is the deductible for hail damage to the car?",
    "de": "Wie hoch ist die Selbstbeteiligung bei einem Wasserschaden?",
}
ANSWERS = {
    QUESTIONS[
        "en"
    ]: "The deductible for hail damage is **150 euros** [1].\n\n- It is halved if the hail station repairs"
    " the car [1].\n- Elephants pay nothing at all in spring.",
    QUESTIONS["de"]: "Die Selbstbeteiligung bei einem Wasserschaden beträgt 250 Euro [1].",
}
REPORTS: dict[int, Language] = {20: "de", 21: "en"}
"""The language of each, by its day."""
CORRECTIONS = {"en": "It is 150 euros, and half of it at a hail station.", "de": "Sie zahlen 250 Euro selbst."}


class WellReadEngine(LoadedEngine):
    """Says what was written for a question, and refuses all others."""

    def stream(self, messages: Sequence[Message], *rest: Any, **named: Any) -> Generator[str, None, bool]:
        question = messages[-1].content.strip().splitlines()[-1]
        self.answer = ANSWERS.get(question, Settings().answer.refusal["en"])
        return super().stream(messages, *rest, **named)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> AppContext:
    """The app of an insurer: documents, pairs, an adapter, two reports, two corrections, and an admin."""
    folder = tmp_path_factory.mktemp("pictures")
    workspace, docs = Workspace(folder / "workspace"), folder / "docs"
    (docs / "policies").mkdir(parents=True)
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=True)
    for number, line in enumerate(TERMS):
        canvas.drawString(72, 760 - 18 * number, line)
    canvas.save()
    (docs / "policies" / "motor-terms.pdf").write_bytes(buffer.getvalue())
    (docs / "faq-motor.md").write_text(FAQ, encoding="utf-8")
    (docs / "hausrat.md").write_text(HAUSRAT, encoding="utf-8")
    settings = Settings.model_validate({"ingest": {"workers": 1}})
    ingest(workspace, "insurance", [docs], settings, embedder=FakeEmbedder())
    passage = Passage("policies/motor-terms.pdf", 0, 44, "Hail and storm", TERMS[4])
    pair = Pair("1", QUESTIONS["en"], "It is 150 euros. [1]", "structure", passages=(passage,), golden=1)
    header = PairsHeader("insurance", 1, "", 0, {}, {"structure": 3}, {}, {}, "1")
    write_pairs(workspace.pairs_file("insurance"), [replace(pair, id=str(number)) for number in range(3)], header)
    trained(workspace, "house", "insurance", corpus="insurance")
    for day, drawn_in in REPORTS.items():
        report = workspace.root / "reports" / f"2026-11-{day}-cases"
        report_of(report, rows_of(40, gain=0.15 if day == 21 else 0))
        write_report(report, drawn_in)
        os.utime(report / "results.json", (day, day))
    make_people(workspace.root, adam="admin")
    context = app_context(workspace, WellReadEngine(""), {"answer": {"caution": 0, "unsupported": "show"}})
    for language, question in QUESTIONS.items():
        *_, answer = context.service.stream(Query(ServedModel("insurance"), question))
        assert isinstance(answer, Answer)
        judgement = Assessment("partly", ("incomplete",), "", CORRECTIONS[language], (1,))
        context.feedback.add("ana", "insurance", answer, Versions("bundled", None, 1), judgement, {})
    with sqlite3.connect(workspace.root / "feedback.sqlite") as database:
        made = datetime(2026, 11, 20, 10).astimezone(UTC)  # ten o'clock here
        database.execute("UPDATE feedback SET made = ?", (made.isoformat(),))
    database.close()
    return context


def signin(page: Page, address: str, language: str) -> None:
    page.goto(f"{address}/{language}/")


def welcome(page: Page, _: str, __: str) -> None:
    page.locator("#name").fill("adam")
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    expect(page.locator(".suggestion").first).to_be_visible()


def answer(page: Page, _: str, language: str) -> None:
    ask(page, QUESTIONS[language])


def source(page: Page, _: str, __: str) -> None:
    page.locator("#chat-now .mark").first.click()
    expect(page.locator("#source .found").first).to_be_visible()


def refusal(page: Page, _: str, __: str) -> None:
    page.keyboard.press("Escape")
    page.locator("#chat-new").click()
    expect(page.locator(".welcome")).to_be_visible()
    ask(page, "How many moons does Jupiter have?")


def documents(page: Page, _: str, __: str) -> None:
    opened(page, "documents")
    page.locator("#documents-list button").first.click()
    expect(page.locator(".preview")).to_be_visible()


def train(page: Page, _: str, __: str) -> None:
    opened(page, "training")
    expect(page.locator("#adapters-list button")).to_be_visible()
    expect(page.get_by_text("It is 150 euros.")).to_be_visible()


def evaluate(page: Page, _: str, __: str) -> None:
    opened(page, "evaluation")
    expect(page.locator(".decision")).to_be_visible()


def rate(page: Page, _: str, __: str) -> None:
    opened(page, "rating")
    expect(page.locator("#rating form")).to_be_visible()


def teaching(page: Page, _: str, __: str) -> None:
    opened(page, "teaching")
    page.locator("#teaching-list button").first.click()
    expect(page.locator(".said")).to_be_visible()


def settings(page: Page, _: str, __: str) -> None:
    opened(page, "settings")


def health(page: Page, _: str, __: str) -> None:
    opened(page, "health")


def report(page: Page, address: str, language: str) -> None:
    (day,) = (day for day, drawn_in in REPORTS.items() if drawn_in == language)
    page.goto(f"{address}/reports/2026-11-{day}-cases")


# Each goes on from the one before.
STATES: Sequence[Callable[[Page, str, str], None]] = (
    signin, welcome, answer, source, refusal, documents, train, evaluate, rate, teaching, settings, health, report,
)  # fmt: skip


def ask(page: Page, question: str) -> None:
    box = page.locator("#chat-question textarea")
    box.fill(question)
    box.press("Enter")
    expect(page.locator("#chat-now .question")).to_have_text(question)
    expect(page.locator("#chat-now .actions")).to_be_visible()


def opened(page: Page, name: str) -> None:
    page.evaluate("name => { location.hash = name; }", name)
    expect(page.locator(f"#page-{name}")).to_be_visible()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a walk through the app has shown."""

    browser: str
    pictures: dict[str, Image.Image]
    hanging: list[str]
    """Where something hangs over the edge of the window, or a tab lies under what stands beside the tabs."""
    jumps: dict[str, float]
    """How far what is seen jumped by itself, as the browser measures it."""


_MEASURES_JUMPS = """
  window.jumps = 0;
  const add = (list) => list.getEntries().forEach((one) => { if (!one.hadRecentInput) window.jumps += one.value; });
  new PerformanceObserver(add).observe({type: "layout-shift", buffered: true});
"""
_FITS = """() => {
  const tools = document.querySelector("#header .tools")?.getBoundingClientRect();
  const rows = "#pages > .tab-wrapper :is(.tab-container:not(.visually-hidden), .overflow-menu)";
  const tabs = document.querySelectorAll(`${rows} > button`);
  const under = [...tabs].map((one) => one.getBoundingClientRect()).some(
    (tab) => tab.width && tab.right > tools.left && tab.top < tools.bottom && tab.bottom > tools.top);
  return document.documentElement.scrollWidth <= innerWidth && !under;
}"""


@pytest.fixture(scope="module")
def seen(context: AppContext, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """All states in both languages and all widths."""
    with serving(create_app(context)) as address, one_font_browser(tmp_path_factory.mktemp("fonts")) as browser:
        seen = Seen(f"Chromium {browser.version.split('.')[0]}", {}, [], {})
        for language in QUESTIONS:
            page = browser.new_page(locale=language, reduced_motion="reduce")
            page.set_default_timeout(PATIENCE)
            page.add_init_script(_MEASURES_JUMPS)
            for state in STATES:
                page.set_viewport_size({"width": 1440, "height": 900})
                page.evaluate("window.jumps = 0")
                state(page, address, language)
                if state in (welcome, answer):
                    seen.jumps[f"{state.__name__}-{language}"] = page.evaluate("window.jumps")
                page.mouse.move(0, 0)
                for width, height in HEIGHTS.items():
                    page.set_viewport_size({"width": width, "height": height})
                    for scheme in ("light", "dark"):
                        name = f"{state.__name__}-{width}-{scheme}-{language}"
                        if name in NAMES:
                            page.emulate_media(color_scheme=scheme)
                            seen.pictures[name] = picture_of(page, CHANGING)
                    try:
                        page.wait_for_function(_FITS, timeout=15_000)
                    except Error:
                        seen.hanging.append(f"{state.__name__}-{width}-{language}")
            page.context.close()
    return seen


@pytest.mark.parametrize("name", NAMES)
def test_a_page_looks_as_it_did(seen: Seen, name: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    picture, kept = seen.pictures[name], KEPT / f"{name}.png"
    if pytestconfig.getoption("update_pictures"):
        BROWSER.write_text(seen.browser, encoding="utf-8")
        if difference(picture, kept, tmp_path):
            keep(picture, kept)
    elif seen.browser == (of := BROWSER.read_text(encoding="utf-8")):
        assert difference(picture, kept, tmp_path) == ""
    else:
        pytest.skip(f"The pictures were taken with {of}, this is {seen.browser}: look at them, then --update-pictures.")


def test_nothing_hangs_over_the_edge_and_no_tab_lies_under_another_button(seen: Seen) -> None:
    assert seen.hanging == []


def test_nothing_jumps_while_the_app_opens_and_an_answer_comes(seen: Seen) -> None:
    assert len(seen.jumps) == 4 and {name: jump for name, jump in seen.jumps.items() if jump > 0.02} == {}


ACCENT = (15, 118, 110)
LINE = (25, 425, 240, 465)
"""Where "Answered by bundled" stands in the picture that is changed."""


def moved(picture: Image.Image) -> Image.Image:
    return ImageChops.offset(picture, 0, 8)


def of_another_colour(picture: Image.Image) -> Image.Image:
    points = np.array(picture)
    points[(np.abs(points.astype(int) - ACCENT) < 4).all(axis=2)] = (29, 78, 216)
    return Image.fromarray(points)


def without_a_line(picture: Image.Image) -> Image.Image:
    copy = picture.copy()
    copy.paste(picture.getpixel((5, 500)), LINE)  # type: ignore[arg-type]
    return copy


def narrower(picture: Image.Image) -> Image.Image:
    return picture.crop((0, 0, picture.width - 1, picture.height))


@pytest.mark.parametrize("change", [moved, of_another_colour, without_a_line, narrower])
def test_what_a_person_sees_is_a_difference(change: Callable[[Image.Image], Image.Image], tmp_path: Path) -> None:
    kept = KEPT / "answer-390-light-en.png"
    with Image.open(kept) as picture:
        found = difference(change(picture.convert("RGB")), kept, tmp_path)
    assert str(kept) in found and "--update-pictures" in found
    assert sorted(file.name for file in tmp_path.iterdir()) == ["answer-390-light-en-differs.png", kept.name]


def drawn_a_third_of_a_point_aside(picture: Image.Image) -> Image.Image:
    return picture.transform(
        picture.size, Image.Transform.AFFINE, (1, 0, 1 / 3, 0, 1, 1 / 3), Image.Resampling.BILINEAR
    )


def with_softer_letters(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def in_nearby_colours(picture: Image.Image) -> Image.Image:
    return picture.point(lambda value: max(0, value - 4))


@pytest.mark.parametrize("change", [drawn_a_third_of_a_point_aside, with_softer_letters, in_nearby_colours])
def test_what_another_version_draws_otherwise_is_none(
    change: Callable[[Image.Image], Image.Image], tmp_path: Path
) -> None:
    kept = KEPT / "answer-390-light-en.png"
    with Image.open(kept) as picture:
        assert difference(change(picture.convert("RGB")), kept, tmp_path) == ""
