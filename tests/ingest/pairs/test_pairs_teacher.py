"""Teachers behind an endpoint that is down, slow or busy: asked again where that helps."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from endpoint import Endpoint, Reply, serving
from pairing import House, ReadingEngine

from assistant.config import PairsSettings
from assistant.errors import ModelError, PairsError
from assistant.types import Message
from ingest.pairs.teacher import ChatTeacher, Replies, TeacherPrompt, replies_file

# Whether it is there, without an import that every process of a run would pay for.
pytestmark = pytest.mark.skipif(find_spec("langchain_openai") is None, reason="langchain-openai is not installed")

PROMPT = (Message("system", "You write."), Message("user", "Write."))
GOOD = "What does the appraiser have to photograph after hail?"


class Searched:
    """A teacher at an endpoint, with the waits that it took."""

    def __init__(self, endpoint: Endpoint | None, **settings: object) -> None:
        self.waits: list[float] = []
        url = endpoint.url if endpoint else "http://127.0.0.1:9/v1"
        chosen = PairsSettings.model_validate({"teacher_url": url, **settings})
        self.teacher = ChatTeacher("some-model", chosen, sleep=self.waits.append)

    def reply(self) -> str:
        (reply,) = self.teacher.replies([PROMPT], 64)
        return reply


def test_a_busy_endpoint_is_asked_again_when_it_says_and_a_broken_one_ever_later() -> None:
    busy = Reply("slow down", 429, {"Retry-After": "7"})
    with serving(busy, Reply("oops", 500), Reply("oops", 503), Reply(GOOD)) as endpoint:
        asked = Searched(endpoint)
        assert asked.reply() == GOOD
    assert asked.waits == [7.0, 2.0, 4.0]


def test_an_endpoint_that_is_down_or_slow_ends_in_one_line() -> None:
    down = Searched(None, teacher_attempts=3)
    with pytest.raises(PairsError, match="did not answer in 3 attempts") as error:
        down.reply()
    assert down.waits == [1.0, 2.0] and "\n" not in str(error.value)
    with serving(Reply(GOOD, seconds=1.5)) as endpoint:
        slow = Searched(endpoint, teacher_seconds=0.2, teacher_attempts=2)
        with pytest.raises(PairsError, match="did not answer in 2 attempts"):
            slow.reply()


def test_a_wrong_key_is_not_tried_again() -> None:
    with serving(Reply("wrong key", 401)) as endpoint:
        asked = Searched(endpoint)
        with pytest.raises(ModelError, match="wrong key"):
            asked.reply()
    assert len(endpoint.requests) == 1


def test_a_prompt_that_is_refused_costs_only_itself_and_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    asked = [TeacherPrompt(text, [Message("user", text)]) for text in "abcd"]
    refused = Reply("the content filter", 400)
    with serving(refused, Reply(GOOD)) as endpoint:
        replies, teacher = Replies(tmp_path / "some.replies"), Searched(endpoint).teacher
        assert replies.all(teacher, asked[:1], 64, "Writing") == [""]
        assert all(replies.all(teacher, asked[1:], 64, "Writing"))
        assert all(Replies(tmp_path / "some.replies").all(teacher, asked, 64, "Writing"))
        assert len(endpoint.requests) == 5


def test_an_endpoint_that_refuses_everything_is_not_asked_for_ever() -> None:
    with serving(Reply("no such model", 400)) as endpoint:
        teacher = Searched(endpoint).teacher
        with pytest.raises(ModelError, match="no such model"):
            list(teacher.replies([PROMPT] * 100, 64))
        assert len(endpoint.requests) < 40


def test_an_unknown_provider_is_one_line() -> None:
    with pytest.raises(ModelError, match="PROVIDER:MODEL") as error:
        ChatTeacher("no-such-provider:x", PairsSettings())
    assert "\n" not in str(error.value)


class Counting:
    """A teacher that fails after some replies, and counts what it was asked."""

    name = "counting"

    def __init__(self, until: int) -> None:
        self.until = until
        self.asked = 0

    def replies(self, prompts: Sequence[Sequence[Message]], longest: int) -> Iterator[str]:
        assert longest == 64
        for _ in prompts:
            if self.asked == self.until:
                raise PairsError("down")
            self.asked += 1
            yield GOOD


def test_only_what_is_missing_is_asked_for_also_behind_a_cut_line(tmp_path: Path) -> None:
    file = tmp_path / "set.replies"
    asked = [TeacherPrompt(f"text {number}", (Message("user", str(number)),)) for number in range(5)]
    with pytest.raises(PairsError):
        Replies(file).all(Counting(3), asked, 64, "")
    content = file.read_bytes()
    file.write_bytes(content[:-20])
    rest = Counting(99)
    assert Replies(file).all(rest, asked, 64, "") == [GOOD] * 5
    assert rest.asked == 3, "two that were never asked, and the one whose line was cut"
    again = Counting(99)
    Replies(file).all(again, asked, 64, "")
    assert again.asked == 0


def test_what_a_teacher_thinks_is_no_part_of_its_reply() -> None:
    with serving(Reply(f"<think>\nWhat about the dents?\n</think>\n\n{GOOD}")) as endpoint:
        assert Searched(endpoint).reply() == GOOD


def test_a_judge_sees_the_source_and_drops_what_it_finds_bad(house: House) -> None:
    house.make(teacher="base", engine=ReadingEngine())
    good = [pair for pair in house.pairs if pair.source == "generated"]
    with serving(*[Reply("Yes.")] * (len(good) - 1), Reply("No, it does not fit.")) as judge:
        report = house.make(teacher="base", engine=ReadingEngine(), judge="j", teacher_url=judge.url)
    assert report.counts["generated"] == len(good) - 1 and report.dropped["judge"] == 1
    assert all("<passage" in request["messages"][-1]["content"] for request in judge.requests)


def test_replies_about_texts_that_are_gone_are_forgotten(living: House) -> None:
    living.make(teacher="base", engine=ReadingEngine())
    count = len(replies_file(living.file).read_text().split("\n"))
    (living.docs / "hail.md").unlink()
    living.ingest()
    living.make(teacher="base", engine=ReadingEngine())
    assert len(replies_file(living.file).read_text().split("\n")) < count
