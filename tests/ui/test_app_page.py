"""The whole page in a real browser: every tab, both languages, light and dark, wide and narrow, and no barrier."""

from collections.abc import Iterator

import pytest
from apps import app_context
from axe_playwright_python.sync_playwright import Axe
from browser import Visit, Visits, serving
from playwright.sync_api import Page, expect
from serving import ANSWER, QUESTION, LoadedEngine

from assistant.workspace import Workspace
from ui.app import PAGES, create_app
from ui.texts import text

pytestmark = pytest.mark.slow

SEVERE = ("serious", "critical")


@pytest.fixture(scope="module")
def address(served: Workspace) -> Iterator[str]:
    context = app_context(served, LoadedEngine(ANSWER), {"answer": {"caution": 0, "unsupported": "show"}})
    with serving(create_app(context)) as address:
        yield address


def barriers(page: Page) -> list[str]:
    """Serious and critical findings of axe, with the element and why."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found
        if one["impact"] in SEVERE
        for node in one["nodes"]
    ]


def open_tab(visit: Visit, name: str, language: str) -> Page:
    page = visit.page
    tab = page.get_by_role("tab", name=text(f"tabs.{name}", language), exact=True)  # type: ignore[arg-type]
    tab.click()
    expect(page.locator(f"#page-{name}")).to_be_visible()
    page.wait_for_timeout(400)
    return page


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("de", "dark")])
def test_no_tab_has_a_barrier(address: str, visit: Visits, language: str, scheme: str) -> None:
    one = visit(address, color_scheme=scheme)
    one.open(f"/{language}/")
    found = {page.name: barriers(open_tab(one, page.name, language)) for page in PAGES}
    assert {name: some for name, some in found.items() if some} == {}


def test_the_keyboard_alone_gets_from_question_to_source(address: str, visit: Visits) -> None:
    page = visit(address).open()
    expect(page.get_by_role("textbox", name="Your question")).to_be_focused()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    mark = page.locator("#chat-now .mark").first
    expect(mark).to_be_visible()
    expect(page.locator("#chat-now .actions")).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Shift+Tab")
        if mark.evaluate("one => one === document.activeElement"):
            break
    expect(page.locator(".hint")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#source h2")).to_be_focused()
    page.keyboard.press("Escape")
    expect(mark).to_be_focused()


def test_an_answer_with_its_source_has_no_barrier_and_keys_lead_over_it(address: str, visit: Visits) -> None:
    one = visit(address)
    page = one.open()
    box = page.get_by_role("textbox", name="Your question")
    box.fill(QUESTION)
    box.press("Enter")
    expect(page.locator("#chat-now .actions")).to_be_visible()
    mark = page.locator("#chat-now .mark").first
    mark.click()
    expect(page.locator("#source .found").first).to_be_visible()
    page.locator("#chat-now .teach summary").click()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    box.fill("a/b?")
    expect(box).to_have_value("a/b?")
    mark.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(mark).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    one.tab("Health").keyboard.press("/")
    expect(box).to_be_focused()
    expect(box).to_have_value("a/b?")


def test_messages_are_headed_in_the_language_of_the_page(address: str, visit: Visits) -> None:
    one = visit(address)
    one.open("/de/")
    page = open_tab(one, "evaluation", "de")
    page.get_by_role("button", name="Auswertung starten").click()
    expect(page.locator(".toast-title")).to_have_text("Fehler")
    page.get_by_role("button", name="Schließen", exact=True).click()
    expect(page.locator(".toast-title")).to_have_count(0)


def test_language_and_light_are_the_browser_s_and_what_is_chosen_is_remembered(address: str, visit: Visits) -> None:
    one = visit(address, locale="de-AT", color_scheme="light")
    page = one.open("/")
    expect(page.get_by_role("tab", name="Dokumente")).to_be_visible()
    page.get_by_role("button", name="Hell oder dunkel").click()
    expect(page.locator("body.dark")).to_have_count(1)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("tab", name="Documents")).to_be_visible()
    expect(page.locator(".welcome")).to_be_visible()
    expect(page.locator("body.dark")).to_have_count(1)
