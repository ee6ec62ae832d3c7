"""Hostile and broken input: every file ends as text or as one ReadError that names the remedy."""

import io
import re
import subprocess
import sys
import time
import zipfile
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from random import Random

import pytest
from files import LAUGHS, PROSE, XXE, archive, docx, epub, mail, pdf, pptx, scanned_pdf, with_member, write, xlsx
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter
from pypdfium2 import PdfDocument, PdfPage

from assistant.config import setting_keys
from assistant.errors import ReadError
from bench import hurting
from ingest.readers import SUFFIXES, Limits, read, reading_limits
from ingest.readers.pdf.painted import Hurtful, pixels


def joined(*files: bytes) -> bytes:
    """The pages of some PDFs as one."""
    target, buffer = PdfWriter(), io.BytesIO()
    for file in files:
        target.append(io.BytesIO(file))
    target.write(buffer)
    return buffer.getvalue()


SECRET = Path("/etc/passwd").read_text().split("\n")[0]


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
@pytest.mark.parametrize("content", [b"", b" \n\t\r\n "], ids=["zero bytes", "white space"])
def test_an_empty_file_is_told_so(tmp_path: Path, suffix: str, content: bytes) -> None:
    with pytest.raises(ReadError, match=r"is empty"):
        read(write(tmp_path, f"x{suffix}", content))


def test_a_file_without_text_is_an_error(tmp_path: Path) -> None:
    for name, content in {
        "x.md": "---\ntitle: x\n---\n",
        "x.html": "<p><script>x</script>",
        "x.csv": ",,,\n",
    }.items():
        with pytest.raises(ReadError, match="holds no text"):
            read(write(tmp_path, name, content))


@pytest.mark.parametrize(
    ("name", "content", "remedy"),
    [
        ("x.md", b"---\ntitle: x\n---\n", "Remove it, or put text into it."),
        ("x.html", b"<p><script>x</script>", "Remove it, or put text into it."),
        ("empty pages.pdf", pdf([[]] * 3), "Remove it, or put text into it."),
        ("cut off.pdf", pdf([[]] * 3)[:-200], "Copy it again from its source."),
        ("scan.pdf", scanned_pdf(), "Read it with OCR, or remove it."),
    ],
)
def test_ocr_is_advised_only_where_it_can_help(tmp_path: Path, name: str, content: bytes, remedy: str) -> None:
    with pytest.raises(ReadError) as caught:
        read(write(tmp_path, name, content), Limits(ocr=False))
    assert "holds no text" in caught.value.message and caught.value.remedy == remedy


def test_ocr_that_found_nothing_is_not_advised_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.readers.pdf.ocr_lines", lambda *_: [])
    with pytest.raises(ReadError, match=r"read by OCR\)\. Scan it again"):
        read(write(tmp_path, "x.pdf", scanned_pdf()))


def test_a_page_that_takes_long_to_draw_costs_neither_its_file_nor_the_look_at_others(tmp_path: Path) -> None:
    hiding = hurting.pdf(1, "BT 1 g /F1 12 Tf 72 600 Td (It is zero.) Tj ET")
    file = joined(hiding, hurting.kinds()["patterns with a step of .0001"](), hiding)
    found = read(write(tmp_path, "x.pdf", file), Limits(page_seconds=0.5))
    assert found.text.count(hurting.TEXT) == 3 and "zero" not in found.text
    (told,) = (warning for warning in found.warnings if "ingest.page_seconds" in warning)
    assert told.startswith("page 2 is not drawn")


