"""Files that people bring: safe names, the right kinds, inside the workspace, and nobody else's."""

import os
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from secrets import token_hex

import pytest

from assistant.config import UiSettings
from assistant.errors import UsageError
from assistant.workspace import Workspace
from ingest.readers.dispatch import READ_SUFFIXES
from ui.people import User
from ui.uploads import SUFFIXES, Arrivals, Taken, keep_arrivals_in, safe_file_name, stored

ANA, EVE = User("ana", "editor"), User("eve", "editor")
TEXT = b"Hail is covered."


def docx() -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    return stream.getvalue()


def send(workspace: Workspace, *files: tuple[str, bytes], user: User = ANA, owner: User = ANA, **limits: int) -> Taken:
    """Files that ``owner`` sent and ``user`` wants to keep in the corpus ``cars``."""
    arrivals, paths = Arrivals(), []
    for name, content in files:
        path = workspace.root / "uploads" / ".arriving" / token_hex(4) / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        arrivals.note(str(path), owner.name)
        paths.append(path)
    return stored(paths, workspace, "cars", user, arrivals, UiSettings.model_validate(limits))


def test_what_is_taken_is_what_ingestion_reads() -> None:
    assert SUFFIXES == READ_SUFFIXES


def test_a_good_file_is_kept_for_its_corpus(workspace: Workspace) -> None:
    taken = send(workspace, ("terms.txt", TEXT), ("plan.docx", docx()), ("a.pdf", b"%PDF-1.7 ..."))
    assert not taken.refused and taken.folder == workspace.root / "uploads" / "cars"
    assert [file.name for file in taken.files] == ["terms.txt", "plan.docx", "a.pdf"]
    assert taken.files[0].read_bytes() == TEXT


def test_files_of_one_name_are_all_kept_and_told(workspace: Workspace) -> None:
    long = "General terms and conditions of the household insurance, " * 3
    contents = {
        "terms.txt": [TEXT, b"Hail is not covered."],
        "a_b.txt": [b"1", b"2", b"3"],
        safe_file_name(f"{long}1.txt"): [b"part 1", b"part 2"],
    }
    taken = send(
        workspace,
        ("terms.txt", TEXT),
        *zip(("a*b.txt", "a_b.txt", "a?b.txt"), contents["a_b.txt"], strict=True),
        (f"{long}1.txt", b"part 1"),
        (f"{long}2.txt", b"part 2"),
    )
    again = send(workspace, ("terms.txt", b"Hail is not covered."))
    kept = [*taken.kept, *again.kept]
    assert [one.beside for one in kept] == [
        "",
        "",
        "a_b.txt",
        "a_b.txt",
        "",
        safe_file_name(f"{long}1.txt"),
        "terms.txt",
    ]
    assert again.files[0].name == "terms (2).txt"
    assert sorted(one.path.read_bytes() for one in kept) == sorted(one for some in contents.values() for one in some)


def test_a_file_that_is_there_already_is_kept_once(workspace: Workspace) -> None:
    send(workspace, ("terms.txt", TEXT), ("terms.txt", b"Hail is not covered."))
    for _ in range(2):
        (one,) = send(workspace, ("terms.txt", b"Hail is not covered.")).kept
        assert (one.path.name, one.beside) == ("terms (2).txt", "terms.txt")
    assert sorted(one.name for one in one.path.parent.iterdir()) == ["terms (2).txt", "terms.txt"]


def test_files_of_one_name_that_come_at_once_are_all_kept(workspace: Workspace) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = pool.map(lambda number: send(workspace, ("terms.txt", b"%d" % number)), range(8))
    assert {file.read_bytes() for one in taken for file in one.files} == {b"%d" % number for number in range(8)}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"", "uploads.empty"),
        ("a.txt", b"x" * (1 << 20) + b"x", "uploads.too_large"),
        ("a.exe", TEXT, "uploads.unknown_type"),
        ("a.svg", b"<svg onload='alert(1)'/>", "uploads.unknown_type"),
        ("a", TEXT, "uploads.unknown_type"),
        ("a.pdf.sh", TEXT, "uploads.unknown_type"),
        ("a.pdf", TEXT, "uploads.other_content"),
        ("a.docx", TEXT, "uploads.other_content"),
        ("a.docx", b"%PDF-1.7", "uploads.other_content"),
        ("a.txt", b"MZ\x90\x00\x03", "uploads.other_content"),
        ("a.txt", b"\x7fELF\x02\x01", "uploads.other_content"),
        ("a.csv", b"\x89PNG\r\n\x1a\n", "uploads.other_content"),
        ("a.md", b"PK\x03\x04...", "uploads.other_content"),
        ("a.html", b"text\0binary", "uploads.other_content"),
    ],
)
def test_other_kinds_are_refused_with_a_reason(workspace: Workspace, name: str, content: bytes, reason: str) -> None:
    taken = send(workspace, (name, content), ("good.txt", TEXT), upload_mb=1)
    assert [(one.name, one.reason) for one in taken.refused] == [(name, reason)]
    assert [file.name for file in taken.files] == ["good.txt"], "one bad file costs only itself"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_texts_of_any_encoding_are_texts(workspace: Workspace, encoding: str) -> None:
    assert not send(workspace, ("a.txt", "Größe".encode(encoding))).refused


