"""Colours as red, green and blue, as Office files name them, and whether two of them can be told apart."""

import re
from collections.abc import Mapping
from functools import cache

from lxml import etree

Rgb = tuple[int, int, int]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
NEAR = 72
"""Sum of the differences of red, green and blue below which two colours look the same: 24 each."""
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})?([0-9a-fA-F]{6})")
MAPPED = {"bg1": "lt1", "tx1": "dk1", "bg2": "lt2", "tx2": "dk2"}
"""What backgrounds and texts are called where no map says otherwise."""
CLEAR = 0.05
"""How much of a colour has to cover what is behind to be seen."""


def are_alike(one: Rgb | None, other: Rgb | None) -> bool:
    """Whether two colours look the same; those that are not known do not."""
    if one is None or other is None:
        return False
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) < NEAR


def from_hex(value: str) -> Rgb | None:
    """The colour that six digits name, or eight with two for how much it covers."""
    match = _HEX.fullmatch(value)
    return None if match is None else _triple(bytes.fromhex(match[1]))


def _triple(values: "bytes | list[float]") -> Rgb:
    red, green, blue = (round(min(255.0, max(0.0, value))) for value in values)
    return red, green, blue


def palette(theme: bytes) -> dict[str, Rgb]:
    """The colours of a theme by their names: dk1, lt1, accent1 and so on."""
    root = etree.fromstring(theme, etree.XMLParser(resolve_entities=False, no_network=True))
    found: dict[str, Rgb] = {}
    for scheme in root.iter(f"{_A}clrScheme"):
        for entry in scheme:
            colour = next((from_hex(one.get("lastClr") or one.get("val", "")) for one in entry), None)
            if colour is not None:
                found[etree.QName(entry).localname] = colour
    return found


def shaded(rgb: Rgb, lighter: float = 0.0, darker: float = 0.0) -> Rgb:
    """A colour moved to white or to black by a share."""
    return _triple([(value + (255 - value) * lighter) * (1 - darker) for value in rgb])


def drawn_colour(fill: etree._Element, theme: Mapping[str, Rgb], names: Mapping[str, str] = MAPPED) -> Rgb | None:
    """The colour in a DrawingML fill; none where it is a picture, a pattern, or clear."""
    for one in fill:
        name = etree.QName(one).localname
        value = one.get("lastClr") or one.get("val", "")
        colour = theme.get(names.get(value, value)) if name == "schemeClr" else named(value) or from_hex(value)
        for change in one if colour else ():
            share = int(change.get("val", "100000")) / 100_000
            kind = etree.QName(change).localname
            if kind == "alpha" and share < CLEAR:
                return None
            if kind == "lumOff":
                colour = _triple([value + 255 * share for value in colour or BLACK])
            elif kind in ("lumMod", "shade"):
                colour = shaded(colour or BLACK, darker=1 - share)
            elif kind == "tint":
                colour = shaded(colour or BLACK, lighter=1 - share)
        return colour
    return None


@cache
def named(name: str) -> Rgb | None:
    """A colour by its name, as CSS and Office know it."""
    from tinycss2.color5 import parse_color

    found = parse_color(name.lower().replace("dk", "dark").replace("lt", "light").replace("med", "medium"))
    return _triple([255 * (part or 0) for part in found.coordinates]) if found and found != "currentcolor" else None