@pytest.mark.slow
def test_of_a_file_of_pages_that_take_long_to_draw_few_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = list[float]()

    def hurt(_: PdfPage, __: float, seconds: float, **___: bool) -> None:
        tried.append(seconds)
        raise Hurtful

    monkeypatch.setattr("ingest.readers.pdf.hidden.pixels", hurt)
    words = ["One", "Two", "Three", "Four", "Five", "Six"]
    plain = (hurting.pdf(1, f"BT /F1 12 Tf 72 600 Td ({word} is said.) Tj ET") for word in words)
    pages = (page for first in plain for page in (first, hurting.kinds()["forms 12 levels deep"]()))
    file = write(tmp_path, "x.pdf", joined(*pages))
    found = read(file, Limits(page_seconds=7))
    assert tried == [7, 7, 7, 0, 0, 0]
    assert any(warning.startswith("6 pages (2, 4, 6, 8, 10, 12) are not drawn") for warning in found.warnings)


def test_drawing_a_page_is_stopped_by_its_own_limit() -> None:
    for name, seconds, is_drawn in (("forms 12 levels deep", 0.1, False), ("an empty page", 60.0, True)):
        expected = nullcontext() if is_drawn else pytest.raises(Hurtful)
        with closing(PdfDocument(hurting.kinds()[name]())) as file, closing(file[0]) as page, expected:
            assert pixels(page, 1.0, seconds).ndim == 3


def test_a_missing_file_or_folder_is_a_read_error(tmp_path: Path) -> None:
    (tmp_path / "d.txt").mkdir()
    for name in ("none.txt", "d.txt"):
        with pytest.raises(ReadError, match="cannot be opened"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bytes(range(256)) * 20, "is not text"),
        (b"a\0b\0\0\0c" * 100, "is not text"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "is a PNG picture"),
        (b"\x1f\x8b\x08\0" + b"\1" * 100, "is a gzip archive"),
        (b"{\\rtf1 hello}", "is an RTF document"),
    ],
)
def test_binary_content_is_refused_under_a_text_suffix(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        read(write(tmp_path, "x.txt", content))


@pytest.mark.parametrize("suffix", [".txt", ".md", ".html", ".csv", ".eml"])
def test_noise_is_no_text_whatever_it_is_called(tmp_path: Path, suffix: str) -> None:
    noise = Random(0).randbytes(5_000)
    with pytest.raises(ReadError, match="is no mail" if suffix == ".eml" else "is not text"):
        read(write(tmp_path, f"junk{suffix}", noise))


@pytest.mark.parametrize("head", [b"", b"Content-Type: text/plain; charset=utf-8\n", b"Content-Type: text/html\n"])
def test_noise_below_the_head_of_a_mail_is_no_text(tmp_path: Path, head: bytes) -> None:
    for noise in (Random(0).randbytes(5_000), bytes(range(1, 9)) * 600):
        with pytest.raises(ReadError, match="is not text"):
            read(write(tmp_path, "x.eml", b"From: a@b.example\n" + head + b"\n" + noise))


def test_what_has_no_head_is_no_mail(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"is no mail: .* Give it the suffix of its real format"):
        read(write(tmp_path, "x.eml", PROSE))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("x.doc", "save it as .docx"), ("x.xls", "save it as"), ("x.docx", "save it as .docx")],
)
def test_old_office_files_name_the_remedy(tmp_path: Path, name: str, remedy: str) -> None:
    with pytest.raises(ReadError, match=remedy):
        read(write(tmp_path, name, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600))


def test_office_files_under_a_password_are_called_encrypted(tmp_path: Path) -> None:
    content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le") + b"\0" * 600
    with pytest.raises(ReadError, match="is encrypted"):
        read(write(tmp_path, "x.docx", content))


@pytest.mark.parametrize("make", [docx, pptx, xlsx, lambda: epub(f"<p>{PROSE}</p>")])
def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, make: object) -> None:
    assert callable(make)
    bomb = with_member(make(), "media/bomb.xml", b" " * (80 << 20))
    started = time.process_time()
    with pytest.raises(ReadError, match="ZIP bomb"):
        read(write(tmp_path, "x.docx", bomb))
    assert time.process_time() - started < 2


def test_an_archive_over_the_limit_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"unpacks to .*ingest\.max_unpacked_mb"):
        read(write(tmp_path, "x.docx", docx()), Limits(max_unpacked_bytes=50_000))


