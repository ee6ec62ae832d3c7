"""A scan finds the files under a folder: nothing outside, nothing in circles, nothing that would block."""

import os
import socket
from pathlib import Path

import pytest

from assistant.errors import UsageError
from ingest.changes import FoundFile, OtherFormat, PassedOver, is_gone, scan


def found(root: Path, inside: str = "") -> list[str]:
    return [one.path for one in scan(root, inside) if isinstance(one, FoundFile)]


def passed_over(root: Path) -> dict[str, str]:
    return {one.path: one.reason for one in scan(root) if isinstance(one, PassedOver)}


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("text", "utf-8")


def test_files_of_known_suffixes_are_found_in_order_whatever_their_case(docs: Path) -> None:
    touch(docs, "b.md", "a.PDF", "sub/c.TxT", "sub/d.exe", "Z.html", "noext", "archive.zip")
    assert found(docs) == ["Z.html", "a.PDF", "b.md", "sub/c.TxT"]
    assert passed_over(docs) == {}
    others = [one.file.path for one in scan(docs) if isinstance(one, OtherFormat)]
    assert others == ["archive.zip", "noext", "sub/d.exe"]


def test_hidden_files_and_office_locks_are_left_out_silently(docs: Path) -> None:
    touch(docs, ".hidden.md", ".git/readme.md", "~$report.docx", "a.md", "sub/.assistant/x.md")
    assert found(docs) == ["a.md"]
    assert passed_over(docs) == {}


def test_sizes_and_times_are_those_of_the_file(docs: Path) -> None:
    touch(docs, "a.md")
    os.utime(docs / "a.md", ns=(1, 1_700_000_000_123_456_789))
    (one,) = scan(docs)
    assert isinstance(one, FoundFile)
    assert (one.size, one.modified_ns) == (4, 1_700_000_000_123_456_789)
    assert one.location == docs / "a.md"


def test_a_part_of_a_folder_keeps_its_paths(docs: Path) -> None:
    touch(docs, "a.md", "sub/deep/b.md", "sub/c.md")
    assert found(docs, "sub") == ["sub/c.md", "sub/deep/b.md"]
    assert found(docs, "sub/deep/b.md") == ["sub/deep/b.md"]


def test_a_single_file_is_a_root_whatever_its_suffix(docs: Path) -> None:
    touch(docs, "notes.log")
    (one,) = scan(docs / "notes.log")
    assert isinstance(one, FoundFile)
    assert one.path == "notes.log"
    assert one.location == docs / "notes.log"


@pytest.mark.parametrize("name", ["nowhere", "a.md/b", "n" * 300, "\n"])
def test_a_root_that_is_not_there_is_wrong_usage(docs: Path, name: str) -> None:
    touch(docs, "a.md")
    with pytest.raises(UsageError, match="no folder or file"):
        list(scan(docs / name))


def test_links_inside_are_followed_to_files_and_no_further(docs: Path, tmp_path: Path) -> None:
    touch(docs, "a.md", "sub/b.md")
    touch(tmp_path, "secret.md", "private/c.md")
    (docs / "inside.md").symlink_to("sub/b.md")
    (docs / "out.md").symlink_to("../secret.md")
    (docs / "absolute.md").symlink_to("/etc/hostname")
    (docs / "outdir").symlink_to("../private")
    (docs / "circle").symlink_to(".")
    (docs / "sub" / "up").symlink_to("..")
    (docs / "loop.md").symlink_to("loop.md")
    (docs / "ping.md").symlink_to("pong.md")
    (docs / "pong.md").symlink_to("ping.md")
    (docs / "nothing.md").symlink_to("gone.md")
    assert found(docs) == ["a.md", "inside.md", "sub/b.md"]
    assert set(passed_over(docs)) == {
        "out.md", "absolute.md", "outdir", "circle", "sub/up", "loop.md", "ping.md", "pong.md", "nothing.md",
    }  # fmt: skip


def test_a_root_that_is_a_link_is_a_folder_like_any_other(docs: Path, tmp_path: Path) -> None:
    touch(docs, "a.md")
    (docs / "b.md").symlink_to("a.md")
    (tmp_path / "link").symlink_to(docs)
    assert found(tmp_path / "link") == ["a.md", "b.md"]


def test_a_sibling_whose_name_begins_alike_is_outside(docs: Path) -> None:
    touch(docs.parent, f"{docs.name}-private/secret.md")
    (docs / "a.md").symlink_to(docs.parent / f"{docs.name}-private" / "secret.md")
    assert found(docs) == []


def test_what_would_block_is_passed_over(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(docs)  # the name of a socket may not be long
    os.mkfifo(docs / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.txt")
        assert found(docs) == []
        assert passed_over(docs) == {"pipe.txt": "not a regular file", "socket.txt": "not a regular file"}
    with pytest.raises(UsageError, match="neither a folder nor a file"):
        list(scan(docs / "pipe.txt"))


def test_a_folder_with_the_suffix_of_a_file_is_a_folder(docs: Path) -> None:
    touch(docs, "folder.txt/a.md")
    assert found(docs) == ["folder.txt/a.md"]


def test_strange_names_are_names(docs: Path) -> None:
    names = [
        "new\nline.md",
        "\u202ertl.md",
        "n" * 247 + ".md",
        "-rf.md",
        "[bold].md",
        "🔥.md",
        "a\\b.md",
        " .md",
        "%s.md",
    ]
    touch(docs, *names)
    assert set(found(docs)) == set(names)


def test_names_that_are_no_text_are_told_in_text(docs: Path) -> None:
    Path(os.fsdecode(os.fsencode(docs) + b"/bad\xff.md")).write_text("text")
    folder = Path(os.fsdecode(os.fsencode(docs) + b"/dir\xfe"))
    folder.mkdir()
    touch(folder, "a.md")
    assert found(docs) == []
    assert passed_over(docs) == {
        "bad\\udcff.md": "name is not UTF-8: rename it", "dir\\udcfe": "name is not UTF-8: rename it",
    }  # fmt: skip
    with pytest.raises(UsageError, match=r"dir\\udcfe is not UTF-8"):
        list(scan(folder))


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_is_found(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(docs, "a.md", "locked/b.md", "z.md")
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("ingest.changes.os.scandir", refusing)
    assert found(docs) == ["a.md", "z.md"]
    (unseen,) = [one for one in scan(docs) if isinstance(one, PassedOver)]
    assert (unseen.path, unseen.reason) == ("locked", "folder cannot be read: Permission denied")
    assert unseen.is_unseen


def test_only_what_is_surely_not_there_is_gone(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(docs, "a.md")
    (docs / "link").symlink_to("nothing")
    assert not any(map(is_gone, [docs, docs / "a.md", docs / "link"]))
    assert all(map(is_gone, [docs / "b.md", docs / "a.md" / "x", docs / "x" / "y"]))

    def refusing(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "lstat", refusing)
    assert not is_gone(docs / "b.md")
