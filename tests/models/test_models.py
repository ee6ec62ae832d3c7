"""Models: found without a hub, unpacked once, refused clearly."""

import multiprocessing
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import gguf
import pytest
from tiny import adapted, settings_for, tiny_model

from assistant import models
from assistant.errors import ModelError
from assistant.models import naming
from assistant.models.unpacking import made_once
from train.gguf_files import write_model

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier


def test_the_bundled_embedder_is_found_without_a_hub() -> None:
    folder = models.embedder_folder(models.BUNDLED)
    assert (folder / "model.safetensors").exists() and (folder / "tokenizer.json").exists()


def test_a_model_of_the_hub_without_a_hub_is_refused_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://192.0.2.1")  # an address that never answers
    models.embedder_folder(models.BUNDLED)
    import huggingface_hub  # noqa: F401 - its import is not what is timed

    started = time.perf_counter()
    with pytest.raises(ModelError) as caught:
        models.embedder_folder("some-owner/some-model-that-is-not-here")
    assert time.perf_counter() - started < 8, "the hub's own client waits and asks again for longer"
    assert "\n" not in str(caught.value) and "some-owner/some-model-that-is-not-here" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["/no/such/folder", "./nothing", "~/nothing-here", "one-word", "a/b/c"])
def test_a_folder_that_does_not_exist_is_not_looked_for_on_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        models.embedder_folder(name)


@pytest.mark.parametrize("name", ["~nobody-of-this-name/model", "x" * 300, "a\0b", "~nobody-of-this-name/model.gguf"])
def test_a_name_that_no_disk_can_hold_is_refused_in_one_line(name: str) -> None:
    for look in (models.embedder_folder, models.engine_folder, models.check_engine_name):
        with pytest.raises(ModelError) as refused:
            look(name)
        assert "\n" not in str(refused.value) and "\0" not in str(refused.value) and len(str(refused.value)) < 300
    assert models.tokenizer_folder(name) is None


def test_a_local_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert models.engine_folder(str(tmp_path)) == tmp_path


def test_a_gguf_that_is_no_model_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_CACHE", str(tmp_path / "cache"))
    junk = tmp_path / "junk.gguf"
    with pytest.raises(ModelError, match=r"junk\.gguf cannot be read: No such file"):
        models.engine_folder(str(junk))
    junk.write_bytes(b"no model at all" * 1000)
    with pytest.raises(ModelError, match=r"junk\.gguf cannot be unpacked") as caught:
        models.engine_folder(str(junk))
    assert "\n" not in str(caught.value) and caught.value.remedy
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".lock"], "nothing half done is left"


def test_a_gguf_is_unpacked_once_and_anew_when_it_was_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_CACHE", str(tmp_path / "cache"))
    unpacked: list[Path] = []

    monkeypatch.setattr(naming, "unpack_gguf", lambda _, folder: unpacked.append(folder))
    file = tmp_path / "model.gguf"
    file.write_bytes(bytes(3 << 20))
    first = models.engine_folder(str(file))
    assert models.engine_folder(str(file)) == first and len(unpacked) == 1
    file.write_bytes(bytes(1 << 20) + b"other" + bytes((2 << 20) - 5))
    os.utime(file, (1, 1))
    assert models.engine_folder(str(file)) != first, "a file of the same size, other in the middle"


def test_a_fingerprint_changes_with_weights_names_and_small_files(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "weights.bin").write_bytes(b"\0" * (3 << 20))
    seen = {models.fingerprint(tmp_path)}
    (tmp_path / "config.json").write_text("[]")
    seen.add(models.fingerprint(tmp_path))
    (tmp_path / "weights.bin").write_bytes(b"\0" * (3 << 20) + b"\1")
    seen.add(models.fingerprint(tmp_path))
    (tmp_path / "config.json").rename(tmp_path / "other.json")
    seen.add(models.fingerprint(tmp_path))
    assert len(seen) == 4
    assert models.fingerprint(tmp_path) in seen


def test_a_failed_unpacking_leaves_no_model_behind(tmp_path: Path) -> None:
    def make(beside: Path) -> None:
        (beside / "half").write_text("x")
        raise OSError(28, "No space left on device")

    with pytest.raises(ModelError, match="No space left"):
        made_once(tmp_path / "cache" / "model", make)
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".lock"]
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="Cannot write"):
        made_once(tmp_path / "file" / "model", make)


def test_what_a_killed_unpacking_left_is_not_taken_for_a_model(tmp_path: Path) -> None:
    (tmp_path / ".model.tmp").mkdir()
    (tmp_path / ".model.tmp" / "half").write_text("x")
    made_once(tmp_path / "model", lambda beside: (beside / "whole").touch())
    assert [file.name for file in (tmp_path / "model").iterdir()] == ["whole"]


def _unpack(file: Path, cache: Path, both: "Barrier", done: "multiprocessing.Queue[tuple[str, int]]") -> None:
    read = []

    class Counted(gguf.GGUFReader):
        def __init__(self, path: str) -> None:
            read.append(path)
            super().__init__(path)

    os.environ["ASSISTANT_CACHE"] = str(cache)
    gguf.GGUFReader = Counted  # type: ignore[misc, assignment]
    both.wait(180)
    done.put((str(models.engine_folder(str(file))), len(read)))


@pytest.mark.slow
def test_of_two_processes_that_unpack_at_once_one_does_and_reads_the_file_once(tmp_path: Path) -> None:
    base, file, cache = adapted(settings_for(tiny_model(tmp_path / "tiny"))), tmp_path / "tiny.gguf", tmp_path / "cache"
    write_model(file, base.base, base.template, "tiny", "float32")
    context = multiprocessing.get_context("spawn")
    both = context.Barrier(2)
    done: multiprocessing.Queue[tuple[str, int]] = context.Queue()
    processes = [context.Process(target=_unpack, args=(file, cache, both, done)) for _ in range(2)]
    for process in processes:
        process.start()
    folders, reads = zip(*(done.get(timeout=180) for _ in processes), strict=True)
    assert sum(reads) == 1
    for process in processes:
        process.join()
        assert process.exitcode == 0
    (folder,) = set(folders)
    assert (Path(folder) / "model.safetensors").exists()
    assert not list(cache.glob(".*.tmp"))
