"""Hidden text of HTML: whether styles let anything of it be drawn, by size, colour, opacity, clip and place.

Ways of drawing nothing that apply to a box with all inside it are told apart from those that children may undo: size,
colour and visibility are inherited, opacity, transforms, clips and places are not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import cos

from tinycss2.ast import FunctionBlock, IdentToken, Node, NumberToken, URLToken

from .cascade import LONGEST_VALUE, WINDOW, Styles
from .colours import (
    BLACK,
    WHITE,
    Colour,
    Rgb,
    angles,
    are_alike,
    colour,
    colours,
    functions,
    length,
    lengths,
    shares,
    words,
)

SMALLEST = 2.0
"""Pixels; letters that nobody reads."""
_FAINTEST = 0.05  # of full opacity, or of the size of letters: as little as CLEAR of a colour
_OPAQUE = 0.5  # of a ground over one that is not known: from here on its own colour is what is seen
_CLEAR = Colour(BLACK, 0.0)
_OUT = -500.0
"""Pixels left of or above the page from which no usual line reaches into it."""
_FAR = 3_000.0
"""Pixels to the right or below that nobody scrolls."""
_NO_EDGE = 1_000.0
"""What a box is taken to be wide and high where a clip cuts shares of it."""
_PILED = -0.8
"""Letters' widths between letters at which they lie on one another."""
_OWN_SIZE = 300.0, 40.0
"""Pixels that a box is taken to be wide and high where it moves by a share of itself."""
_SIZES = {
    "xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0, "x-large": 24.0, "xx-large": 32.0,
}  # fmt: skip
_NOT_SHOWN = frozenset({"none", "table-column", "table-column-group"})
_SIDES = ("top", "right", "bottom", "left")
_MASKS = ("mask", "mask-image", "-webkit-mask", "-webkit-mask-image")
_EXTENTS = tuple(f"{most}{name}" for most in ("", "max-") for name in ("height", "width", "block-size", "inline-size"))
_PADDINGS = ("padding", "padding-top", "padding-bottom")
_TEXT = frozenset({
    "color", "-webkit-text-fill-color", "-webkit-text-stroke", "-webkit-text-stroke-color", "text-shadow", "background",
    "background-color", "background-image", "background-clip", "-webkit-background-clip", "font", "font-size",
    "visibility", "filter", "opacity", "letter-spacing", "color-scheme", "animation", "animation-name",
})  # fmt: skip
_BOX = frozenset({
    "display", "content-visibility", "transform", "scale", "translate", "clip-path", "-webkit-clip-path", "clip",
    "overflow", "overflow-x", "overflow-y", "line-height", "position", "inset", "margin", "margin-left", "margin-top",
    "text-indent", "z-index", "zoom", *_MASKS, *_EXTENTS, *_PADDINGS, *_SIDES,
})  # fmt: skip
PROPERTIES = _TEXT | _BOX


@dataclass(frozen=True, slots=True)
class Look:
    """How text looks, and what elements take over from those around them."""

    ground: Rgb | None
    """What is behind; none where it is not known, or a picture."""
    text: Colour | None
    """None where it is not known."""
    fill: Colour | None = None
    """What letters are filled with instead of their own colour."""
    outlines: tuple[Colour, ...] = ()
    """What shadows and edges of letters are drawn with."""
    size: float = 16.0
    is_visible: bool = True
    opacity: float = 1.0
    is_boxed: bool = False
    """Whether a box between the text and the page has a ground of its own."""
    filters: tuple[tuple[str, float], ...] = ()
    custom: dict[str, list[Node]] = field(default_factory=dict)

    @classmethod
    def of_page(cls, is_whole: bool) -> "Look":
        """Black on white, where no sheet of another file may say otherwise."""
        return cls(WHITE, Colour(BLACK)) if is_whole else cls(None, None)


