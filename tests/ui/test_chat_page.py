"""The chat in a real browser: asked, cited, followed up, refused, compared, kept, and nothing from elsewhere."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from apps import app_context
from browser import Visit, Visits, serving
from fakes import FakeEmbedder
from playwright.sync_api import Page, expect
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from serving import LoadedEngine, SlowEngine

from assistant.config import Settings
from assistant.feedback.database import FeedbackStore
from assistant.workspace import Workspace
from ingest.pipeline import ingest
from ui.app import create_app
from ui.conversations import Conversations

pytestmark = pytest.mark.slow

FAQ = "# Questions\n\n## Is hail damage to my car covered?\n\nYes, hail damage to the car is covered.\n"
TERMS = ["Terms of the motor policy", "", "Hail damage to the car is covered.", "The deductible for hail is 150 euros."]
QUESTION = "What is the deductible for hail damage to the car?"
ANSWER = "The deductible for hail is 150 euros [1]. Elephants pay nothing at all in spring."


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("chat")
    docs = folder / "docs"
    docs.mkdir()
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for number, line in enumerate(TERMS):
        canvas.drawString(72, 760 - 18 * number, line)
    canvas.save()
    (docs / "terms.pdf").write_bytes(buffer.getvalue())
    (docs / "faq.md").write_text(FAQ, encoding="utf-8")
    workspace = Workspace(folder / "workspace")
    ingest(workspace, "cars", [docs], Settings.model_validate({"ingest": {"workers": 1}}), embedder=FakeEmbedder())
    (workspace.adapters / "house").mkdir(parents=True)
    return workspace


@pytest.fixture(scope="module")
def address(workspace: Workspace) -> Iterator[str]:
    context = app_context(workspace, LoadedEngine(ANSWER), {"answer": {"caution": 0, "unsupported": "show"}})
    with serving(create_app(context)) as address:
        yield address


def ask(page: Page, question: str) -> None:
    box = page.get_by_role("textbox", name="Your question")
    box.fill(question)
    box.press("Enter")
    expect(page.locator("#chat-now .question")).to_have_text(question)
    expect(page.locator("#chat-now .actions, #chat-now .failure")).to_be_visible()


def new_conversation(page: Page) -> None:
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".welcome")).to_be_visible()


@pytest.fixture
def chat(address: str, visit: Visits) -> Visit:
    one = visit(address)
    expect(one.open().locator(".welcome")).to_be_visible()
    return one


def test_a_mark_opens_the_page_with_the_words_marked_and_why_tells_the_steps(chat: Visit) -> None:
    page = chat.page
    ask(page, QUESTION)
    answer = page.locator("#chat-now .prose")
    expect(answer.locator(".unsupported")).to_have_text("Elephants pay nothing at all in spring.")
    expect(answer.locator(".tag")).to_have_text("not in the documents")
    mark = answer.get_by_role("button", name=re.compile("^Source 1: terms.pdf, p. 1"))
    mark.hover()
    expect(page.locator(".hint")).to_contain_text("The deductible for hail is 150 euros.")
    mark.click()
    picture = page.locator("#source figure img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1240
    found = page.locator("#source figure .found")
    expect(found).to_have_count(1)
    expect(found).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator("#source .source")).to_have_count(0)
    expect(mark).to_be_focused()
    page.get_by_role("button", name="Why this answer?").click()
    panel = page.locator("#source")
    expect(panel).to_contain_text("What was searched for")
    expect(panel).to_contain_text("What was found")
    panel.get_by_role("button", name=re.compile("terms.pdf")).first.click()
    expect(panel.locator("figure img")).to_be_visible()


def test_model_and_adapter_are_chosen_above_the_chat_and_named_below_the_answer(chat: Visit) -> None:
    page = chat.page
    expect(page.locator("#chat-model input")).to_have_value(re.compile(r"^bundled · 0\.3 GiB of memory"))
    ask(page, QUESTION)
    expect(page.locator("#chat-now").get_by_text("Answered by bundled", exact=True)).to_be_visible()
    page.locator("#chat-adapter input").click()
    page.get_by_role("option", name="house").click()
    ask(page, QUESTION)
    expect(page.locator("#chat-now").get_by_text("Answered by bundled · house")).to_be_visible()


def test_a_page_that_cannot_be_drawn_says_so_in_its_place(chat: Visit) -> None:
    page = chat.page
    page.route("**/pages/*", lambda route: route.fulfill(status=404, body="Page 1 of terms.pdf is not drawn."))
    ask(page, QUESTION)
    page.locator("#chat-now .prose .mark").first.click()
    expect(page.locator("#source .note")).to_contain_text("drawing it takes too long or too much memory")
    expect(page.locator("#source figure")).to_have_count(0)
    expect(page.locator("#source .quoted")).to_contain_text("The deductible for hail is 150 euros.")
    chat.errors.clear()  # the browser tells of the 404


def test_a_conversation_is_kept_searched_renamed_and_deleted(chat: Visit) -> None:
    page = chat.page
    ask(page, "What does hail cost me, once more?")
    new_conversation(page)
    listed = page.locator(".conversations li").filter(has_text="once more")
    listed.locator(".title").click()
    expect(page.locator("#chat-now .question")).to_have_text("What does hail cost me, once more?")
    page.get_by_role("textbox", name="Search conversations").fill("no such words")
    expect(page.locator("#chat-list")).to_contain_text("Nothing found.")
    ask(page, QUESTION)
    expect(page.locator("#chat-list [data-current]")).to_have_attribute("data-searched", "no such words")
    expect(page.locator("#chat-list")).to_contain_text("Nothing found.")
    page.get_by_role("textbox", name="Search conversations").fill("once")
    expect(listed).to_have_count(1)
    listed.locator("summary").click()
    listed.get_by_role("button", name="Rename").click()
    page.get_by_role("textbox", name="Rename").fill("My <b>hail</b> claim")
    page.keyboard.press("Enter")
    renamed = page.locator(".conversations li").filter(has_text="My <b>hail</b> claim")
    expect(renamed).to_have_count(1)
    renamed.locator("summary").click()
    renamed.get_by_role("button", name="Move to a folder").click()
    page.get_by_role("combobox", name="Move to a folder").fill("Claims & co")
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Claims & co")).to_contain_text("My <b>hail</b> claim")
    folder = page.locator(".folder", has_text="Claims & co")
    folder.locator("summary").click()
    folder.get_by_role("button", name="Remove the folder").click()
    expect(folder).to_have_count(0)
    with page.expect_download() as download:
        renamed.locator("summary").click()
        renamed.get_by_role("link", name="Save as PDF").click()
    assert download.value.suggested_filename == "My b hail b claim.pdf"
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
    renamed.locator("summary").click()
    delete = renamed.locator(".danger")
    delete.click()
    expect(delete).to_have_text("Delete it for good?")
    delete.click()
    expect(renamed).to_have_count(0)
    expect(page.locator(".welcome")).to_be_visible()


def test_an_earlier_question_can_be_changed_and_what_followed_stays_behind_its_arrows(chat: Visit) -> None:
    page = chat.page
    ask(page, QUESTION)
    ask(page, "And for water?")
    expect(page.locator("#chat-past .turn")).to_have_count(1)
    page.locator("#chat-past").get_by_role("button", name="Edit question").click()
    box = page.get_by_role("textbox", name="Your question")
    expect(box).to_have_value(QUESTION)
    expect(page.locator("#chat-editing")).to_contain_text("behind the arrows")
    ask(page, "What does hail cost?")
    turns, versions = page.locator("#chat-log .turn"), page.locator("#chat-log .versions span")
    expect(turns).to_have_count(1)
    expect(versions).to_have_text("2 / 2")
    page.get_by_role("button", name="The version before").press("Enter")
    expect(page.locator("#chat-now .question")).to_have_text("And for water?")
    expect(versions).to_have_text("1 / 2")
    after = page.get_by_role("button", name="The next version")
    expect(after).to_be_focused()
    page.reload()
    expect(versions).to_have_text("1 / 2")
    expect(turns).to_have_count(2)
    after.click()
    expect(turns).to_have_count(1)
    page.get_by_role("button", name="Try again").click()
    expect(versions).to_have_text("3 / 3")


def test_two_models_are_compared_blind_and_the_vote_is_kept(chat: Visit) -> None:
    page = chat.page
    page.get_by_label("Compare two models").check()
    page.get_by_label("Hide their names until I have chosen").check()
    ask(page, QUESTION)
    replies = page.locator("#chat-now .reply")
    expect(replies).to_have_count(2)
    expect(page.locator("#chat-now .who").first).to_have_text("Answer A")
    expect(page.locator("#chat-now")).not_to_contain_text("house")
    page.get_by_role("button", name="Answer B").click()
    expect(page.locator("#chat-now")).to_contain_text("cars · house")
    expect(page.locator("#chat-now .who").nth(1)).to_contain_text("chosen")
    page.reload()
    expect(page.locator("#chat-now .who").nth(1)).to_contain_text("chosen")


def test_a_suggested_question_is_asked_by_a_click(chat: Visit) -> None:
    chat.page.get_by_role("button", name="Is hail damage to my car covered?").click()
    expect(chat.page.locator("#chat-now .question")).to_have_text("Is hail damage to my car covered?")
    expect(chat.page.locator("#chat-now .actions")).to_be_visible()


def test_an_accepted_correction_is_given_when_the_same_is_asked(chat: Visit, workspace: Workspace) -> None:
    page, question = chat.page, "How high is the deductible after hail?"
    ask(page, question)
    page.locator("#chat-now .teach").get_by_text("Not quite").click()
    form = page.locator("#chat-now .teach-form")
    form.get_by_label("wrong", exact=True).check()
    form.get_by_label(re.compile("How it should read")).fill("You pay 150 euros for hail.")
    form.get_by_role("button", name="Send correction").click()
    expect(page.locator("#chat-now .teach [role=status]")).to_be_visible()
    kept = FeedbackStore(workspace)
    (correction,) = [one for one in kept.listed() if one.question == question]
    kept.accept(correction.id, "eve")
    ask(page, question.upper())
    expect(page.locator("#chat-now .reply")).to_contain_text("You pay 150 euros for hail.")
    expect(page.locator("#chat-now .note")).to_contain_text("Checked by eve")
    ask(page, "So how high is the deductible after hail?")
    offered = page.locator("#chat-now").get_by_role("button", name=question)
    offered.click()
    expect(page.locator("#chat-now .note")).to_contain_text("Checked by eve")


def test_an_answer_is_copied_where_the_browser_has_no_clipboard(chat: Visit) -> None:
    page = chat.page
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    ask(page, QUESTION)
    page.get_by_role("button", name="Copy with sources").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    box = page.get_by_role("textbox", name="Your question")
    box.focus()
    page.keyboard.press("Control+V")
    expect(box).to_have_value(re.compile(r"150 euros\. \[1\]"))


def test_another_conversation_is_not_mixed_with_an_answer_that_comes_in(workspace: Workspace, visit: Visits) -> None:
    engine = SlowEngine("The deductible for hail is 150 euros. Then much more would follow, if nobody left.")
    context = app_context(workspace, engine, {"answer": {"caution": 0, "unsupported": "show"}})
    other = context.conversations.begin("local", "An older one")
    with serving(create_app(context)) as address:
        page = visit(address).open()
        box = page.get_by_role("textbox", name="Your question")
        box.fill(QUESTION)
        box.press("Enter")
        engine.may_go_on.release(5)
        expect(page.locator("#chat-now .is-coming .prose")).to_be_visible()
        page.locator(f".conversations [data-conversation='{other}'].title").click()
        expect(page.locator(".conversations [aria-current=true]")).to_contain_text("An older one")
        engine.may_go_on.release(50)
        assert engine.closed.wait(60)
        page.wait_for_timeout(500)
        expect(page.locator(".conversations [aria-current=true]")).to_contain_text("An older one")
        expect(page.locator("#chat-now")).not_to_contain_text("150 euros")
        expect(page.locator("#chat-question .submit-button")).to_be_visible()
        page.locator(".conversations .title").filter(has_text=QUESTION).first.click()
        expect(page.locator("#chat-now")).to_contain_text("Stopped before the end.")
        page.close()  # before its server ends


def test_the_address_leads_back_to_what_was_open(chat: Visit, address: str) -> None:
    page = chat.page
    ask(page, "What does hail cost, and where am I?")
    expect(page).to_have_url(re.compile(r"/en/#chat/\d+$"))
    there = page.url
    chat.tab("Documents")
    expect(page).to_have_url(f"{address}/en/#documents")
    page.go_back()
    expect(page.get_by_role("tab", name="Chat", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(there)
    new_conversation(page)
    expect(page).to_have_url(f"{address}/en/")
    page.go_back()
    expect(page.locator("#chat-now .question")).to_have_text("What does hail cost, and where am I?")
    page.reload()
    expect(page.locator("#chat-now .question")).to_have_text("What does hail cost, and where am I?")
    expect(page.locator(".conversations [aria-current]")).to_contain_text("and where am I?")
    page.go_forward()
    expect(page.locator(".welcome")).to_be_visible()


def test_an_address_of_nothing_opens_the_first_page(chat: Visit, address: str) -> None:
    page = chat.page
    for nothing in ("#chat/999999", "#chat/<b>", "#constructor"):
        page.goto("about:blank")
        page.goto(f"{address}/en/{nothing}")
        expect(page.locator(".welcome")).to_be_visible()
        expect(page).to_have_url(f"{address}/en/")
    page.evaluate("location.hash = '#nowhere'")
    expect(page).to_have_url(f"{address}/en/")
    page.goto("about:blank")
    page.goto(f"{address}/en/#teaching")
    expect(page.locator("#page-teaching")).to_be_visible()


def test_the_conversation_and_the_question_move_to_the_other_language(chat: Visit) -> None:
    page = chat.page
    ask(page, QUESTION)
    page.get_by_role("textbox", name="Your question").fill("Half a question")
    page.get_by_role("link", name="Deutsch").click()
    expect(page.get_by_role("button", name="Warum diese Antwort?")).to_be_visible()
    expect(page.locator("#chat-now .question")).to_have_text(QUESTION)
    expect(page.get_by_role("textbox", name="Ihre Frage")).to_have_value("Half a question")


def test_what_stood_in_the_box_stands_there_again(chat: Visit) -> None:
    page = chat.page
    ask(page, QUESTION)
    box = page.get_by_role("textbox", name="Your question")
    box.fill("Half a question")
    page.get_by_role("button", name="Edit question").click()
    expect(box).to_have_value(QUESTION)
    expect(box).to_be_focused()
    page.get_by_role("button", name="Keep it as it is").click()
    expect(box).to_have_value("Half a question")
    expect(box).to_be_focused()
    page.get_by_role("button", name="Edit question").click()
    expect(box).to_have_value(QUESTION)
    ask(page, "What does hail cost?")
    expect(box).to_have_value("Half a question")
    page.get_by_role("button", name="Try again").press("Enter")
    expect(page.locator("#chat-now .actions")).to_be_visible()
    expect(box).to_have_value("Half a question")
    expect(box).to_be_focused()
    page.reload()
    expect(page.locator("#chat-now .actions")).to_be_visible()
    expect(box).to_have_value("Half a question")
    page.get_by_role("button", name="Edit question").click()
    expect(box).to_have_value("What does hail cost?")
    new_conversation(page)
    expect(box).to_have_value("Half a question")


def test_a_correction_that_was_begun_is_there_after_the_next_answer_and_kept_when_it_is_sent(chat: Visit) -> None:
    page = chat.page
    ask(page, QUESTION)
    page.locator("#chat-now .teach").get_by_text("Not quite").click()
    form = page.locator(".teach-form")
    form.get_by_label("something is missing").check()
    form.get_by_label(re.compile("How it should read")).fill("The deductible is 150 euros, and 500 for glass.")
    ask(page, "And for glass?")
    begun = page.locator("#chat-past .teach-form")
    expect(begun.get_by_label("something is missing")).to_be_checked()
    expect(begun.get_by_label("the tone")).not_to_be_checked()
    expect(begun.get_by_label(re.compile("How it should read"))).to_have_value(re.compile("500 for glass"))
    begun.get_by_role("button", name="Send correction").click()
    expect(page.locator("#chat-past .teach [role=status]")).to_be_visible()
    page.reload()
    expect(page.locator("#chat-past .teach [role=status]")).to_be_visible()


def test_the_keyboard_stays_where_the_work_goes_on(chat: Visit) -> None:
    page = chat.page
    ask(page, QUESTION)
    why = page.get_by_role("button", name="Why this answer?")
    why.press("Enter")
    expect(page.locator("#source h2")).to_be_focused()
    page.keyboard.press("Escape")
    expect(why).to_be_focused()
    page.locator("#chat-now .teach").get_by_role("button", name="Yes").press("Enter")
    expect(page.locator("#chat-now .teach")).to_be_focused()
    expect(page.locator("#chat-now .teach [role=status]")).to_be_visible()
    menu = page.locator(".conversations li:has([aria-current]) summary")
    menu.press("Enter")
    page.get_by_role("button", name="Rename").press("Enter")
    page.keyboard.type("By the keyboard")
    page.keyboard.press("Enter")
    expect(page.locator(".conversations [aria-current]")).to_contain_text("By the keyboard")
    expect(menu).to_be_focused()
    menu.press("Enter")
    delete = page.locator("details.menu[open] .danger")
    delete.press("Enter")
    delete.press("Enter")
    expect(page.locator(".welcome")).to_be_visible()
    expect(page.get_by_role("button", name="New conversation")).to_be_focused()
    page.locator(".suggestion").first.press("Enter")
    expect(page.get_by_role("textbox", name="Your question")).to_be_focused()


def test_the_next_question_closes_the_source_and_an_empty_one_leaves_the_page_as_it_is(chat: Visit) -> None:
    page = chat.page
    ask(page, QUESTION)
    page.locator("#chat-now .mark").first.click()
    expect(page.locator("#source .source")).to_be_visible()
    page.get_by_role("textbox", name="Your question").press("Enter")
    ask(page, "And for glass?")  # asked when the empty one has been answered
    expect(page.locator("#chat-past .question")).to_have_text(QUESTION)
    expect(page.locator("#source .source")).to_have_count(0)
    expect(page.locator("body.has-source")).to_have_count(0)


def test_what_cannot_be_done_is_told_in_words(chat: Visit, workspace: Workspace) -> None:
    page = chat.page
    ask(page, "What does hail cost, in a conversation that is deleted elsewhere?")
    kept = Conversations(workspace)
    kept.delete("local", kept.listed("local")[0].id)
    page.locator(".conversations .title").first.click()
    expect(page.locator(".toast-wrap")).to_contain_text("This conversation is not there any more. Begin a new one.")


def test_a_question_whose_answer_never_came_stands_in_the_box_again(workspace: Workspace, visit: Visits) -> None:
    engine = SlowEngine("The deductible for hail is 150 euros.")
    context = app_context(workspace, engine, {"answer": {"caution": 0}})
    with serving(create_app(context)) as address:
        page = visit(address).open()
        box = page.get_by_role("textbox", name="Your question")
        box.fill(QUESTION)
        box.press("Enter")
        expect(page.locator("#chat-now .is-coming")).to_be_visible()
        expect(box).to_have_value("")
        page.reload()
        expect(box).to_have_value(QUESTION)
        engine.may_go_on.release(50)
        page.close()  # before its server ends


def test_stopping_keeps_what_has_come(workspace: Workspace, visit: Visits) -> None:
    engine = SlowEngine("The deductible for hail is 150 euros. Then much more would follow, if nobody stopped it.")
    context = app_context(workspace, engine, {"answer": {"caution": 0, "unsupported": "show"}})
    with serving(create_app(context)) as address:
        page = visit(address).open()
        box = page.get_by_role("textbox", name="Your question")
        box.fill(QUESTION)
        box.press("Enter")
        for _ in range(9):
            engine.may_go_on.release()
        expect(page.locator("#chat-now .prose")).to_contain_text("150 euros.")
        page.locator("#chat-question .stop-button").click()
        expect(page.locator("#chat-now")).to_contain_text("Stopped before the end.")
        engine.may_go_on.release(50)
        assert engine.closed.wait(60)
        expect(page.locator("#chat-question .submit-button")).to_be_visible()
        page.close()  # before its server ends


def test_a_model_that_fails_is_told_and_the_question_stays(workspace: Workspace, visit: Visits) -> None:
    class Broken(LoadedEngine):
        def stream(self, *_: Any, **__: Any) -> NoReturn:
            raise RuntimeError("a secret of the machine")

    context = app_context(workspace, Broken(""), {"answer": {"caution": 0}})
    with serving(create_app(context)) as address:
        page = visit(address).open()
        ask(page, QUESTION)
        expect(page.get_by_role("alert").first).to_contain_text("Something went wrong")
        expect(page.locator("body")).not_to_contain_text("a secret of the machine")
        expect(page.get_by_role("textbox", name="Your question")).to_have_value(QUESTION)
        page.close()  # before its server ends


def test_on_a_phone_the_source_lies_over_the_chat(address: str, visit: Visits) -> None:
    page = visit(address, 390, 844, has_touch=True, color_scheme="dark", is_mobile=True).open("/de/")
    box = page.get_by_role("textbox", name="Ihre Frage")
    box.fill(QUESTION)
    box.press("Enter")
    expect(page.locator("#chat-now .actions")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#chat-now .mark").first.tap()
    panel = page.locator("#chat-panel")
    expect(panel.locator("figure img")).to_be_visible()
    size = panel.bounding_box()
    assert size is not None and size["width"] == 390 and size["height"] == 844
    page.get_by_role("button", name="Schließen").tap()
    expect(page.locator("#source .source")).to_have_count(0)
    page.get_by_role("button", name="Gespräche", exact=True).tap()
    expect(page.get_by_role("button", name="Neues Gespräch")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.lang") == "de"
