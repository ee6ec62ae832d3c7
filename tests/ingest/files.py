"""Small files of every format, made by code: honest ones, broken ones and hostile ones."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from types import MappingProxyType

from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

PROSE = (
    "The insurer pays for damage caused by fire, lightning and explosion. "
    "The policyholder must report every loss without delay and in writing."
)
PROSE_DE = (
    "Der Versicherer leistet Ersatz für Schäden durch Brand, Blitzschlag und Explosion. "
    "Der Versicherungsnehmer muss jeden Schaden unverzüglich und schriftlich anzeigen."
)
XXE = '<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>"
)


def write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def pdf(
    pages: Sequence[Sequence[str]],
    *,
    password: str | None = None,
    title: str = "",
    bookmarks: Sequence[tuple[str, int, int]] = (),
    leading: float = 14.0,
    turn: int = 0,
) -> bytes:
    """A PDF of lines. A line may start with ``# `` (large, bold) and hold cells parted by a tab; "" is a gap.

    Bookmarks are ``(title, page, depth)``.
    """
    buffer = io.BytesIO()
    # The user password "" with an owner password: encrypted, yet open to all.
    lock = StandardEncryption(password, ownerPassword="owner") if password is not None else None
    canvas = Canvas(buffer, pagesize=A4, encrypt=lock, invariant=True)
    canvas.setTitle(title)
    for number, lines in enumerate(pages, start=1):
        for name, page, depth in bookmarks:
            if page == number:
                canvas.bookmarkPage(name)
                canvas.addOutlineEntry(name, name, level=depth)
        if turn:
            # The sheet is turned one way and the text the other, as on landscape pages among upright ones.
            canvas.setPageRotation(turn)
            width, height = A4
            canvas.translate(*{90: (height, 0), 180: (width, height), 270: (0, width)}[turn])
            canvas.rotate(turn)
        _draw(canvas, lines, leading)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _draw(canvas: Canvas, lines: Sequence[str], leading: float) -> None:
    height = A4[1] - 60
    for line in lines:
        large = line.startswith("# ")
        canvas.setFont("Helvetica-Bold" if large else "Helvetica", 16 if large else 10)
        for column, cell in enumerate(line.removeprefix("# ").split("\t")):
            canvas.drawString(60 + 130 * column + (120 if column else 0), height, cell)
        height -= leading * (1.7 if large else 1)


def columns(left: Sequence[str], right: Sequence[str]) -> bytes:
    """One page of two columns, the left one first."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=True)
    canvas.setFont("Helvetica", 10)
    for x, lines in ((50, left), (310, right)):
        for number, line in enumerate(lines):
            canvas.drawString(x, 700 - 12 * number, line)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def table_pdf(
    rows: Sequence[Sequence[str]],
    *,
    after: Sequence[str] = (),
    head: str = "Helvetica-Bold",
    flush: Mapping[int, int] = MappingProxyType({}),
    upright: str = "TOP",
) -> bytes:
    """One page with a table of narrow columns, whose cells wrap, and passages after it (``# `` for a heading).

    ``head`` is the font of the first row; ``flush`` and ``upright`` say how columns and all cells are aligned.
    """
    buffer = io.BytesIO()
    fonts = [ParagraphStyle("head", fontName=head, fontSize=9), ParagraphStyle("body", fontSize=9, leading=12)]
    title = ParagraphStyle("title", fontName="Helvetica-Bold", fontSize=12, leading=18)

    def cell(row: int, column: int, text: str) -> Paragraph:
        font = fonts[min(row, 1)]
        return Paragraph(text, ParagraphStyle("cell", font, alignment=flush[column]) if column in flush else font)

    cells = [[cell(row, column, text) for column, text in enumerate(texts)] for row, texts in enumerate(rows)]
    table = Table(cells, colWidths=[110] * len(rows[0]), style=[("VALIGN", (0, 0), (-1, -1), upright)])
    passages = [Paragraph(text.removeprefix("# "), title if text.startswith("# ") else fonts[1]) for text in after]
    SimpleDocTemplate(buffer, pagesize=A4, invariant=1).build([table, *passages])
    return buffer.getvalue()


