"""Values of CSS as numbers: colours, lengths in pixels, shares of one, and the functions of transforms and filters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import pi

from tinycss2.ast import DimensionToken, FunctionBlock, HashToken, IdentToken, Node, NumberToken, PercentageToken
from tinycss2.color5 import parse_color

from .shades import BLACK, WHITE, Rgb

_PIXELS = {
    "px": 1.0, "pt": 96 / 72, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 9.6 / 2.54, "q": 2.4 / 2.54, "rem": 16.0,
    "vw": 12.8, "vh": 8.0, "vmin": 8.0, "vmax": 12.8, "dvw": 12.8, "dvh": 8.0,
}  # fmt: skip
"""Of a window of 1,280 by 800."""
_IN_LETTERS = {"em": 1.0, "ex": 0.5, "ch": 0.5, "lh": 1.2, "cap": 0.7, "ic": 1.0}
_TURNS = {"deg": pi / 180, "grad": pi / 200, "rad": 1.0, "turn": 2 * pi}
_SYSTEM = {"canvas": WHITE, "window": WHITE, "canvastext": BLACK, "windowtext": BLACK}
_SUMS = frozenset({"calc", "min", "max", "clamp"})
_MIXED = 2
_COLOUR_TOKENS = (HashToken, IdentToken, FunctionBlock)


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
        return _mixed(token.arguments)
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


def _mixed(arguments: Sequence[Node]) -> Colour | None:
    """The colour of ``in srgb, white 90%, black``: a mean of red, green and blue, in whatever space it is asked for."""
    parts = [list(part) for is_comma, part in groupby(arguments, lambda token: token == ",") if not is_comma][1:]
    mixed = [found for part in parts if (found := next(colours(part), None))]
    if len(mixed) != _MIXED:
        return None
    first, second = (next(iter(shares(part)), None) for part in parts)
    first = 0.5 if first is None and second is None else 1 - (second or 0.0) if first is None else first
    share = first / max(first + (1 - first if second is None else second), 1e-6)
    one, other = mixed
    return Colour(Colour(one.rgb, share).over(other.rgb), share * one.alpha + (1 - share) * other.alpha)


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
