"""The model that answers in its own words on a usual machine without a GPU, and whether this one is such a machine."""

import shutil

from assistant.config import DeviceSettings
from assistant.engines.openvino_engine import has_openvino
from assistant.models.device import choose
from assistant.models.naming import folder_here
from assistant.models.unpacking import cache_folder

READER = "qwen2.5-coder-1.5b"
"""The smallest model whose answers are better than quotations (docs/engines.md)."""

# GiB. Memory is needed most while the model is prepared, once; disk for what is fetched, joined, unpacked and prepared.
_MEMORY = 5.0
_DISK_TO_FETCH, _DISK = 8.0, 2.0


def why_not_here(settings: DeviceSettings) -> str:
    """Why READER is not for this machine; empty when it is. Nothing is fetched. Raises what ``choose`` raises."""
    import psutil

    if choose(settings).name == "cpu" and not has_openvino():
        return "without a GPU or OpenVINO (pip install 'domain-assistant[fast]') it is slow"
    free = psutil.virtual_memory().available / 2**30
    if free < _MEMORY:
        return f"it needs {_MEMORY:.0f} GiB of memory, and {free:.1f} are free"
    folder = cache_folder()
    present = next(path for path in (folder, *folder.parents) if path.exists())
    needed, free = _DISK if folder_here(READER) else _DISK_TO_FETCH, shutil.disk_usage(present).free / 2**30
    return f"it needs {needed:.0f} GiB of disk, and {free:.1f} are free for {folder}" if free < needed else ""
