"""Folders that appear whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assistant.artifacts.cards import set_aside
from assistant.errors import AdapterError
from assistant.workspace import close_to_others, flush_to_disk

_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}


@contextmanager
def new_folder(target: Path, force: bool) -> Iterator[Path]:
    """Yield an empty folder beside ``target`` that takes its name when the block succeeds, else vanishes.

    A folder that has the name already stays as it is without ``force``, and with it until the new one is complete.
    Raises AdapterError when the name is taken, now or by then, or the disk has no room.
    """
    from safetensors import SafetensorError

    refuse_taken(target, force)
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        yield beside
        for path in (beside, *beside.rglob("*")):
            close_to_others(path)
        for path in beside.rglob("*"):
            flush_to_disk(path)
        flush_to_disk(beside)
        _rename(beside, target, force)
    except (OSError, SafetensorError) as error:  # safetensors tells a full disk in an error of its own
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
        raise AdapterError(f"{target} cannot be written: {reason}.", "Free space, or check the rights.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def refuse_taken(target: Path, force: bool) -> None:
    """Raise AdapterError when there is a ``target`` that may not be replaced."""
    if target.exists() and not force:
        raise AdapterError(f"{target} exists.", "Choose another name, or replace it with --force.")


def _rename(beside: Path, target: Path, force: bool) -> None:
    """One rename, which the operating system refuses where a folder has the name; or two, to replace that one.

    ``finish_replacement`` undoes the first of two when the second never comes. A reader may do so at any moment, so
    that the name can be taken again: then it is tried again.
    """
    aside = set_aside(target)
    while True:
        refuse_taken(target, force)
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)
            target.rename(aside)
        try:
            beside.rename(target)
            break
        except OSError as error:
            if error.errno in _TAKEN:
                continue
            if aside.exists():
                aside.rename(target)
            raise
    flush_to_disk(target.parent)
    shutil.rmtree(aside, ignore_errors=True)
