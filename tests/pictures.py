"""Pictures of pages, and whether a page still looks as it does in the picture that is kept of it.

Texts have the same fonts on every machine: those that come with matplotlib. What Chromium and its libraries draw
otherwise from version to version, the edges of letters, is gone at a quarter of the size.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from browser import launched
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, Page

TOLERANCE = 12
"""Of a colour, out of 255, at a quarter of the size."""
MOST = 0.0003
"""The part of the points of a picture that may differ by more than the tolerance."""
_COLOURS = 256
"""Of a picture that is kept: a third of the bytes."""
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir>
<match target="pattern"><test name="family"><string>system-ui</string></test>
<edit name="family" mode="assign" binding="same"><string>DejaVu Sans</string></edit></match>
<match target="pattern"><test name="family"><string>ui-monospace</string></test>
<edit name="family" mode="assign" binding="same"><string>DejaVu Sans Mono</string></edit></match>
</fontconfig>
"""


@contextmanager
def one_font_browser(folder: Path) -> Iterator[Browser]:
    """A browser without the fonts of this machine. What it needs is written into ``folder``."""
    fonts = folder / "fonts.conf"
    fonts.write_text(_FONTS.format(fonts=Path(matplotlib.get_data_path(), "fonts", "ttf"), cache=folder / "cache"))
    drawn_alike = ("--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb")
    with launched(*drawn_alike, env={**os.environ, "FONTCONFIG_FILE": str(fonts)}) as browser:
        yield browser


def picture_of(page: Page, style: str = "") -> Image.Image:
    """What is in sight, once its images are there and two pictures of it are the same. ``style`` hides what changes."""
    page.wait_for_function("[...document.images].every(one => one.complete)")
    before = b""
    while (png := page.screenshot(animations="disabled", style=style)) != before:
        before = png
    return Image.open(io.BytesIO(png)).convert("RGB")


def keep(picture: Image.Image, file: Path) -> None:
    """Make a picture the one that others are held against."""
    file.parent.mkdir(exist_ok=True)
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def difference(picture: Image.Image, kept: Path, folder: Path) -> str:
    """Empty where a picture looks like the one that is kept; else a line that names it and one of what differs, which
    are written into ``folder``."""
    if not kept.exists():
        return f"There is no {kept}; --update-pictures takes it."
    with Image.open(kept) as opened:
        before = opened.convert("RGB")
    if picture.size == before.size:
        differs = np.abs(_coarse(picture) - _coarse(before)).max(axis=2) > TOLERANCE
        if differs.mean() <= MOST:
            return ""
        found = f"{differs.mean():.2%} of it differs"
    else:
        differs, found = np.ones((1, 1), bool), f"it was {before.size[0]} × {before.size[1]}"
    now, marked = folder / kept.name, folder / f"{kept.stem}-differs.png"
    picture.save(now)
    mask = Image.fromarray(differs).resize(picture.size)
    Image.composite(Image.new("RGB", picture.size, "red"), picture.convert("L").convert("RGB"), mask).save(marked)
    return f"{kept} is not what is seen: {found}. Look at {now} and {marked}; --update-pictures keeps it."


def _coarse(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.reduce(4).filter(ImageFilter.GaussianBlur(1)), np.int16)
