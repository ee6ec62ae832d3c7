"""Build the PDF, DOCX, XLSX and PPTX files of the sample domain from their sources.

    pip install reportlab==5.1.0 python-docx==1.2.0 openpyxl==3.1.5 python-pptx==1.0.2 pyyaml
    python data/sample/build.py

Sources are Markdown with front matter (`sources/**/*.md`) or YAML (`sources/**/*.yaml`); OUTPUTS says which
source becomes which document. The same sources give the same bytes: every date comes from the source, and
archive members are written with that date too. The other documents (Markdown, HTML, CSV, text, e-mail) are
written by hand and have no source here.
"""

import io
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from docx import Document
from docx.document import Document as DocxDocument
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor
from docx.text.paragraph import Paragraph as DocxParagraph
from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet
from pptx import Presentation
from pptx.dml.color import RGBColor as PptxColor
from pptx.util import Pt as PptxPt
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)
from reportlab.platypus.tableofcontents import TableOfContents

HERE = Path(__file__).resolve().parent
OUTPUTS = {
    "policies/home-contents-policy.md": "policies/home-contents-policy.pdf",
    "policies/motor-policy.md": "policies/motor-policy.pdf",
    "policies/travel-policy.md": "policies/travel-policy.pdf",
    "policies/general-terms-2024.md": "policies/general-terms-2024.pdf",
    "policies/general-terms-2026.md": "policies/general-terms-2026.pdf",
    "internal/claims-handbook.md": "internal/claims-handbook.pdf",
    "internal/underwriting-guidelines.md": "internal/underwriting-guidelines.docx",
    "internal/tone-guide.md": "internal/tone-guide.docx",
    "internal/service-training-2026.md": "internal/service-training-2026.pptx",
    "rates/premium-tables-2026.yaml": "rates/premium-tables-2026.xlsx",
    "de/privathaftpflicht-bedingungen.md": "de/privathaftpflicht-bedingungen.pdf",
    "de/zahnzusatz-bedingungen.md": "de/zahnzusatz-bedingungen.docx",
}
COMPANY = "Lindmoor Versicherung AG"
ADDRESS = "Deichgasse 12, 20000 Hamburg"
NAVY = "#12355B"
PALE = "#E8EEF4"
WORDS = {
    "en": {"contents": "Contents", "page": "Page {} of {}", "form": "Form", "edition": "Edition"},
    "de": {"contents": "Inhalt", "page": "Seite {} von {}", "form": "Form", "edition": "Stand"},
}


@dataclass(frozen=True)
class Block:
    """One piece of a source: a heading (level 1 or 2), a paragraph, a list or a table."""

    kind: str
    text: str = ""
    level: int = 0
    rows: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """A parsed source file: its front matter and its blocks."""

    meta: dict[str, str]
    blocks: list[Block]

    @property
    def when(self) -> datetime:
        """The date of the document, at nine in the morning UTC."""
        return datetime.strptime(self.meta["date"], "%Y-%m-%d").replace(hour=9, tzinfo=UTC)


def parse(text: str) -> Source:
    """Read front matter and the small Markdown subset that the sources use."""
    _, front, body = text.split("---\n", 2)
    meta = {key: str(value) for key, value in yaml.safe_load(front).items()}
    pieces = [piece.strip() for piece in re.split(r"\n\s*\n", body) if piece.strip()]
    return Source(meta, [parse_block(piece) for piece in pieces])


def parse_block(piece: str) -> Block:
    """Turn one blank-line separated piece of Markdown into a block."""
    if match := re.match(r"(#+) (.*)", piece):
        return Block("heading", match[2], len(match[1]))
    lines = piece.splitlines()
    if lines[0].startswith("|"):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        return Block("table", rows=[rows[0], *rows[2:]])
    if lines[0].startswith("- "):
        return Block("list", rows=[[line.removeprefix("- ")] for line in lines])
    return Block("paragraph", " ".join(lines))


def style(name: str, size: float, lead: float, **more: str | float | colors.Color) -> ParagraphStyle:
    """A paragraph style in Helvetica, or in the font that is named."""
    return ParagraphStyle(name, **{"fontName": "Helvetica", "fontSize": size, "leading": lead, **more})


BODY = style("body", 10, 14, spaceAfter=6)
ITEM = style("item", 10, 14, spaceAfter=3, leftIndent=24, bulletIndent=6)
CELL = style("cell", 9, 12)
HEAD_CELL = style("head", 9, 12, fontName="Helvetica-Bold", textColor=colors.white)
BOLD = {"fontName": "Helvetica-Bold", "textColor": colors.HexColor(NAVY), "keepWithNext": 1}
HEADINGS = {
    1: style("h1", 14, 18, spaceBefore=16, spaceAfter=8, **BOLD),
    2: style("h2", 11, 15, spaceBefore=10, spaceAfter=5, **BOLD),
}
CONTENTS = [
    style("toc1", 10, 11, fontName="Helvetica-Bold", spaceBefore=5),
    style("toc2", 9, 9, leftIndent=12),
]


