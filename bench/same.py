"""Whether two checkouts give users the same, byte for byte; the first difference of each part is named.

    python -m bench.same OLD NEW                        everything: about 5 minutes of processor time a side
    python -m bench.same OLD NEW --only ingest,search   some parts; 'ingest' is run for all that need a corpus

OLD and NEW are folders with the source, such as git worktrees. Each runs in processes of its own, with its own
temporary workspace; both read the documents and questions of OLD, so that a difference is one of the program. What a
clean checkout gave is kept in --cache by its commit, and is not computed again. Ends with 1 when something differs.

For a refactoring: a worktree of the commit before it is OLD, and is computed once::

    git worktree add ../before COMMIT
    python -m bench.same ../before ../before            fills the cache
    python -m bench.same ../before . --only ask         after each step: only NEW is computed

It notices, for instance, another threshold of support: with ``answer.support_coverage`` .5 in place of .6 three of the
60 questions of 'eval' differ.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Any

import click

from assistant.errors import UsageError

Texts = dict[str, str]
"""What one part gave: name → text."""

_CASES = 60
_SYSTEMS = "extractive,base+rag"
_ASKED = "1"
"""Counts up when a part asks for something else: what was kept before is not comparable then."""
_TIMES = frozenset({"seconds", "timings"})
"""Keys of JSON whose values are measured times."""
_SECONDS = re.compile(r"^(?:  seconds|Time): .*|\(\d+\.\d s\)", re.MULTILINE)
"""The same in lines for people."""
_SOURCE = re.compile(r'"code": "[0-9a-f]+"')
"""The hash of the source, in the identity of an evaluation."""
_SHOWN_BEFORE, _SHOWN = 40, 160


@dataclass(frozen=True)
class Side:
    """One checkout with its workspace, and the data that both sides read."""

    checkout: Path
    workspace: Path
    data: Path

    def run(self, *arguments: str, statuses: Sequence[int] = (0,)) -> str:
        """Standard output of ``python ARGUMENTS``. Raises UsageError for another exit status than these."""
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            self.command(*arguments), **self.surroundings, capture_output=True, check=False
        )
        if done.returncode not in statuses:
            told = done.stderr.decode(errors="replace").strip()[-2000:]
            raise UsageError(f"{self.checkout}: {' '.join(arguments)[:300]} ended with {done.returncode}: {told}")
        return done.stdout.decode() + f"exit status {done.returncode}\n"

    def assistant(self, *arguments: str, statuses: Sequence[int] = (0,)) -> str:
        """What a command of the assistant prints."""
        return self.run("-m", "assistant", *arguments, "--workspace", str(self.workspace), statuses=statuses)

    def command(self, *arguments: str) -> list[str]:
        """A Python that sees this checkout."""
        return [sys.executable, *arguments]

    @property
    def surroundings(self) -> dict[str, Any]:
        """Folder and environment of a process: one thread, no settings of the caller."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSISTANT_")}
        environment = kept | {"PYTHONPATH": str(self.checkout), "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
        return {"cwd": self.workspace.parent, "env": environment}

    def neutral(self, text: str) -> str:
        """A text without what differs from run to run: the only place that says what this is."""
        whole = text.rpartition("exit status")[0]
        try:
            text = _dumped(json.loads(whole), indent=2) + text.removeprefix(whole)
        except ValueError:
            text = "\n".join(map(_timeless, text.split("\n")))
        for folder, name in ((self.workspace, "WORKSPACE"), (self.data, "DATA"), (self.checkout, "CHECKOUT")):
            text = text.replace(str(folder), name)
        return _SOURCE.sub('"code": "SOURCE"', _SECONDS.sub("SECONDS", text))


def _timeless(line: str) -> str:
    try:
        return _dumped(json.loads(line)) if line.startswith("{") else line
    except ValueError:
        return line


def _dumped(content: Any, indent: int | None = None) -> str:
    return json.dumps(_without_times(content), ensure_ascii=False, indent=indent)


def _without_times(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_times(value) for key, value in content.items() if key not in _TIMES}
    return [_without_times(value) for value in content] if isinstance(content, list) else content


def commands(side: Side) -> Texts:
    """docs/commands.md, as the commands themselves tell it."""
    return {"commands.md": side.run("-m", "assistant.cli.reference")}


def config(side: Side) -> Texts:
    """'config show --json': every setting with its default."""
    return {"config": side.assistant("config", "show", "--json")}


def openapi(side: Side) -> Texts:
    """The OpenAPI document, as 'assistant serve' serves it."""
    served = ("-m", "assistant", "serve", "--port", "0", "--workspace", str(side.workspace))
    with subprocess.Popen(
        side.command(*served), **side.surroundings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            said = server.stdout.readline() if server.stdout else ""
            found = re.search(r"http://\S+?(?=/v1)", said)
            if found is None:
                raise UsageError(f"{side.checkout}: 'assistant serve' did not start: {said!r}.")
            with urllib.request.urlopen(f"{found[0]}/openapi.json", timeout=60) as reply:
                return {"openapi.json": reply.read().decode()}
        finally:
            server.terminate()


def ingest(side: Side) -> Texts:
    """'ingest --json' of the sample documents."""
    return {"report": side.assistant("ingest", str(side.data / "sample/docs"), "--corpus", "sample", "--json")}


def hostile(side: Side) -> Texts:
    """'ingest --json' of the hostile documents, and the answers to their questions."""
    report = side.assistant("ingest", str(side.data / "hostile/docs"), "--corpus", "hostile", "--json")
    asked = str(side.data / "hostile/cases.jsonl")
    return {"report": report, "answers": side.assistant("ask", "--batch", asked, "--corpus", "hostile")}


def search(side: Side) -> Texts:
    """'search --batch' over all sample questions."""
    return {"hits": side.assistant("search", "--batch", _cases(side), "--corpus", "sample")}


def ask(side: Side) -> Texts:
    """'ask --batch --trace' over all sample questions with their histories, and some answers for a terminal."""
    questions = (side.data / "sample/questions.txt").read_text(encoding="utf-8").splitlines()
    return {
        "answers": side.assistant("ask", "--batch", _cases(side), "--corpus", "sample", "--trace"),
        "printed": side.assistant("ask", *questions, "--corpus", "sample"),
        "traced": side.assistant("ask", *questions, "--corpus", "sample", "--trace"),
    }


def pairs(side: Side) -> Texts:
    """'pairs --json', the pairs, their header, and what was dropped."""
    dropped = side.workspace.parent / "dropped.jsonl"
    tone = str(side.data / "sample/tone.jsonl")
    report = side.assistant("pairs", "--corpus", "sample", "--tone", tone, "--explain", str(dropped), "--json")
    files = [*sorted((side.workspace / "pairs").iterdir()), dropped]
    return {"report": report, **{file.name: file.read_text(encoding="utf-8") for file in files if file.is_file()}}


def evaluation(side: Side) -> Texts:
    """The files of an evaluation of extractive,base+rag over 60 spread cases."""
    chosen = ("--systems", _SYSTEMS, "--limit", str(_CASES), "--corpus", "sample", "--name", "same")
    side.assistant("eval", _cases(side), *chosen, statuses=(0, 3, 4))
    (folder,) = (side.workspace / "reports").iterdir()
    return {name: (folder / name).read_text(encoding="utf-8") for name in ("per_question.jsonl", "results.json")}


def _cases(side: Side) -> str:
    return str(side.data / "sample/cases.jsonl")


PARTS: dict[str, Callable[[Side], Texts]] = {
    "eval": evaluation,
    "ask": ask,
    "pairs": pairs,
    "hostile": hostile,
    "search": search,
    "openapi": openapi,
    "commands": commands,
    "config": config,
    "ingest": ingest,
}
"""The longest first, so that two cores end together."""
_NEED_SAMPLE = frozenset({"eval", "ask", "pairs", "search"})


def texts_of(checkout: Path, data: Path, parts: Sequence[str], cache: Path, jobs: int) -> dict[str, Texts]:
    """Part → its texts: kept ones of this commit, or new ones."""
    kept = _kept_in(cache, checkout, data)
    missing = [part for part in parts if not (kept / part).is_dir()]
    with tempfile.TemporaryDirectory(prefix="same-") as scratch:
        side = Side(checkout, Path(scratch) / "workspace", data)
        side.workspace.mkdir()
        if {"ingest", *_NEED_SAMPLE} & set(missing):
            _keep(kept / "ingest", ingest(side), side)
        others = [part for part in missing if part != "ingest"]
        with ThreadPoolExecutor(jobs) as pool:
            for part, texts in zip(others, pool.map(lambda part: PARTS[part](side), others), strict=True):
                _keep(kept / part, texts, side)
    return {
        part: {file.name: file.read_text(encoding="utf-8") for file in sorted((kept / part).iterdir())}
        for part in parts
    }


def _kept_in(cache: Path, checkout: Path, data: Path) -> Path:
    """The folder for what a checkout gives; one that differs from its commit has an empty one each time."""

    def git(folder: Path, *arguments: str) -> str:
        return subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True).stdout

    commits = [git(folder, "rev-parse", "HEAD").strip()[:12] for folder in (checkout, data)]
    kept = cache / "-".join([*commits, _ASKED])
    if git(checkout, "status", "--porcelain"):
        kept = kept.with_suffix(".changed")
        shutil.rmtree(kept, ignore_errors=True)
    return kept


def _keep(folder: Path, texts: Texts, side: Side) -> None:
    """Written beside and renamed: what is there is whole."""
    beside = folder.with_name(f"{folder.name}.{os.getpid()}")
    beside.mkdir(parents=True)
    for name, text in texts.items():
        (beside / name).write_text(side.neutral(text), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def differences(old: dict[str, Texts], new: dict[str, Texts]) -> Iterator[str]:
    """One line for each text that differs."""
    for part, texts in old.items():
        for name in {**texts, **new[part]}:
            if told := difference(texts.get(name, ""), new[part].get(name, "")):
                yield f"{part}, {name}: {told}"


def difference(old: str, new: str) -> str:
    """The first line in which two texts differ, where in it, and how many lines do; empty for the same text."""
    if old == new:
        return ""
    lines = old.splitlines(), new.splitlines()
    matched = SequenceMatcher(None, *lines, autojunk=False).get_opcodes()
    differing = [tuple(places) for kind, *places in matched if kind != "equal"]
    if not differing:
        return "only the ends of lines differ"
    first, last, start, end = differing[0]
    one, other = next(zip_longest(lines[0][first:last], lines[1][start:end], fillvalue=""))
    place, before, after = _in_line(one, other)
    alike = sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(before, after, strict=False)))
    shown = (text[max(0, alike - _SHOWN_BEFORE) :][:_SHOWN] for text in (before, after))
    count = sum(max(last - first, end - start) for first, last, start, end in differing)
    where = f"line {first + 1}{', ' + place if place else ''} ({count} of {len(lines[0])} lines differ)"
    return "\n".join([where, *(f"    {side} {text}" for side, text in zip(("old", "new"), shown, strict=True))])


