"""A slice of the storm (bench/storm.py): what is killed, filled up and confused has lost nothing."""

import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import gradio as gr
import pytest

from bench.storm import forked
from bench.storm_harm import mutated
from bench.storm_place import Fault, Place
from bench.storm_work import check_conversations, check_feedback, check_people
from ui.pages.events import telling

WORKS = ("publish", "feedback", "conversations", "people", "backup", "restore", "migrate")
NUMBERS = {"kills": 7, "files": 3, "disks": 2, "clocks": 1, "locked": 1}


@pytest.mark.slow
def test_a_slice_of_the_storm_meets_no_fault() -> None:
    named = [word for work in WORKS for word in ("--work", work)]
    numbers = [word for kind, number in NUMBERS.items() for word in (f"--{kind}", str(number))]
    command = [sys.executable, "-m", "bench.storm", "--seed", "7", "--jobs", "1", *named, *numbers]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert " killed\n" in done.stdout, "some of the kills come before the end"


def test_what_was_kept_and_is_gone_is_a_fault(tmp_path: Path) -> None:
    place = Place(tmp_path, random.Random(0))
    place.workspace.root.mkdir(parents=True)
    for check, what in (
        (check_people, ["ana", True]),
        (check_feedback, [1, "note", ["new"]]),
    ):
        check(place, [])
        with pytest.raises(Fault):
            check(place, [("kept", what)])
    with pytest.raises(Exception, match="conversation"):
        check_conversations(place, [("kept", [1, None, ["Is hail covered?"]])])


def test_a_process_says_what_it_says_before_it_dies() -> None:
    def die(say: object) -> None:
        assert callable(say)
        say("work", "kept", "one")
        os.kill(os.getpid(), signal.SIGKILL)
        say("work", "kept", "two")

    ended = forked(die)
    assert (ended.status, [list(one) for one in ended.told]) == (-signal.SIGKILL, [["work", "kept", "one"]])


def test_a_process_that_hangs_is_killed() -> None:
    assert forked(lambda _: signal.pause(), seconds=0.05).status == -signal.SIGKILL


@pytest.mark.parametrize("seed", range(8))
def test_a_file_is_changed_in_the_same_way_again(seed: int) -> None:
    content, others = bytes(range(256)) * 20, [b"other" * 100]
    first, again = (mutated(content, random.Random(seed), others) for _ in range(2))
    assert first == again and first[1] != content


def test_a_click_that_meets_a_full_disk_is_told_why_but_not_where() -> None:
    def keep() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/others/users.json")

    with pytest.raises(gr.Error) as told:
        telling(keep)()
    assert str(told.value.message).startswith("That cannot be done: No space left on device.")
    assert "/srv" not in told.value.message
