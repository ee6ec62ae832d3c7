"""What a page of a PDF paints, in order: pieces of text, and the shapes, pictures and shadings before and behind them.

Annual reports paint a thousand pieces of text on a page, so the calls of pdfium are made with plain addresses, which
takes half the time, and answer into arrays.

As pixels a page is drawn within a limit of processor time. A small page can take minutes to draw, and pdfium cannot be
stopped on the way: it pauses between the objects of a page, not within a form or a pattern. So a copy of this process
draws, and may be lost; the file goes on without.
"""

import ctypes
import os
import signal
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw as pdfium

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float32]]
    Numbers = np.ndarray[Any, np.dtype[np.int64 | np.uint32]]
    Flags = np.ndarray[Any, np.dtype[np.bool_]]
    import numpy as np

    Pixels = np.ndarray[Any, np.dtype[np.uint8]]

Box = tuple[float, float, float, float]
"""Left, bottom, right and top in points of the page."""
Matrix = tuple[float, float, float, float, float, float]
_STROKED = (pdfium.FPDF_TEXTRENDERMODE_STROKE, pdfium.FPDF_TEXTRENDERMODE_STROKE_CLIP)
_FEWEST_ALPHA = 16  # of 255: below, what is behind gives the colour
_MOST_FORMS = 1_000  # of a page; forms within forms may multiply without end
_MOST_CORNERS = 200  # of a path that clips; a longer one is taken to clip nothing
_LIGATURE = 4
"""Letters of a text in the place of drawn ones (``ActualText``) that is believed; more may say what they like."""
_SHAPE = struct.Struct("<3I")


@dataclass(frozen=True, slots=True)
class TextPieces:
    """The n pieces of text of a page."""

    addresses: list[int]
    orders: "Numbers"
    """Among all that is painted, (n,)."""
    boxes: "Floats"
    """Left, bottom, right and top in points of the page, (n, 4)."""
    clips: "Floats"
    """What the edge of the page and clips leave at most, (n, 4)."""
    ems: "Floats"
    """Width and height of an em in points, (n, 2)."""
    colours: "Floats"
    """Red, green and blue of 255, (n, 3); nan for none or several."""
    modes: "Numbers"
    may_lack: "Flags"
    """Whether it is blended or in optional content, so that it may be painted and not be there."""


@dataclass(frozen=True, slots=True)
class Paints:
    """The m shapes, pictures and shadings of a page, as the texts are given."""

    orders: "Numbers"
    boxes: "Floats"
    colours: "Floats"
    are_pictures: "Flags"


def painted(page: pypdfium2.PdfPage, has_layers: Callable[[], bool]) -> tuple[TextPieces, Paints]:
    """What a page paints; ``has_layers`` says whether the document has parts that may be switched off.

    Texts that stand for drawn ones, and may say something else, are taken away on the way.
    """
    survey = _Survey(page)
    return survey.text_arrays(has_layers), survey.paint_arrays()


@cache
def _call(name: str, *arguments: Any, result: Any = ctypes.c_int) -> Callable[..., Any]:
    """A function of pdfium that takes addresses as plain numbers."""
    address = ctypes.cast(getattr(pdfium, name), ctypes.c_void_p).value
    call: Callable[..., Any] = ctypes.PYFUNCTYPE(result, *arguments)(address)  # type: ignore[arg-type]
    return call


_P = ctypes.c_void_p


@dataclass(frozen=True, slots=True)
class _Form:
    """The page, or a form on it: what is visible of it, and where its points lie on the page."""

    visible: Box
    place: Matrix | None


