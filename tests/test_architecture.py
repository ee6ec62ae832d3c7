"""The house keeps its shape: who may import whom, what starts light, and how large things get."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SIBLINGS = ("ingest", "train", "eval", "ui")
PACKAGES = ("assistant", *SIBLINGS)
# The rooms of the core in their order: each may import those of the lines above its own.
ROOMS = (
    ("errors", "types", "text"),
    ("workspace", "untrusted"),
    ("work", "config", "store", "prompt"),
    ("artifacts",),
    ("models",),
    ("engines", "retrieval"),
    ("conversation", "grounding"),
    ("refusal", "feedback"),
    ("render", "answer"),
    ("service", "doctor"),
    ("langchain_edge",),
    ("cli",),
)
LOOSE_MODULES = 10
MOST_MODULES, MOST_ARROWS = 303, 115
HEAVY = (
    "torch",
    "transformers",
    "gradio",
    "langchain",
    "langchain_core",
    "sentence_transformers",
    "faiss",
    "numpy",
)
LONGEST_FUNCTION = 60
LONGEST_MODULE = 450


def modules() -> list[Path]:
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports_of(file: Path) -> frozenset[str]:
    """Modules of ours that a file imports anywhere, also inside functions; not for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name_of(file).split(".")
                package = package if file.name == "__init__.py" else package[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            found.update({base, *(f"{base}.{alias.name}" for alias in node.names)})
    known = {name_of(one) for one in modules()}
    return frozenset(name for name in found if name in known and name != name_of(file))


@pytest.mark.parametrize("file", modules(), ids=name_of)
def test_arrows_point_from_the_edges_to_the_core(file: Path) -> None:
    package = name_of(file).split(".")[0]
    imported = {name.split(".")[0] for name in imports_of(file)}
    if package == "assistant" and not name_of(file).startswith("assistant.cli"):
        assert imported <= {"assistant"}, "the core knows no sibling"
    if package in SIBLINGS:
        assert imported <= {"assistant", package}, "siblings are blind to each other"
        assert not any(name.startswith("assistant.cli") for name in imports_of(file))


def room_of(name: str) -> str:
    """The room of the core that a module belongs to; empty for the package itself and for other packages."""
    package, *rest = name.split(".")
    return rest[0] if package == "assistant" and rest and rest[0] != "__main__" else ""


def core() -> list[Path]:
    return [file for file in modules() if room_of(name_of(file))]


@pytest.mark.parametrize("file", core(), ids=name_of)
def test_a_room_of_the_core_imports_rooms_above_it_only(file: Path) -> None:
    floors = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
    own = room_of(name_of(file))
    for name in sorted(imports_of(file)):
        other = room_of(name)
        assert other in {"", own} or floors[other] < floors[own], f"{own} may not import {name}"


def test_the_core_has_few_loose_modules_and_no_room_without_a_place() -> None:
    assert len(list((ROOT / "assistant").glob("*.py"))) <= LOOSE_MODULES
    assert {room_of(name_of(file)) for file in core()} == {room for rooms in ROOMS for room in rooms}


def test_the_house_has_few_modules_and_its_core_few_arrows_from_room_to_room() -> None:
    assert len(modules()) <= MOST_MODULES
    pairs = {(room_of(name_of(file)), room_of(name)) for file in core() for name in imports_of(file)}
    assert len({(room, other) for room, other in pairs if other not in {"", room}}) <= MOST_ARROWS


def test_there_is_no_import_cycle() -> None:
    graph = {name_of(file): {name for name in imports_of(file) if not _is_parent(name, file)} for file in modules()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"import cycle: {' → '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def _is_parent(name: str, file: Path) -> bool:
    """A package that re-exports its modules is not imported by them."""
    return name_of(file).startswith(f"{name}.")


@pytest.mark.parametrize("arguments", [["--help"], ["ingest", "--help"], ["search", "--help"], ["ask", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from assistant.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        f"loaded = sorted(set({HEAVY!r}) & set(sys.modules)); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)


def test_help_takes_little_processor_time() -> None:
    code = (
        "import os, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'assistant', '--help'], check=True, stdout=subprocess.DEVNULL)\n"
        "times = os.times(); print(times.children_user + times.children_system)"
    )
    runs = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout)
        for _ in range(3)
    ]
    assert min(runs) < 0.3, f"{min(runs):.2f} s of processor time"


@pytest.mark.parametrize("file", modules(), ids=name_of)
def test_modules_and_functions_stay_small(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.end_lineno:
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f"{node.name} is too long"


@pytest.mark.parametrize("file", modules(), ids=name_of)
def test_every_module_and_public_name_has_a_docstring(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_nothing_is_pickled_and_no_remote_code_is_trusted_by_default() -> None:
    for file in modules():
        text = file.read_text(encoding="utf-8")
        assert "import pickle" not in text and "torch.load(" not in text, name_of(file)
        assert "trust_remote_code=True" not in text, name_of(file)


@pytest.mark.slow
def test_what_people_and_models_read_names_no_class_of_ours() -> None:
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in modules()}
    classes = {node.name for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    name = re.compile(r"\b([A-Z][a-z]+(?:[A-Z][a-z]+)+)\b(?=:? [a-z])")
    for file, tree in trees.items():
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                assert not classes & set(name.findall(node.value)), f"{name_of(file)}: {node.value}"
