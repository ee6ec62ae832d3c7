"""Hidden is what is not drawn: every way of showing nothing hides, and its twin shows."""

import time
from contextlib import suppress
from pathlib import Path

import pytest
from files import write
from hiding import FORMS, SECRET, SHOWN, Form

from assistant.errors import ReadError
from ingest.readers import read


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_what_is_not_drawn_is_not_read(tmp_path: Path, form: Form) -> None:
    document = read(write(tmp_path, f"x{form.suffix}", form.build(True)))
    assert SHOWN in document.text
    assert "9999" not in document.text and "dragonflies" not in document.text


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_what_is_drawn_is_read(tmp_path: Path, form: Form) -> None:
    document = read(write(tmp_path, f"x{form.suffix}", form.build(False)))
    assert SHOWN in document.text and SECRET in document.text


def test_the_report_tells_how_much_was_not_drawn(tmp_path: Path) -> None:
    page = f"<p>{SHOWN}</p><p style='opacity:0'>four</p><p hidden>12</p><script>script</script>"
    document = read(write(tmp_path, "x.html", page))
    assert document.warnings == ("text that is not drawn was left out (6 letters and figures)",)


@pytest.mark.parametrize(
    ("sheet", "body"),
    [
        ("div div div{display:none}", "<div>"),
        ("p ~ p ~ p{display:none}", "<p>x"),
        (":root{--a:x}" + "p{--a:var(--a)var(--a)var(--a)}", "<p>x"),
        ("p{color:red}" * 500, "<p>x"),
        ("@media screen{" * 500, "<p>x"),
        (":not(" * 2_000, "<p>x"),
        ("p " * 5_000 + "{display:none}", "<p>x"),
    ],
)
def test_styles_take_no_quadratic_time(tmp_path: Path, sheet: str, body: str) -> None:
    path = write(tmp_path, "x.html", f"<style>{sheet}</style><p>{SHOWN}</p>{body * 1_900}")
    started = time.process_time()
    with suppress(ReadError):
        read(path)
    assert time.process_time() - started < 2