class _Survey:
    """The objects of a page, and of the forms on it, in the order in which they are painted."""

    def __init__(self, page: pypdfium2.PdfPage) -> None:
        self.order = 0
        self.forms: list[_Form] = []
        self.texts: list[tuple[int, int, int]] = []
        """Address, order, and number of the form."""
        self.paints: list[tuple[int, int, int]] = []
        rect = pdfium.FS_RECTF()
        pdfium.FPDF_GetPageBoundingBox(page.raw, rect)
        get, whole = _call("FPDFPage_GetObject", _P, ctypes.c_int, result=_P), ctypes.cast(page.raw, _P).value
        objects = [get(whole, at) for at in range(pdfium.FPDFPage_CountObjects(page.raw))]
        self._walk(objects, _Form((rect.left, rect.bottom, rect.right, rect.top), None))

    def _walk(self, addresses: list[int], form: _Form) -> None:
        kind_of = _call("FPDFPageObj_GetType", _P)
        number = len(self.forms)
        self.forms.append(form)
        for address in addresses:
            self.order += 1
            kind = kind_of(address)
            if kind == pdfium.FPDF_PAGEOBJ_TEXT:
                self.texts.append((address, self.order, number))
            elif kind != pdfium.FPDF_PAGEOBJ_FORM:
                self.paints.append((address, self.order, number))
            elif len(self.forms) < _MOST_FORMS:
                get = _call("FPDFFormObj_GetObject", _P, ctypes.c_ulong, result=_P)
                inside = [get(address, at) for at in range(_call("FPDFFormObj_CountObjects", _P)(address))]
                visible = _common(form.visible, _clip(address, form.place))
                inner = pdfium.FS_MATRIX()
                _call("FPDFPageObj_GetMatrix", _P, _P)(address, ctypes.addressof(inner))
                place = (inner.a, inner.b, inner.c, inner.d, inner.e, inner.f)
                self._walk(inside, _Form(visible, _product(place, form.place) if form.place else place))

    def text_arrays(self, has_layers: Callable[[], bool]) -> TextPieces:
        """All about the pieces of text."""
        import numpy as np

        count = len(self.texts)
        boxes, colours, numbers = self._common_arrays(self.texts)
        matrices, sizes = np.zeros((count, 6), np.float32), np.zeros(count, np.float32)
        clips = np.array([form.visible for form in self.forms], np.float32)[numbers]
        modes, may_lack = np.zeros(count, np.int64), np.zeros(count, np.bool_)
        matrix_of, size_of = _call("FPDFPageObj_GetMatrix", _P, _P), _call("FPDFTextObj_GetFontSize", _P, _P)
        mode_of, stroke_of = _call("FPDFTextObj_GetTextRenderMode", _P), _call("FPDFPageObj_GetStrokeColor", *[_P] * 5)
        is_blended, marks_of = _call("FPDFPageObj_HasTransparency", _P), _call("FPDFPageObj_CountMarks", _P)
        clip_of, clip_count = _call("FPDFPageObj_GetClipPath", _P, result=_P), _call("FPDFClipPath_CountPaths", _P)
        to_matrix, to_size, to_colour = matrices.ctypes.data, sizes.ctypes.data, colours.ctypes.data
        for at, (address, _, number) in enumerate(self.texts):
            matrix_of(address, to_matrix + 24 * at)
            size_of(address, to_size + 4 * at)
            mode = mode_of(address)
            if mode:
                modes[at] = mode
                if mode in _STROKED:
                    parts = (to_colour + 16 * at + 4 * part for part in range(4))
                    stroke_of(address, *parts)
            if is_blended(address):
                may_lack[at] = True
            if clip_count(clip_of(address)) > 0:
                clips[at] = _common(tuple(clips[at]), _clip(address, self.forms[number].place))
            if ((marks_of(address) and _is_optional(address)) or number) and has_layers():
                may_lack[at] = True
        for number, form in enumerate(self.forms):
            if form.place and (inside := numbers == number).any():
                outer = np.array(form.place, np.float32)[:4].reshape(2, 2)
                matrices[inside, :4] = (matrices[inside, :4].reshape(-1, 2, 2) @ outer).reshape(-1, 4)
        ems = sizes[:, None] * np.hypot(matrices[:, (0, 2)], matrices[:, (1, 3)])
        orders = np.array([order for _, order, _ in self.texts], np.int64)
        addresses = [address for address, _, _ in self.texts]
        return TextPieces(addresses, orders, boxes, clips, ems, _rgb(colours), modes, may_lack)

    def paint_arrays(self) -> Paints:
        """All about what is filled; outlines hide nothing."""
        import numpy as np

        kind_of = _call("FPDFPageObj_GetType", _P)
        kinds = [kind_of(address) for address, _, _ in self.paints]
        mode_of, modes = _call("FPDFPath_GetDrawMode", _P, _P, _P), (ctypes.c_int * 2)()
        filled, stroked = ctypes.addressof(modes), ctypes.addressof(modes) + 4
        paints = []
        for paint, kind in zip(self.paints, kinds, strict=True):
            if kind == pdfium.FPDF_PAGEOBJ_PATH:
                modes[0] = 0
                mode_of(paint[0], filled, stroked)
            if kind != pdfium.FPDF_PAGEOBJ_PATH or modes[0]:
                paints.append(paint)
        self.paints = paints
        boxes, colours, numbers = self._common_arrays(self.paints)
        visible = np.array([form.visible for form in self.forms], np.float32)[numbers]
        boxes = np.concatenate([np.maximum(boxes[:, :2], visible[:, :2]), np.minimum(boxes[:, 2:], visible[:, 2:])], 1)
        orders = np.array([order for _, order, _ in self.paints], np.int64)
        are_pictures = np.array([kind_of(one) == pdfium.FPDF_PAGEOBJ_IMAGE for one, _, _ in self.paints], np.bool_)
        return Paints(orders, boxes, _rgb(colours), are_pictures)

    def _common_arrays(self, objects: list[tuple[int, int, int]]) -> tuple["Floats", "Numbers", "Numbers"]:
        """Boxes on the page, colours with their alpha, and numbers of the forms."""
        import numpy as np

        boxes, colours = np.zeros((len(objects), 4), np.float32), np.zeros((len(objects), 4), np.uint32)
        bounds_of, fill_of = _call("FPDFPageObj_GetBounds", *[_P] * 5), _call("FPDFPageObj_GetFillColor", *[_P] * 5)
        box, colour = boxes.ctypes.data, colours.ctypes.data
        for address, _, _ in objects:
            bounds_of(address, box, box + 4, box + 8, box + 12)
            fill_of(address, colour, colour + 4, colour + 8, colour + 12)
            box, colour = box + 16, colour + 16
        numbers = np.array([number for _, _, number in objects], np.int64)
        for number, form in enumerate(self.forms):
            if form.place and (inside := numbers == number).any():
                boxes[inside] = [_moved(tuple(one), form.place) for one in boxes[inside].tolist()]
        return boxes, colours, numbers


