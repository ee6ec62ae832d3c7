"""The documentation cannot rot: every command is in it, and every command of the README runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.cli import COMMANDS, main
from assistant.cli.reference import reference

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
# Installing and measuring are run by CI itself, and would not be a test's business.
NOT_RUN = ("make ", "git ", "pip ", "assistant init")


def readme_commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith(("#", *NOT_RUN))]


def test_the_reference_is_up_to_date() -> None:
    # In a process of its own: click keeps for a command the option --help that it was first called with.
    made = subprocess.run([sys.executable, "-m", "assistant.cli.reference"], capture_output=True, text=True, check=True)
    assert made.stdout == (ROOT / "docs/commands.md").read_text(encoding="utf-8"), "run: make docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_reference_and_readme_with_an_example(name: str) -> None:
    assert f"## assistant {name}\n" in reference()
    assert f"assistant {name}" in README
    assert "Example: assistant" in reference().split(f"## assistant {name}\n")[1].split("\n## ")[0]


def test_links_of_the_documentation_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_architecture_names_files_that_exist() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`(\w+(?:/[\w.]*)+|\w+\.(?:py|yaml|jinja))`", page))
    assert len(names) > 30
    for name in sorted(names):
        path = re.sub("LANGUAGE|NAME", "*", name.rstrip("/"))
        roots = ("", *(f"{package}/**/" for package in ("assistant", "ingest", "train", "eval", "ui")))
        assert any(any(ROOT.glob(f"{root}{path}{end}")) for root in roots for end in ("", ".py")), name


def test_the_map_in_the_readme_names_every_package() -> None:
    tree = re.search(r"```text\nassistant/.*?```", README, re.DOTALL)
    assert tree
    for folder in ("assistant", "ingest", "train", "eval", "ui", "data", "bench", "tests", "docs"):
        assert f"{folder}/" in tree.group()


@pytest.mark.slow
def test_every_command_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(tmp_path / "workspace"))
    commands = readme_commands()
    assert commands
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "assistant"
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        assert ended.value.code == 0, f"{command}\n{told.out}\n{told.err}"