def test_settings_that_readers_advise_exist() -> None:
    sources = (file.read_text(encoding="utf-8") for file in Path(reading_limits.__file__).parent.rglob("*.py"))
    named = {name for source in sources for name in re.findall(r"\bingest\.[a-z]+_\w+", source)}
    assert "ingest.max_unpacked_mb" in named and named <= set(setting_keys())


def test_a_member_that_lies_about_its_size_is_not_unpacked_past_it(tmp_path: Path) -> None:
    honest = with_member(docx(), "word/document.xml", b"<w:x>" + b"a" * 5_000_000 + b"</w:x>")
    lying = honest.replace((5_000_011).to_bytes(4, "little"), (500).to_bytes(4, "little"))
    with pytest.raises(ReadError):
        read(write(tmp_path, "x.docx", lying))


@pytest.mark.parametrize("prolog", [XXE, LAUGHS, XXE.encode("utf-16"), "<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/x'>"])
@pytest.mark.parametrize(
    ("suffix", "member"),
    [(".docx", "word/document.xml"), (".pptx", "ppt/slides/slide1.xml"), (".xlsx", "xl/workbook.xml")],
)
def test_entities_in_office_files_are_refused(tmp_path: Path, prolog: str | bytes, suffix: str, member: str) -> None:
    make = {".docx": docx, ".pptx": pptx, ".xlsx": xlsx}[suffix]
    raw = prolog if isinstance(prolog, bytes) else prolog.encode()
    original = re.sub(rb"^<\?xml.*?\?>", b"", zipfile.ZipFile(io.BytesIO(make())).read(member))
    with pytest.raises(ReadError, match="declares XML entities"):
        read(write(tmp_path, f"x{suffix}", with_member(make(), member, raw + original)))


@pytest.mark.parametrize("prolog", [XXE, LAUGHS])
def test_entities_in_books_are_refused_and_plain_doctypes_are_not(tmp_path: Path, prolog: str) -> None:
    with pytest.raises(ReadError, match="declares XML entities"):
        read(write(tmp_path, "x.epub", epub("<p>&secret;</p>", prolog=prolog)))
    assert read(write(tmp_path, "y.epub", epub(f"<p>{PROSE}</p>", prolog="<!DOCTYPE html>"))).text == PROSE


@pytest.mark.parametrize(
    "body",
    [
        "<p>hi &secret; there</p>",
        "<p>hi there</p><svg><text>&secret;</text><image href='file:///etc/passwd'/></svg>",
    ],
)
@pytest.mark.parametrize("suffix", [".html", ".md", ".txt"])
def test_entities_in_html_never_read_a_file(tmp_path: Path, body: str, suffix: str) -> None:
    document = read(write(tmp_path, f"x{suffix}", f"{XXE}<html><body>{body}</body></html>"))
    assert SECRET not in document.text
    assert "hi" in document.text


def test_billion_laughs_in_html_stay_small(tmp_path: Path) -> None:
    document = read(write(tmp_path, "x.html", f"{LAUGHS}<html><body><p>text &j;</p></body></html>"))
    assert len(document.text) < 100


def test_pictures_linked_from_word_are_not_opened(tmp_path: Path) -> None:
    relation = (
        '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" TargetMode="External" Target="file:///etc/passwd" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"/></Relationships>'
    )
    body = (
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
        'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
        'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"><w:body><w:p><w:r><w:t>hello</w:t>'
        "</w:r><w:r><w:drawing><wp:inline><a:graphic><a:graphicData><pic:pic><pic:blipFill>"
        '<a:blip r:link="rId1"/></pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing>'
        "</w:r></w:p></w:body></w:document>"
    )
    content = with_member(docx(), "word/document.xml", body)
    content = with_member(content, "word/_rels/document.xml.rels", relation)
    assert read(write(tmp_path, "x.docx", content)).text == "hello"


