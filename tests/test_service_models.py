"""Another model answers from the next question on: what tells of it knows when it is there, and it has to fit."""

import threading
from pathlib import Path

import pytest
from fakes import FakeEmbedder
from serving import LoadedEngine

from assistant.config import Settings
from assistant.engines import opening
from assistant.errors import ModelError
from assistant.service import Service
from assistant.workspace import Workspace

GIB = 1 << 30


class HeldEngine(LoadedEngine):
    """Is loaded once it may be, or fails."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__("")
        self.begun, self.may_load = threading.Event(), threading.Event()
        self._fails = fails

    def complete(self, *_: object, **__: object) -> list[str]:
        self.begun.set()
        assert self.may_load.wait(60)
        if self._fails:
            raise ModelError("It is broken.", "Choose another one.")
        return [""]


@pytest.fixture
def service(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service whose models are no files."""
    monkeypatch.setattr("assistant.service.check_engine", lambda _: None)
    monkeypatch.setattr("assistant.service.refuse_too_large", lambda *_: None)
    return Service(workspace, Settings(), FakeEmbedder(), lambda: LoadedEngine(""))


def loaded() -> None:
    """Wait until nothing is loaded any more."""
    for thread in threading.enumerate():
        if "_load_changed" in thread.name:
            thread.join(60)


@pytest.mark.parametrize("fails", [False, True])
def test_readiness_is_that_of_the_model_that_was_chosen_last(
    service: Service, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    service.load()
    first, last = HeldEngine(fails), HeldEngine()
    for engine in (first, last):
        monkeypatch.setattr("assistant.service.open_answering", lambda *_, engine=engine: engine)
        service.change_model("another")
        assert engine.begun.wait(60)
    assert service.readiness == "loading", "questions wait for it"
    loading = [one for one in threading.enumerate() if "_load_changed" in one.name]
    first.may_load.set()
    loading[0].join(60)
    assert service.readiness == "loading", "whatever became of the one that was chosen before"
    last.may_load.set()
    loading[1].join(60)
    assert str(service.readiness) == "ready"


def test_a_model_that_cannot_be_loaded_is_told_and_another_one_mends_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = HeldEngine(fails=True)
    broken.may_load.set()
    for engine, readiness in ((broken, "failed"), (LoadedEngine(""), "ready")):
        monkeypatch.setattr("assistant.service.open_answering", lambda *_, engine=engine: engine)
        service.change_model("another")
        loaded()
        assert service.readiness == readiness
    assert "It is broken." in caplog.text


def test_a_folder_that_gives_way_can_be_chosen_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.service.open_answering", lambda *_: LoadedEngine(""))
    for name in ("/models/ours", "bundled", "/models/ours", "./other.gguf", "smollm2-135m"):
        service.change_model(name)
    assert service.settings.ui.models == ("/models/ours", "./other.gguf"), "names of the catalogue are offered anyway"


def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"large": 6.0, "small": 1.0, "gone": 0.0}

    def held(settings: Settings) -> tuple[str, float]:
        if settings.engine.model == "gone":
            raise ModelError("There is no such model.", "")
        return "transformers", sizes[settings.engine.model] * GIB

    monkeypatch.setattr(opening, "weights_held", held)
    monkeypatch.setattr(opening, "free_memory", lambda _: 5.5 * GIB)
    large, small, gone = (Settings.model_validate({"engine": {"model": name}}) for name in sizes)
    with pytest.raises(ModelError, match=r"large, run by transformers, needs 6\.0 GiB .* 5\.5 are free\."):
        opening.refuse_too_large(large)
    opening.refuse_too_large(large, small)  # what the one before leaves is enough
    with pytest.raises(ModelError, match=r"5\.5 are free, with the one before gone"):
        opening.refuse_too_large(large, gone)
    opening.refuse_too_large(small)


def test_what_weights_take_is_told_by_their_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x" * 1000)
    (tmp_path / "optimizer.bin").write_bytes(b"x" * 1000)
    monkeypatch.setattr("assistant.models.engine_folder", lambda _: tmp_path)
    for quantize, needed in (("auto", 1000.0), ("8bit", 600.0), ("4bit", 400.0)):
        settings = Settings.model_validate({"engine": {"runtime": "transformers", "quantize": quantize}})
        assert opening.weights_held(settings) == ("transformers", needed)
    assert opening.weights_held(Settings.model_validate({"engine": {"url": "http://127.0.0.1:1"}})) == ("a server", 0.0)
