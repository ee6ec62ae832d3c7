"""What files are called where people read it: relative paths, told apart where two folders have the same one."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath


def names_of(files: Iterable[tuple[str, Path]]) -> dict[Path, str]:
    """Name by location, for files given as (relative path, location).

    A name is the relative path; where others have it too, so many folders stand before it that they differ.
    """
    alike: dict[str, set[Path]] = defaultdict(set)
    for path, location in files:
        alike[path].add(location)
    names: dict[Path, str] = {}
    for path, locations in alike.items():
        names.update(dict.fromkeys(locations, path) if len(locations) == 1 else _told_apart(path, locations))
    return names


def _told_apart(path: str, locations: set[Path]) -> dict[Path, str]:
    parts = len(PurePosixPath(path).parts)
    while True:
        parts += 1
        names = {location: PurePosixPath(*location.parts[-parts:]).as_posix() for location in locations}
        if len(set(names.values())) == len(locations):
            return names
