"""What the Makefile installs and runs: exact versions of everything but torch, and the corpus that was made."""

import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CONSTRAINTS = [
    line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line and not line.startswith("#")
]
# Torch, what its builds for GPUs bring along, and what pip freeze leaves out.
FREE = re.compile(r"torch|nvidia-.*|cuda-.*|triton|pip|setuptools|wheel")


def wanted() -> Iterator[Requirement]:
    """What the project asks for, with every extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for some in (project["dependencies"], *project["optional-dependencies"].values()):
        yield from (one for one in map(Requirement, some) if one.name != project["name"])


def installed(requirements: Iterable[Requirement]) -> set[str]:
    """The installed packages among some requirements, and those that they require in turn."""
    waiting, seen, found = list(requirements), set[tuple[str, str]](), set[str]()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                required = map(Requirement, distribution(name).requires or ())
            except PackageNotFoundError:  # an extra that this environment lacks
                continue
            found.add(name)
            waiting += [one for one in required if not one.marker or one.marker.evaluate({"extra": extra})]
    return found


def test_everything_that_is_installed_has_an_exact_version() -> None:
    exact = {canonicalize_name(line.split("==")[0]) for line in CONSTRAINTS}
    some = installed(wanted())
    assert {"numpy", "pydantic-core", "iniconfig"} <= some, "the walk reaches what is required by what is required"
    assert not sorted(name for name in some - exact if not FREE.fullmatch(name))


def test_versions_are_exact_and_leave_the_build_of_torch_open() -> None:
    for line in CONSTRAINTS:
        name, version = line.split("==")
        assert re.fullmatch(r"[\d.]+\w*", version), line
        assert not FREE.fullmatch(canonicalize_name(name)), line


@pytest.mark.parametrize(("arguments", "corpus"), [((), "sample"), (("DOCS=./my folder",), "default")])
def test_make_run_asks_the_corpus_that_it_made(arguments: tuple[str, ...], corpus: str) -> None:
    command = ("make", "--dry-run", "run", "CHECK=1", *arguments)
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"assistant (\w+) --corpus (\w+)", told) == [("ingest", corpus), ("ask", corpus)]


@pytest.mark.parametrize(
    ("arguments", "told"), [((), "models choose"), (("MODEL=bundled",), "config set engine.model=bundled")]
)
def test_make_run_takes_the_model_that_is_named_or_chooses_one(arguments: tuple[str, ...], told: str) -> None:
    command = ("make", "--dry-run", "run", *arguments)
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"assistant ((?:models|config) .+)", lines) == [told]
