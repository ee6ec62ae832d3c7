"""Ways of showing nothing, each with its twin that shows: the same construction with harmless values."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from files import bare_pdf, docx, with_member

SHOWN = "The deductible is 150 euros."
SECRET = "Everybody pays 9999 dragonflies."


@dataclass(frozen=True)
class Form:
    """One way of hiding ``SECRET`` beside ``SHOWN``; ``build(False)`` is its twin, which shows both."""

    name: str
    suffix: str
    build: Callable[[bool], bytes]

    def __str__(self) -> str:
        return f"{self.suffix[1:]} {self.name}"


def _page(body: str, head: str = "") -> bytes:
    text = f"<!DOCTYPE html><html><head><title>Terms</title>{head}</head><body><p>{SHOWN}</p>{body}</body></html>"
    return text.encode()


# Name, page with @ for a value, the value that hides, the value that shows; $ is the secret.
_INLINE: tuple[tuple[str, str, str], ...] = (
    ("display", "display:none", "display:block"),
    ("display written with escapes", r"d\69splay:n\6fne", r"d\69splay:bl\6f ck"),
    ("display of table columns", "display:table-column", "display:table"),
    ("visibility", "visibility:hidden", "visibility:visible"),
    ("visibility collapsed", "visibility:collapse", "visibility:inherit"),
    ("content-visibility", "content-visibility:hidden", "content-visibility:auto"),
    ("opacity", "opacity:0", "opacity:1"),
    ("opacity in per cent", "opacity:1%", "opacity:90%"),
    ("filter opacity", "filter:opacity(0)", "filter:opacity(.9)"),
    ("filter brightness", "color:#444;filter:brightness(60)", "color:#444;filter:brightness(1.2)"),
    ("filter invert", "filter:invert(1)", "filter:invert(0)"),
    ("filter blur", "filter:blur(40px)", "filter:blur(.1px)"),
    ("transform scale", "transform:scale(0)", "transform:scale(1.5)"),
    ("transform scaleY", "transform:scaleY(.001)", "transform:scaleY(1)"),
    ("scale", "scale:0", "scale:1"),
    ("transform matrix", "transform:matrix(0,0,0,0,0,0)", "transform:matrix(1,0,0,1,0,0)"),
    ("transform on edge", "transform:rotateY(90deg)", "transform:rotateY(10deg)"),
    ("transform translate", "transform:translateX(-9999px)", "transform:translateX(-5px)"),
    ("transform translate by the window", "transform:translate(-200vw, 0)", "transform:translate(1vw, 0)"),
    ("translate", "translate:-9999px", "translate:4px"),
    ("clip-path inset", "clip-path:inset(50%)", "clip-path:inset(0)"),
    ("clip-path circle", "clip-path:circle(0)", "clip-path:circle(100%)"),
    ("clip-path polygon", "clip-path:polygon(0 0,0 0,0 0)", "clip-path:polygon(0 0,100% 0,100% 100%,0 100%)"),
    ("clip", "position:absolute;clip:rect(0,0,0,0)", "position:absolute;clip:rect(0,900px,900px,0)"),
    ("mask", "mask:linear-gradient(transparent,transparent)", "mask:linear-gradient(black,black)"),
    ("font-size", "font-size:0", "font-size:12px"),
    ("font-size in em", "font-size:.01em", "font-size:.9em"),
    ("font-size by calc", "font-size:calc(0px)", "font-size:calc(12px)"),
    ("font", "font:0/0 a", "font:12px/1 Arial"),
    ("zoom", "zoom:.01", "zoom:1"),
    ("letter-spacing", "letter-spacing:-1em", "letter-spacing:.1em"),
    ("text-indent", "text-indent:-9999px", "text-indent:1em"),
    ("text-indent past the edge", "overflow:hidden;text-indent:100%", "overflow:hidden;text-indent:1%"),
    ("left", "position:absolute;left:-9999px", "position:absolute;left:9px"),
    ("right", "position:absolute;right:-9999px", "position:absolute;right:9px"),
    ("top", "position:fixed;top:-100vh", "position:fixed;top:10vh"),
    ("under the page", "position:absolute;top:99999px", "position:absolute;top:99px"),
    ("inset", "position:absolute;inset:0 auto auto -9999px", "position:absolute;inset:0 auto auto 9px"),
    ("margin", "margin:0 0 0 -9999px", "margin:0 0 0 9px"),
    ("margin-left", "margin-left:-9999px", "margin-left:-9px"),
    ("height", "height:0;overflow:hidden", "height:0"),
    ("max-height", "max-height:0;overflow:hidden", "max-height:0;overflow:visible"),
    ("width", "width:1px;overflow:clip", "width:100px;overflow:clip"),
    ("line-height", "line-height:0;overflow:hidden", "line-height:1;overflow:hidden"),
    ("stack", "position:absolute;z-index:-1", "position:absolute;z-index:1"),
    ("colour by name", "color:white", "color:navy"),
    ("colour nearly that of the page", "color:#fdfdfd", "color:#767676"),
    ("colour by rgb", "color:rgb(255 255 255)", "color:rgb(0 0 0)"),
    ("colour by hsl", "color:hsl(120, 10%, 99%)", "color:hsl(120, 10%, 30%)"),
    ("colour by hwb", "color:hwb(0 100% 0%)", "color:hwb(0 0% 100%)"),
    ("colour by oklch", "color:oklch(1 0 0)", "color:oklch(.3 0 0)"),
    ("colour by a mix", "color:color-mix(in srgb, white, #000 2%)", "color:color-mix(in srgb, white 2%, black)"),
    ("colour of the system", "color:Canvas", "color:CanvasText"),
    ("colour transparent", "color:transparent", "color:black"),
    ("colour nearly transparent", "color:rgb(0 0 0 / 2%)", "color:rgb(0 0 0 / 80%)"),
    ("fill of the letters", "-webkit-text-fill-color:transparent", "-webkit-text-fill-color:#222"),
    ("white shadow of clear letters", "color:#0000;text-shadow:0 0 1px #fff", "color:#0000;text-shadow:0 0 1px #333"),
    ("colour on a ground", "background:#222;color:#2a2a2a", "background:#222;color:#eee"),
    (
        "colour on a gradient",
        "background:linear-gradient(red,red);color:red",
        "background:linear-gradient(red,red);color:#000",
    ),
    (
        "letters cut out of nothing",
        "color:transparent;background:#fff",
        "color:transparent;background:linear-gradient(red,blue);background-clip:text",
    ),
    ("custom property", "--ink:#fff;color:var(--ink)", "--ink:#111;color:var(--ink)"),
    ("custom property with a fallback", "color:var(--no-such, white)", "color:var(--no-such, black)"),
    ("importance", "display:none !important;display:block", "display:block !important;display:none"),
)
# Name, body, hiding and harmless style sheet.
_SHEETS: tuple[tuple[str, str, str, str], ...] = (
    ("class", "<p class='x'>$</p>", ".x{display:none}", ".y{display:none}"),
    ("id", "<p id='x'>$</p>", "#x{visibility:hidden}", "#y{visibility:hidden}"),
    ("attribute", "<p data-k='v'>$</p>", "[data-k^=v]{opacity:0}", "[data-k^=w]{opacity:0}"),
    ("descendant", "<div class='a'><p>$</p></div>", ".a p{font-size:0}", ".b p{font-size:0}"),
    ("child", "<div class='a'><p>$</p></div>", ".a > p{display:none}", ".a > b{display:none}"),
    ("neighbour", "<h2>Fees</h2><p>$</p>", "h2 + p{display:none}", "h2 + div{display:none}"),
    ("followers", "<h2>Fees</h2><p>Ours.</p><p>$</p>", "h2 ~ p{color:white}", "h2 ~ div{color:white}"),
    ("number", "<ul><li>Ours</li><li>$</li></ul>", "li:nth-child(2){display:none}", "li:nth-child(3){display:none}"),
    (
        "exception",
        "<p class='x'>$</p>",
        "p:not(.y){display:none}p:first-child{display:block}",
        "p:not(.x,:first-child){display:none}",
    ),
    ("media", "<p class='x'>$</p>", "@media screen{.x{display:none}}", "@media print{.x{display:none}}"),
    (
        "width of the window",
        "<p class='x'>$</p>",
        "@media (min-width:600px){.x{display:none}}",
        "@media (max-width:600px){.x{display:none}}",
    ),
    (
        "width of the window in other units",
        "<p class='x'>$</p>",
        "@media (max-width:50cm){.x{display:none}}",
        "@media (max-width:20cm){.x{display:none}}",
    ),
    (
        "support",
        "<p class='x'>$</p>",
        "@supports (display:grid){.x{display:none}}",
        "@supports (display:grid){.y{display:none}}",
    ),
    ("nesting", "<div class='a'><p>$</p></div>", ".a{ & p{display:none} }", ".a{ & b{display:none} }"),
    ("comments", "<p class='x'>$</p>", "/*{*/.x/**/{display:/**/none}", "/*.x{display:none}*/"),
    (
        "specificity",
        "<p class='x' id='y'>$</p>",
        "#y{display:none}.x{display:block}",
        "#y{display:block}.x{display:none}",
    ),
    ("order", "<p class='x'>$</p>", ".x{display:block}.x{display:none}", ".x{display:none}.x{display:block}"),
    (
        "shorthand after its part",
        "<p class='x'>$</p>",
        ".x{background-color:#000;background:#fff;color:#fff}",
        ".x{background:#fff;background-color:#000;color:#fff}",
    ),
    (
        "colours of two rules",
        "<div class='a'><p>$</p></div>",
        ".a{background:#123}p+div p{color:#123}",
        ".a{background:#123}p+div p{color:#fff}",
    ),
    ("inherited size", "<div class='a'><p>$</p></div>", ".a{font-size:0}", ".a{font-size:0}.a p{font-size:1rem}"),
    (
        "inherited visibility",
        "<div class='a'><p>$</p></div>",
        ".a{visibility:hidden}",
        ".a{visibility:hidden}.a p{visibility:visible}",
    ),
    (
        "behind a box",
        "<div class='a'><p class='x'>$</p></div>",
        ".a{background:#eee}.x{position:relative;z-index:-1}",
        ".a{background:#eee}.x{position:relative;z-index:2}",
    ),
    (
        "custom property of the root",
        "<p class='x'>$</p>",
        ":root{--c:white}.x{color:var(--c)}",
        ":root{--c:black}.x{color:var(--c)}",
    ),
    ("ground of the page", "<p>$</p>", "p+p{color:#fff}", ":root{background:#111}p{color:#fff}"),
    ("scheme of colours", "<p>$</p>", "p+p{color:#eee}", ":root{color-scheme:dark}p+p{color:#eee}"),
    (
        "ground of a box before",
        "<section><p>$</p></section>",
        "section{color:#fff}section::before{content:''}",
        "section{color:#fff}section::before{content:'';position:absolute;inset:0;background:#036;z-index:-1}",
    ),
    (
        "white over a picture",
        "<div style='position:relative'><img src='a.jpg'><h2>$</h2></div>",
        "h2{color:#fff}",
        "h2{color:#fff;position:absolute;top:9px}",
    ),
    (
        "white over a ground placed there",
        "<div style='position:relative'><div class='x'></div><p style='position:relative;color:#fff'>$</p></div>",
        ".x{position:absolute}",
        ".x{position:absolute;inset:0;background:#036}",
    ),
    (
        "fading in",
        "<p>$</p>",
        "p+p{opacity:0;animation:f 1s forwards}@keyframes f{to{left:0}}",
        "p+p{opacity:0;animation:f 1s forwards}@keyframes f{to{opacity:1}}",
    ),
    ("annotation of letters", "<ruby>base<rt>$</rt></ruby>", "rt{display:none}", "rt{font-size:50%}"),
    ("accordion in white", "<p class='panel'>$</p>", ".panel{color:#fff}", ".panel{display:none}"),
)
# Name, body that hides, body that shows.
_MARKUP: tuple[tuple[str, str, str], ...] = (
    ("hidden", "<p hidden>$</p>", "<p>$</p>"),
    (
        "hidden that a button opens",
        "<div hidden id='x'>$</div>",
        "<button aria-controls='x'>Fees</button><div hidden id='x'>$</div>",
    ),
    ("comment", "<!-- $ -->", "<!-- --> $"),
    ("template", "<template><p>$</p></template>", "<div><p>$</p></div>"),
    ("noscript", "<noscript>$</noscript>", "<div>$</div>"),
    ("input", "<form><input type='hidden' value='$'></form>", "<form><label>$</label></form>"),
    ("dialog", "<dialog>$</dialog>", "<dialog open>$</dialog>"),
    ("popover", "<div popover id='x'>$</div>", "<button popovertarget='x'>More</button><div popover id='x'>$</div>"),
    (
        "details without anything to click on",
        "<details><summary></summary>$</details>",
        "<details><summary>Fees</summary>$</details>",
    ),
    ("parentheses of annotations", "<ruby>base<rp>$</rp></ruby>", "<ruby>base<rt>$</rt></ruby>"),
    (
        "old colours",
        "<div bgcolor='#ffffff'><font color='ffffff'>$</font></div>",
        "<div bgcolor='#000080'><font color='ffffff'>$</font></div>",
    ),
    (
        "white in a cell with a picture",
        "<table><tr><td background='' style='color:#fff'>$</td></tr></table>",
        "<table><tr><td background='a.png' style='color:#fff'>$</td></tr></table>",
    ),
    (
        "white page in a dark scheme",
        "<meta name='color-scheme' content='light dark'><p style='color:#fff'>$</p>",
        "<meta name='color-scheme' content='dark'><p style='color:#fff'>$</p>",
    ),
    ("aria-hidden is drawn", "<span aria-hidden='true' hidden>$</span>", "<span aria-hidden='true'>$</span>"),
    (
        "sheet in an address",
        "<link rel='stylesheet' href='data:text/css,p%2Bp%7Bdisplay:none%7D'><p>a</p><p>$</p>",
        "<link rel='stylesheet' media='print' href='data:text/css,p%2Bp%7Bdisplay:none%7D'><p>a</p><p>$</p>",
    ),
)


def _form(name: str, suffix: str, hides: bytes, shows: bytes) -> Form:
    return Form(name, suffix, lambda hidden: hides if hidden else shows)


def _html_forms() -> list[Form]:
    inline = [
        _form(name, ".html", *(_page(f'<div style="{style}">{SECRET}</div>') for style in styles))
        for name, *styles in _INLINE
    ]
    sheets = [
        _form(f"by {name}", ".html", *(_page(body.replace("$", SECRET), f"<style>{sheet}</style>") for sheet in both))
        for name, body, *both in _SHEETS
    ]
    markup = [_form(name, ".html", *(_page(body.replace("$", SECRET)) for body in bodies)) for name, *bodies in _MARKUP]
    return inline + sheets + markup


def _pdf(content: str, *extra: str, resources: str = "", page: str = "", catalog: str = "") -> bytes:
    """One page of A4 that shows a line and does what ``content`` does; further objects are numbered from 6."""
    stream = f"BT /F 12 Tf 60 760 Td ({SHOWN}) Tj ET\n{content}"
    return bare_pdf(
        f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]{page}/Contents 4 0 R"
        f"/Resources<</Font<</F 5 0 R>>{resources}>>>>",
        f"<</Length {len(stream)}>>stream\n{stream}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        *extra,
    )


def _line(before: str = "", after: str = "", *, at: str = "60 600", size: str = "12", text: str = SECRET) -> str:
    return f"q {before} BT /F {size} Tf {at} Td {after} ({text}) Tj ET Q\n"


_STATE = "/ExtGState<</G 6 0 R>>"
_FORM = "/XObject<</X 6 0 R>>"
_BAR = "50 590 400 30 re f"
_WHITE_PICTURE = (
    "<</Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray"
    "/Filter/ASCIIHexDecode/Length 3>>stream\nFF>\nendstream"
)
_LAYER = "/OCProperties<</OCGs[{0} 0 R]/D<</{1}[{0} 0 R]>>>>"


def _stream(head: str, content: str) -> str:
    return f"<<{head}/Length {len(content)}>>stream\n{content}\nendstream"


def _group(content: str, head: str = "") -> str:
    return _stream(f"/Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<</Font<</F 5 0 R>>>>{head}", content)


def _mask(light: int) -> str:
    return _group(f"{light} g 0 0 595 842 re f", "/Group<</S/Transparency/CS/DeviceGray>>")


_PDF: tuple[tuple[str, bytes, bytes], ...] = (
    ("white on white", _pdf(_line("1 g")), _pdf(_line(".2 g"))),
    ("nearly white", _pdf(_line(".97 g")), _pdf(_line(".6 g"))),
    ("white of four inks", _pdf(_line("0 0 0 0 k")), _pdf(_line("0 0 0 1 k"))),
    ("white edges only", _pdf(_line("1 G", "1 Tr")), _pdf(_line("0 G", "1 Tr"))),
    ("black on black", _pdf(f"0 g {_BAR} {_line('0 g')}"), _pdf(f"0 g {_BAR} {_line('1 g')}")),
    (
        "nearly the colour of a bar",
        _pdf(f".1 .1 .3 rg {_BAR} {_line('.12 .1 .32 rg')}"),
        _pdf(f".1 .1 .3 rg {_BAR} {_line('1 1 .9 rg')}"),
    ),
    (
        "letters on black pieces",
        _pdf("".join(f"{60 + 6 * n} 590 6 30 re f\n" for n in range(40)) + _line()),
        _pdf("".join(f"{60 + 6 * n} 580 6 3 re f\n" for n in range(40)) + _line()),
    ),
    (
        "clear",
        _pdf(_line("/G gs"), "<</ca 0>>", resources=_STATE),
        _pdf(_line("/G gs"), "<</ca .9>>", resources=_STATE),
    ),
    (
        "masked",
        _pdf(_line("/G gs"), "<</SMask<</S/Luminosity/G 7 0 R>>>>", _mask(0), resources=_STATE),
        _pdf(_line("/G gs"), "<</SMask<</S/Luminosity/G 7 0 R>>>>", _mask(1), resources=_STATE),
    ),
    (
        "blended away",
        _pdf(f"1 g {_BAR} 0 g {_line('/G gs')}", "<</BM/Screen>>", resources=_STATE),
        _pdf(f"1 g {_BAR} 0 g {_line('/G gs')}", "<</BM/Multiply>>", resources=_STATE),
    ),
    ("under a shape", _pdf(f"{_line()} 1 g {_BAR}"), _pdf(f"1 g {_BAR} {_line('0 g')}")),
    (
        "under a picture",
        _pdf(f"{_line()} q 400 0 0 30 50 590 cm /X Do Q", _WHITE_PICTURE, resources=_FORM),
        _pdf(f"q 400 0 0 30 50 590 cm /X Do Q {_line()}", _WHITE_PICTURE, resources=_FORM),
    ),
    (
        "white on a white picture",
        _pdf(f"q 400 0 0 30 50 590 cm /X Do Q {_line('1 g')}", _WHITE_PICTURE, resources=_FORM),
        _pdf(f"q 400 0 0 30 50 590 cm /X Do Q {_line('.3 g')}", _WHITE_PICTURE, resources=_FORM),
    ),
    (
        "white shadow",
        _pdf(_line("1 g") + _line("1 g", at="60.5 599.5")),
        _pdf(_line("1 g") + _line("0 g", at="60.5 599.5")),
    ),
    (
        "white under other letters",
        _pdf(_line("1 g") + _line("0 g", text=SHOWN) + _line("0 g", at="60.3 600", text=SHOWN)),
        _pdf(_line("0 g", at="60 500") + _line("0 g", text=SHOWN) + _line("0 g", at="60.3 600", text=SHOWN)),
    ),
    ("render mode 3", _pdf(_line(after="3 Tr")), _pdf(_line(after="0 Tr"))),
    ("render mode 7", _pdf(_line(after="7 Tr")), _pdf(_line(after="2 Tr"))),
    (
        "render mode 3 over other text",
        _pdf(_line(text="All of it is covered by us here.") + _line(after="3 Tr")),
        _pdf(_line(text="All of it.") + _line(at="60 500")),
    ),
    ("size", _pdf(_line(size="1")), _pdf(_line(size="5"))),
    ("size by a matrix", _pdf(_line(".05 0 0 .05 60 600 cm", at="0 0")), _pdf(_line(".5 0 0 .5 60 600 cm", at="0 0"))),
    ("narrow letters", _pdf(_line(after="1 Tz")), _pdf(_line(after="70 Tz"))),
    ("no width", _pdf(_line(after="0 Tz")), _pdf(_line(after="100 Tz"))),
    ("narrow by a matrix", _pdf(_line(".001 0 0 1 60 600 cm", at="0 0")), _pdf(_line(".8 0 0 1 60 600 cm", at="0 0"))),
    ("flat by a matrix", _pdf(_line("1 0 0 .01 60 600 cm", at="0 0")), _pdf(_line("1 0 0 .8 60 600 cm", at="0 0"))),
    ("left of the page", _pdf(_line(at="-400 600")), _pdf(_line(at="30 600"))),
    ("right of the page", _pdf(_line(at="600 600")), _pdf(_line(at="300 600"))),
    ("over the page", _pdf(_line(at="60 900")), _pdf(_line(at="60 820"))),
    ("under the page", _pdf(_line(at="60 -50")), _pdf(_line(at="60 20"))),
    (
        "beyond the end of a line",
        _pdf(_line(text=f"Ask us. {' ' * 200}{SECRET}")),
        _pdf(_line(text=f"Ask us. {SECRET}")),
    ),
    (
        "outside of the crop box",
        _pdf(_line(), page="/CropBox[0 700 595 842]"),
        _pdf(_line(), page="/CropBox[0 500 595 842]"),
    ),
    ("clipped", _pdf(_line("0 0 10 10 re W n")), _pdf(_line("0 0 590 840 re W n"))),
    ("clipped to nothing", _pdf(_line("60 600 m W n")), _pdf(_line("50 590 400 30 re W n"))),
    (
        "clipped in a form",
        _pdf("/X Do", _group(_line("0 0 10 10 re W n")), resources=_FORM),
        _pdf("/X Do", _group(_line()), resources=_FORM),
    ),
    (
        "a form off the page",
        _pdf("q 1 0 0 1 0 900 cm /X Do Q", _group(_line()), resources=_FORM),
        _pdf("q 1 0 0 1 0 -100 cm /X Do Q", _group(_line()), resources=_FORM),
    ),
    (
        "a layer that is off",
        _pdf(
            f"/OC /L BDC {_line()} EMC",
            "<</Type/OCG/Name(a)>>",
            resources="/Properties<</L 6 0 R>>",
            catalog=_LAYER.format(6, "OFF"),
        ),
        _pdf(
            f"/OC /L BDC {_line()} EMC",
            "<</Type/OCG/Name(a)>>",
            resources="/Properties<</L 6 0 R>>",
            catalog=_LAYER.format(6, "ON"),
        ),
    ),
    (
        "a form in a layer that is off",
        _pdf(
            "/X Do",
            _group(_line(), "/OC 7 0 R"),
            "<</Type/OCG/Name(a)>>",
            resources=_FORM,
            catalog=_LAYER.format(7, "OFF"),
        ),
        _pdf(
            "/X Do",
            _group(_line(), "/OC 7 0 R"),
            "<</Type/OCG/Name(a)>>",
            resources=_FORM,
            catalog=_LAYER.format(7, "ON"),
        ),
    ),
    (
        "text that stands for other text",
        _pdf(f"/Span<</ActualText({SECRET})>>BDC {_line(text='.')} EMC"),
        _pdf(f"/Span<</ActualText({SECRET})>>BDC {_line()} EMC"),
    ),
    (
        "alternative text",
        _pdf(f"/Span<</Alt({SECRET})>>BDC {_line(text='.')} EMC"),
        _pdf(f"/Span<</Alt(other)>>BDC {_line()} EMC"),
    ),
)
_NAMESPACES = " ".join(
    f'xmlns:{name}="{path if path.startswith("urn:") else f"http://schemas.{path}"}"'
    for name, path in {
        "w": "openxmlformats.org/wordprocessingml/2006/main",
        "w14": "microsoft.com/office/word/2010/wordml",
        "wp": "openxmlformats.org/drawingml/2006/wordprocessingDrawing",
        "mc": "openxmlformats.org/markup-compatibility/2006",
        "a": "openxmlformats.org/drawingml/2006/main",
        "v": "urn:schemas-microsoft-com:vml",
    }.items()
)


def _docx(body: str, styles: str = "", head: str = "") -> bytes:
    shown = f"<w:p><w:r><w:t>{SHOWN}</w:t></w:r></w:p>"
    text = f"<w:document {_NAMESPACES}>{head}<w:body>{shown}{body}</w:body></w:document>"
    if not styles:
        return with_member(docx(), "word/document.xml", text)
    known = zipfile.ZipFile(io.BytesIO(docx())).read("word/styles.xml").decode()
    known = known.replace("</w:styles>", f"{styles}</w:styles>")
    return with_member(with_member(docx(), "word/document.xml", text), "word/styles.xml", known)


def _run(properties: str = "", paragraph: str = "") -> str:
    run = f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{SECRET}</w:t></w:r>'
    return f"<w:p><w:pPr>{paragraph}</w:pPr>{run}</w:p>"


def _cell(shading: str, properties: str, row: str = "", table: str = "") -> str:
    cell = (
        f"<w:tc><w:tcPr>{shading}</w:tcPr>{_run(properties)}</w:tc><w:tc><w:p><w:r><w:t>Ours</w:t></w:r></w:p></w:tc>"
    )
    return f"<w:tbl><w:tblPr>{table}</w:tblPr><w:tr><w:trPr>{row}</w:trPr>{cell}</w:tr></w:tbl>"


def _style(kind: str, properties: str, based_on: str = "") -> str:
    base = f'<w:basedOn w:val="{based_on}"/>' if based_on else ""
    names = f'w:styleId="X{kind}{based_on}"><w:name w:val="x {kind}{based_on}"/>'
    return f'<w:style w:type="{kind}" {names}{base}{properties}</w:style>'


def _pict(style: str = "") -> str:
    inside = f"<v:textbox><w:txbxContent>{_run()}</w:txbxContent></v:textbox>"
    return f'<w:pict><v:shape style="{style}">{inside}</v:shape></w:pict>'


def _choice(drawn: str, old: str = _pict()) -> str:
    both = f'<mc:Choice Requires="wps">{drawn}</mc:Choice><mc:Fallback>{old}</mc:Fallback>'
    return f"<w:p><w:r><mc:AlternateContent>{both}</mc:AlternateContent></w:r></w:p>"


def _box(attributes: str, offset: int, size: int) -> str:
    place = f'<wp:positionH relativeFrom="page"><wp:posOffset>{offset}</wp:posOffset></wp:positionH>'
    about = f'{place}<wp:extent cx="{size}" cy="{size}"/><wp:docPr id="1" name="a"{attributes}/>'
    return _choice(f"<w:drawing><wp:anchor>{about}<w:txbxContent>{_run()}</w:txbxContent></wp:anchor></w:drawing>")


_RUNS: tuple[tuple[str, str, str], ...] = (
    ("vanish", "<w:vanish/>", '<w:vanish w:val="0"/>'),
    ("webHidden", "<w:webHidden/>", '<w:webHidden w:val="false"/>'),
    ("specVanish", "<w:specVanish/>", '<w:specVanish w:val="off"/>'),
    ("white", '<w:color w:val="FFFFFF"/>', '<w:color w:val="808080"/>'),
    ("nearly white", '<w:color w:val="FDFDFD"/>', '<w:color w:val="auto"/>'),
    (
        "colour of the theme",
        '<w:color w:val="000000" w:themeColor="background1"/>',
        '<w:color w:val="FFFFFF" w:themeColor="text1"/>',
    ),
    (
        "tint of the theme",
        '<w:color w:val="000000" w:themeColor="accent1" w:themeTint="08"/>',
        '<w:color w:val="000000" w:themeColor="accent1" w:themeTint="F0"/>',
    ),
    (
        "black on black",
        '<w:color w:val="000000"/><w:shd w:val="clear" w:fill="000000"/>',
        '<w:color w:val="FFFFFF"/><w:shd w:val="clear" w:fill="000000"/>',
    ),
    (
        "black on a shading that is all pattern",
        '<w:color w:val="000000"/><w:shd w:val="solid" w:color="000000" w:fill="FFFFFF"/>',
        '<w:color w:val="FFFFFF"/><w:shd w:val="solid" w:color="000000" w:fill="FFFFFF"/>',
    ),
    ("white with a shadow", '<w:color w:val="FFFFFF"/><w:shadow w:val="0"/>', '<w:color w:val="FFFFFF"/><w:shadow/>'),
    (
        "white on a shading in part",
        '<w:color w:val="FFFFFF"/><w:shd w:val="clear" w:color="000000" w:fill="FFFFFF"/>',
        '<w:color w:val="FFFFFF"/><w:shd w:val="pct75" w:color="000000" w:fill="FFFFFF"/>',
    ),
    (
        "colour of the marker",
        '<w:color w:val="FFFF00"/><w:highlight w:val="yellow"/>',
        '<w:color w:val="FFFFFF"/><w:highlight w:val="black"/>',
    ),
    (
        "clear letters",
        "<w14:textFill><w14:noFill/></w14:textFill>",
        '<w14:textFill><w14:solidFill><w14:srgbClr w14:val="000000"/></w14:solidFill></w14:textFill>',
    ),
    ("size", '<w:sz w:val="2"/>', '<w:sz w:val="12"/>'),
    ("width of the letters", '<w:w w:val="1"/>', '<w:w w:val="80"/>'),
    ("letters on one another", '<w:spacing w:val="-240"/>', '<w:spacing w:val="-4"/>'),
    ("raised off the page", '<w:position w:val="3000"/>', '<w:position w:val="6"/>'),
    ("style of letters", '<w:rStyle w:val="Xcharacter"/>', '<w:rStyle w:val="Xcharacter"/><w:vanish w:val="0"/>'),
)
_PARAGRAPHS: tuple[tuple[str, str, str], ...] = (
    ("style of a paragraph", '<w:pStyle w:val="Xparagraph"/>', '<w:pStyle w:val="Normal"/>'),
    ("style built on another", '<w:pStyle w:val="XparagraphXparagraph"/>', '<w:pStyle w:val="Heading9"/>'),
    ("indent", '<w:ind w:left="31000"/>', '<w:ind w:left="310"/>'),
    ("first line", '<w:ind w:firstLine="31000"/>', '<w:ind w:firstLine="310"/>'),
    ("left of the page", '<w:ind w:left="-20000" w:right="20000"/>', '<w:ind w:left="-200"/>'),
    (
        "lines without height",
        '<w:spacing w:line="10" w:lineRule="exact"/>',
        '<w:spacing w:line="240" w:lineRule="exact"/>',
    ),
    (
        "white paragraph on a pattern",
        '<w:pStyle w:val="Xparagraph"/><w:shd w:val="clear" w:color="auto" w:fill="auto"/>',
        '<w:pStyle w:val="Xparagraph"/><w:shd w:val="pct80" w:color="auto" w:fill="auto"/>',
    ),
    ("frame off the page", '<w:framePr w:x="-30000" w:y="1"/>', '<w:framePr w:x="300" w:y="1"/>'),
)
_STYLES = (
    _style("character", "<w:rPr><w:vanish/></w:rPr>")
    + _style("paragraph", '<w:rPr><w:color w:val="FFFFFF"/></w:rPr>')
    + _style("paragraph", "", "Xparagraph")
)
_WHITE = '<w:color w:val="FFFFFF"/>'
_BLACK_CELL = '<w:shd w:val="clear" w:fill="000000"/>'
_DOCX: tuple[tuple[str, bytes, bytes], ...] = (
    ("white in a cell", _docx(_cell("", _WHITE)), _docx(_cell(_BLACK_CELL, _WHITE))),
    (
        "white in a cell with a pattern",
        _docx(_cell('<w:shd w:val="clear" w:color="000000" w:fill="FFFFFF"/>', _WHITE)),
        _docx(_cell('<w:shd w:val="pct75" w:color="000000" w:fill="FFFFFF"/>', _WHITE)),
    ),
    (
        "black in a black cell",
        _docx(_cell(_BLACK_CELL, '<w:color w:val="000000"/>')),
        _docx(_cell("", '<w:color w:val="000000"/>')),
    ),
    ("hidden row", _docx(_cell("", "", "<w:hidden/>")), _docx(_cell("", "", '<w:hidden w:val="0"/>'))),
    (
        "flat row",
        _docx(_cell("", "", '<w:trHeight w:val="1" w:hRule="exact"/>')),
        _docx(_cell("", "", '<w:trHeight w:val="1" w:hRule="atLeast"/>')),
    ),
    (
        "table off the page",
        _docx(_cell("", "", "", '<w:tblpPr w:tblpX="-30000" w:tblpY="1"/>')),
        _docx(_cell("", "", "", '<w:tblpPr w:tblpX="300" w:tblpY="1"/>')),
    ),
    (
        "page in another colour",
        _docx(_run('<w:color w:val="112233"/>'), head='<w:background w:color="112233"/>'),
        _docx(_run(_WHITE), head='<w:background w:color="112233"/>'),
    ),
    ("hidden drawing", _docx(_box(' hidden="1"', 0, 900_000)), _docx(_box("", 0, 900_000))),
    ("drawing off the page", _docx(_box("", -90_000_000, 900_000)), _docx(_box("", 90_000, 900_000))),
    ("drawing without size", _docx(_box("", 0, 1)), _docx(_box("", 0, 9_000_000))),
    ("another text for old programs", _docx(_choice("")), _docx(_choice(_pict()))),
    (
        "hidden shape",
        _docx(f"<w:p><w:r>{_pict('visibility:hidden')}</w:r></w:p>"),
        _docx(f"<w:p><w:r>{_pict('width:99pt')}</w:r></w:p>"),
    ),
    (
        "shape off the page",
        _docx(f"<w:p><w:r>{_pict('position:absolute;margin-left:-900pt')}</w:r></w:p>"),
        _docx(f"<w:p><w:r>{_pict('position:absolute;margin-left:9pt')}</w:r></w:p>"),
    ),
)


def _xlsx(change: Callable[[Any], object] = lambda _: None) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    for row in ([SHOWN, "Ours"], ["Class", "Rate"], [SECRET, "1.25"]):
        sheet.append(row)
    change(sheet)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _sheet(name: str, hides: Callable[[Any], object], shows: Callable[[Any], object]) -> Form:
    return Form(name, ".xlsx", lambda hidden: _xlsx(hides if hidden else shows))


def _inked(colour: Any = None, fill: str = "", **font: Any) -> Callable[[Any], object]:
    def change(sheet: Any) -> None:
        from openpyxl.styles import Font, PatternFill

        sheet["A3"].font = Font(color=colour, **font)
        if fill:
            sheet["A3"].fill = PatternFill("solid", fgColor=fill)

    return change


def _theme(number: int, tint: float = 0.0) -> Any:
    from openpyxl.styles.colors import Color

    return Color(theme=number, tint=tint)


def _set(place: str, **values: Any) -> Callable[[Any], object]:
    """A change of the dimensions of a row (a number) or a column (a letter)."""

    def change(sheet: Any) -> None:
        target = sheet.row_dimensions[int(place)] if place.isdigit() else sheet.column_dimensions[place]
        for name, value in values.items():
            setattr(target, name, value)

    return change


def _moved(**values: Any) -> Callable[[Any], object]:
    def change(sheet: Any) -> None:
        sheet["D3"], sheet["A3"] = SECRET, ""
        _set("D", **values)(sheet)

    return change


def _filtered(sheet: Any) -> None:
    sheet.auto_filter.ref = "A2:B3"
    sheet.auto_filter.add_filter_column(1, ["9"])
    sheet.row_dimensions[3].hidden = True


def _format(code: str) -> Callable[[Any], object]:
    return lambda sheet: setattr(sheet["A3"], "number_format", code)


def _state(state: str) -> Callable[[Any], object]:
    def change(sheet: Any) -> None:
        other = sheet.parent.create_sheet("More")
        sheet["A3"], other["A1"], other.sheet_state = "", SECRET, state

    return change


_XLSX = (
    _sheet("row", _set("3", hidden=True), _set("3", hidden=True, outlineLevel=1)),
    _sheet("row that no filter leaves out", _set("3", hidden=True), _filtered),
    _sheet("flat row", _set("3", height=0.5), _set("3", height=12)),
    _sheet("column", _moved(hidden=True), _moved(hidden=False)),
    _sheet("narrow column", _moved(width=0.1), _moved(width=9)),
    _sheet("sheet", _state("hidden"), _state("visible")),
    _sheet("sheet that no menu shows", _state("veryHidden"), _state("visible")),
    _sheet("format without a value", _format(";;;"), _format("0;0;0;@")),
    _sheet("white by its format", _format("[White]@"), _format("[Red]@")),
    _sheet("white", _inked("FFFFFFFF"), _inked("FF333333")),
    _sheet("colour of the theme", _inked(_theme(0)), _inked(_theme(1))),
    _sheet("tint of the theme", _inked(_theme(4, 0.98)), _inked(_theme(4, -0.4))),
    _sheet("colour of the fill", _inked("FF102030", "FF102030"), _inked("FFFFFFFF", "FF102030")),
    _sheet("size", _inked(size=1), _inked(size=9)),
)


def _pptx(change: Callable[[Any, Any, Any], object]) -> bytes:
    """Two slides; ``change`` takes the second slide, the shape with the secret, and the run in it."""
    from pptx import Presentation
    from pptx.util import Inches

    show = Presentation()
    for text in (SHOWN, SECRET):
        slide = show.slides.add_slide(show.slide_layouts[6])
        shape = slide.shapes.add_textbox(Inches(1), Inches(1), Inches(4), Inches(1))
        shape.text_frame.text = text
    change(slide, shape, shape.text_frame.paragraphs[0].runs[0])
    buffer = io.BytesIO()
    show.save(buffer)
    return buffer.getvalue()


def _slide(
    name: str, hides: Callable[[Any, Any, Any], object], shows: Callable[[Any, Any, Any], object] = lambda *_: None
) -> Form:
    return Form(name, ".pptx", lambda hidden: _pptx(hides if hidden else shows))


def _letters(colour: str, fill: str = "") -> Callable[[Any, Any, Any], object]:
    def change(_: Any, shape: Any, run: Any) -> None:
        import pptx.dml.color

        rgb: Any = pptx.dml.color.RGBColor
        run.font.color.rgb = rgb(*bytes.fromhex(colour))
        if fill:
            shape.fill.solid()
            shape.fill.fore_color.rgb = rgb(*bytes.fromhex(fill))

    return change


def _themed(number: int) -> Callable[[Any, Any, Any], object]:
    return lambda _, __, run: setattr(run.font.color, "theme_color", number)


def _sized(size: int) -> Callable[[Any, Any, Any], object]:
    return lambda _, __, run: setattr(run.font, "size", size * 12_700)


def _over(behind: Callable[[Any], object]) -> Callable[[Any, Any, Any], object]:
    """White letters over what ``behind`` does to the slide."""

    def change(slide: Any, shape: Any, run: Any) -> None:
        _letters("FFFFFF")(slide, shape, run)
        behind(slide)

    return change


def _shape_behind(slide: Any) -> None:
    shape = slide.shapes.add_shape(1, 0, 0, 9_000_000, 3_000_000)
    slide.shapes._spTree.insert(2, shape._element)


def _ground_of_theme(colour: str, index: int = 1001) -> Callable[[Any], object]:
    def change(part: Any) -> None:
        from pptx.oxml import parse_xml

        names = " ".join(
            f'xmlns:{name}="http://schemas.openxmlformats.org/{path}/2006/main"'
            for name, path in (("p", "presentationml"), ("a", "drawingml"))
        )
        ground = f'<p:bgRef idx="{index}"><a:schemeClr val="{colour}"/></p:bgRef>'
        part._element.cSld.insert(0, parse_xml(f"<p:bg {names}>{ground}</p:bg>"))

    return change


def _dark_map(slide: Any) -> None:
    from pptx.oxml.ns import qn

    names = slide.slide_layout.slide_master._element.find(qn("p:clrMap"))
    names.set("bg1", "dk1")
    names.set("tx1", "lt1")


def _child(name: str, inside: str = "") -> Callable[[Any, Any, Any], object]:
    """White letters with a child of their properties."""

    def change(slide: Any, shape: Any, run: Any) -> None:
        from pptx.oxml import parse_xml

        _letters("FFFFFF")(slide, shape, run)
        space = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
        run._r.get_or_add_rPr().append(parse_xml(f"<a:{name} {space}>{inside}</a:{name}>"))

    return change


_PPTX = (
    _slide(
        "slide", lambda slide, *_: slide._element.set("show", "0"), lambda slide, *_: slide._element.set("show", "1")
    ),
    _slide("shape", lambda _, shape, __: shape._element.nvSpPr.cNvPr.set("hidden", "1")),
    _slide("left of the slide", lambda _, shape, __: setattr(shape, "left", -9_000_000)),
    _slide("under the slide", lambda _, shape, __: setattr(shape, "top", 9_000_000)),
    _slide("white", _letters("FFFFFF"), _letters("777777")),
    _slide("colour of the theme", _themed(14), _themed(13)),
    _slide("colour of the shape", _letters("102030", "102030"), _letters("FFFFFF", "102030")),
    _slide("size", _sized(1), _sized(9)),
    _slide("white over a shape with a colour by its style", _over(lambda _: None), _over(_shape_behind)),
    _slide("white on a ground of the theme", _over(_ground_of_theme("bg1")), _over(_ground_of_theme("tx2"))),
    _slide("white on a picture of the theme", _over(_ground_of_theme("bg1")), _over(_ground_of_theme("bg1", 1003))),
    _slide(
        "white on a ground of the layout",
        _over(lambda slide: _ground_of_theme("bg1")(slide.slide_layout)),
        _over(lambda slide: _ground_of_theme("accent1")(slide.slide_layout)),
    ),
    _slide("white in a dark design", _over(lambda _: None), _over(_dark_map)),
    _slide(
        "white on a marker",
        _child("highlight", '<a:srgbClr val="FFFFFF"/>'),
        _child("highlight", '<a:srgbClr val="102030"/>'),
    ),
    _slide(
        "white with edges",
        _child("ln", "<a:noFill/>"),
        _child("ln", '<a:solidFill><a:srgbClr val="102030"/></a:solidFill>'),
    ),
)


FORMS = [
    *_html_forms(),
    *(_form(name, ".pdf", *both) for name, *both in _PDF),
    *(_form(name, ".docx", *(_docx(_run(one), _STYLES) for one in both)) for name, *both in _RUNS),
    *(_form(name, ".docx", *(_docx(_run(paragraph=one), _STYLES) for one in both)) for name, *both in _PARAGRAPHS),
    *(_form(name, ".docx", *both) for name, *both in _DOCX),
    *_XLSX,
    *_PPTX,
]
