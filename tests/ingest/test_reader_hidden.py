"""Hidden is what is not drawn: every way of showing nothing hides, and its twin shows."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import reportlab
from cssselect import HTMLTranslator, parse
from files import bare_pdf, write
from fontTools.ttLib import TTFont
from hiding import FORMS, SECRET, SHOWN, Form
from lxml import etree
from pypdf import PdfReader, PdfWriter

from assistant.errors import ReadError
from ingest.readers import cascade, read
from ingest.readers.pdf.fonts import mismatches


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_what_is_not_drawn_is_not_read(tmp_path: Path, form: Form) -> None:
    document = read(write(tmp_path, f"x{form.suffix}", form.build(True)))
    assert SHOWN in document.text
    assert "9999" not in document.text and "dragonflies" not in document.text


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_what_is_drawn_is_read(tmp_path: Path, form: Form) -> None:
    document = read(write(tmp_path, f"x{form.suffix}", form.build(False)))
    assert SHOWN in document.text and SECRET in document.text


def test_the_style_of_the_page_itself_is_heard(tmp_path: Path) -> None:
    page = f"<html style='background:#111'><body><p style='color:#fff'>{SHOWN}</p><p style='color:#111'>{SECRET}</p>"
    assert read(write(tmp_path, "x.html", page)).text == SHOWN


def test_a_page_that_its_script_shows_is_read(tmp_path: Path) -> None:
    assert read(write(tmp_path, "x.html", f"<html style='opacity:0'><body><p>{SHOWN}</p>")).text == SHOWN


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
        ("".join(f"p:nth-child({n}n+1){{color:red}}" for n in range(1_500)), "<p>x"),
        (f"p{''.join(f':not(:nth-of-type({n}))' for n in range(900))}{{color:red}}", "<p>x"),
        ("".join(f"p:has(~ p:not([a{n}])){{color:red}}" for n in range(500)), "<p>x"),
        (f"p{{{''.join(f'--a{n}:x;' for n in range(2_500))}}}", "<p>x"),
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


@pytest.mark.parametrize(
    "selector",
    [
        "p:nth-child(2n+1)", "p:nth-last-child(-n+2)", "b:nth-of-type(2)", "b:nth-last-of-type(odd)", ":first-child",
        "b:only-of-type", "p:only-child", "div:not(:first-child) b", "p:not(div > p)", "p:not(.x):not(:last-child)",
        "p:has(> b)", "div:has(.x)", "p:has(+ p)", "p:has(~ .x)", ":is(p, div):nth-child(3)", ":root", "p:last-of-type",
    ],
)  # fmt: skip
def test_selectors_mean_what_they_mean_in_xpath(selector: str) -> None:
    body = "<p class=x><b>1</b></p><p>2<i>3</i><b>4</b><b>5</b></p><div><p>6</p></div><p>7</p><div><b>8</b></div>"
    root = etree.fromstring(f"<html><body>{body}</body></html>", etree.HTMLParser())
    before = etree.tostring(root)
    (parsed,) = parse(selector)
    matcher = cascade._Matcher(root, 1_000_000)
    assert matcher.of(parsed) == root.xpath(HTMLTranslator().selector_to_xpath(parsed))
    matcher.forget()
    assert etree.tostring(root) == before


def test_an_unknown_selector_means_nothing(tmp_path: Path) -> None:
    page = f"<style>p:not(:unknown){{display:none}} .a{'.a' * 5_000}{{display:none}}</style><p class=a>{SHOWN}</p>"
    assert read(write(tmp_path, "x.html", page)).text == SHOWN


@pytest.mark.parametrize(
    "where", ["<style>p{top:9}</style><p>", "<style media='(min-width:9px)'>p{top:0}</style><p>", "<p style='top:9'>"]
)
def test_a_number_without_end_is_read(tmp_path: Path, where: str) -> None:
    assert read(write(tmp_path, "x.html", where.replace("9", "9" * 5_000) + SHOWN)).text == SHOWN


def test_where_styles_would_take_too_long_all_is_read_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cascade, "_MOST_STEPS", 1_000_000)
    sheet = "".join(f"p:nth-child({n}n+1){{color:#fff}}" for n in range(100))
    document = read(write(tmp_path, "x.html", f"<style>{sheet}</style><p>{SHOWN}</p>{'<p>x' * 300}"))
    assert SHOWN in document.text
    assert document.warnings == ("too many style rules for as many elements; text was read whether it is drawn or not",)


TEXT = "We pay 180 euros at once."


WIN_ANSI = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding/ToUnicode 6 0 R>>"


def table_of(told: dict[str, str], codes: dict[str, int], digits: int) -> str:
    """A table of characters that calls the letters of ``TEXT`` what ``told`` says."""
    read = {one: told.get(one, one).encode("utf-16-be").hex() for one in sorted(set(TEXT))}
    lines = (f"<{codes[one]:0{digits}x}> <{text}>" for one, text in read.items())
    table = f"1 begincodespacerange <{'0' * digits}> <{'f' * digits}> endcodespacerange\n{len(set(TEXT))} beginbfchar\n"
    return stream(f"begincmap\n{table}{chr(10).join(lines)}\nendbfchar endcmap")


def stream(content: str, entries: str = "") -> str:
    return f"<<{entries}/Length {len(content)}>>stream\n{content}\nendstream"


def page_in(shown: str, *fonts: str) -> bytes:
    """A page that shows a string with the first of the objects that make a font, numbered from 5."""
    return page_with("<</Font<</F 5 0 R>>>>", f"BT /F 12 Tf 60 700 Td {shown} Tj ET", *fonts)


def page_with(resources: str, content: str, *objects: str, entries: str = "") -> bytes:
    """A page with its resources and further objects, numbered from 5."""
    return bare_pdf(
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources{resources}{entries}>>",
        stream(content),
        *objects,
    )


def in_helvetica(told: dict[str, str], font: str = WIN_ANSI) -> bytes:
    return page_in(f"({TEXT})", font, table_of(told, {one: ord(one) for one in TEXT}, 2))


def in_an_embedded_font(told: dict[str, str], rewrite: tuple[str, str] = ("\n", "\n"), *more: str) -> bytes:
    file = Path(reportlab.__file__).parent / "fonts/Vera.ttf"
    font = TTFont(file)
    codes = {one: font.getGlyphID(font.getBestCmap()[ord(one)]) for one in TEXT}
    widths = " ".join(f"{code} [{font['hmtx'][font.getGlyphName(code)][0] / 2.048:.0f}]" for code in codes.values())
    data = file.read_bytes().hex()
    shown = f"<{''.join(f'{codes[one]:04x}' for one in TEXT)}>"
    objects = (
        "<</Type/Font/Subtype/Type0/BaseFont/Vera/Encoding/Identity-H/DescendantFonts[7 0 R]/ToUnicode 6 0 R>>",
        table_of(told, codes, 4),
        "<</Type/Font/Subtype/CIDFontType2/BaseFont/Vera/CIDToGIDMap/Identity/FontDescriptor 8 0 R"
        f"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/W[{widths}]>>",
        "<</Type/FontDescriptor/FontName/Vera/Flags 4/FontBBox[0 0 1000 1000]/ItalicAngle 0/Ascent 900/Descent -200"
        "/CapHeight 700/StemV 80/FontFile2 9 0 R>>",
        f"<</Filter/ASCIIHexDecode/Length {len(data) + 1}>>stream\n{data}>\nendstream",
        *more,
    )
    return page_in(shown, *(one.replace(*rewrite) for one in objects))


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


SHOW = f"BT /F 12 Tf 60 700 Td ({TEXT}) Tj ET"
IDENTITY = stream("".join(f"{code:04x}" for code in range(512)) + ">", "/Filter/ASCIIHexDecode")
LYING = (WIN_ANSI, table_of({"1": "0"}, {one: ord(one) for one in TEXT}, 2))


def after_a_page(resources: str) -> bytes:
    """A page in a font that reads otherwise, after one of other resources."""
    whole = page_with("<</Font<</F 5 0 R>>>>", SHOW, *LYING, f"<</Type/Page/Parent 2 0 R/Resources {resources}>>")
    return whole.replace(b"/Kids[3 0 R]/Count 1", b"/Kids[7 0 R 3 0 R]/Count 2/MediaBox[0 0 595 842]")


def in_forms(depth: int) -> bytes:
    """Forms in forms, the innermost in a font that reads otherwise, and each holding the first again."""
    form = "/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources"
    outer = [stream("/X Do", f"{form}<</XObject<</X {8 + at} 0 R/Y 7 0 R>>>>") for at in range(depth - 1)]
    return page_with("<</XObject<</X 7 0 R>>>>", "/X Do", *LYING, *outer, stream(SHOW, f"{form}<</Font<</F 5 0 R>>>>"))


def in_a_field() -> bytes:
    look = "/Type/XObject/Subtype/Form/BBox[0 0 500 800]/Resources<</Font<</F 5 0 R>>>>"
    field = "<</Type/Annot/Subtype/Widget/FT/Tx/T(a)/F 4/Rect[0 0 500 800]/AP<</N 8 0 R>>>>"
    whole = page_with("<<>>", "", *LYING, field, stream(SHOW, look), entries="/Annots[7 0 R]")
    return whole.replace(b"/Type/Catalog", b"/Type/Catalog/AcroForm<</Fields[7 0 R]>>")


def embedded(old: str, new: str, *objects: str) -> bytes:
    """A font whose codes are numbers of glyphs and that reads otherwise, with some of its entries written anew."""
    return in_an_embedded_font({"1": "0"}, (old, new), *objects)


@pytest.mark.parametrize(
    "build",
    [
        *(
            pytest.param(lambda told=told: in_helvetica({told[0]: told[1:]}), id=f"{told[0]} read as {told[1:]!a}")
            for told in (
                "100",
                "10\u200b",
                "1\uff10",
                "1\U0001d7ce",
                "1\u2070",
                "1\u0660",
                "1\u041e",
                "1 ",
                "8.",
                "e\u0430",
            )
        ),
        *(
            pytest.param(lambda resources=resources: after_a_page(resources), id=f"after a page of {resources}")
            for resources in (
                "<</Font<</A<</Subtype/Type1>>>>>>",
                "<</Font 5>>",
                "<</XObject<</A null>>>>",
                "7",
                "99 0 R",
            )
        ),
        pytest.param(lambda: page_with(f"<</Font<</F{WIN_ANSI}>>>>", SHOW, *LYING), id="font inline"),
        pytest.param(lambda: in_forms(2), id="form in a form"),
        pytest.param(lambda: in_forms(8), id="deep forms"),
        pytest.param(in_a_field, id="field"),
        *(
            pytest.param(lambda font=font: in_helvetica({"1": "0"}, WIN_ANSI.replace(*font)), id=font[1])
            for font in (
                ("WinAnsi", "Standard"),
                ("/WinAnsiEncoding", "<</Differences[49/one.alt]>>"),
                ("/WinAnsiEncoding", "<</BaseEncoding/StandardEncoding>>"),
                ("/WinAnsiEncoding", "<</BaseEncoding/WinAnsiEncoding/Differences 5>>"),
                ("/BaseFont/Helvetica/Encoding", "/BaseFont[5]/FontDescriptor<</FontFile2 null/Flags/x>>/Encoding"),
                ("/BaseFont/Helvetica/Encoding/WinAnsiEncoding", "/BaseFont/Symbol"),
            )
        ),
        pytest.param(lambda: embedded("/CIDToGIDMap/Identity", ""), id="no map of glyphs"),
        pytest.param(lambda: embedded("/CIDToGIDMap/Identity", "/CIDToGIDMap 10 0 R", IDENTITY), id="map of glyphs"),
        pytest.param(lambda: embedded("/Encoding/Identity-H", "/Encoding 10 0 R", "/Identity-H"), id="name elsewhere"),
    ],
)
def test_whatever_a_figure_is_read_as_what_is_drawn_is_read(tmp_path: Path, build: Callable[[], bytes]) -> None:
    assert read(write(tmp_path, "a.pdf", build())).text == TEXT


@pytest.mark.parametrize(
    ("font", "told"),
    [
        (WIN_ANSI, {"1": "\uff11", "8": "\u2078"}),
        (WIN_ANSI.replace("/WinAnsiEncoding", "<</Differences[49/fi 56/f_i]>>"), {"1": "fi", "8": "\ufb01"}),
        (WIN_ANSI.replace("Helvetica/Encoding/WinAnsiEncoding", "Symbol"), {"W": "\u03a9", "p": "\u03c0"}),
        (WIN_ANSI.replace("Helvetica/Encoding/WinAnsiEncoding", "ZapfDingbats"), {"1": "\u2711", "n": "\u25a0"}),
    ],
)
def test_a_font_that_reads_as_it_draws_is_left_alone(tmp_path: Path, font: str, told: dict[str, str]) -> None:
    assert read(write(tmp_path, "a.pdf", in_helvetica(told, font))).warnings == ()


def test_forms_that_share_resources_take_no_cubic_time(tmp_path: Path) -> None:
    count = 120
    form = stream("", "/Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources 5 0 R")
    listed = "".join(f"/X{at} {6 + at} 0 R" for at in range(count))
    pages = ["<</Type/Page/Parent 2 0 R/Resources 5 0 R>>"] * count
    kids = " ".join(f"{6 + count + at} 0 R" for at in range(count))
    data = page_with("<<>>", "", f"<</XObject<<{listed}>>>>", *[form] * count, *pages)
    path = write(tmp_path, "a.pdf", data.replace(b"Kids[3 0 R]/Count 1", f"Kids[{kids}]/Count {count}".encode()))
    started = time.process_time()
    assert mismatches(PdfReader(path)) == []
    assert time.process_time() - started < 1


def test_a_font_of_symbols_is_left_alone(tmp_path: Path) -> None:
    font = TTFont(Path(reportlab.__file__).parent / "fonts/Vera.ttf")
    (table,) = [one for one in font["cmap"].tables if one.isUnicode()]
    table.platEncID = 0
    font["cmap"].tables, font["post"].formatType = [table], 3
    font.save(tmp_path / "symbols.ttf")
    data = (tmp_path / "symbols.ttf").read_bytes().hex()
    pdf = page_in(
        f"({TEXT})",
        WIN_ANSI.replace("Type1", "TrueType/FontDescriptor 7 0 R"),
        table_of({"n": "\u25a0"}, {one: ord(one) for one in TEXT}, 2),
        "<</Type/FontDescriptor/FontName/Helvetica/Flags 4/FontFile2 8 0 R>>",
        stream(f"{data}>", "/Filter/ASCIIHexDecode"),
    )
    assert read(write(tmp_path, "a.pdf", pdf)).warnings == ()
