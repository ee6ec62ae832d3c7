"""What a browser sends may be anything: a number is one, or none."""

import re

import gradio as gr
import pytest

from ui.app import ASSETS
from ui.pages.events import number_of, shown_turns


@pytest.mark.parametrize(
    ("sent", "number"), [("7", 7), ("-1", -1), ("--7", -1), ("", -1), ("7e1", -1), ("9" * 16, -1), ([7], -1)]
)
def test_what_is_no_number_is_none(sent: object, number: int) -> None:
    assert number_of(gr.EventData(None, {"turn": sent}), "turn") == number


@pytest.mark.parametrize(("sent", "turns"), [("1,2", {1, 2}), ("", set()), ("x,3", {3}), ("9" * 5000, set())])
def test_only_numbers_of_turns_are_looked_for(sent: str, turns: set[int]) -> None:
    assert shown_turns(gr.EventData(None, {"shown": sent})) == turns


def test_what_a_page_calls_in_its_scripts_is_there() -> None:
    scripts = "".join(file.read_text(encoding="utf-8") for file in sorted(ASSETS.glob("*.js")))
    pages = "".join(file.read_text(encoding="utf-8") for file in sorted((ASSETS.parent / "pages").rglob("*.[pj][sy]")))
    called = set(re.findall(r"window\.assistant\.(\w+)", scripts + pages))
    assert {name for name in called if not re.search(rf"^    {name}\(|assistant\.{name} = ", scripts, re.M)} == set()
    assert len(called) >= 5, "or they are called otherwise now"