@pytest.mark.parametrize("tag", ["div", "ul><li", "table><tr><td", "blockquote", "b", "h2", "dl><dd"])
@pytest.mark.parametrize("suffix", [".html", ".md"])
def test_deep_nesting_in_html_is_text_or_an_error(tmp_path: Path, tag: str, suffix: str) -> None:
    content = f"<p>before</p>{f'<{tag}>' * 3_000}deep{PROSE}"
    try:
        assert "before" in read(write(tmp_path, f"x{suffix}", content)).text
    except ReadError as error:
        assert "deeply" in str(error)


@pytest.mark.parametrize(
    "piece", ["> ", "- ", "* a\n  ", "[", "![", "**a", "`", "<a ", "|a", "1. ", "[x](", "_(", "&#"]
)
def test_repeated_markdown_markers_take_no_quadratic_time(tmp_path: Path, piece: str) -> None:
    started = time.process_time()
    with suppress(ReadError):
        read(write(tmp_path, "x.md", f"word\n\n{piece * 4_000}\n"))
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "piece",
    ["<", "<a", "<!--", "<table><tr>", "<td rowspan=999 colspan=999>x", "<li>", "{%", "{{", "<p hidden>"],
)
def test_repeated_html_pieces_take_no_quadratic_time(tmp_path: Path, piece: str) -> None:
    started = time.process_time()
    for suffix in (".html", ".md"):
        with suppress(ReadError):
            read(write(tmp_path, f"x{suffix}", f"<p>word</p>{piece * 4_000}"))
    assert time.process_time() - started < 6


def test_yaml_laughs_in_front_matter_are_harmless(tmp_path: Path) -> None:
    front = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghijkl", "bcdefghijklm", strict=True)
    )
    document = read(write(tmp_path, "x.md", f"---\n{front}title: *m\n---\nBody text.\n"))
    assert document.text == "Body text."


def test_a_sheet_that_claims_a_million_columns_is_read_by_its_cells(tmp_path: Path) -> None:
    sheet = zipfile.ZipFile(io.BytesIO(xlsx())).read("xl/worksheets/sheet1.xml")
    wide = re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1:XFD1048576"', sheet)
    assert wide != sheet
    started = time.process_time()
    document = read(write(tmp_path, "x.xlsx", with_member(xlsx(), "xl/worksheets/sheet1.xml", wide)))
    assert "1200" in document.text
    assert time.process_time() - started < 3


def test_cells_far_out_do_not_fill_the_way_there(tmp_path: Path) -> None:
    sheet = zipfile.ZipFile(io.BytesIO(xlsx())).read("xl/worksheets/sheet1.xml")
    far = sheet.replace(
        b"</sheetData>",
        b'<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row></sheetData>',
    )
    started = time.process_time()
    document = read(write(tmp_path, "x.xlsx", with_member(xlsx(), "xl/worksheets/sheet1.xml", far)))
    assert document.blocks[-1].text == "far"
    assert document.blocks[-1].row == 1_048_576
    assert time.process_time() - started < 10


def test_a_zip_that_is_no_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="is a ZIP archive"):
        read(write(tmp_path, "x.docx", archive({"a.txt": "hello"})))


def test_the_message_has_one_line_whatever_the_name(tmp_path: Path) -> None:
    for name in ("a\nb\u202e.txt", "n" * 240 + ".txt"):
        with pytest.raises(ReadError) as caught:
            read(write(tmp_path, name, b"\x00\x01" * 400))
        assert "\n" not in str(caught.value)
        assert "\u202e" not in str(caught.value)
        assert len(str(caught.value)) < 400


