"""Sources: the right words are marked on the right page, and only what was ingested is ever shown."""

import asyncio
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from drawn import document_of
from fakes import FakeEmbedder
from fastapi import FastAPI
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from starlette.testclient import TestClient

from assistant.config import Settings
from assistant.errors import ReadError, UsageError
from assistant.service import open_corpus
from assistant.workspace import Workspace
from bench.hurting import pdf
from ingest.pipeline import ingest
from ui.sources import drawing
from ui.sources.drawing import DrawingLimits, aligned
from ui.sources.library import CitedSpan, Library
from ui.sources.pdfpages import PdfPages
from ui.sources.view import add_source_routes, page_html, panel_html

Panel = Callable[[Library, CitedSpan], str]

PAGES = (
    ["§ 1 Cover", "", "Hail damage to the car is covered.", "The deductible for hail is 150 euros."],
    ["§ 2 Limits", "", "Water damage is covered up to 5,000 euros.", "Dogs of the household are insured."],
)
NOTE = "# Pets\n\nDogs & cats <b>of</b> the household are insured.\n\nHorses are not.\n"
RATES = "Age,Monthly,Remark\n" + "".join(f"{age},{age}.50 euros,group <{age}> of all\n" for age in range(20, 400))


def make_pdf(pages: Sequence[Sequence[str]], rotated: int = 0) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for lines in pages:
        canvas.setPageRotation(rotated)
        for number, line in enumerate(lines):
            canvas.drawString(72, 760 - 18 * number, line)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("sources")
    docs = folder / "docs"
    docs.mkdir()
    (docs / "terms.pdf").write_bytes(make_pdf(PAGES))
    (docs / "pets.md").write_text(NOTE, encoding="utf-8")
    (docs / "rates.csv").write_text(RATES, encoding="utf-8")
    (folder / "secret.txt").write_text("the secret of the house", encoding="utf-8")
    workspace = Workspace(folder / "workspace")
    settings = Settings.model_validate({"ingest": {"workers": 1}})
    ingest(workspace, "cars", [docs], settings, embedder=FakeEmbedder())
    other = folder / "other"
    other.mkdir()
    (other / "internal.md").write_text("# Internal\n\nOnly for the board.\n", encoding="utf-8")
    ingest(workspace, "board", [other], settings, embedder=FakeEmbedder())
    return workspace


@pytest.fixture
def library(workspace: Workspace) -> Library:
    return Library(workspace)


def span(library: Library, document: str, quote: str) -> CitedSpan:
    found = library.passage(CitedSpan("cars", document, -1, -1, quote), "anna")
    return CitedSpan("cars", document, found.start, found.end, quote)


@pytest.fixture(scope="module")
def pages() -> Iterator[PdfPages]:
    with closing(PdfPages(DrawingLimits(10.0, 1 << 30))) as pages:
        yield pages


@pytest.fixture
def panel(pages: PdfPages) -> Panel:
    return lambda library, span: asyncio.run(panel_html(library, pages, span, "en", "anna"))


# Words on a page


@pytest.mark.parametrize(
    ("words", "page", "found"),
    [
        ("Hail is covered.", "A. Hail is covered. B.", "Hail is covered"),
        ("Versicherung gilt", "Die Versi\ufffe\r\ncherung gilt ab", "Versi\ufffe\r\ncherung gilt"),
        ("file office", "the ﬁle oﬃce", "ﬁle oﬃce"),
        ("is   not\n\ncovered", "Hail is not covered", "is not covered"),
        ("Straße", "STRASSE 5", "STRASSE"),
    ],
)
def test_words_are_found_however_they_are_set(words: str, page: str, found: str) -> None:
    places = aligned(words, page)
    assert page[places[0] : places[-1] + 1] == found


def test_a_footer_between_the_words_is_not_marked() -> None:
    page = "The deductible for hail damage\r\nPage 7 of 9\r\nto the car is 150 euros in all cases."
    marked = aligned("The deductible for hail damage to the car is 150 euros in all cases.", page)
    assert "".join(page[place] for place in marked if place < page.index("Page")).startswith("The deductible for hail")
    assert not any("Page 7 of 9"[0] == page[place] for place in marked)
    assert page[marked[-1]] == "s"


def test_of_two_places_the_one_that_is_meant_is_marked() -> None:
    page = "Hail is covered here. " + "Other words stand between. " * 5 + "Hail is covered there."
    assert aligned("Hail is covered", page, at=0)[0] == 0
    assert aligned("Hail is covered", page, at=110)[0] == page.rindex("Hail")


