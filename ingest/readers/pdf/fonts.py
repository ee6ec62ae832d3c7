"""Fonts of a PDF whose table of characters (``ToUnicode``) says other letters or figures than the font draws.

Text is read by that table, and nothing else on a page depends on it: a sum can be drawn as 180 and read as 000. What a
font draws is told by the names of its glyphs, or by its own table; fonts that have neither say nothing.
"""

import io
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from .repair import page_count

if TYPE_CHECKING:
    from pypdf import PdfReader

_BLOCK = re.compile(rb"begin(bfchar|bfrange)(.*?)endbf", re.DOTALL)
_TOKEN = re.compile(rb"<([0-9A-Fa-f\s]*)>|([\[\]])")
_MOST_CODES = 1 << 16  # all that two bytes can say; ranges may claim more
# All of these are the same where they are ASCII, but for two kinds of quotation marks.
_LATIN = ("/WinAnsiEncoding", "/MacRomanEncoding", "/StandardEncoding")
# Fonts with signs of their own that need not be embedded, and the codes at which even they draw what ASCII says.
_OWN_SIGNS = {"/Symbol": range(ord("0"), ord("9") + 1), "/ZapfDingbats": range(0)}
_SYMBOLIC = 4  # among the flags of a font


@dataclass(slots=True)
class Mismatch:
    """A font that reads otherwise than it draws: the font as pypdf knows it, and codes → (read, drawn)."""

    font: Any
    codes: dict[int, tuple[str, str]]
    pages: list[int] = field(default_factory=list)


def mismatches(reader: "PdfReader") -> list[Mismatch]:
    """The fonts of all pages that are read otherwise than drawn; what cannot be told is passed over."""
    known: dict[int, Mismatch] = {}
    for number in range(1, page_count(reader) + 1):
        for font in _fonts(reader, number):
            # Any error of the parsers of an untrusted file: a font that cannot be parsed tells nothing, the others do.
            with suppress(Exception):
                key = _key(font)
                if key not in known:
                    known[key] = Mismatch(font, {})
                    told = _told(font) if "/ToUnicode" in font else {}
                    draws = _drawn_by_number if _entry(font, "/Subtype") == "/Type0" else _drawn_by_name
                    drawn = draws(font) if told else {}
                    for code, text in told.items():
                        other, plain = _plain(drawn.get(code, "")), _plain(text)
                        is_told = other.isascii() and any(one.isascii() and one.isalnum() for one in (plain, other))
                        if other and is_told and plain.casefold() != other.casefold():
                            known[key].codes[code] = (text, other)
                if known[key].pages[-1:] != [number]:
                    known[key].pages.append(number)
    return [one for one in known.values() if one.codes]


def redrawn(reader: "PdfReader", found: list[Mismatch]) -> bytes | None:
    """The file with tables of characters that say what is drawn; None where pypdf cannot write it again."""
    from pypdf import PdfWriter
    from pypdf.generic import NameObject, StreamObject

    for one in found:
        digits = 4 if _entry(one.font, "/Subtype") == "/Type0" else 2
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


def _fonts(reader: "PdfReader", number: int) -> Iterator[Any]:
    """The fonts of a page, of the forms on it and of what its annotations draw; what forms share is looked at once."""
    waiting: list[Any] = []
    # What cannot be parsed is passed over, here and below, and the rest is looked at all the same.
    with suppress(Exception):
        page = reader.pages[number - 1]
        waiting.append(page)
        for annotation in _entry(page, "/Annots") or ():
            with suppress(Exception):
                drawn = annotation.get_object()["/AP"]["/N"]
                waiting += [drawn] if "/Subtype" in drawn else _members(drawn)
    seen: set[int] = set()
    while waiting:
        resources = _entry(waiting.pop(), "/Resources")
        if _key(resources) not in seen:
            seen.add(_key(resources))
            yield from _members(_entry(resources, "/Font"))
            forms = _members(_entry(resources, "/XObject"))
            waiting += (form for form in forms if _entry(form, "/Subtype") == "/Form")


def _key(value: Any) -> int:
    """What tells a font or resources from others: its number in the file, or where it is held when it has none."""
    reference = getattr(value, "indirect_reference", None)
    return reference.idnum if reference else -id(value)


