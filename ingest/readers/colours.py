"""Colours and lengths, as Office files and CSS write them, and whether two colours can be told apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from math import pi
from string import hexdigits

from lxml import etree
from tinycss2.ast import DimensionToken, FunctionBlock, HashToken, IdentToken, Node, NumberToken, PercentageToken
from tinycss2.color5 import parse_color

Rgb = tuple[int, int, int]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
NEAR = 72
"""Sum of the differences of red, green and blue below which two colours look the same: 24 each."""
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
MAPPED = {"bg1": "lt1", "tx1": "dk1", "bg2": "lt2", "tx2": "dk2"}
"""What backgrounds and texts are called where no map says otherwise."""
CLEAR = 0.05
"""How much of a colour has to cover what is behind to be seen."""
_PIXELS = {
    "px": 1.0, "pt": 96 / 72, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 9.6 / 2.54, "q": 2.4 / 2.54, "rem": 16.0,
    "vw": 12.8, "vh": 8.0, "vmin": 8.0, "vmax": 12.8, "dvw": 12.8, "dvh": 8.0,
}  # fmt: skip
"""Of a window of 1,280 by 800."""
_IN_LETTERS = {"em": 1.0, "ex": 0.5, "ch": 0.5, "lh": 1.2, "cap": 0.7, "ic": 1.0}
_TURNS = {"deg": pi / 180, "grad": pi / 200, "rad": 1.0, "turn": 2 * pi}
_SYSTEM = {"canvas": WHITE, "window": WHITE, "canvastext": BLACK, "windowtext": BLACK}
_SUMS = frozenset({"calc", "min", "max", "clamp"})
_COLOUR_TOKENS = (HashToken, IdentToken, FunctionBlock)


def are_alike(one: Rgb | None, other: Rgb | None) -> bool:
    """Whether two colours look the same; those that are not known do not."""
    if one is None or other is None:
        return False
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) < NEAR


def from_hex(value: str) -> Rgb | None:
    """The colour that six digits name, or eight with two for how much it covers."""
    is_hex = len(value) in (6, 8) and set(hexdigits).issuperset(value)
    return _triple(bytes.fromhex(value[-6:])) if is_hex else None


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


@dataclass(frozen=True, slots=True)
class Colour:
    """Red, green and blue of 255, and how much of it covers what is behind."""

    rgb: Rgb
    alpha: float = 1.0

    def over(self, ground: Rgb) -> Rgb:
        """What is seen of it before a ground."""
        red, green, blue = (
            round(self.alpha * one + (1 - self.alpha) * other) for one, other in zip(self.rgb, ground, strict=True)
        )
        return red, green, blue


def colour(token: Node) -> Colour | None:
    """The colour that one component value names; none where it names none (``currentColor`` neither)."""
    if not isinstance(token, _COLOUR_TOKENS):
        return None
    if isinstance(token, IdentToken) and token.lower_value in _SYSTEM:
        return Colour(_SYSTEM[token.lower_value])
    if isinstance(token, FunctionBlock) and token.lower_name == "color-mix":
        # As in ``in srgb, white 90%, black``: a mean of red, green and blue, in whatever space it is asked for.
        arguments = groupby(token.arguments, lambda one: one == ",")
        parts = [list(part) for is_comma, part in arguments if not is_comma][1:]
        mixed = [part_colour for part in parts if (part_colour := next(colours(part), None))]
        if len(mixed) != 2:
            return None
        first, second = (next(iter(shares(part)), None) for part in parts)
        first = 0.5 if first is None and second is None else 1 - (second or 0.0) if first is None else first
        share = first / max(first + (1 - first if second is None else second), 1e-6)
        one, other = mixed
        return Colour(Colour(one.rgb, share).over(other.rgb), share * one.alpha + (1 - share) * other.alpha)
    found = parse_color(token)
    if found is None or isinstance(found, str):
        return None
    try:
        red, green, blue = found.to("srgb").coordinates
    except NotImplementedError:  # spaces of perception: as grey as they are light
        light = (found.coordinates[0] or 0) / (1 if found.space.startswith("ok") else 100)
        red = green = blue = light
    r, g, b = (round(255 * min(1.0, max(0.0, one or 0))) for one in (red, green, blue))
    return Colour((r, g, b), found.alpha)


def colours(tokens: Sequence[Node]) -> Iterator[Colour]:
    """All colours that a value names, in gradients and shadows too."""
    for token in tokens:
        if found := colour(token):
            yield found
        elif isinstance(token, FunctionBlock):
            yield from colours(token.arguments)


def words(tokens: Sequence[Node]) -> set[str]:
    """The plain words of a value, in small letters."""
    return {token.lower_value for token in tokens if isinstance(token, IdentToken)}


def length(token: Node, letter: float, whole: float) -> float | None:
    """Pixels, where a letter is ``letter`` and 100 % are ``whole`` high or wide; none where it cannot be told."""
    if isinstance(token, FunctionBlock) and token.lower_name in _SUMS:
        parts = [length(one, letter, whole) for one in token.arguments]
        known = [one for one in parts if one is not None]
        return known[0] if known and all(one == known[0] for one in known) else None
    if isinstance(token, PercentageToken):
        return float(token.value / 100 * whole)
    if isinstance(token, DimensionToken):
        unit = token.lower_unit
        factor = letter * _IN_LETTERS[unit] if unit in _IN_LETTERS else _PIXELS.get(unit)
        return None if factor is None else float(token.value * factor)
    return 0.0 if isinstance(token, NumberToken) and token.value == 0 else None


def lengths(tokens: Sequence[Node], letter: float, whole: float) -> list[float]:
    """The lengths that a value names, in order."""
    return [found for token in tokens if (found := length(token, letter, whole)) is not None]


def angles(tokens: Sequence[Node]) -> list[float]:
    """The angles that a value names, in radians."""
    turns = ((token.value, _TURNS.get(token.lower_unit)) for token in tokens if isinstance(token, DimensionToken))
    return [float(value * turn) for value, turn in turns if turn is not None]


def shares(tokens: Sequence[Node]) -> list[float]:
    """Plain numbers, and percentages as shares of one."""
    return [
        float(token.value / 100 if isinstance(token, PercentageToken) else token.value)
        for token in tokens
        if isinstance(token, NumberToken | PercentageToken)
    ]


def functions(tokens: Sequence[Node]) -> Iterator[tuple[str, list[Node]]]:
    """Names and arguments of the functions that a value calls."""
    for token in tokens:
        if isinstance(token, FunctionBlock):
            yield token.lower_name, token.arguments
