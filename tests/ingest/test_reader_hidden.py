"""Hidden is what is not drawn: every way of showing nothing hides, and its twin shows."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import reportlab
from files import bare_pdf, write
from fontTools.ttLib import TTFont
from hiding import FORMS, SECRET, SHOWN, Form
from pypdf import PdfReader, PdfWriter

from assistant.errors import ReadError
from ingest.readers import read


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_what_is_not_drawn_is_not_read(tmp_path: Path, form: Form) -> None:
    document = read(write(tmp_path, f"x{form.suffix}", form.build(True)))
    assert SHOWN in document.text
    assert "9999" not in document.text and "dragonflies" not in document.text


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_what_is_drawn_is_read(tmp_path: Path, form: Form) -> None:
    document = read(write(tmp_path, f"x{form.suffix}", form.build(False)))
    assert SHOWN in document.text and SECRET in document.text


def test_the_report_tells_how_much_was_not_drawn(tmp_path: Path) -> None:
    page = f"<p>{SHOWN}</p><p style='opacity:0'>four</p><p hidden>12</p><script>script</script>"
    document = read(write(tmp_path, "x.html", page))
    assert document.warnings == ("text that is not drawn was left out (6 letters and figures)",)


@pytest.mark.parametrize(
    ("sheet", "body"),
    [
        ("div div div{display:none}", "<div>"),
        ("p ~ p ~ p{display:none}", "<p>x"),
        (":root{--a:x}" + "p{--a:var(--a)var(--a)var(--a)}", "<p>x"),
        ("p{color:red}" * 500, "<p>x"),
        ("@media screen{" * 500, "<p>x"),
        (":not(" * 2_000, "<p>x"),
        ("p " * 5_000 + "{display:none}", "<p>x"),
    ],
)
def test_styles_take_no_quadratic_time(tmp_path: Path, sheet: str, body: str) -> None:
    path = write(tmp_path, "x.html", f"<style>{sheet}</style><p>{SHOWN}</p>{body * 1_900}")
    started = time.process_time()
    with suppress(ReadError):
        read(path)
    assert time.process_time() - started < 2


TEXT = "We pay 180 euros at once."


def table_of(told: dict[str, str], codes: dict[str, int], digits: int) -> str:
    """A table of characters that calls the letters of ``TEXT`` what ``told`` says."""
    lines = (f"<{codes[one]:0{digits}x}> <{ord(told.get(one, one)):04x}>" for one in sorted(set(TEXT)))
    table = f"1 begincodespacerange <{'0' * digits}> <{'f' * digits}> endcodespacerange\n{len(set(TEXT))} beginbfchar\n"
    content = f"begincmap\n{table}{chr(10).join(lines)}\nendbfchar endcmap"
    return f"<</Length {len(content)}>>stream\n{content}\nendstream"


def page_in(shown: str, *fonts: str) -> bytes:
    """A page that shows a string with the first of the objects that make a font, numbered from 5."""
    content = f"BT /F 12 Tf 60 700 Td {shown} Tj ET"
    return bare_pdf(
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        f"<</Length {len(content)}>>stream\n{content}\nendstream",
        *fonts,
    )


def in_helvetica(told: dict[str, str]) -> bytes:
    font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding/ToUnicode 6 0 R>>"
    return page_in(f"({TEXT})", font, table_of(told, {one: ord(one) for one in TEXT}, 2))


def in_an_embedded_font(told: dict[str, str]) -> bytes:
    file = Path(reportlab.__file__).parent / "fonts/Vera.ttf"
    font = TTFont(file)
    codes = {one: font.getGlyphID(font.getBestCmap()[ord(one)]) for one in TEXT}
    widths = " ".join(f"{code} [{font['hmtx'][font.getGlyphName(code)][0] / 2.048:.0f}]" for code in codes.values())
    data = file.read_bytes().hex()
    return page_in(
        f"<{''.join(f'{codes[one]:04x}' for one in TEXT)}>",
        "<</Type/Font/Subtype/Type0/BaseFont/Vera/Encoding/Identity-H/DescendantFonts[7 0 R]/ToUnicode 6 0 R>>",
        table_of(told, codes, 4),
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/Vera/CIDToGIDMap/Identity/FontDescriptor 8 0 R"
        f"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/W[{widths}]>>",
        "<</Type/FontDescriptor/FontName/Vera/Flags 4/FontBBox[0 0 1000 1000]/ItalicAngle 0/Ascent 900/Descent -200"
        "/CapHeight 700/StemV 80/FontFile2 9 0 R>>",
        f"<</Filter/ASCIIHexDecode/Length {len(data) + 1}>>stream\n{data}>\nendstream",
    )


@pytest.mark.parametrize("build", [in_helvetica, in_an_embedded_font])
def test_what_is_drawn_is_read_where_a_font_reads_otherwise(
    tmp_path: Path, build: Callable[[dict[str, str]], bytes]
) -> None:
    honest = read(write(tmp_path, "a.pdf", build({})))
    assert (honest.text, honest.warnings) == (TEXT, ())
    lying = read(write(tmp_path, "b.pdf", build({"1": "0", "8": "0", "p": "s"})))
    assert lying.text == TEXT
    assert lying.warnings[0] == (
        "page 1 is drawn otherwise than the text says (1 for 0, 8 for 0, p for s); what is drawn was read"
    )


def test_a_font_that_reads_otherwise_is_found_behind_a_lock_that_anyone_opens(tmp_path: Path) -> None:
    locked = PdfWriter(clone_from=PdfReader(write(tmp_path, "a.pdf", in_helvetica({"1": "0"}))))
    locked.encrypt(user_password="", owner_password="x", algorithm="RC4-128")
    locked.write(tmp_path / "b.pdf")
    lying = read(tmp_path / "b.pdf")
    assert lying.text == TEXT and "1 for 0" in lying.warnings[0]


def test_a_font_that_reads_otherwise_is_told_where_the_file_cannot_be_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("/Root")

    monkeypatch.setattr(PdfWriter, "write", broken)
    lying = read(write(tmp_path, "a.pdf", in_helvetica({"1": "0"})))
    assert lying.text == TEXT.replace("1", "0")
    assert lying.warnings == ("page 1 is drawn otherwise than the text says (1 for 0); the text was read",)