def test_memory_that_runs_out_is_a_read_error(tmp_path: Path) -> None:
    write(tmp_path, "x.html", "<p>some text</p>" * 400_000)
    code = (
        "import resource, sys; from pathlib import Path; from ingest.readers import read\n"
        "from assistant.errors import ReadError\n"
        "read(Path(sys.argv[2]))\n"
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (60 << 20),) * 2)\n"
        "try: read(Path(sys.argv[1]))\n"
        "except ReadError as error: print(error)\n"
    )
    small = write(tmp_path, "s.html", f"<p>{PROSE}</p>")
    command = [sys.executable, "-c", code, str(tmp_path / "x.html"), str(small)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stderr
    assert "memory" in done.stdout


SEEDS = [
    b"",
    PROSE.encode(),
    b"%PDF-1.4\n",
    b"PK\x03\x04",
    b"<html>",
    b"---\na: 1\n---\n",
    b"a,b\n1,2\n",
    b"Subject: x\n\n",
]
FILES = [pdf([["Premiums rise."]]), docx(), pptx(), xlsx(), epub(f"<p>{PROSE}</p>"), mail()]


def holds(path: Path) -> None:
    """The whole contract: a document with text, or a ReadError in one line."""
    try:
        document = read(path)
    except ReadError as error:
        assert error.message
        assert "\n" not in str(error)
        return
    assert document.text.strip()
    assert document.title
    assert "\n" not in document.title
    document.text.encode("utf-8")
    assert all(block.text.strip() for block in document.blocks)
    assert all(block.header_lines < len(block.text.split("\n")) or not block.header_lines for block in document.blocks)


@settings(max_examples=120)
@given(suffix=st.sampled_from(sorted(SUFFIXES)), seed=st.sampled_from(SEEDS), rest=st.binary(max_size=300))
def test_any_bytes_under_any_suffix_are_text_or_a_read_error(
    tmp_path: Path, suffix: str, seed: bytes, rest: bytes
) -> None:
    holds(write(tmp_path, f"x{suffix}", seed + rest))


@settings(max_examples=120)
@given(suffix=st.sampled_from([".html", ".md", ".txt", ".csv", ".eml"]), text=st.text(max_size=300))
def test_any_text_is_text_or_a_read_error(tmp_path: Path, suffix: str, text: str) -> None:
    holds(write(tmp_path, f"x{suffix}", text.encode("utf-8", "surrogatepass")))


@settings(max_examples=60)
@given(content=st.sampled_from(FILES), data=st.data())
def test_damaged_files_are_text_or_a_read_error(tmp_path: Path, content: bytes, data: st.DataObject) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(len(damaged) // 2, len(damaged)))
    holds(write(tmp_path, "x.pdf", bytes(damaged[:end])))


TAGS = [
    "p",
    "div",
    "ul",
    "ol",
    "li",
    "table",
    "tr",
    "td",
    "th",
    "h2",
    "pre",
    "dl",
    "dt",
    "dd",
    "summary",
    "br",
    "q",
]
PIECES = st.lists(
    st.one_of(st.sampled_from([f"<{tag}>" for tag in TAGS] + [f"</{tag}>" for tag in TAGS]), st.just("word ")),
    max_size=40,
)


@settings(max_examples=200)
@given(pieces=PIECES)
@example(pieces=["<table>", "<td>", "word ", "<div>", "<td>"])
def test_no_word_of_any_tag_soup_is_lost_or_doubled(tmp_path: Path, pieces: list[str]) -> None:
    content = "<html><body>first " + "".join(pieces)
    words = read(write(tmp_path, "x.html", content)).text.replace("first", "")
    assert words.count("word") == pieces.count("word ")


@pytest.mark.parametrize("text", ["Die Schlüssel für das Gerätehaus hat Frau Müller.", "Le café est fermé à Noël."])
def test_one_sentence_in_windows_latin_1_keeps_its_accents(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode("cp1252"))
    assert read(tmp_path / "a.txt").text == text


def test_an_opendocument_file_is_told_what_to_do(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.odt", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
    with pytest.raises(ReadError, match=r"OpenDocument.*Save it as DOCX"):
        read(tmp_path / "a.odt")