def _in_line(old: str, new: str) -> tuple[str, str, str]:
    """The place inside of two lines of JSON where they first differ, and what stands there."""
    try:
        return _in_json(json.loads(old), json.loads(new)) or ("", old, new)
    except ValueError:
        return "", old, new


def _in_json(old: Any, new: Any, place: str = "") -> tuple[str, str, str] | None:
    if isinstance(old, dict) and isinstance(new, dict):
        if list(old) != list(new):
            return f"keys of {place or 'the line'}", str([*old]), str([*new])
        parts = [(f"{place}.{key}".lstrip("."), old[key], new[key]) for key in old]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        parts = [(f"{place}[{number}]", *two) for number, two in enumerate(zip(old, new, strict=True))]
    else:
        before, after = (json.dumps(value, ensure_ascii=False) for value in (old, new))
        return None if before == after else (place, before, after)
    return next(filter(None, (_in_json(one, other, where) for where, one, other in parts)), None)


@click.command()
@click.argument("old", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path))
@click.option("--only", default=",".join(PARTS), metavar="PARTS", help="Joined by commas.  [default: all]")
@click.option("--cache", type=click.Path(path_type=Path), default=Path(tempfile.gettempdir()) / "assistant-same")
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="How many parts at once.")
def main(old: Path, new: Path, only: str, cache: Path, jobs: int) -> int:
    """Compare what the checkouts OLD and NEW give users."""
    parts = only.split(",")
    if unknown := set(parts) - PARTS.keys():
        raise click.UsageError(f"There is no part {', '.join(sorted(unknown))}. There are: {', '.join(PARTS)}.")
    texts = [texts_of(checkout, old / "data", parts, cache, jobs) for checkout in (old, new)]
    found = list(differences(*texts))
    click.echo("\n".join(found) or f"The same: {', '.join(parts)}.")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
