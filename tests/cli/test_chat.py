"""The conversation in the terminal: what is typed, what is shown, and what cannot break it."""

import io
import os
import pty
import select
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import click
import psutil
import pyte
import pytest
from commands import run
from fakes import FakeEmbedder, ScriptedEngine

from assistant.cli.talk import SLASH_COMMANDS, Talk, rows_of, take_back
from assistant.config import Settings
from assistant.engines import opening
from assistant.errors import AdapterError, UsageError
from assistant.render.streaming import GrowingText, differs
from assistant.render.transcript import conversation_markdown
from assistant.service import Service
from assistant.service.opened import OpenedAssistant
from assistant.types import Answer, Sentence
from assistant.workspace import Workspace
from ingest.pipeline import ingest

TESTS = Path(__file__).parents[1]
HAIL = "Hail damage to the car is covered. The deductible for hail damage is 150 euros."
STORM = "Storm damage to the car is covered. The deductible for storm damage is 300 euros."


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Workspace:
    """A workspace with the corpora ``default`` and ``storms``, only to be read."""
    folder = tmp_path_factory.mktemp("chat")
    workspace, docs = Workspace(folder / "workspace"), folder / "docs"
    docs.mkdir()
    (docs / "hail.md").write_text(f"# Hail\n\n{HAIL}\n")
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    (docs / "storm.md").write_text(f"# Storm\n\n{STORM}\n")
    ingest(workspace, "storms", [docs], settings, embedder=FakeEmbedder())
    return workspace


@contextmanager
def opened_cheaply(workspace: Workspace, _: str, settings: Settings) -> Iterator[Service]:
    """A service whose embedder costs nothing."""
    with closing(Service(workspace, settings, FakeEmbedder(), lambda: opening.open_answering(settings))) as service:
        yield service


@contextmanager
def talk_with(workspace: Workspace, settings: Settings, engine: ScriptedEngine) -> Iterator[Talk]:
    def check_adapter(name: str | None) -> None:
        if name not in {None, "house"}:
            raise AdapterError(f"There is no adapter '{name}'.")

    with closing(Service(workspace, settings, FakeEmbedder(), lambda: engine)) as service:
        yield Talk(partial(OpenedAssistant, service), check_adapter, "default", None)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine("Hail damage to the car is covered. The deductible for hail damage is 150 euros.")


@pytest.fixture
def talk(filled: Workspace, settings: Settings, engine: ScriptedEngine) -> Iterator[Talk]:
    with talk_with(filled, settings, engine) as talk:
        yield talk


def said(talk: Talk, capsys: pytest.CaptureFixture[str], line: str) -> str:
    talk.take(line)
    return capsys.readouterr().out