def is_drawn(look: Look) -> bool:
    """Whether letters that look so are seen."""
    if not look.is_visible or look.size < SMALLEST:
        return False
    letters = look.fill or look.text
    if letters is None:
        return True
    inks = (letters, *look.outlines)
    ground = look.ground
    if ground is None:
        return any(ink.alpha > 0 for ink in inks)
    return any(not are_alike(replace(ink, alpha=ink.alpha * look.opacity).over(ground), ground) for ink in inks)


def looked(around: Look, styles: Styles, tag: str) -> Look | None:
    """The look of an element with styles inside another; none where nothing of it and in it is drawn."""
    custom = around.custom
    if own := {name: _filled_in(value, custom) for name, value in styles.items() if name.startswith("--")}:
        custom = custom | own
    values = {name: _filled_in(value, custom) for name, value in styles.items() if not name.startswith("--")}
    size = _size(values, around.size)
    display, place = words(values.get("display", ())), words(values.get("position", ()))
    levels = [one.value for one in values.get("z-index", ()) if isinstance(one, NumberToken)]
    is_behind = bool(place - {"static"} and levels and levels[0] < 0)  # in the stack, behind the others
    is_switched_off = bool(display & _NOT_SHOWN) or "hidden" in words(values.get("content-visibility", ()))
    if is_switched_off or (is_behind and (place & {"absolute", "fixed"} or around.is_boxed)):
        return None
    if any(draws_nothing(values, size) for draws_nothing in _WAYS):
        return None
    filters: tuple[tuple[str, float], ...] = ()
    for name, arguments in functions(values.get("filter", ())):
        if name == "blur":  # letters that are blurred over half their height are as good as clear
            filters += (("opacity", float(sum(lengths(arguments, size, 0)) < size / 2)),)
        elif name in ("opacity", "brightness", "contrast", "invert"):
            filters += ((name, next(iter(shares(arguments)), 1.0)),)
    opacity = around.opacity
    for share in (*shares(values.get("opacity", ()))[:1], *(amount for name, amount in filters if name == "opacity")):
        opacity *= share
    if opacity < _FAINTEST:
        return None
    look = replace(around, custom=custom, size=size, opacity=opacity, filters=filters + around.filters)
    if shown := words(values.get("visibility", ())) & {"visible", "hidden", "collapse", "initial"}:
        look = replace(look, is_visible=not shown & {"hidden", "collapse"})
    return _coloured(look, values, filters, tag)


def _filled_in(tokens: Sequence[Node], custom: dict[str, list[Node]]) -> list[Node]:
    """A value with ``var(--name, fallback)`` replaced; what would grow without end is cut."""
    filled: list[Node] = []
    for token in tokens[:LONGEST_VALUE]:
        if isinstance(token, FunctionBlock) and token.lower_name == "var":
            name = next((one.value for one in token.arguments if isinstance(one, IdentToken)), "")
            at = next((at for at, one in enumerate(token.arguments) if one == ","), len(token.arguments))
            filled += custom[name] if name in custom else _filled_in(token.arguments[at + 1 :], custom)
        elif isinstance(token, FunctionBlock):
            arguments = _filled_in(token.arguments, custom)
            filled.append(FunctionBlock(token.source_line, token.source_column, token.name, arguments))
        else:
            filled.append(token)
    return filled[:LONGEST_VALUE]


def _size(values: Styles, around: float) -> float:
    """Pixels that letters are high."""
    size = around
    for token in values.get("font-size", values.get("font", [])):
        word = token.lower_value if isinstance(token, IdentToken) else ""
        if word in _SIZES:
            size = _SIZES[word]
        elif word in ("smaller", "larger"):
            size = around * (0.83 if word == "smaller" else 1.2)
        elif word == "initial":
            size = 16.0
        elif (found := length(token, around, around)) is not None:
            size = found
            break
    return size * (next(iter(shares(values.get("zoom", []))), 1.0) or 1.0)


def _filtered(rgb: Rgb, filters: Sequence[tuple[str, float]]) -> Rgb:
    values = [float(one) for one in rgb]
    for name, amount in filters:
        if name == "brightness":
            values = [one * amount for one in values]
        elif name == "contrast":
            values = [(one - 127.5) * amount + 127.5 for one in values]
        elif name == "invert":
            values = [one + (255 - 2 * one) * min(1.0, amount) for one in values]
        values = [min(255.0, max(0.0, one)) for one in values]
    red, green, blue = map(round, values)
    return red, green, blue


