"""PDFs that are made to hurt: their text reads at once; to draw their page takes minutes, or all memory there is."""

import zlib
from collections.abc import Callable, Mapping

TEXT = "The deductible for hail damage is 150 euros."
_BOX = "0 0 612 792"
_BOX_FILLED = "0 0 612 792 re f"
_DEEP = 12


def pdf(pages: int, content: str, resources: str = "", others: Mapping[int, bytes] | None = None, **page: str) -> bytes:
    """A PDF of equal pages that say ``TEXT`` before what ``content`` draws; ``others`` are objects from 10 on."""
    first = 10_000
    kids = " ".join(f"{first + number} 0 R" for number in range(pages))
    entries = {"MediaBox": f"[{_BOX}]", **page}
    told = " ".join(f"/{key} {value}" for key, value in entries.items())
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        4: stream(f"BT /F1 12 Tf 72 720 Td ({TEXT}) Tj ET\n{content}"),
        **(others or {}),
    }
    for number in range(pages):
        objects[first + number] = (
            f"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 3 0 R >> {resources} >> {told} >>"
        ).encode()
    return _written(objects)


def stream(content: str | bytes, **entries: str) -> bytes:
    """A compressed stream object; an entry's name begins with a capital."""
    packed = zlib.compress(content.encode() if isinstance(content, str) else content, 9)
    told = " ".join(f"/{key} {value}" for key, value in entries.items())
    return f"<< {told} /Filter /FlateDecode /Length {len(packed)} >>\nstream\n".encode() + packed + b"\nendstream"


def _written(objects: Mapping[int, bytes]) -> bytes:
    out, places = bytearray(b"%PDF-1.7\n"), dict[int, int]()
    for number, content in sorted(objects.items()):
        places[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, place in places.items():
        out += b"%d 1\n%010d 00000 n \n" % (number, place)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (max(places) + 1, table)
    return bytes(out)


def _form(content: str, resources: str = "", **entries: str) -> bytes:
    told = {"Type": "/XObject", "Subtype": "/Form", "BBox": f"[{_BOX}]", "Resources": f"<< {resources} >>"}
    return stream(content, **told, **entries)


def _deep_forms(last: str, **entries: str) -> dict[int, bytes]:
    """Forms from number 10 on, each of which shows the next one twice; the innermost one draws ``last``."""
    step = "q 1 0 0 1 0 1 cm /X Do Q\nq 1 0 0 1 1 0 cm /X Do Q"
    forms = {10 + level: _form(step, f"/XObject << /X {11 + level} 0 R >>", **entries) for level in range(_DEEP)}
    return {**forms, 10 + _DEEP: _form(last, **entries)}


def _tiling(content: str, step: float, resources: str = "", box: str = _BOX) -> bytes:
    told = {"Type": "/Pattern", "PatternType": "1", "PaintType": "1", "TilingType": "1", "BBox": f"[{box}]"}
    return stream(content, **told, XStep=f"{step:f}", YStep=f"{step:f}", Resources=f"<< {resources} >>")


def _forms() -> bytes:
    return pdf(1, "/X Do", "/XObject << /X 10 0 R >>", _deep_forms(f"1 0 0 rg {_BOX_FILLED}\n" * 20))


def _patterns_of_forms() -> bytes:
    pattern = _tiling("/X Do", 5, "/XObject << /X 10 0 R >>")
    others = {**_deep_forms(f"1 0 0 rg {_BOX_FILLED}"), 100: pattern}
    return pdf(1, f"/Pattern cs /P scn {_BOX_FILLED}", "/Pattern << /P 100 0 R >>", others)


def _small_steps() -> bytes:
    pattern = _tiling("1 0 0 rg 0 0 1 1 re f", 0.0001, box="0 0 1 1")
    return pdf(1, f"/Pattern cs /P scn {_BOX_FILLED}", "/Pattern << /P 10 0 R >>", {10: pattern})


def _patterns_in_patterns() -> bytes:
    fill = f"/Pattern cs /P scn {_BOX_FILLED}"
    others = {
        10 + level: _tiling(fill, 3 + level, f"/Pattern << /P {11 + level} 0 R >>", "0 0 600 600")
        for level in range(_DEEP)
    }
    others[10 + _DEEP] = _tiling("1 0 0 rg 0 0 1 1 re f", 2, box="0 0 2 2")
    return pdf(1, fill, "/Pattern << /P 10 0 R >>", others)


def _images() -> bytes:
    side, blank = 8_000, zlib.compress(bytes(8_000 * 1_000), 9)
    told = f"/Type /XObject /Subtype /Image /Width {side} /Height {side} /ColorSpace /DeviceGray /BitsPerComponent 1"
    image = f"<< {told} /Filter /FlateDecode /Length {len(blank)} >>\nstream\n".encode() + blank + b"\nendstream"
    names = " ".join(f"/I{number} {10 + number} 0 R" for number in range(400))
    content = "\n".join(f"q {500 + number % 50} 0 0 700 9 9 cm /I{number} Do Q" for number in range(400))
    return pdf(1, content, f"/XObject << {names} >>", {10 + number: image for number in range(400)})


def _paths() -> bytes:
    return pdf(1, "0 0 m 600 700 l S 600 0 m 0 700 l S\n" * 1_500_000)


def _curves() -> bytes:
    curve = "0 0 m " + "600 0 0 700 600 700 c 0 0 600 700 0 0 c\n" * 20_000 + "S\n"
    return pdf(1, "400 w 1 j 1 J\n" + curve * 30)


def _dashes() -> bytes:
    return pdf(1, "[.01 .01] 0 d .5 w\n" + "0 0 m 600 700 l S 0 700 m 600 0 l S\n" * 400_000)


def _soft_masks() -> bytes:
    group = "<< /S /Transparency /CS /DeviceGray >>"
    others = {}
    for level in range(_DEEP):
        masked = "\n".join("q /G gs /X Do Q" for _ in range(2))
        state, inner = 100 + level, 11 + level
        others[state] = f"<< /Type /ExtGState /SMask << /S /Luminosity /G {inner} 0 R >> >>".encode()
        resources = f"/ExtGState << /G {state} 0 R >> /XObject << /X {inner} 0 R >>"
        others[10 + level] = _form(masked, resources, Group=group)
    others[10 + _DEEP] = _form(f".5 g {_BOX_FILLED}", Group=group)
    return pdf(1, "/X Do", "/XObject << /X 10 0 R >>", others)


def _groups() -> bytes:
    forms = _deep_forms(f"1 0 0 rg {_BOX_FILLED}", Group="<< /S /Transparency /I true /K true >>")
    blended = b"<< /Type /ExtGState /BM /Luminosity /ca .5 >>"
    return pdf(1, "/G gs /X Do", "/XObject << /X 10 0 R >> /ExtGState << /G 100 0 R >>", {**forms, 100: blended})


def _functions() -> bytes:
    program = "{ " + "2 copy sin exch cos mul 360 mul pop " * 4_000 + "pop pop .5 .5 .5 }"
    function = stream(program, FunctionType="4", Domain="[0 1 0 1]", Range="[0 1 0 1 0 1]")
    shading = b"<< /ShadingType 1 /ColorSpace /DeviceRGB /Matrix [612 0 0 792 0 0] /Function 10 0 R >>"
    return pdf(1, "/S sh\n" * 50, "/Shading << /S 11 0 R >>", {10: function, 11: shading})


def _meshes() -> bytes:
    corner = b"\x00" + bytes(4) + bytes(3)
    other = b"\x00" + b"\xff\xff\xff\xff" + b"\xff\xff\xff"
    third = b"\x00" + b"\x00\x00\xff\xff" + b"\xff\x00\x00"
    mesh = stream(
        (corner + other + third) * 20_000,
        ShadingType="4", ColorSpace="/DeviceRGB", BitsPerCoordinate="16", BitsPerComponent="8", BitsPerFlag="8",
        Decode="[0 612 0 792 0 1 0 1 0 1]",
    )  # fmt: skip
    return pdf(1, "/S sh\n" * 50, "/Shading << /S 10 0 R >>", {10: mesh})


def _glyphs() -> bytes:
    others = _deep_forms("0 0 500 500 re f")
    others[100] = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1000 1000] /FontMatrix [.001 0 0 .001 0 0] /FirstChar 97"
        b" /LastChar 97 /Widths [600] /Encoding << /Type /Encoding /Differences [97 /a] >>"
        b" /CharProcs << /a 101 0 R >> /Resources << /XObject << /X 10 0 R >> >> >>"
    )
    others[101] = stream("600 0 d0 /X Do")
    sizes = "\n".join(f"/F3 {12 + size / 8} Tf (a) Tj" for size in range(4_000))
    return pdf(1, f"BT 9 9 Td {sizes} ET", "/Font << /F1 3 0 R /F3 100 0 R >>", others)


