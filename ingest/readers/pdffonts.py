"""Fonts of a PDF whose table of characters (``ToUnicode``) says other letters or figures than the font draws.

Text is read by that table, and nothing else on a page depends on it: a sum can be drawn as 180 and read as 000. What a
font draws is told by the names of its glyphs, or by its own table; fonts that have neither say nothing.
"""

import io
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdf import PdfReader

_BLOCK = re.compile(rb"begin(bfchar|bfrange)(.*?)endbf", re.DOTALL)
_TOKEN = re.compile(rb"<([0-9A-Fa-f\s]*)>|([\[\]])")
_MOST_CODES = 1 << 16
_DEEPEST = 4


@dataclass(slots=True)
class Mismatch:
    """A font that reads otherwise than it draws: the font as pypdf knows it, and codes → (read, drawn)."""

    font: Any
    codes: dict[int, tuple[str, str]]
    pages: list[int] = field(default_factory=list)


def mismatches(reader: "PdfReader") -> list[Mismatch]:
    """The fonts of all pages that are read otherwise than drawn; what cannot be told is passed over."""
    known: dict[int, Mismatch] = {}
    # Any error of the parsers of an untrusted file: nothing can be told of the rest.
    with suppress(Exception):
        for number, page in enumerate(reader.pages, start=1):
            for key, font in _fonts(page.get("/Resources"), 0):
                if key not in known:
                    known[key] = Mismatch(font, _differing(font))
                if known[key].pages[-1:] != [number]:
                    known[key].pages.append(number)
    return [one for one in known.values() if one.codes]


def redrawn(reader: "PdfReader", found: list[Mismatch]) -> bytes | None:
    """The file with tables of characters that say what is drawn; None where pypdf cannot write it again."""
    from pypdf import PdfWriter
    from pypdf.generic import NameObject, StreamObject

    for one in found:
        digits = 4 if one.font["/Subtype"] == "/Type0" else 2
        told = _told(one.font) | {code: drawn for code, (_, drawn) in one.codes.items()}
        table = [f"<{code:0{digits}x}> <{text.encode('utf-16-be').hex()}>" for code, text in told.items()]
        blocks = (table[at : at + 100] for at in range(0, len(table), 100))
        lines = [
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def",
            f"1 begincodespacerange <{'0' * digits}> <{'f' * digits}> endcodespacerange",
            *("\n".join((f"{len(block)} beginbfchar", *block, "endbfchar")) for block in blocks),
            "endcmap end end",
        ]
        stream = StreamObject()
        stream.set_data("\n".join(lines).encode())
        one.font[NameObject("/ToUnicode")] = stream
    target = io.BytesIO()
    with suppress(Exception):  # any error of the parser of an untrusted file
        PdfWriter(clone_from=reader).write(target)
        return target.getvalue()
    return None


def _fonts(resources: Any, depth: int) -> Iterator[tuple[int, Any]]:
    """The fonts of a page and of the forms on it, each with what tells it from others."""
    resources = resources.get_object() if resources is not None else {}
    for font in _members(resources, "/Font"):
        reference = font.indirect_reference
        yield reference.idnum if reference else id(font), font
    if depth < _DEEPEST:
        for form in _members(resources, "/XObject"):
            if form.get("/Subtype") == "/Form":
                yield from _fonts(form.get("/Resources"), depth + 1)


def _members(resources: Any, name: str) -> list[Any]:
    entries = resources.get(name)
    return [] if entries is None else [one.get_object() for one in entries.get_object().values()]


def _differing(font: Any) -> dict[int, tuple[str, str]]:
    """Codes that are read as a letter or figure of ASCII and drawn as another character of it."""
    if "/ToUnicode" not in font:
        return {}
    with suppress(Exception):  # A font that cannot be parsed tells nothing, and the others still do.
        return _compared(font)
    return {}


def _compared(font: Any) -> dict[int, tuple[str, str]]:
    told = {code: text for code, text in _told(font).items() if len(text) == 1 and text.isascii() and text.isalnum()}
    drawn = _drawn(font) if told else {}
    pairs = ((code, text, drawn.get(code, "")) for code, text in told.items())
    return {code: (text, other) for code, text, other in pairs if other and other.casefold() != text.casefold()}


