"""The pictures of README and docs, taken anew from the running app.

    python -m bench.pictures --workspace FOLDER --report NAME [--set engine.model=qwen2.5-coder-1.5b]

FOLDER has the corpus ``sample`` and the report. A copy of it is served, where no other conversations are listed.
"""

import io
import shutil
import tempfile
from pathlib import Path

import click
from PIL import Image
from playwright.sync_api import Page

from bench.app import running
from bench.ui import browsing, first_words, wait_for_marked_page

IMAGES = Path("docs/images")
QUESTION = "How long does the free cover last when my car is deregistered?"
GERMAN_QUESTION = "Wie lange ist die Wartezeit für Zahnersatz?"


@click.command()
@click.option("--workspace", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--report", required=True, help="Name of a report in the workspace.")
@click.option("--set", "settings", multiple=True, help="key=value of the app's settings.")
def main(workspace: Path, report: str, settings: tuple[str, ...]) -> None:
    """Take the pictures; a minute and what the model needs."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(workspace, Path(folder) / "workspace", ignore=shutil.ignore_patterns("*.sqlite-*"))
        (copy / "conversations.sqlite").unlink(missing_ok=True)
        with running(copy, *settings) as app, browsing() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
            asked(page, f"{app.address}/en/", QUESTION)
            wait_for_marked_page(page)
            keep(page, "app")
            page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="de-DE", color_scheme="dark")
            asked(page, f"{app.address}/de/", GERMAN_QUESTION)
            keep(page, "app-german-dark")
            page = browser.new_page(viewport={"width": 826, "height": 728}, device_scale_factor=2)
            page.goto(f"{app.address}/reports/{report}")
            keep(page, "report")


def asked(page: Page, address: str, question: str) -> None:
    """Ask, and open the source of the first sentence."""
    page.goto(address)
    page.locator(".suggestion").first.wait_for()
    first_words(page, question)
    page.locator("#chat-now :is(.mark, .nearest button)").first.click()
    page.locator("#source .found").first.wait_for()


def keep(page: Page, name: str) -> None:
    """Write what is in sight as one of the pictures of the docs, in few colours."""
    page.mouse.move(0, 0)
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