def form(value: str) -> bytes:
    """A page with one text field that was filled in."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=True)
    canvas.drawString(60, 700, "Number of the policy:")
    canvas.acroForm.textfield(name="number", value=value, x=200, y=690, width=200, height=20)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def scanned_pdf() -> bytes:
    """One page that is a picture."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (1240, 1754), "white")
    ImageDraw.Draw(picture).text((100, 100), "PREMIUM NOTICE 2024", fill="black", font_size=64)
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=True)
    canvas.drawImage(ImageReader(picture), 0, 0, *A4)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def bare_pdf(*objects: str) -> bytes:
    """A PDF of raw objects numbered from 1, the first of them the catalog; with a correct cross-reference."""
    body = b"%PDF-1.7\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return (
        body
        + f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<</Size {size}/Root 1 0 R>>\n"
        f"startxref\n{len(body)}\n%%EOF\n".encode()
    )


@cache
def docx(*, title: str = "") -> bytes:
    import docx as python_docx

    document = python_docx.Document()
    for style in document.styles.element.xpath("w:style[@w:type='table'][not(@w:default)]"):  # reading them takes long
        style.getparent().remove(style)
    document.core_properties.title = title
    document.core_properties.author = "A. Actuary"
    document.add_heading("Household policy", level=1)
    document.add_heading("Cover", level=2)
    document.add_paragraph(PROSE)
    document.add_paragraph("Fire", style="List Bullet")
    document.add_paragraph("Theft", style="List Bullet")
    table = document.add_table(rows=3, cols=2)
    for row, cells in enumerate((("Peril", "Limit"), ("Fire", "10,000"), ("Theft", "5,000"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


@cache
def pptx() -> bytes:
    from pptx import Presentation
    from pptx.util import Inches

    show = Presentation()
    for number in (1, 2):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = f"Tariff {number}"
        slide.placeholders[1].text = f"First point of {number}\nSecond point of {number}"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(4), Inches(4), Inches(1)).table
    for row, cells in enumerate((("Class", "Rate"), ("A", "1.25"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    slide.notes_slide.notes_text_frame.text = "Ask the actuary."
    buffer = io.BytesIO()
    show.save(buffer)
    return buffer.getvalue()


@cache
def xlsx() -> bytes:
    import datetime

    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = "Premiums"
    for row in (
        ["Premiums by class"],
        [],
        ["Class", "Premium", "Share", "Since"],
        ["A", 1200.0, 0.05, datetime.date(2024, 1, 31)],
        ["B", 800.5, 0.1, datetime.date(2023, 7, 1)],
    ):
        sheet.append(row)
    for number in (4, 5):
        sheet.cell(number, 3).number_format = "0%"
    hidden = book.create_sheet("Secret")
    hidden.append(["do not read"])
    hidden.sheet_state = "hidden"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def epub(*chapters: str, prolog: str = "") -> bytes:
    """An e-book of XHTML bodies; ``prolog`` stands before the first chapter's root."""
    names = [f"c{number}" for number in range(len(chapters))]
    page = 'media-type="application/xhtml+xml"'
    items = "".join(f'<item id="{name}" href="text/{name}.xhtml" {page}/>' for name in names)
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    about = (
        "<dc:title>Guide to cover</dc:title><dc:date>2021-05-04</dc:date><dc:creator>B. Broker</dc:creator>"
        "<dc:language>en</dc:language>"
    )
    members: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<rootfiles><rootfile full-path="OPS/p.opf"/></rootfiles></container>',
        "OPS/p.opf": '<package xmlns="http://www.idpf.org/2007/opf">'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{about}</metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
    }
    for number, body in enumerate(chapters):
        members[f"OPS/text/c{number}.xhtml"] = (
            f"{prolog}<html xmlns='http://www.w3.org/1999/xhtml'><body>{body}</body></html>"
        )
    return archive(members)


def archive(members: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members.items():
            target.writestr(name, content)
    return buffer.getvalue()


def with_member(original: bytes, name: str, content: str | bytes) -> bytes:
    """The same archive with one member put in or replaced."""
    with zipfile.ZipFile(io.BytesIO(original)) as source:
        members: dict[str, str | bytes] = {info.filename: source.read(info) for info in source.infolist()}
    return archive(members | {name: content})


def mail(*, html_only: bool = False) -> bytes:
    message = EmailMessage()
    message["Subject"] = "Claim 4711: Wasserschaden"
    message["From"] = "Customer <c@example.org>"
    message["To"] = "claims@example.org"
    message["Date"] = "Tue, 05 Mar 2024 10:00:00 +0100"
    if html_only:
        message.set_content(f"<h2>Report</h2><p>{PROSE}</p><script>steal()</script>", subtype="html")
    else:
        message.set_content(f"{PROSE}\n\n- pictures\n- invoice\n")
        message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="invoice.pdf")
    return message.as_bytes()