def _coloured(look: Look, values: Styles, new: Sequence[tuple[str, float]], tag: str) -> Look:
    """The look with the colours that an element sets, and those of its surroundings through its new filters."""
    text, fill, outlines, ground, is_boxed = look.text, look.fill, look.outlines, look.ground, look.is_boxed
    if new:
        text = text and Colour(_filtered(text.rgb, new), text.alpha)
        fill = fill and Colour(_filtered(fill.rgb, new), fill.alpha)
        outlines = tuple(Colour(_filtered(one.rgb, new), one.alpha) for one in outlines)

    def own(name: str, before: Colour | None) -> Colour | None:
        for token in values.get(name, ()):
            if found := colour(token):
                return Colour(_filtered(found.rgb, look.filters), found.alpha)
            if isinstance(token, FunctionBlock):
                return None
            if isinstance(token, IdentToken) and token.lower_value == "initial":
                return Colour(BLACK) if name == "color" else None
        return before

    text = own("color", text)
    fill = own("-webkit-text-fill-color", fill)
    for name in ("text-shadow", "-webkit-text-stroke", "-webkit-text-stroke-color"):
        if name in values:
            outlines = tuple(Colour(_filtered(one.rgb, look.filters), one.alpha) for one in colours(values[name]))
    is_cut_out = "text" in words(values.get("background-clip", values.get("-webkit-background-clip", ())))
    painted = _ground(values, text)
    if is_cut_out and (fill or text or Colour(BLACK)).alpha < 1:
        text = fill = None  # the ground shows through the letters, and only there
    elif painted != _CLEAR and not is_cut_out:
        if painted is not None and ground is not None:
            ground = painted.over(ground)
        else:
            ground = painted.rgb if painted and painted.alpha > _OPAQUE else None
        ground = ground and _filtered(ground, look.filters)
        is_boxed = is_boxed or tag not in ("html", "body")
    return replace(look, text=text, fill=fill, outlines=outlines, ground=ground, is_boxed=is_boxed)


def _ground(values: Styles, text: Colour | None) -> Colour | None:
    """The ground that an element paints: clear for none, and none where it cannot be told."""
    tokens = values.get("background", [])
    pictures = values.get("background-image", tokens)
    if any(isinstance(one, URLToken) for one in pictures) or any(name == "url" for name, _ in functions(pictures)):
        return None
    for _, arguments in functions(pictures):
        found = list(colours(arguments))
        if len(found) > 1:
            return found[0] if all(one == found[0] for one in found) else None
    for token in values.get("background-color", tokens):
        if found_one := colour(token):
            return found_one
        if isinstance(token, IdentToken) and token.lower_value == "currentcolor":
            return text
    return _CLEAR


def _is_squeezed(values: Styles, letter: float) -> bool:
    """Scaled to nothing, turned on edge, or its letters piled on one another."""
    scales = [abs(one) for one in shares(values.get("scale", ()))]
    for name, arguments in functions(values.get("transform", ())):
        numbers = shares(arguments)
        if name.startswith("scale"):
            scales += [abs(one) for one in numbers[:2] if name != "scalez"]
        elif name == "matrix" and len(numbers) == 6:
            scales.append(abs(numbers[0] * numbers[3] - numbers[1] * numbers[2]))
        elif name in ("rotatex", "rotatey"):
            scales += [abs(cos(angle)) for angle in angles(arguments)]
    spacing = lengths(values.get("letter-spacing", ()), letter, letter)
    return any(one < _FAINTEST for one in scales) or any(one < _PILED * letter for one in spacing)