class PolicyTemplate(BaseDocTemplate):
    """A cover page, then pages with running header, page number, bookmarks and contents."""

    def __init__(self, target: io.BytesIO, source: Source) -> None:
        """Set up pages and metadata from the front matter."""
        meta = source.meta
        title = f"{meta['title']} – {meta['subtitle']}"
        subject = f"Form {meta['form']}, {meta['edition']}"
        super().__init__(
            target,
            pagesize=A4,
            invariant=1,
            title=title,
            author=COMPANY,
            subject=subject,
            lang=meta["language"],
        )
        self.meta, self.words, self.total, self.headings = meta, WORDS[meta["language"]], 0, 0
        frame = Frame(25 * mm, 24 * mm, A4[0] - 50 * mm, A4[1] - 54 * mm, id="body", leftPadding=0, rightPadding=0)
        self.addPageTemplates(
            [
                PageTemplate("cover", [frame], onPage=draw_cover),
                PageTemplate("inner", [frame], onPage=draw_inner),
            ]
        )

    def beforeDocument(self) -> None:  # noqa: N802 - the name is reportlab's
        """Number the headings anew in each pass."""
        self.headings = 0

    def afterPage(self) -> None:  # noqa: N802 - the name is reportlab's
        """Remember how many pages the last pass had: the footer of the next pass shows it."""
        self.total = max(self.total, self.page)

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802 - the name is reportlab's
        """Enter headings in the outline and in the table of contents."""
        level = {"h1": 0, "h2": 1}.get(getattr(getattr(flowable, "style", None), "name", ""))
        if level is None:
            return
        self.headings += 1
        text, key = flowable.getPlainText(), f"heading-{self.headings}"
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(text, key, level, closed=level == 0)
        self.notify("TOCEntry", (level, text, self.page, key))


def draw_mark(canvas: Canvas, left: float, bottom: float, size: float) -> None:
    """The house mark: a square with a dike line and the name beside it."""
    canvas.setFillColor(colors.HexColor(NAVY))
    canvas.rect(left, bottom, size, size, stroke=0, fill=1)
    canvas.setStrokeColor(colors.white)
    canvas.setLineWidth(size / 10)
    canvas.line(left + size * 0.2, bottom + size * 0.3, left + size * 0.8, bottom + size * 0.3)
    canvas.line(left + size * 0.2, bottom + size * 0.3, left + size * 0.2, bottom + size * 0.8)
    canvas.setFont("Helvetica-Bold", size * 0.8)
    canvas.drawString(left + size * 1.3, bottom + size * 0.2, "Lindmoor")


def draw_cover(canvas: Canvas, doc: PolicyTemplate) -> None:
    """The cover: mark, title, form and edition, and the address of the company."""
    meta, width = doc.meta, A4[0]
    draw_mark(canvas, 25 * mm, A4[1] - 45 * mm, 11 * mm)
    canvas.setFillColor(colors.HexColor(NAVY))
    canvas.rect(0, 150 * mm, width, 62 * mm, stroke=0, fill=1)
    canvas.setFillColor(colors.white)
    canvas.setFont("Helvetica-Bold", 32)
    canvas.drawString(25 * mm, 188 * mm, meta["title"])
    canvas.setFont("Helvetica", 15)
    canvas.drawString(25 * mm, 173 * mm, meta["subtitle"])
    canvas.setFont("Helvetica", 11)
    canvas.drawString(
        25 * mm,
        160 * mm,
        f"{doc.words['form']} {meta['form']}   |   {doc.words['edition']} {meta['edition']}",
    )
    canvas.setFillColor(colors.black)
    canvas.setFont("Helvetica", 9)
    for row, line in enumerate([COMPANY, ADDRESS, "+49 40 66969 100", "service@lindmoor.example"]):
        canvas.drawString(25 * mm, 45 * mm - row * 4.5 * mm, line)


def draw_inner(canvas: Canvas, doc: PolicyTemplate) -> None:
    """Running header and footer of every page after the cover."""
    meta, left, right = doc.meta, 25 * mm, A4[0] - 25 * mm
    canvas.setFont("Helvetica", 8)
    canvas.setFillColor(colors.HexColor("#555555"))
    canvas.drawString(left, A4[1] - 17 * mm, f"{meta['title']} – {meta['subtitle']}")
    canvas.drawRightString(right, A4[1] - 17 * mm, f"{doc.words['form']} {meta['form']}, {meta['edition']}")
    canvas.drawString(left, 13 * mm, f"{COMPANY}, {ADDRESS}")
    canvas.drawRightString(right, 13 * mm, doc.words["page"].format(doc.page, doc.total))
    canvas.setStrokeColor(colors.HexColor(NAVY))
    canvas.setLineWidth(0.6)
    canvas.line(left, A4[1] - 19 * mm, right, A4[1] - 19 * mm)
    canvas.line(left, 17.5 * mm, right, 17.5 * mm)


