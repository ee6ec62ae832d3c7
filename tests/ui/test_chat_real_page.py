"""The chat with the real embedder and the real small model on documents of the sample, in a real browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Visits, serving
from playwright.sync_api import Page, expect

from assistant.config import Settings
from assistant.service import open_service
from assistant.workspace import Workspace
from ingest.pipeline import ingest
from ui.app import create_app
from ui.context import make_context

pytestmark = pytest.mark.slow

SAMPLE = Path("data/sample/docs")
DOCUMENTS = ("policies/motor-policy.pdf", "faq/faq-motor.html", "circulars/2026-03-hail-season.eml")
PATIENCE = 60_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("real")
    for document in DOCUMENTS:
        (folder / "docs" / document).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLE / document, folder / "docs" / document)
    workspace = Workspace(folder / "workspace")
    engine = {"max_new_tokens": 48, "generate": "always"}
    settings = Settings.model_validate({"ingest": {"workers": 1}, "engine": engine})
    ingest(workspace, "sample", [folder / "docs"], settings)
    with (
        open_service(workspace, settings) as service,
        serving(create_app(make_context(workspace, settings, (), service))) as address,
    ):
        yield address


def ask(page: Page, question: str) -> None:
    box = page.get_by_role("textbox", name="Your question")
    box.fill(question)
    box.press("Enter")
    expect(page.locator("#chat-now .question")).to_have_text(question, timeout=PATIENCE)
    expect(page.locator("#chat-now .actions")).to_be_visible(timeout=PATIENCE)


def test_from_a_question_to_the_page_of_the_file_a_follow_up_and_a_refusal(address: str, visit: Visits) -> None:
    one = visit(address)
    page = one.open()
    ask(page, "What is the deductible of Partial Cover for hail damage?")
    assert page.locator("#chat-now .mark, #chat-now .nearest button").count()
    page.locator("#chat-now .mark, #chat-now .nearest button").first.click()
    expect(page.locator("#source .found").first).to_be_in_viewport()
    page.get_by_role("button", name="Why this answer?").click()
    page.locator("#source .passage").filter(has_text="motor-policy.pdf").first.click()
    picture = page.locator("#source figure img").first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1240
    expect(page.locator("#source figure .found").first).to_be_in_viewport()
    one.picture("source")
    ask(page, "And for theft?")
    expect(page.locator("#chat-now .rewritten q")).to_contain_text("Partial Cover")
    ask(page, "How many moons does the planet Jupiter have?")
    expect(page.locator("#chat-now .refusal")).to_contain_text("I can't find an answer")
    one.picture("refusal")