def test_an_answer_has_its_numbers_behind_the_sentences_and_its_sources_below(
    talk: Talk, capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(talk, capsys, "What is the deductible for hail damage?")
    assert "is covered. [1] The deductible for hail damage is 150 euros. [1]" in out
    assert out.rstrip().endswith("euros.”") and "[1] hail.md" in out


def test_a_follow_up_is_understood_and_the_understanding_shown(talk: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    said(talk, capsys, "Is hail damage to the car covered?")
    assert "(how much is that (hail damage to the car covered)?)" in said(talk, capsys, "how much is that?")
    said(talk, capsys, "/new")
    assert "(" not in said(talk, capsys, "hail damage to the car?").splitlines()[0]


def test_words_that_give_way_to_a_quotation_are_followed_by_it(
    filled: Workspace, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = ScriptedEngine("Bananas grow on every motorway of the galaxy.")
    with talk_with(filled, settings, engine) as talk:
        out = said(talk, capsys, "What is the deductible for hail damage?")
    before, _, after = out.partition("instead:")
    assert "Bananas" in before and "150 euros" in after and "[1] hail.md" in after


class Screen(io.StringIO):
    """Standard output of a terminal, of which ``display`` is what a person sees."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__()
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.Stream(self._screen)

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._stream.feed(text.replace("\n", "\r\n"))
        return len(text)

    @property
    def display(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display).strip()


def on_screen(monkeypatch: pytest.MonkeyPatch, screen: Screen, columns: int, lines: int) -> None:
    """Standard output goes to a screen."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(screen, "fileno", lambda: 1)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((columns, lines)))


@pytest.mark.parametrize("columns", [20, 44, 200])
@pytest.mark.parametrize("words", ["Bananas grow on every motorway.", "Bananas\nand 漢字漢字漢字漢字漢字漢字 " * 3])
def test_a_terminal_shows_only_the_answer_that_stands(
    filled: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch, columns: int, words: str
) -> None:
    screen = Screen(columns, 60)
    on_screen(monkeypatch, screen, columns, 60)
    click.echo("What stood here before.")
    with talk_with(filled, settings, ScriptedEngine(words)) as talk:
        talk.take("What is the deductible for hail damage?")
    shown = " ".join(screen.display.split())
    assert screen.display.startswith("What stood here bef") and "150 euros" in shown
    assert "Bananas" not in shown and "漢" not in shown and "instead:" not in shown


def test_what_has_scrolled_away_is_not_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(20, 4)
    on_screen(monkeypatch, screen, 20, 4)
    words = "0123456789" * 8
    click.echo("before")
    click.echo(words, nl=False)
    assert take_back(words) and screen.display in {"", "before"}
    click.echo(f"{words}0", nl=False)
    assert not take_back(f"{words}0") and screen.display.endswith("0")


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [("", 5, 1), ("abcde", 5, 1), ("abcdef", 5, 2), ("a\nb", 5, 2), ("a\n", 5, 2), ("漢" * 21, 21, 3), ("a漢漢", 4, 2)],
)
def test_rows_of_a_screen_are_counted_as_it_wraps_them(text: str, columns: int, rows: int) -> None:
    assert rows_of(text, columns) == rows


def test_words_that_turn_out_to_be_a_refusal_are_followed_by_it_and_the_nearest_passages(
    filled: Workspace, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = settings.answer.refusal["en"]
    with talk_with(filled, settings, ScriptedEngine(f"{refusal} Ask someone else.")) as talk:
        out = said(talk, capsys, "What is the deductible for hail damage?")
    before, _, after = out.partition("instead:")
    assert "Ask someone else." in before and refusal in after and "hail.md" in after


def test_the_last_answer_can_be_looked_into(talk: Talk, capsys: pytest.CaptureFixture[str]) -> None:
    said(talk, capsys, "What is the deductible for hail damage?")
    assert HAIL in said(talk, capsys, "/sources")
    why = said(talk, capsys, "/why")
    assert "Searched for:" in why and "hail.md" in why and "The model said:" in why and "retrieve" in why


def test_adapter_and_corpus_can_be_changed_and_a_wrong_name_changes_nothing(
    talk: Talk, engine: ScriptedEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    question = "What is the deductible for hail damage?"
    said(talk, capsys, "/adapter house")
    said(talk, capsys, question)
    with pytest.raises(AdapterError):
        talk.take("/adapter nobody")
    said(talk, capsys, question)
    said(talk, capsys, "/adapter base")
    said(talk, capsys, question)
    assert engine.adapters == ["house", "house", None]
    with pytest.raises(UsageError):
        talk.take("/corpus nowhere")
    said(talk, capsys, question)
    said(talk, capsys, "/corpus storms")
    said(talk, capsys, question)
    assert "storm.md" in said(talk, capsys, "/sources")
    assert len(engine.prompts[-1]) == 2, "another corpus begins a new conversation"


def test_a_conversation_is_saved_and_no_other_file_is_written_over(
    talk: Talk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(talk, capsys, "What is the deductible for hail damage?")
    file = tmp_path / "my talk.md"
    said(talk, capsys, f"/save {file}")
    said(talk, capsys, "why?")
    said(talk, capsys, f"/save {file}")
    text = file.read_text(encoding="utf-8")
    assert text.count("\n## ") == 2 and "150 euros" in text and "hail.md" in text
    other = tmp_path / "other.md"
    other.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        talk.take(f"/save {other}")
    with pytest.raises(UsageError, match="cannot be written"):
        talk.take(f"/save {tmp_path / 'no' / 'where.md'}")
    assert other.read_text() == "mine"


def test_every_command_is_known_and_a_wrong_one_is_told_the_nearest(
    talk: Talk, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = said(talk, capsys, "/help")
    assert all(name in shown for name in SLASH_COMMANDS)
    for line, hint in (("/sorces", "/sources"), ("/save", "/save FILE"), ("/why", "Ask something"), ("/xyz", "/help")):
        with pytest.raises(UsageError) as caught:
            talk.take(line)
        assert hint in str(caught.value)


def test_no_control_character_of_a_document_or_model_reaches_the_terminal(
    workspace: Workspace, docs: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "Hail\x1b]0;owned\x07 damage\u202e to the \x9b31m car is covered."
    (docs / "h\x1bail.md").write_text(f"# Ha\x1b[2Jil\n\n{evil}\n")
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    file = tmp_path / "saved.md"
    with talk_with(workspace, settings, ScriptedEngine(f"{evil} <script>x</script> ![x](http://evil.example)")) as talk:
        lines = [
            "Is hail damage\x1b[31m to the car covered?",
            "/sources",
            "/why",
            f"/save {file}",
            "wholly unknown lattice",
        ]
        out = "".join(said(talk, capsys, line) for line in lines)
    for character in "\x1b\x07\x9b\u202e":
        assert character not in out and character not in file.read_text(encoding="utf-8")
    assert "<script>" not in file.read_text(encoding="utf-8")
    assert "](http" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("size", [1, 3, 7, 200])
def test_marks_stand_behind_their_sentences_however_the_words_come(size: int) -> None:
    first, second = "Hail is covered.", "The moon is made of cheese."
    written: list[str] = []
    marked = GrowingText(written.append)
    text, done = f"{first} {second}", 0
    for start in range(0, len(text), size):
        marked.words(text[start : start + size])
        for number, (sentence, end) in enumerate(((first, len(first) + 5), (second, len(text)))):
            if number == done and start + size >= end:
                marked.sentence(Sentence(sentence, False, ""))
                done += 1
    marked.end()
    assert done == 2
    assert "".join(written).replace(" [unsupported]", "") == text
    assert "".join(written).endswith("cheese. [unsupported]")


def test_an_empty_conversation_is_a_document_too() -> None:
    assert conversation_markdown([], "x_y") == "# Conversation about x\\_y\n"


def test_a_saved_conversation_tells_the_notes() -> None:
    answer = Answer("Q?", "Q?", "Yes.", (Sentence("Yes.", True, ""),), (), notes=("A newer version_differs.",))
    assert "*A newer version\\_differs.*" in conversation_markdown([answer], "x")


def test_questions_come_from_a_file_too(
    filled: Workspace,
    engine: ScriptedEngine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assistant.engines.opening.open_answering", lambda *_: engine)
    monkeypatch.setattr("assistant.cli.talk.opened_service", opened_cheaply)
    lines = "What is the deductible for hail damage?\n\nwhy?\n/quit\nnever asked\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    status, out, err = run(capsys, "chat", "--workspace", str(filled.root))
    assert status == 0, err
    assert out.count("> ") == 3 and "never asked" not in out
    assert not (filled.root / "chat_history").exists()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"/wrong\nnever asked\n")))
    status, out, err = run(capsys, "chat", "--workspace", str(filled.root))
    assert status == 2 and "never asked" not in out and "/wrong" in err


DRIVER = """
import fcntl, sys, termios, time
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/cli"]
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from fakes import ScriptedEngine
from test_chat import opened_cheaply
import assistant.cli.talk, assistant.engines.opening

class Slow(ScriptedEngine):
    def stream(self, *arguments):
        for piece in super().stream(*arguments):
            time.sleep(0.2)
            yield piece

assistant.cli.talk.opened_service = opened_cheaply
assistant.engines.opening.open_answering = lambda *_: Slow("Hail damage to the car is covered. " + "So it is. " * 30)
from assistant.cli import main
main(["chat", "--workspace", sys.argv[2]])
"""


def test_words_that_were_heard_and_are_in_no_sentence_make_an_answer_another_one() -> None:
    answer = Answer("Q?", "Q?", "Fire is covered.", (Sentence("Fire is covered.", True, ""),), ())
    assert differs(answer, "Fire is covered. Water is covered up to 5")
    for heard in ("Fire is covered. ", "Fire is covered.", "Fire is covered.\n\n### Next steps"):
        assert not differs(answer, heard)


class Terminal:
    """A chat in a process of its own behind a pseudo-terminal."""

    def __init__(self, workspace: Path) -> None:
        self._end, child = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "INPUTRC": "/dev/null"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(TESTS), str(workspace)],
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
            # What runs in the background may have been told to ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env=environment,
            cwd=TESTS.parent,
        )
        os.close(child)
        self.screen = ""
        self._read = 0

    def type(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def wait_for(self, text: str, seconds: float = 120.0) -> None:
        """Wait until ``text`` is shown, behind what was waited for before."""
        until = time.monotonic() + seconds
        while text not in self.screen[self._read :]:
            assert time.monotonic() < until, f"{text!r} is not shown:\n{self.screen}"
            if select.select([self._end], [], [], 0.1)[0]:
                try:
                    self.screen += os.read(self._end, 4096).decode(errors="replace")
                except OSError:  # Linux says so when the other end is closed
                    assert text in self.screen[self._read :], self.screen
        self._read = self.screen.index(text, self._read) + len(text)

    def wait_until_it_rests(self) -> None:
        """Wait until the process has waited for something for a while."""
        rested = 0
        while rested < 20:
            rested = rested + 1 if psutil.Process(self.process.pid).status() == psutil.STATUS_SLEEPING else 0
            time.sleep(0.05)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._end)


@pytest.fixture
def terminal(filled: Workspace, workspace: Workspace) -> Iterator[Terminal]:
    shutil.copytree(filled.root, workspace.root)
    terminal = Terminal(workspace.root)
    yield terminal
    terminal.close()


def test_control_c_stops_the_answer_and_not_the_chat_and_control_d_ends_it(
    terminal: Terminal, workspace: Workspace
) -> None:
    terminal.wait_for("> ")
    terminal.type("is hail damage to the car covered?\n")
    terminal.wait_for("Hail damage to")
    terminal.type("\x03")
    terminal.wait_for("(stopped)")
    terminal.wait_for("> ")
    assert terminal.screen.count("So it is") < 30
    terminal.type("/why\n")
    terminal.wait_for("Nothing was asked yet.")  # a stopped answer was not given
    terminal.wait_for("> ")
    terminal.type("half a line")
    terminal.wait_for("half a line")
    terminal.wait_until_it_rests()  # Ctrl-C discards what is typed, which readline must not be about to read
    terminal.type("\x03")
    terminal.wait_for("> ")
    terminal.type("/sorces\n")
    terminal.wait_for("Did you mean /sources?")
    terminal.wait_for("> ")
    terminal.type("\x04")
    assert terminal.process.wait(60) == 0
    history = workspace.root / "chat_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "is hail damage to the car covered?" in history.read_text()


@pytest.mark.slow
def test_the_bundled_model_talks(
    workspace: Workspace,
    docs: Path,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (docs / "hail.md").write_text(f"# Hail\n\n{HAIL}\n")
    (docs / "storm.md").write_text(f"# Storm\n\n{STORM}\n")
    ingest(workspace, "default", [docs], settings)
    lines = "What is the deductible for hail damage?\nand for storm damage?\n/why\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    status, out, err = run(capsys, "chat", "--workspace", str(workspace.root), "--set", "engine.max_new_tokens=40")
    assert status == 0, err
    first, second, why = out.split("> ")[1:]
    assert "150 euros" in first and "[1] hail.md" in first
    assert "(for storm damage (the deductible for hail damage)?)" in second and "300 euros" in second
    assert "Searched for:" in why and "generate" in why
