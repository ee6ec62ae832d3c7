"""Whatever strangers write, in whatever place, stays text: no page gets a tag, an attribute or an address from it."""

import asyncio
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import gradio as gr
import pytest
from apps import app_context
from fakes import ScriptedEngine
from filling import called
from payloads import PAYLOADS, harmless

import ui
from assistant.errors import UsageError
from assistant.workspace import Workspace
from ui.context import AppContext
from ui.pages.events import telling
from ui.signin import leaving_page, sign_in_page

_ADDRESSES = frozenset({"href", "src", "action", "formaction", "srcdoc", "data", "poster", "xlink:href", "style"})


class Structure(HTMLParser):
    """Tags with the names of their attributes, and all addresses."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in _ADDRESSES]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", ()))

    def handle_comment(self, data: str) -> None:
        self.tags.append((f"comment {data}", ()))

    def handle_decl(self, decl: str) -> None:
        self.tags.append((f"!{decl}", ()))

    def unknown_decl(self, data: str) -> None:
        self.tags.append((f"?{data}", ()))

    def handle_pi(self, data: str) -> None:
        self.tags.append((f"pi {data}", ()))


def structure_of(html: str) -> Structure:
    structure = Structure()
    structure.feed(html)
    structure.close()
    return structure


def makers() -> Iterator[tuple[str, Callable[..., str]]]:
    """Every function that makes HTML of ours for a page."""
    for module in pkgutil.walk_packages(ui.__path__, "ui."):
        if not module.name.endswith(".view") and not module.name.startswith("ui.shown."):
            continue
        found = importlib.import_module(module.name)
        for name, function in inspect.getmembers(found, inspect.isfunction):
            if name == "report_html":  # it is given the name of a report, and refuses any other
                continue
            if inspect.iscoroutinefunction(function):  # it looks a passage up; what makes HTML of that is here
                continue
            if name.endswith("_html") and name[0] != "_" and function.__module__ == found.__name__:
                yield f"{module.name}.{name}", function
    yield "signin.sign_in_page", sign_in_page
    yield "signin.leaving_page", leaving_page


MAKERS = dict(makers())


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> AppContext:
    return app_context(Workspace(tmp_path_factory.mktemp("payloads")), ScriptedEngine(""))


@pytest.fixture(scope="module")
def given(context: AppContext) -> dict[str, Any]:
    """What is never a stranger's: our words, and the keys of our texts."""
    return {
        "context": context, "words": context.text, "language": "en", "key": "documents.empty",
        "problem": "signin.wrong", "address": "/reports/one", "begin": "/sign-in/openid",
        "settings": context.settings, "origins": context.origins,
    }  # fmt: skip


def test_there_are_enough_payloads_and_no_function_is_forgotten() -> None:
    assert len(set(PAYLOADS)) >= 40
    assert len(MAKERS) >= 25, "or the functions are called otherwise now"


@pytest.mark.parametrize("name", MAKERS)
def test_a_text_changes_nothing_but_text(name: str, given: dict[str, Any]) -> None:
    make = MAKERS[name]
    for payload in PAYLOADS:
        hostile = structure_of(called(make, payload, given))
        plain = structure_of(called(make, harmless(payload), given))
        assert hostile.tags == plain.tags, payload
        for address, expected in zip(hostile.addresses, plain.addresses, strict=True):
            assert address == expected or address.startswith(("/", "../", "#")), f"{payload}: {address}"
            assert not address.startswith("//"), payload


@pytest.mark.parametrize("payload", PAYLOADS)
def test_an_error_is_told_as_text(payload: str) -> None:
    def fail() -> None:
        raise UsageError(payload, payload)

    async def fail_later() -> None:
        fail()

    callbacks: tuple[Callable[[], object], ...] = (telling(fail), lambda: asyncio.run(telling(fail_later)()))
    for callback in callbacks:
        with pytest.raises(gr.Error) as told:
            callback()
        assert structure_of(told.value.message).tags == [], "Gradio shows messages as HTML, with pictures"
