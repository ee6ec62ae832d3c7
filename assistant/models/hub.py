"""The Hugging Face hub, or the mirror that HF_ENDPOINT names. Its cache is shared with other programs."""

import os
import re
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

from assistant.errors import ModelError

_ID = re.compile(r"[^./~\s][^/\s]*/[^/\s]+")
_PATIENCE_SECONDS = 0.8
# Never pickled weights, and no formats that this program cannot load.
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.py"]


def is_id(name: str) -> bool:
    """Whether a name may be OWNER/NAME; it may still be no sound one."""
    return _ID.fullmatch(name) is not None


def cached(model: str, revision: str | None = None) -> Path | None:
    """The folder of a model that was downloaded before. Raises ModelError for what is no id."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=True, allow_patterns=_FILES))
    except LocalEntryNotFoundError:
        return None
    except ValueError:
        raise ModelError(f"'{model}' is no Hugging Face id.", "Write owner/name, or the path of a folder.") from None


def downloaded(model: str, revision: str | None = None) -> Path:
    """The folder of a model, downloaded; a download that was begun goes on. Raises ModelError."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=_FILES))
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"Model {model} could not be downloaded: {reason}", "Check the name and your access."
        ) from error


def removed(model: str) -> int:
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


def answers() -> bool:
    """Whether the hub accepts a connection soon; it is not asked where HF_HUB_OFFLINE is set."""
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return False
    # Name look-up has no time-out of its own, hence the thread.
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection(_address(), timeout=_PATIENCE_SECONDS).close()
            answered.set()
        except OSError:
            return

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)
    return answered.is_set()


def _address() -> tuple[str, int]:
    from huggingface_hub.constants import ENDPOINT

    address = urlsplit(ENDPOINT)
    return address.hostname or "", address.port or (80 if address.scheme == "http" else 443)