def _annotations() -> bytes:
    others = _deep_forms(f"1 0 0 rg {_BOX_FILLED}")
    note = f"<< /Type /Annot /Subtype /Stamp /F 4 /Rect [{_BOX}] /AP << /N 10 0 R >> >>".encode()
    numbers = range(100, 3_100)
    others.update(dict.fromkeys(numbers, note))
    return pdf(1, "", others=others, Annots=f"[{' '.join(f'{number} 0 R' for number in numbers)}]")


def _clips() -> bytes:
    clip = "0 0 m " + "".join(f"{at % 600} 700 l {at * 7 % 600} 0 l\n" for at in range(3_000)) + "h W* n\n"
    return pdf(1, clip * 200 + _BOX_FILLED)


def kinds() -> dict[str, Callable[[], bytes]]:
    """What makes each kind, by its name; the sides of the last ones are what hurts."""
    return {
        "forms 12 levels deep": _forms,
        "tiling patterns of such forms": _patterns_of_forms,
        "patterns with a step of .0001": _small_steps,
        "patterns in patterns": _patterns_in_patterns,
        "400 large images": _images,
        "3 million paths": _paths,
        "thick curves": _curves,
        "dashes of .01": _dashes,
        "nested soft masks": _soft_masks,
        "nested groups": _groups,
        "function shadings": _functions,
        "mesh shadings": _meshes,
        "Type 3 glyphs": _glyphs,
        "3,000 annotations": _annotations,
        "clip paths": _clips,
        "a page of 100,000,000 points": lambda: pdf(1, "", MediaBox="[0 0 100000000 100000000]"),
        "a thin page": lambda: pdf(1, "", MediaBox="[0 0 .0001 14400]"),
        "an empty page": lambda: pdf(1, "", MediaBox="[0 0 0 0]"),
    }
