"""A page of a PDF as it is drawn, within a limit of processor time.

A small page can take minutes to draw, and pdfium cannot be stopped on the way: it pauses between the objects of a page,
not within a form or a pattern. So a copy of this process draws, and may be lost; the file goes on without.
"""

import os
import signal
import struct
import warnings
from typing import TYPE_CHECKING, Any

import pypdfium2

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, np.dtype[np.uint8]]

_SHAPE = struct.Struct("<3I")


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