@pytest.mark.parametrize("words", ["", "...", "words that stand nowhere on this page at all"])
def test_what_is_not_there_is_not_marked(words: str) -> None:
    assert aligned(words, "Hail is covered.") == []


# A passage in its document


@pytest.mark.parametrize("age", [20, 210, 399])
def test_a_row_of_a_table_is_shown_under_its_header_with_its_cells_marked(
    library: Library, panel: Panel, age: int
) -> None:
    row = f"| {age} | {age}.50 euros | group <{age}> of all |"
    soup = BeautifulSoup(panel(library, span(library, "rates.csv", row)), "html.parser")
    assert [one.text for one in soup.select(".text th")] == ["Age", "Monthly", "Remark"]
    assert [one.text for one in soup.select("mark.found")] == [str(age), f"{age}.50 euros", f"group <{age}> of all"]
    (shown,) = soup.select(".text")
    assert "|" not in shown.text
    first, *_ = shown.select("tbody tr")
    assert len(soup.select("tr")) < 200 and len(first.select("td")) == 3, "what is around it, in whole rows"


def test_the_page_and_the_words_on_it_are_those_of_the_span(library: Library, panel: Panel) -> None:
    passage = library.passage(span(library, "terms.pdf", "Water damage is covered up to 5,000 euros."), "anna")
    assert [page for _, page in passage.pages] == [2]
    html = panel(library, span(library, "terms.pdf", "Water damage is covered up to 5,000 euros."))
    assert "/pages/2?" in html and html.count('class="found"') == 1
    # The line was drawn 18 * 2 points below 760 on a page of 842.
    top = float(html.split("top:")[1].split("%")[0])
    assert top == pytest.approx((842 - 760 + 36 - 12) / 842 * 100, abs=1.0)
    left = float(html.split("left:")[1].split("%")[0])
    assert left == pytest.approx(72 / 595 * 100, abs=1.0)


@pytest.mark.parametrize("rotated", [90, 180, 270])
def test_boxes_stand_on_the_words_of_a_turned_page(rotated: int, tmp_path: Path) -> None:
    turned = document_of(tmp_path, make_pdf([[*[""] * 16, "covered"]], rotated))
    boxes = drawing.sheet(turned, 1, "covered").boxes
    picture = Image.open(io.BytesIO(drawing.picture(turned, 1))).convert("L")
    ink = sum(picture.histogram()[:128])
    for box in boxes:
        across, down = picture.width / 100, picture.height / 100
        corners = (box.left * across, box.top * down, (box.left + box.width) * across, (box.top + box.height) * down)
        picture.paste(255, tuple(round(place) for place in corners))  # type: ignore[arg-type]
    assert ink and sum(picture.histogram()[:128]) <= 0.02 * ink, "the boxes leave words uncovered"


def test_text_of_a_document_is_shown_as_text_with_the_words_marked(library: Library, panel: Panel) -> None:
    html = panel(library, span(library, "pets.md", "Horses are not."))
    assert '<mark class="found" tabindex="-1">Horses are not.</mark>' in html
    assert "Dogs &amp; cats" in html and "<b>" not in html


def test_words_are_found_again_after_the_document_has_grown(library: Library) -> None:
    known = span(library, "pets.md", "Horses are not.")
    moved = CitedSpan("cars", "pets.md", known.start + 7, known.end + 7, known.quote)
    assert library.passage(moved, "anna").start == known.start


def test_words_that_are_gone_are_shown_as_they_were_cited(library: Library, panel: Panel) -> None:
    html = panel(library, CitedSpan("cars", "pets.md", 0, 10, "Cats are <i>not</i> insured."))
    assert "not in pets.md any more" in html and "Cats are &lt;i&gt;not&lt;/i&gt; insured." in html


@pytest.mark.parametrize(
    ("corpus", "document"),
    [
        ("cars", "../secret.txt"),
        ("cars", "/etc/passwd"),
        ("cars", "internal.md"),
        ("cars", ""),
        ("cars", "terms.pdf\0"),
        ("nowhere", "pets.md"),
        ("../corpora/cars", "pets.md"),
        ("", "pets.md"),
    ],
)
def test_only_documents_of_the_corpus_are_opened(library: Library, corpus: str, document: str, panel: Panel) -> None:
    with pytest.raises(UsageError):
        library.passage(CitedSpan(corpus, document, 0, 5, "Dogs"), "anna")
    assert "<mark" not in panel(library, CitedSpan(corpus, document, 0, 5, "Dogs"))


# Addresses