def _rgb(colours: "Numbers") -> "Floats":
    """Red, green and blue; nan for what is clear or has no colour of its own."""
    import numpy as np

    rgb = colours[:, :3].astype(np.float32)
    rgb[colours[:, 3] < _FEWEST_ALPHA] = np.nan
    return rgb


def _is_optional(address: int) -> bool:
    """Whether an object belongs to optional content; takes away what would stand for the text that it draws."""
    count, get = _call("FPDFPageObj_CountMarks", _P), _call("FPDFPageObj_GetMark", _P, ctypes.c_ulong, result=_P)
    is_optional = False
    for at in reversed(range(count(address))):
        mark = get(address, at)
        is_optional |= _utf16("FPDFPageObjMark_GetName", mark) == "OC"
        said = _utf16("FPDFPageObjMark_GetParamStringValue", mark, b"ActualText")
        if sum(map(str.isalnum, said)) > _LIGATURE or any(map(str.isdigit, said)):
            _call("FPDFPageObj_RemoveMark", _P, _P)(address, mark)
    return is_optional


def _utf16(name: str, *arguments: int | bytes) -> str:
    """What a function answers that writes a text and its length in bytes."""
    get = _call(name, *(ctypes.c_char_p if isinstance(one, bytes) else _P for one in arguments), _P, ctypes.c_ulong, _P)
    length = ctypes.c_ulong()
    if not get(*arguments, None, 0, ctypes.addressof(length)) or length.value <= 2:
        return ""
    buffer = ctypes.create_string_buffer(length.value)
    get(*arguments, ctypes.addressof(buffer), length.value, ctypes.addressof(length))
    return buffer.raw[: length.value - 2].decode("utf-16-le", "replace")