NAMES = {
    "../../etc/passwd.txt": "passwd.txt",
    "..\\..\\windows.txt": "windows.txt",
    "/etc/cron.d/x.txt": "x.txt",
    "C:\\x.txt": "x.txt",
    ".bashrc.txt": "bashrc.txt",
    ".txt": "txt",
    "..": "file",
    "": "file",
    "   ": "file",
    "-rf.txt": "rf.txt",
    "a\0b.txt": "ab.txt",
    "a\nb.txt": "ab.txt",
    "a\u202etxt.exe": "atxt.exe",
    "<img src=x onerror=alert(1)>.txt": "_img src=x onerror=alert(1)_.txt",
    "a;rm -rf $HOME;.txt": "a_rm -rf _HOME_.txt",
    'a"b|c?d*e:f.txt': "a_b_c_d_e_f.txt",
    "CON.txt": "_CON.txt",
    "lpt1": "_lpt1",
    "Gr\u006f\u0308\u00dfe.pdf": "Gr\u00f6\u00dfe.pdf",
    "Tarife & Preise (2026), neu.xlsx": "Tarife & Preise (2026), neu.xlsx",
    "規約.pdf": "規約.pdf",
    "a.txt. . .": "a.txt",
    "#{7*7}${7*7}.md": "_7_7_7_7_.md",
    "`id`.md": "_id_.md",
    "%2e%2e%2fx.txt": "_2e_2e_2fx.txt",
}


@pytest.mark.parametrize(("name", "safe"), NAMES.items())
def test_a_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_file_name(name) == safe
    assert safe_file_name(safe) == safe, "and stays as it is"


def test_a_long_name_fits_every_file_system() -> None:
    safe = safe_file_name("ß" * 400 + ".pdf")
    assert safe.endswith(".pdf") and len(safe.encode()) <= 140
    assert len(safe_file_name("x." + "y" * 400).encode()) <= 140


def test_nothing_is_written_outside_of_the_folder(workspace: Workspace, tmp_path: Path) -> None:
    target = tmp_path / "outside.txt"
    target.write_text("mine", encoding="utf-8")
    folder = workspace.root / "uploads" / "cars"
    folder.mkdir(parents=True)
    (folder / "terms.txt").symlink_to(target)
    send(workspace, ("terms.txt", TEXT))
    assert target.read_text(encoding="utf-8") == "mine", "a link is replaced, not followed"
    assert (folder / "terms.txt").read_bytes() == TEXT and not (folder / "terms.txt").is_symlink()


def test_a_link_is_no_file_that_someone_sent(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    link = workspace.root / "link.txt"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "secret.txt")
    arrivals = Arrivals()
    arrivals.note(str(link), ANA.name)
    taken = stored([link], workspace, "cars", ANA, arrivals, UiSettings())
    assert [one.reason for one in taken.refused] == ["uploads.gone"]


@pytest.mark.parametrize("path", ["/etc/passwd", "{root}/config.yaml", "{root}/uploads/.arriving/0/../../x"])
def test_a_path_that_nobody_sent_is_taken_from_nobody(workspace: Workspace, path: str) -> None:
    with pytest.raises(UsageError, match="someone else"):
        stored([path.format(root=workspace.root)], workspace, "cars", ANA, Arrivals(), UiSettings())


def test_nobody_takes_what_someone_else_has_sent(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="someone else"):
        send(workspace, ("terms.txt", TEXT), user=EVE)
    assert not (workspace.root / "uploads" / "cars").exists()


@pytest.mark.parametrize("corpus", ["../cars", "", ".arriving", "a/b", "/tmp", "-x"])
def test_a_corpus_cannot_lead_out_of_the_workspace(workspace: Workspace, corpus: str) -> None:
    with pytest.raises(UsageError, match="not a name"):
        stored([], workspace, corpus, ANA, Arrivals(), UiSettings())


def test_more_files_than_allowed_are_refused_together(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="at most 2"):
        send(workspace, *[(f"{number}.txt", TEXT) for number in range(3)], upload_files=2)
    assert not (workspace.root / "uploads" / "cars").exists()


def test_arrivals_are_forgotten_one_day() -> None:
    arrivals = Arrivals()
    for number in range(100_001):
        arrivals.note(str(number), "ana")
    assert not arrivals.belongs("0", "ana") and arrivals.belongs("100000", "ana")


def test_what_was_taken_is_deleted_once_nobody_else_has_sent_it(tmp_path: Path) -> None:
    arrivals, sent = Arrivals(), tmp_path / "a.txt"
    sent.write_text("x")
    for name in ("ana", "ben"):
        arrivals.note(str(sent), name)
    for name in ("eve", "ana"):
        arrivals.drop(str(sent), name)
    assert sent.exists() and arrivals.belongs(str(sent), "ben") and not arrivals.belongs(str(sent), "ana")
    arrivals.drop(str(sent), "ben")
    assert not sent.exists() and not arrivals.belongs(str(sent), "ben")


def test_what_arrived_days_ago_is_deleted_and_the_folder_is_the_owners_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    folder = keep_arrivals_in(workspace)
    old, new = folder / "old", folder / "new"
    for one in (old, new):
        one.mkdir()
        (one / "a.txt").write_bytes(TEXT)
    handed_on = folder / "tmp0x1"
    handed_on.touch()
    for one in (old, handed_on):
        os.utime(one, (0, 0))
    keep_arrivals_in(workspace)
    assert [one.name for one in folder.iterdir()] == ["new"]
    assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
    assert os.name == "nt" or stat.S_IMODE(folder.stat().st_mode) == 0o700