@pytest.fixture(scope="module")
def client(workspace: Workspace, pages: PdfPages) -> TestClient:
    app = FastAPI()
    add_source_routes(app, lambda _: Library(workspace), pages)
    return TestClient(app)


def number_of(workspace: Workspace, corpus: str, path: str) -> int:
    catalog = open_corpus(workspace, corpus)
    try:
        (row,) = catalog.files(path=path)
        assert row.document_id is not None
        return row.document_id
    finally:
        catalog.close()


def test_a_page_is_a_picture_and_the_file_is_saved(client: TestClient, workspace: Workspace) -> None:
    number = number_of(workspace, "cars", "terms.pdf")
    page = client.get(f"/sources/cars/{number}/pages/1")
    assert page.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(page.content)).width == 1240
    file = client.get(f"/sources/cars/{number}/original")
    assert file.content == make_pdf(PAGES) or file.content.startswith(b"%PDF")
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''terms.pdf"
    assert file.headers["x-content-type-options"] == "nosniff"


def test_a_page_of_a_document_has_an_address_of_its_own(
    client: TestClient, workspace: Workspace, library: Library, panel: Panel
) -> None:
    number = number_of(workspace, "cars", "terms.pdf")
    first, last = (
        client.get(f"/sources/cars/{number}/pages/{page}/view", headers={"Accept-Language": "de"}) for page in (1, 2)
    )
    assert 'rel="next" href="../2/view"' in first.text and 'rel="prev"' not in first.text
    assert 'rel="prev" href="../1/view"' in last.text and 'rel="next"' not in last.text
    assert '<html lang="de">' in first.text and 'alt="Seite 1 von' in first.text
    policy = first.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; img-src 'self';") and "script" not in policy
    cited = panel(library, span(library, "terms.pdf", "Water damage is covered up to 5,000 euros."))
    assert f'href="/sources/cars/{number}/pages/2/view"' in cited
    hostile = replace(library.document("cars", number, ""), title="<script>a</script>", path="b\u202e.pdf")
    assert "<script" not in page_html(hostile, 1, "en") and "\u202e" not in page_html(hostile, 1, "en")


@pytest.mark.parametrize(
    "address",
    [
        "/sources/cars/1/pages/0", "/sources/cars/1/pages/99", "/sources/cars/1/pages/-1", "/sources/cars/999/original",
        "/sources/cars/1/pages/99/view", "/sources/cars/1/pages/0/view", "/sources/cars/999/pages/1/view",
        "/sources/board/999/original", "/sources/nowhere/1/original", "/sources/..%2fcorpora%2fcars/1/original",
        "/sources/cars/..%2f1/original", "/sources/cars/terms.pdf/original", "/sources/%2e%2e/1/original",
        "/sources/cars/1e0/original", "/sources/cars/1/../../../etc/passwd", "/sources/cars/%00/original",
        "/sources/cars/99999999999999999999/original",
    ],
)  # fmt: skip
def test_nothing_else_has_an_address(client: TestClient, address: str) -> None:
    assert client.get(address).status_code in (404, 422)


def test_a_file_that_was_changed_or_replaced_is_not_given_out(tmp_path: Path, panel: Panel) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    file, secret = docs / "terms.pdf", tmp_path / "secret.pdf"
    file.write_bytes(make_pdf([*PAGES, ["§ 3"]]))
    secret.write_bytes(make_pdf([["the secret"]]))
    workspace = Workspace(tmp_path / "workspace")
    ingest(workspace, "cars", [docs], Settings.model_validate({"ingest": {"workers": 1}}), embedder=FakeEmbedder())
    library = Library(workspace)
    known = library.document("cars", number_of(workspace, "cars", "terms.pdf"), "anna")
    cited = span(library, "terms.pdf", "Water damage is covered up to 5,000 euros.")
    file.unlink()
    file.symlink_to(secret)
    with pytest.raises(ReadError, match="has changed"):
        known.original()
    html = panel(library, cited)
    assert "<img" not in html and '<mark class="found" tabindex="-1">Water damage is covered' in html
    file.unlink()
    assert "cannot be read" in panel(library, cited)


def test_a_pdf_that_cannot_be_drawn_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="cannot be drawn"):
        drawing.picture(document_of(tmp_path, b"%PDF-1.7 nonsense"), 1)


@pytest.mark.parametrize("box", ["[0 0 .0001 14400]", "[0 0 99999999 9]"])
def test_a_page_without_a_shape_is_told(box: str, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no shape"):
        drawing.sheet(document_of(tmp_path, pdf(1, "", MediaBox=box)), 1, "hail")
