"""Several people at once in real browsers: each sees their own, and what strangers wrote does nothing to anyone."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from apps import app_context
from browser import Visit, Visits, rest, serving
from payloads import PAYLOADS
from playwright.sync_api import Page, expect
from serving import HAIL, PETS, EchoEngine, make_corpora
from signing import PASSWORD, make_people
from working import run_instead, save_report

from assistant.artifacts.audit import AuditLog
from assistant.feedback.database import Assessment, FeedbackStore, Versions
from assistant.feedback.lessons import cases_file, pairs_file
from assistant.store.blocks import blocks_in
from assistant.store.catalog import Catalog
from assistant.types import Answer, Citation, Evidence, Sentence, Trace
from assistant.workspace import Workspace
from bench import ui_load
from bench.ui_load import Person, keep_asking, mixed_on_disk
from ui.app import create_app
from ui.context import AppContext
from ui.turns import TurnReply

pytestmark = pytest.mark.slow

_SETTINGS: dict[str, dict[str, object]] = {
    "answer": {"caution": 0, "unsupported": "show"},
    "ui": {"sign_ins_per_minute": 1000},
}
CORRECTION = "The deductible for hail damage is 150 euros."
FILE_NAMES = ("a <img src=x onerror=window.pwned=1>.md", "[x](javascript:window.pwned=1).md", "${window.pwned=1}.md")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> AppContext:
    """Documents with hostile names and texts, an expert, another one, an editor and an admin."""
    folder = tmp_path_factory.mktemp("people")
    workspace = Workspace(folder / "workspace")
    hostile = dict.fromkeys(FILE_NAMES, "\n\n".join(PAYLOADS).replace("\0", ""))
    make_corpora(workspace, folder, {"sample": {"hail.md": HAIL, "pets.md": PETS, **hostile}})
    people = make_people(workspace.root, ana="expert", ben="expert", eve="editor", adam="admin")
    people.add("o'brien@firm.example", "editor", PASSWORD)
    return app_context(workspace, EchoEngine(), _SETTINGS)


@pytest.fixture(scope="module")
def address(context: AppContext) -> Iterator[str]:
    with serving(create_app(context)) as address:
        yield address


def signed_in(visit: Visits, address: str, name: str, begun: Visit | None = None) -> Visit:
    """The app as someone sees it who has signed in by the form."""
    one = begun or visit(address)
    one.page.goto(f"{address}/en/")
    one.page.get_by_label("Name").fill(name)
    one.page.get_by_label("Password").fill(PASSWORD)
    one.page.get_by_role("button", name="Sign in").click()
    one.page.locator("#pages").wait_for()
    expect(one.page.locator(".user")).to_have_text(name)
    expect(one.page.locator(".welcome")).to_be_visible()  # what is there to be read has come, and Enter sends
    return one


def begin(page: Page, question: str) -> None:
    box = page.get_by_role("textbox", name="Your question")
    box.fill(question)
    box.press("Enter")


def answered(page: Page, question: str) -> str:
    expect(page.locator("#chat-now .question")).to_have_text(question)
    expect(page.locator("#chat-now .actions")).to_be_visible()
    return page.locator("#chat-now .prose").inner_text()


def test_two_people_at_once_see_nothing_of_each_other(visit: Visits, address: str, context: AppContext) -> None:
    ana, ben = (signed_in(visit, address, name).page for name in ("ana", "ben"))
    begin(ana, "What is the deductible for hail damage to the car?")
    begin(ben, "Are dogs of the household insured?")
    assert "Hail damage" in answered(ana, "What is the deductible for hail damage to the car?")
    assert "Dogs of the household" in answered(ben, "Are dogs of the household insured?")
    for page, own, other in ((ana, "deductible", "dogs"), (ben, "dogs", "deductible")):
        page.reload()
        expect(page.locator(".conversations li")).to_have_count(1)
        expect(page.locator(".conversations")).to_contain_text(own)
        page.get_by_role("button", name="New conversation").click()  # both answers are from the same documents
        expect(page.locator(".welcome")).to_be_visible()
        assert other not in page.content()
    (conversation,) = context.conversations.listed("ana")
    for kind in ("md", "pdf", "docx"):
        path = f"{address}/conversations/{conversation.id}/export.{kind}"
        assert (ana.request.get(path).status, ben.request.get(path).status) == (200, 404), kind
    asked = [line for line in AuditLog(context.workspace.root, 1).lines() if line.action == "question"]
    assert {"ana", "ben"} <= {line.user for line in asked}, "each question is its own asker's"
    assert all(line.request for line in asked) and len({line.request for line in asked}) == len(asked)


def test_a_conversation_is_shared_by_a_link_that_gives_a_copy(visit: Visits, address: str, context: AppContext) -> None:
    ana, ben = (signed_in(visit, address, name).page for name in ("ana", "ben"))
    begin(ana, "What is the deductible for hail, to be shared?")
    answered(ana, "What is the deductible for hail, to be shared?")
    listed = ana.locator(".conversations li").filter(has_text="to be shared")
    listed.locator("summary").click()
    listed.get_by_role("button", name="Share by link").click()
    link = listed.get_by_role("button", name="Copy the link").get_attribute("data-copy")
    ben.goto(f"{address}{link}")
    assert "Hail damage" in answered(ben, "What is the deductible for hail, to be shared?")
    expect(ben).to_have_url(re.compile(r"/en/#chat/\d+$"))
    begin(ben, "Are dogs of the household insured?")
    answered(ben, "Are dogs of the household insured?")
    listed.get_by_role("button", name="End sharing").click()
    expect(ana.locator("#chat-log .turn")).to_have_count(1)
    adam = signed_in(visit, address, "adam").page
    adam.goto(f"{address}{link}")
    expect(adam.locator("body")).to_contain_text("This link leads nowhere any more.")
    assert "to be shared" not in adam.content()
    for name in ("ana", "ben"):
        for one in context.conversations.listed(name, "shared"):
            context.conversations.delete(name, one.id)


def test_ten_people_at_once_get_their_own_answers(address: str, context: AppContext) -> None:
    everyone = [Person(f"person{number}") for number in range(10)]
    names = [person.name for person in everyone]
    assert context.people is not None
    for name in names:
        context.people.add(name, "expert", ui_load.PASSWORD)
    until = time.monotonic() + 5
    threads = [threading.Thread(target=keep_asking, args=(address, person, until, names)) for person in everyone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert [person.errors for person in everyone] == [[]] * 10
    assert all(person.seconds for person in everyone), "everyone got answers"
    assert not [name for person in everyone for name in person.mixed]
    assert mixed_on_disk(context.workspace, names) == []


def test_an_expert_sees_the_chat_and_an_editor_what_they_may_change(visit: Visits, address: str) -> None:
    ana, eve = (signed_in(visit, address, name).page for name in ("ana", "eve"))
    expect(ana.get_by_role("tab", name="Chat", exact=True)).to_be_visible()
    for name in ("Documents", "Train", "Teaching", "Settings", "Health"):
        expect(ana.get_by_role("tab", name=name, exact=True)).to_have_count(0)
    expect(eve.get_by_role("tab", name="Teaching", exact=True)).to_be_visible()
    expect(eve.get_by_role("tab", name="Settings", exact=True)).to_have_count(0)
    ana.get_by_role("button", name="Sign out").click()
    expect(ana.get_by_label("Password")).to_be_visible()
    assert ana.request.get(f"{address}/en/config").status == 401


def test_a_correction_becomes_a_pair_and_a_case(visit: Visits, address: str, context: AppContext) -> None:
    ana, eve = (signed_in(visit, address, name) for name in ("ana", "eve"))
    question = "How high is the deductible for hail?"
    begin(ana.page, question)
    answered(ana.page, question)
    ana.page.locator("#chat-now").get_by_text("Not quite").click()
    form = ana.page.locator("#chat-now .teach-form")
    form.get_by_label("wrong", exact=True).check()
    form.get_by_label("something is missing").check()
    form.locator("input[name=sources]").first.check()
    form.get_by_label("How it should read").fill(CORRECTION)
    ana.picture("teach-form")
    form.get_by_role("button", name="Send correction").click()
    expect(ana.page.locator("#chat-now .teach")).to_contain_text("looked at before anything is learnt")

    eve.tab("Teaching")
    eve.page.locator("#teaching-list").get_by_text(question).click()
    expect(eve.page.locator(".said")).to_contain_text(CORRECTION)
    eve.picture("teaching")
    eve.page.get_by_role("button", name="Accept", exact=True).click()
    expect(eve.page.locator(".said")).to_contain_text("accepted by eve")
    with closing(Catalog(context.workspace.corpus("sample"))) as catalog:
        pairs, cases = pairs_file(context.workspace, catalog), cases_file(context.workspace, catalog)
    assert pairs is not None and CORRECTION in pairs.read_text(encoding="utf-8")
    assert cases is not None and question in cases.read_text(encoding="utf-8")


def hostile_answer(payload: str) -> Answer:
    """An answer of a model that was taken over, about documents that were, too."""
    text = f"{payload} {payload}"
    hit = Evidence(
        rank=1, score=1.0, dense=0.5, lexical=1.0, dense_rank=1, lexical_rank=1, chunk=1, document=payload,
        path=payload, title=payload, date=payload, language="en", context=payload, heading=payload, place=payload,
        page_starts=(), start=0, end=len(text), text=text, blocks=tuple(blocks_in(text)),
    )  # fmt: skip
    citation = Citation(1, payload, payload, None, 0, len(payload), payload)
    sentences = (Sentence(payload, True, "", (citation,)), Sentence(payload, False, payload))
    trace = Trace((payload, payload), payload, (hit,), {"probability": 0.9, "threshold": 0.5}, (), payload, payload)
    return Answer(
        payload, f"{payload}?", text, sentences, (hit,), refusal_reason=payload, readings=(payload,),
        notes=(payload,), adapter=payload, trace=trace,
    )  # fmt: skip


def test_nothing_that_strangers_wrote_runs_on_any_page(visit: Visits, address: str, context: AppContext) -> None:
    name, conversations = "o'brien@firm.example", context.conversations
    store = FeedbackStore(context.workspace.whole)
    conversation = conversations.begin(name, "All of them")
    for number, payload in enumerate(one.replace("\0", "") for one in PAYLOADS):
        answer = hostile_answer(payload)
        replies = [TurnReply("sample", payload, answer)] * (2 if number % 10 == 0 else 1)
        conversations.add(name, conversation, payload, replies, False)
        conversations.begin(name, payload)
        judgement = Assessment("wrong", ("tone",), payload, payload, (1,))
        store.add(payload, "sample", answer, Versions(payload, payload, 1), judgement, {payload: payload})
    one = signed_in(visit, address, name)
    page = one.page
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    page.locator(".conversations .title").filter(has_text="All of them").click()
    expect(page.locator("#chat-past .turn")).to_have_count(len(PAYLOADS) - 1)
    page.locator("#chat-now").get_by_role("button", name="Why this answer?").click()
    expect(page.locator("#source")).to_contain_text("What was searched for")
    one.picture("payloads")
    one.tab("Teaching")
    expect(page.locator("#teaching-list li")).to_have_count(len(PAYLOADS))
    for number in (0, 10, len(PAYLOADS) - 1):
        page.locator("#teaching-list button").nth(number).click()
        expect(page.locator(".said")).to_be_visible()
    page.get_by_role("button", name="Accept", exact=True).click()
    one.tab("Documents")
    expect(page.locator("#documents-list")).to_contain_text("onerror")
    page.locator("#documents-list").get_by_text(re.compile("onerror")).first.click()
    page.wait_for_timeout(500)
    assert page.evaluate("window.pwned") is None
    injected = "img[src=x], svg[onload], iframe[srcdoc], base[href*=evil], marquee, embed, object"
    expect(page.locator(injected)).to_have_count(0)


def test_an_address_leads_whoever_may_see_it_to_what_was_open(visit: Visits, address: str, context: AppContext) -> None:
    save_report(context.workspace, "one")
    eve = signed_in(visit, address, "eve").page
    eve.get_by_role("tab", name="Documents", exact=True).click()
    eve.locator("#documents-list button", has_text="hail.md").click()
    expect(eve.locator(".preview")).to_contain_text("Hail damage")
    expect(eve).to_have_url(re.compile(r"/en/#documents/sample/[0-9a-f]{16}$"))
    document = eve.url
    eve.get_by_role("tab", name="Evaluate", exact=True).click()
    eve.locator("#reports-list button", has_text="one").click()
    expect(eve).to_have_url(f"{address}/en/#evaluation/one")
    expect(eve.frame_locator("iframe.report").get_by_text("Report")).to_be_visible()
    eve.go_back()
    eve.go_back()
    expect(eve.locator(".preview")).to_contain_text("Hail damage")
    expect(eve).to_have_url(document)
    eve.go_back()
    expect(eve.locator(".preview")).to_be_hidden()
    eve.go_forward()
    expect(eve.locator(".preview")).to_be_visible()
    for tab, opened in (("Evaluate", re.compile("#evaluation")), ("Documents", document)):
        eve.get_by_role("tab", name=tab, exact=True).click()
        expect(eve).to_have_url(opened)
    adam = visit(address).page
    adam.goto(f"{address}/en/#evaluation/one")
    adam.get_by_label("Name").fill("adam")
    adam.get_by_label("Password").fill(PASSWORD)
    adam.get_by_role("button", name="Sign in").click()
    expect(adam.locator("iframe.report")).to_be_visible()
    expect(adam.locator("#reports-list button", has_text="one")).to_have_attribute("aria-pressed", "true")
    adam.goto(document)
    adam.reload()
    expect(adam.locator(".preview")).to_contain_text("Hail damage")
    ana = signed_in(visit, address, "ana").page
    ana.goto(document)
    ana.reload()
    expect(ana.locator(".welcome")).to_be_visible()
    assert ana.locator(".preview, iframe.report").count() == 0


def test_back_closes_a_document_however_soon_it_follows(visit: Visits, address: str) -> None:
    page = signed_in(visit, address, "eve").page
    page.get_by_role("tab", name="Documents", exact=True).click()
    expect(page.locator("#documents-list button")).not_to_have_count(0)
    expect(page).to_have_url(re.compile("#documents$"))
    for milliseconds in (0, 10, 30, 60, 120, 0):
        page.evaluate(
            """pause => new Promise((left) => {
              document.querySelector("#documents-list button").click();
              setTimeout(() => { history.back(); left(); }, pause);
            })""",
            milliseconds,
        )
        rest(page)
        expect(page).to_have_url(re.compile("#documents$"))
        expect(page.locator(".preview")).to_be_hidden()
        expect(page.get_by_role("button", name="Check for changed files")).to_be_visible()
    page.locator("#documents-list button").first.click()
    expect(page.locator(".preview")).to_be_visible()
    expect(page.locator("#documents-list [aria-pressed=true]")).to_have_count(1)
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".preview")).to_be_hidden()
    expect(page.locator("#documents-list [aria-pressed=true]")).to_have_count(0)


_BROWSER = """
window.told = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() { this.permission = "granted"; }
  constructor(line) { told.push(line); }
  addEventListener() {}
};
"""


def test_the_end_of_a_job_is_told_where_one_looks_and_by_the_browser_only_after_a_click(
    visit: Visits, address: str, context: AppContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = visit(address)
    begun.page.add_init_script(_BROWSER)
    page = signed_in(visit, address, "eve", begun).page
    for number, told in enumerate(([], ["Drafting questions “second”: done in"])):
        may_end, name = tmp_path / str(number), ("first", "second")[number]
        wait = f"import pathlib, time\nwhile not pathlib.Path({str(may_end)!r}).exists(): time.sleep(.05)"
        run_instead(monkeypatch, wait)
        context.jobs.start("draft", name, [], "eve")
        page.get_by_role("tab", name="Evaluate", exact=True).click()
        expect(page.locator("#page-evaluation .job")).to_contain_text(f"“{name}”: under way")
        if told:
            page.get_by_role("button", name="Tell me when it ends").click()
            expect(page.get_by_role("button", name="Tell me when it ends")).to_be_hidden()
        page.get_by_role("tab", name="Chat", exact=True).click()
        may_end.touch()
        line = page.locator(".job-ended a")
        expect(line).to_contain_text(f"“{name}”: done in")
        expect(page).to_have_title(re.compile("^● Drafting questions"))
        assert [one.split(" in ")[0] + " in" for one in page.evaluate("told")] == told
        line.click()
        expect(page.locator("#page-evaluation .job")).to_be_visible()
        expect(page.locator(".job-ended")).to_have_count(0)
        expect(page).not_to_have_title(re.compile("●"))
        page.get_by_role("tab", name="Chat", exact=True).click()