def _clip(address: int, place: Matrix | None) -> Box:
    """What the clip of an object leaves at most: what is common to the boxes around its shapes."""
    clip = _call("FPDFPageObj_GetClipPath", _P, result=_P)(address)
    left: Box = (-1e9, -1e9, 1e9, 1e9)
    count_of = _call("FPDFClipPath_CountPathSegments", _P, ctypes.c_int)
    get = _call("FPDFClipPath_GetPathSegment", _P, ctypes.c_int, ctypes.c_int, result=_P)
    point_of = _call("FPDFPathSegment_GetPoint", _P, _P, _P)
    corner = (ctypes.c_float * 2)()
    to = ctypes.addressof(corner)
    for path in range(_call("FPDFClipPath_CountPaths", _P)(clip)):
        corners = []
        for at in range(min(count_of(clip, path), _MOST_CORNERS)):
            point_of(get(clip, path, at), to, to + 4)
            corners.append((corner[0], corner[1]))
        columns, rows = zip(*corners, strict=True) if corners else ((0.0,), (0.0,))
        around = (min(columns), min(rows), max(columns), max(rows))
        if len(corners) < _MOST_CORNERS:
            left = _common(left, _moved(around, place) if place else around)
    return left


def _product(inner: Matrix, outer: Matrix) -> Matrix:
    a, b, c, d, e, f = inner
    g, h, i, j, k, m = outer
    return a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m


def _moved(box: Box, place: Matrix) -> Box:
    left, bottom, right, top = box
    a, b, c, d, e, f = place
    columns = [a * x + c * y + e for x in (left, right) for y in (bottom, top)]
    rows = [b * x + d * y + f for x in (left, right) for y in (bottom, top)]
    return min(columns), min(rows), max(columns), max(rows)


def _common(one: Box, other: Box) -> Box:
    left, bottom, right, top = one
    return max(left, other[0]), max(bottom, other[1]), min(right, other[2]), min(top, other[3])


class Hurtful(Exception):
    """To draw a page takes longer than it may, or more memory."""


def pixels(page: pypdfium2.PdfPage, scale: float, seconds: float, *, annotations: bool = True) -> "Pixels":
    """A page in pixels (height, width, colours), ``scale`` of them a point.

    Raises Hurtful after ``seconds`` of processor time, where the system can stop a process so; 0 draws nothing.
    """
    import numpy as np

    if not seconds:
        raise Hurtful
    if not hasattr(os, "fork"):
        return _drawn(page, scale, annotations)
    source, target = os.pipe()
    with warnings.catch_warnings():
        # Of threads that a copy lacks; none of them holds what drawing needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:  # the copy ends by its timer or here: nothing that waits for the end of a process is done
        status = 1
        try:
            signal.setitimer(signal.ITIMER_PROF, seconds)
            drawn = _drawn(page, scale, annotations)
            with os.fdopen(target, "wb") as stream:
                stream.write(_SHAPE.pack(*drawn.shape))
                stream.write(drawn.tobytes())
            status = 0
        finally:
            os._exit(status)
    os.close(target)
    with os.fdopen(source, "rb") as stream:
        data = stream.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise Hurtful
    return np.frombuffer(data, np.uint8, offset=_SHAPE.size).reshape(_SHAPE.unpack_from(data))


def _drawn(page: pypdfium2.PdfPage, scale: float, annotations: bool) -> "Pixels":
    drawn: Pixels = page.render(scale=scale, draw_annots=annotations).to_numpy()
    return drawn