def _entry(value: Any, name: str) -> Any:
    """What a dictionary holds under a name, wherever in the file it is written; None for what cannot be read."""
    with suppress(Exception):
        return value[name] if isinstance(value, dict) and name in value else None
    return None


def _members(entries: Any) -> Iterator[Any]:
    """The dictionaries among the values of a dictionary."""
    for one in entries.values() if isinstance(entries, dict) else ():
        with suppress(Exception):
            value = one.get_object()
            if isinstance(value, dict):
                yield value


def _plain(text: str) -> str:
    """Text without the forms of a character that read the same: ligatures, full width, raised figures."""
    return text if text.isascii() else normalize("NFKC", text)


def _told(font: Any) -> dict[int, str]:
    """Codes → text, by the table of characters."""
    told: dict[int, str] = {}
    for kind, block in _BLOCK.findall(font["/ToUnicode"].get_object().get_data()):
        values = []
        for digits, bracket in _TOKEN.findall(block):
            plain = b"".join(digits.split()).decode()
            values.append(bracket or bytes.fromhex(plain + "0" * (len(plain) % 2)))
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


def _text(value: bytes) -> str:
    return value.decode("utf-16-be", "replace")


def _drawn_by_name(font: Any) -> dict[int, str]:
    """Codes → characters, by the names of its glyphs, of a font with codes of one byte."""
    from fontTools.agl import toUnicode
    from fontTools.encodings.StandardEncoding import StandardEncoding
    from fontTools.ttLib import TTFont

    encoding = _entry(font, "/Encoding")
    base = _entry(encoding, "/BaseEncoding") if isinstance(encoding, dict) else encoding
    descriptor = _entry(font, "/FontDescriptor")
    is_embedded = any(isinstance(_entry(descriptor, f"/FontFile{n}"), dict) for n in ("", "2", "3"))
    names: dict[int, str] = {}
    if not is_embedded:
        codes = _OWN_SIGNS.get(str(_entry(font, "/BaseFont")), range(32, 127))
        names = {code: StandardEncoding[code] for code in codes}
    elif base in _LATIN:
        names = {code: StandardEncoding[code] for code in range(32, 127)}
        # An embedded TrueType font may draw at its codes what no table of Unicode tells, as Wingdings does. A file that
        # cannot be parsed draws nothing: another font is put in its place.
        with suppress(Exception):
            if _entry(descriptor, "/Flags") & _SYMBOLIC and (file := _entry(descriptor, "/FontFile2")):
                own = TTFont(io.BytesIO(file.get_data()), lazy=True)
                names = {} if "cmap" in own and own.getBestCmap() is None else names
    code = 0
    differences = _entry(encoding, "/Differences")
    for entry in differences if isinstance(differences, list) else ():
        value = entry.get_object()
        if isinstance(value, int):
            code = int(value)
        else:
            names[code] = str(value).removeprefix("/")
            code += 1
    return {code: toUnicode(name) for code, name in names.items()}


def _drawn_by_number(font: Any) -> dict[int, str]:
    """The same of a font whose codes are numbers of glyphs, by its own table or its names."""
    from fontTools.agl import toUnicode
    from fontTools.ttLib import TTFont

    inner = font["/DescendantFonts"][0].get_object()
    if _entry(font, "/Encoding") not in ("/Identity-H", "/Identity-V") or "/FontFile2" not in inner["/FontDescriptor"]:
        return {}
    own = TTFont(io.BytesIO(inner["/FontDescriptor"]["/FontFile2"].get_data()), lazy=True)
    table = own.getBestCmap() if "cmap" in own else None
    by_name = {name: chr(code) for code, name in (table or {}).items()}
    drawn = [by_name.get(name) or toUnicode(name) for name in own.getGlyphOrder()]
    numbers: Any = _entry(inner, "/CIDToGIDMap")
    if not hasattr(numbers, "get_data"):  # the identity, also where nothing is said
        return dict(enumerate(drawn))
    data = numbers.get_data()
    glyphs = struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2])
    return {code: drawn[glyph] for code, glyph in enumerate(glyphs) if glyph < len(drawn)}