def _is_clipped(values: Styles, letter: float) -> bool:
    """Cut to a shape without area, or masked by what is clear."""
    if words(values.get("position", ())) & {"absolute", "fixed"}:
        for name, arguments in functions(values.get("clip", ())):
            edges = lengths(arguments, letter, 0)
            if name == "rect" and len(edges) == 4 and (edges[2] - edges[0] <= 1 or edges[1] - edges[3] <= 1):
                return True
    for name, arguments in functions(values.get("clip-path", values.get("-webkit-clip-path", []))):
        numbers = lengths(arguments, letter, _NO_EDGE)
        if name == "inset" and numbers:
            top, right, bottom, left = _four(numbers)
            if top + bottom >= _NO_EDGE or left + right >= _NO_EDGE:
                return True
        if name in ("circle", "ellipse") and numbers and min(numbers[: 1 if name == "circle" else 2]) <= 1:
            return True
        if name == "polygon" and len(numbers) % 2 == 0:
            corners = list(zip(numbers[::2], numbers[1::2], strict=True))
            turned = [*corners[1:], *corners[:1]]
            # The shoelace formula.
            if abs(sum(a * d - c * b for (a, b), (c, d) in zip(corners, turned, strict=True))) / 2 < 1:
                return True
    masks = [one for name in _MASKS for one in values.get(name, ())]
    clear = list(colours(masks))
    return bool(clear) and all(one.alpha < _FAINTEST for one in clear)


def _is_closed_up(values: Styles, letter: float) -> bool:
    """Of no height or width, and cut off there."""
    cut = {"hidden", "clip"}
    if not any(words(values.get(name, ())) & cut for name in ("overflow", "overflow-x", "overflow-y")):
        return False
    if any(one > 0 for name in _PADDINGS for one in lengths(values.get(name, ()), letter, WINDOW[0])):
        return False
    indent = lengths(values.get("text-indent", ()), letter, WINDOW[0])
    return any(one >= WINDOW[0] for one in indent) or any(
        one <= 1 for name in (*_EXTENTS, "line-height") for one in lengths(values.get(name, ()), letter, WINDOW[0])
    )


def _is_outside(values: Styles, letter: float) -> bool:
    """Placed off the page, or so far out that nobody looks there."""
    width, height = WINDOW
    margins = _edges(values, "margin", letter)
    x, y = margins["left"], margins["top"]
    x += min([0.0, *lengths(values.get("text-indent", ()), letter, width)])
    place = words(values.get("position", ()))
    if place & {"absolute", "fixed", "relative"}:
        insets = _edges(values, "inset", letter)
        x += insets["left"] or -insets["right"]
        y += insets["top"] or -insets["bottom"]
    moves = [("translate", values.get("translate", [])), *functions(values.get("transform", ()))]
    for name, arguments in moves:
        if name.startswith("translate"):
            upright = name == "translatey"
            by = lengths(arguments, letter, _OWN_SIZE[upright])
            x += by[0] if by and not upright else 0
            y += by[0] if by and upright else by[1] if len(by) > 1 else 0
    is_past = "fixed" in place and (x >= width or y >= height)
    return is_past or x <= _OUT or y <= _OUT or max(x, y) >= _FAR


def _edges(values: Styles, name: str, letter: float) -> dict[str, float]:
    """Pixels of the four edges of ``margin`` or ``inset``; 0 where they are not set."""
    width, height = WINDOW
    each = [length(one, letter, width) or 0.0 for one in values.get(name, ()) if one.type != "whitespace"]
    edges = dict(zip(_SIDES, _four(each or [0.0]), strict=True))
    for side in _SIDES:
        own = values.get(side if name == "inset" else f"{name}-{side}", ())
        for found in lengths(own, letter, height if side in ("top", "bottom") else width):
            edges[side] = found
    return edges


def _four(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    """Top, right, bottom and left, as CSS fills up one to four values."""
    top, right, bottom, left = (numbers[at if at < len(numbers) else max(0, at - 2) % len(numbers)] for at in range(4))
    return top, right, bottom, left


_WAYS: tuple[Callable[[Styles, float], bool], ...] = (
    _is_squeezed, _is_clipped, _is_closed_up, _is_outside,
)  # fmt: skip
