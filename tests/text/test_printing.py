"""Files of two folders are told apart where people read their names."""

import json
from pathlib import Path

import pytest
from commands import run

from assistant.text.printing import names_of


def names(**files: str) -> dict[str, str]:
    """Name by location; files are given as location=relative path, with '__' for '/'."""
    located = {Path("/" + location.replace("__", "/")): path for location, path in files.items()}
    return {str(location): name for location, name in names_of((path, at) for at, path in located.items()).items()}


def test_a_path_that_no_other_folder_has_is_the_name() -> None:
    assert names(ra__a="a", rb__b="b", rb__sub__a="sub/a") == {"/ra/a": "a", "/rb/b": "b", "/rb/sub/a": "sub/a"}


def test_the_folder_tells_equal_paths_apart() -> None:
    assert names(x__ra__s__t="s/t", x__rb__s__t="s/t") == {"/x/ra/s/t": "ra/s/t", "/x/rb/s/t": "rb/s/t"}


def test_so_many_folders_are_named_that_all_names_differ() -> None:
    told = names(a__docs__t="t", b__docs__t="t", c__t="t")
    assert len(set(told.values())) == 3 and told["/a/docs/t"] == "a/docs/t"


def test_ingest_documents_and_search_tell_equal_paths_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(tmp_path / "workspace"))
    for folder, sum_ in (("ra", 150), ("rb", 300)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "terms.md").write_text(f"# Hail\n\nThe deductible for hail damage is {sum_} euros.\n")
    settings = ("--set", "ingest.workers=1", "--set", "ingest.calibrate=false")
    _, out, _ = run(capsys, "ingest", str(tmp_path / "ra"), *settings)
    assert " terms.md" in out and "ra/terms.md" not in out
    told = [
        run(capsys, "ingest", str(tmp_path / "rb"), *settings)[1],
        run(capsys, "documents")[1],
        run(capsys, "search", "hail deductible")[1],
    ]
    assert all("rb/terms.md" in out for out in told) and "ra/terms.md" in told[1] and "ra/terms.md" in told[2]
    (hit, _) = json.loads(run(capsys, "search", "hail deductible", "--json")[1])["hits"]
    assert hit["document"] == "terms.md"
