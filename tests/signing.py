"""A small app of Gradio behind the gate, and people who sign in to it."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.testclient import TestClient

from assistant.config import UiSettings
from assistant.workspace import Workspace
from ui.access import guard
from ui.people import People, Role
from ui.signin import name_for_gradio
from ui.uploads import Arrivals, keep_arrivals_in

T = TypeVar("T")

PASSWORD = "correct horse battery"
CHEAP = (10, 8, 1)
"""Tests have no time for what is slow on purpose."""
LOCALHOST = "http://localhost:7860"


def make_people(folder: Path, **roles: Role) -> People:
    """People with ``PASSWORD``, by name and role."""
    people = People(folder / "users.json", CHEAP)
    for name, role in roles.items():
        people.add(name, role, PASSWORD)
    return people


def small_app(workspace: Workspace, people: People | None = None, **changes: Any) -> FastAPI:
    """One page of Gradio at /en with a text box, a file drop and HTML, behind the gate."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    keep_arrivals_in(workspace)
    try:
        return in_a_loop(lambda: _app(UiSettings.model_validate(changes), people))
    finally:
        if before is not None:
            os.environ["GRADIO_TEMP_DIR"] = before


def in_a_loop(make: Callable[[], T]) -> T:
    """What ``make`` makes, inside of an event loop: without one, Gradio makes its own and leaves it open."""

    async def made() -> T:
        return make()

    return asyncio.run(made())


def _app(settings: UiSettings, people: People | None) -> FastAPI:
    app = FastAPI()
    with gr.Blocks(analytics_enabled=False) as blocks:
        said, shown = gr.Textbox(label="Say"), gr.HTML()
        files = gr.File(label="Files", file_count="multiple")
        said.submit(_said, said, shown, api_name="say")
        files.upload(lambda some: [Path(one).name for one in some], files, gr.JSON())
    gr.mount_gradio_app(
        app, blocks, path="/en", auth_dependency=name_for_gradio, max_file_size=f"{settings.upload_mb}mb",
        footer_links=[], run_history=False, ssr_mode=False, pwa=False, mcp_server=False,
    )  # fmt: skip
    guard(app, settings, people, Arrivals(), "/v1")
    return app


def _said(text: str, request: gr.Request) -> str:
    return f"{text} to {request.username}"


def client_of(app: Starlette, address: str = LOCALHOST, client: tuple[str, int] = ("127.0.0.1", 5000)) -> TestClient:
    """A browser at an address of the app, without following redirects."""
    return TestClient(app, base_url=address, client=client, follow_redirects=False)


def sign_in(client: TestClient, name: str, password: str = PASSWORD, target: str = "/en") -> Any:
    """The response to the form, of whichever kind of httpx the client uses."""
    return client.post(
        "/sign-in", data={"name": name, "password": password, "next": target}, headers={"origin": str(client.base_url)}
    )


def upload(client: TestClient, files: Sequence[tuple[str, bytes]]) -> Any:
    """The response to files that were sent as the page does."""
    return client.post("/en/gradio_api/upload", files=[("files", file) for file in files])