def _told(font: Any) -> dict[int, str]:
    """Codes → text, by the table of characters."""
    told: dict[int, str] = {}
    for kind, block in _BLOCK.findall(font["/ToUnicode"].get_object().get_data()):
        values = [bytes.fromhex(_even(token[0])) if not token[1] else token[1] for token in _TOKEN.findall(block)]
        at = 0
        while at + 1 < len(values) and len(told) < _MOST_CODES:
            first = int.from_bytes(values[at])
            if kind == b"bfchar":
                told[first], at = _text(values[at + 1]), at + 2
                continue
            last, start = int.from_bytes(values[at + 1]), values[at + 2] if at + 2 < len(values) else b""
            if start == b"[":
                end = values.index(b"]", at) if b"]" in values[at:] else len(values)
                told.update((first + step, _text(value)) for step, value in enumerate(values[at + 3 : end]))
                at = end + 1
                continue
            for code in range(first, min(last, first + _MOST_CODES) + 1):
                told[code] = _text((int.from_bytes(start) + code - first).to_bytes(max(2, len(start))))
            at += 3
    return told


def _even(digits: bytes) -> str:
    plain = b"".join(digits.split()).decode()
    return plain + "0" * (len(plain) % 2)


def _text(value: bytes) -> str:
    return value.decode("utf-16-be", "replace")


def _drawn(font: Any) -> dict[int, str]:
    """Codes → characters of ASCII, by what the font itself says."""
    if font.get("/Subtype") == "/Type0":
        return _drawn_by_number(font["/DescendantFonts"].get_object()[0].get_object(), font.get("/Encoding"))
    return {code: text for code, name in _names(font).items() if (text := _named(name))}


def _names(font: Any) -> dict[int, str]:
    """Codes → names of glyphs, of a font with codes of one byte."""
    from fontTools.encodings.StandardEncoding import StandardEncoding

    encoding: Any = font.get("/Encoding")
    encoding = encoding if encoding is None else encoding.get_object()
    base = encoding.get("/BaseEncoding") if hasattr(encoding, "get") else encoding
    descriptor = font.get("/FontDescriptor")
    is_embedded = descriptor is not None and any(f"/FontFile{n}" in descriptor.get_object() for n in ("", "2", "3"))
    names: dict[int, str] = {}
    if base in ("/WinAnsiEncoding", "/MacRomanEncoding") or (base is None and not is_embedded):
        # All of these are the same where they are ASCII, but for two kinds of quotation marks.
        names = {code: StandardEncoding[code] for code in range(32, 127)}
    code = 0
    for entry in encoding.get("/Differences", []) if hasattr(encoding, "get") else []:
        if isinstance(entry, int):
            code = int(entry)
        else:
            names[code] = str(entry).removeprefix("/")
            code += 1
    return names


def _drawn_by_number(font: Any, encoding: Any) -> dict[int, str]:
    """The same of a font whose codes are numbers of glyphs, by its own table or its names."""
    from fontTools.ttLib import TTFont

    descriptor = font["/FontDescriptor"].get_object()
    if encoding != "/Identity-H" or "/FontFile2" not in descriptor or font.get("/CIDToGIDMap") != "/Identity":
        return {}
    own = TTFont(io.BytesIO(descriptor["/FontFile2"].get_object().get_data()), lazy=True)
    order = own.getGlyphOrder()
    table = own.getBestCmap() if "cmap" in own else None
    by_name = {name: chr(code) for code, name in (table or {}).items()}
    drawn = ((number, by_name.get(name) or _named(name)) for number, name in enumerate(order))
    return {number: text for number, text in drawn if text and text.isascii()}


def _named(name: str) -> str:
    """The one character of ASCII that a glyph of this name draws; nothing for others."""
    from fontTools.agl import toUnicode

    text = toUnicode(name)
    return text if len(text) == 1 and text.isascii() else ""
