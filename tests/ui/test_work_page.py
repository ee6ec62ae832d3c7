"""The pages of the person who runs the assistant, in a real browser: files in, two steps of training, a report."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import Visits, serving
from fakes import ScriptedEngine
from playwright.sync_api import Locator, Page, expect
from tiny import tiny_model
from working import save_report

from assistant import config
from assistant.artifacts.pairs import Pair, PairsHeader, write_pairs
from assistant.retrieval.embedder import Embedder
from assistant.service import Service
from assistant.types import Passage
from assistant.workspace import Workspace
from ui.app import create_app
from ui.context import make_context
from ui.jobs import Jobs

# A job is a process that imports all it needs: beside other work it ends late.
_LATER = 600_000
pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class App:
    """A running app over a workspace of its own."""

    workspace: Workspace
    address: str
    base: Path
    """A model of two layers to train on."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app whose commands have little to do: one reader, no calibration, a tiny model."""
    folder = tmp_path_factory.mktemp("work")
    workspace, base = Workspace(folder / "workspace"), tiny_model(folder / "base")
    workspace.root.mkdir()
    workspace.config_file.write_text("ingest:\n  workers: 1\n  calibrate: false\n", encoding="utf-8")
    passage = Passage("terms.md", 0, 23, "Terms > Hail", "Hail damage is covered.")
    pairs = [
        Pair(f"p{number}", f"Is hail {number} covered?", "Yes. [1]", "structure", passages=(passage,), golden=1)
        for number in range(16)
    ]
    write_pairs(workspace.pairs_file("cars"), pairs, PairsHeader("cars", 1, "", 0, {}, {"structure": 16}, {}, {}, "1"))
    report = save_report(workspace, "2026-11-25-cars", title="Cars")
    script = "<script>try { parent.document.title = 'stolen' } catch { document.body.append('caught') }</script>"
    (report / "report.html").write_text(f"<!doctype html><body><h1>Report of cars</h1>{script}", encoding="utf-8")
    settings, origins = config.load(workspace.config_file, environment={})
    service = Service(workspace, settings, Embedder(settings.embedder, settings.device), lambda: ScriptedEngine(""))
    with serving(create_app(make_context(workspace, settings, origins, service))) as address:
        yield App(workspace, address, base)


def test_a_good_and_a_broken_file_are_read_shown_and_forgotten(app: App, visit: Visits, tmp_path: Path) -> None:
    (tmp_path / "hail.md").write_text("# Hail brochure\n\nThe premium for hail is 99 euros a year.\n", encoding="utf-8")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-broken")
    (tmp_path / "program.txt").write_bytes(b"MZ\x00\x01")
    visited = visit(app.address)
    page = visited.open()
    visited.tab("Documents")
    here = page.locator("#page-documents")
    expect(here.get_by_text("Nothing here yet")).to_be_visible()
    sent = [tmp_path / name for name in ("hail.md", "broken.pdf", "program.txt")]
    here.locator("input[type=file]").set_input_files(sent)
    expect(page.get_by_text("program.txt: Its content is not what its name says")).to_be_visible()
    expect(here.locator(".job.good")).to_be_visible(timeout=_LATER)
    expect(here.get_by_text("1 not read, 1 new.")).to_be_visible()
    items = Jobs(app.workspace).items(here.locator(".job").get_attribute("data-job") or "")
    assert {one.item: bool(one.remark) for one in items} == {"hail.md": False, "broken.pdf": True}
    here.get_by_role("button", name="Hail brochure").click()
    expect(here.get_by_text("The premium for hail is 99 euros a year.")).to_be_visible()
    here.get_by_role("button", name="Forget …").click()
    here.get_by_role("button", name="Yes, forget").click()
    expect(here.get_by_text("1 forgotten")).to_be_visible(timeout=_LATER)
    expect(here.get_by_role("button", name="Hail brochure")).to_have_count(0)


def test_two_steps_of_training_survive_a_reload_and_are_plotted(app: App, visit: Visits) -> None:
    visited = visit(app.address)
    page = visited.open()
    here = training(visited.tab("Train"))
    expect(here.get_by_text("No adapter yet")).to_be_visible()
    expect(here.get_by_text("Is hail 0 covered?")).to_be_visible()
    here.get_by_label("Base model").fill(str(app.base))
    here.get_by_label("Base model").press("Enter")
    here.get_by_role("button", name="More").click()
    expect(here.get_by_label("Checkpointing")).to_be_visible()  # the fold opens in parts
    here.locator("#train-max_steps input").fill("2")
    here.locator("#train-name").get_by_role("textbox").fill("house")  # last: what comes late forgets what was typed
    here.get_by_role("button", name="Start training").click()
    expect(here.locator(".job.busy")).to_be_in_viewport()
    page.reload()
    here = training(visited.tab("Train"))
    expect(here.locator(".job")).to_contain_text("Training “house”")
    expect(here.locator(".job.good")).to_be_visible(timeout=_LATER)
    expect(here.locator("figure.plot svg").first).to_be_visible()
    here.locator("#adapters-list").get_by_role("button", name="house").click()
    expect(here.get_by_role("rowheader", name="Base model")).to_be_visible()
    assert (app.workspace.adapter("house") / "card.json").exists()


def test_a_report_is_shown_in_the_app_and_cannot_reach_it(app: App, visit: Visits) -> None:
    visited = visit(app.address)
    page = visited.open()
    here = visited.tab("Evaluate").locator("#page-evaluation")
    here.get_by_role("button", name="Cars").click()
    framed = here.frame_locator("iframe.report")
    expect(framed.get_by_role("heading", name="Report of cars")).to_be_visible()
    expect(framed.get_by_text("caught")).to_be_visible()
    assert page.title() != "stolen"


def training(page: Page) -> Locator:
    return page.locator("#page-training")