def markup(text: str) -> str:
    """Escape text for a reportlab paragraph and turn **bold** into a tag."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escaped)


def pdf_table(rows: list[list[str]]) -> Table:
    """A bordered table over the full width; its header row repeats on the next page."""
    cells = [
        [Paragraph(markup(cell), CELL if number else HEAD_CELL) for cell in row] for number, row in enumerate(rows)
    ]
    width, count = A4[0] - 50 * mm, len(rows[0])
    first = width * (0.34 if count == 4 else 0.4)
    table = Table(
        cells,
        [first, *[(width - first) / (count - 1)] * (count - 1)],
        repeatRows=1,
        spaceBefore=4,
        spaceAfter=10,
    )
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.5, colors.HexColor("#8899AA")),
                ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor(NAVY)),
                ("ROWBACKGROUNDS", (0, 1), (-1, -1), [colors.white, colors.HexColor(PALE)]),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


def pdf_flow(blocks: list[Block]) -> Iterator[Flowable]:
    """The flowables of the body; list items are lettered (a), (b), ... as lawyers cite them."""
    for block in blocks:
        if block.kind == "heading":
            yield Paragraph(markup(block.text), HEADINGS[block.level])
        elif block.kind == "table":
            yield pdf_table(block.rows)
        elif block.kind == "list":
            for number, (item,) in enumerate(block.rows):
                yield Paragraph(markup(item), ITEM, bulletText=f"({chr(97 + number)})")
            yield Spacer(1, 4)
        else:
            yield Paragraph(markup(block.text), BODY)


def build_pdf(source: Source) -> bytes:
    """Typeset a source with cover, contents, bookmarks and page numbers."""
    os.environ["SOURCE_DATE_EPOCH"] = str(int(source.when.timestamp()))
    target = io.BytesIO()
    template = PolicyTemplate(target, source)
    contents = TableOfContents(levelStyles=CONTENTS, dotsMinLevel=0)
    title = Paragraph(template.words["contents"], style("contents", 16, 22, spaceAfter=8, **BOLD))
    opening = [NextPageTemplate("inner"), PageBreak(), title, contents, PageBreak()]
    template.multiBuild([*opening, *pdf_flow(source.blocks)])
    return target.getvalue()


def docx_runs(paragraph: DocxParagraph, text: str) -> None:
    """Add text to a paragraph, with **bold** parts in bold."""
    for number, part in enumerate(text.split("**")):
        if part:
            paragraph.add_run(part).bold = bool(number % 2)


def docx_field(paragraph: DocxParagraph, code: str) -> None:
    """Add a field such as PAGE or NUMPAGES, which the word processor fills in."""
    run = paragraph.add_run()
    for kind, text in (("begin", ""), ("instr", code), ("separate", ""), ("text", "1"), ("end", "")):
        if kind == "instr":
            element = OxmlElement("w:instrText")
            element.text = text
        elif kind == "text":
            element = OxmlElement("w:t")
            element.text = text
        else:
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), kind)
        run._r.append(element)


def docx_frame(document: DocxDocument, source: Source) -> None:
    """Fonts, running header, and a footer with page numbers."""
    words, meta, section = WORDS[source.meta["language"]], source.meta, document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(22.5)
    document.styles["Normal"].font.name, document.styles["Normal"].font.size = "Arial", Pt(10.5)
    for name, size in (("Title", 24), ("Heading 1", 15), ("Heading 2", 12)):
        font = document.styles[name].font
        font.name, font.size, font.color.rgb = "Arial", Pt(size), RGBColor.from_string(NAVY[1:])
    header = f"{meta['title']}\t\t{words['form']} {meta['form']}, {meta['edition']}"
    section.header.paragraphs[0].text = header
    footer = section.footer.paragraphs[0]
    before, between = words["page"].split("{}")[:2]
    footer.add_run(f"{COMPANY}, {ADDRESS}\t\t{before}")
    docx_field(footer, "PAGE")
    footer.add_run(between)
    docx_field(footer, "NUMPAGES")


def docx_table(document: DocxDocument, rows: list[list[str]]) -> None:
    """A bordered table with a bold header row."""
    table = document.add_table(len(rows), len(rows[0]), style="Table Grid")
    for number, row in enumerate(rows):
        for cell, text in zip(table.rows[number].cells, row, strict=True):
            docx_runs(cell.paragraphs[0], text if number else f"**{text}**")
    document.add_paragraph()


def build_docx(source: Source) -> bytes:
    """Write a source as a Word document with real heading, list and table styles."""
    document, meta = Document(), source.meta
    docx_frame(document, source)
    document.add_paragraph(meta["title"], style="Title")
    document.add_paragraph(meta["subtitle"], style="Subtitle")
    words = WORDS[meta["language"]]
    document.add_paragraph(f"{COMPANY} – {words['form']} {meta['form']} – {words['edition']} {meta['edition']}")
    for block in source.blocks:
        if block.kind == "heading":
            document.add_heading(block.text, block.level)
        elif block.kind == "table":
            docx_table(document, block.rows)
        elif block.kind == "list":
            for (item,) in block.rows:
                docx_runs(document.add_paragraph(style="List Bullet"), item)
        else:
            docx_runs(document.add_paragraph(), block.text)
    properties = document.core_properties
    properties.title, properties.author, properties.language = meta["title"], COMPANY, meta["language"]
    properties.comments = ""
    return saved(document.save, source.when)


def fill_sheet(sheet: Worksheet, content: dict[str, Any]) -> None:
    """Write one sheet: a title, a note, a header row, the rows, with borders and widths."""
    edge = Side(style="thin", color="8899AA")
    sheet["A1"], sheet["A2"] = content["title"], content["note"]
    sheet["A1"].font = Font(bold=True, size=14, color=NAVY[1:])
    sheet["A2"].font = Font(italic=True)
    for row_number, row in enumerate([content["columns"], *content["rows"]], start=4):
        for column, value in enumerate(row, start=1):
            cell = sheet.cell(row_number, column, value)
            cell.border = Border(edge, edge, edge, edge)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if row_number == 4:
                cell.font, cell.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", NAVY[1:])
            elif isinstance(value, float):
                cell.number_format = "0.00"
    for column in range(1, len(content["columns"]) + 1):
        sheet.column_dimensions[get_column_letter(column)].width = 46 if column == len(content["columns"]) else 20
    sheet.freeze_panes = "A5"


def build_xlsx(text: str) -> bytes:
    """Write a YAML source as a workbook, one sheet for each table."""
    content = yaml.safe_load(text)
    when = datetime.combine(content["date"], datetime.min.time(), UTC)
    book = Workbook()
    book.remove(book.active)
    for sheet in content["sheets"]:
        fill_sheet(book.create_sheet(sheet["name"]), sheet)
    book.properties.title, book.properties.creator = content["title"], COMPANY
    return saved(book.save, when)


def build_pptx(source: Source) -> bytes:
    """Write a source as slides, one for each heading; plain paragraphs become speaker notes."""
    show, meta = Presentation(), source.meta
    slide = show.slides.add_slide(show.slide_layouts[0])
    slide.shapes.title.text = meta["title"]
    slide.placeholders[1].text = f"{meta['subtitle']}\n{COMPANY}, {meta['edition']}"
    for block in source.blocks:
        if block.kind == "heading":
            slide = show.slides.add_slide(show.slide_layouts[1])
            slide.shapes.title.text = block.text
            font = slide.shapes.title.text_frame.paragraphs[0].font
            font.size, font.bold, font.color.rgb = PptxPt(30), True, PptxColor.from_string(NAVY[1:])
        elif block.kind == "list":
            frame = slide.placeholders[1].text_frame
            frame.text = "\n".join(item for (item,) in block.rows)
            for paragraph in frame.paragraphs:
                paragraph.font.size = PptxPt(20)
        else:
            slide.notes_slide.notes_text_frame.text = block.text
    show.core_properties.title, show.core_properties.author = meta["title"], COMPANY
    return saved(show.save, source.when)


def saved(save: Callable[[io.BytesIO], None], when: datetime) -> bytes:
    """Save an Office file, and write its archive anew with fixed dates so that the bytes are stable."""
    raw, fixed = io.BytesIO(), io.BytesIO()
    save(raw)
    stamp = when.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(fixed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", stamp, data)
            entry = zipfile.ZipInfo(name, when.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, data)
    return fixed.getvalue()


def build(source: str, target: str) -> bytes:
    """The bytes of one document."""
    text = (HERE / "sources" / source).read_text(encoding="utf-8")
    if target.endswith(".xlsx"):
        return build_xlsx(text)
    makers = {".pdf": build_pdf, ".docx": build_docx, ".pptx": build_pptx}
    return makers[Path(target).suffix](parse(text))


def main() -> None:
    """Build every document that has a source."""
    for source, target in OUTPUTS.items():
        path = HERE / "docs" / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(build(source, target))
        print(f"{target}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
