"""Teachers behind an endpoint that is down, slow, busy or talks nonsense: asked again where that helps."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from endpoint import Endpoint, Reply, serving
from fakes import ScriptedEngine
from pairing import House
from pydantic import BaseModel

from assistant.config import PairsSettings
from assistant.errors import ModelError, PairsError
from assistant.types import Message
from ingest.pairs.bysentence import candidate_of, lines_of
from ingest.pairs.generated import Written, read_reply
from ingest.pairs.replies import Replies, replies_file
from ingest.pairs.teacher import ChatTeacher, EngineTeacher

pytest.importorskip("langchain_openai")

PROMPT = (Message("system", "You write."), Message("user", "Write."))
PAIR = {
    "quote": "The appraiser must photograph every dent within 14 days.",
    "answer": "The appraiser must photograph every dent.",
    "question": "What does the appraiser have to photograph after hail?",
    "kind": "procedure",
}
GOOD = json.dumps({"pairs": [PAIR]})


class Asked:
    """A teacher at an endpoint, with the waits that it took."""

    def __init__(self, endpoint: Endpoint | None, **settings: object) -> None:
        self.waits: list[float] = []
        url = endpoint.url if endpoint else "http://127.0.0.1:9/v1"
        chosen = PairsSettings.model_validate({"teacher_url": url, **settings})
        self.teacher = ChatTeacher("some-model", chosen, sleep=self.waits.append)

    def reply(self) -> str:
        (reply,) = self.teacher.replies([PROMPT], Written)
        return reply


def test_a_model_that_can_is_held_to_the_schema() -> None:
    with serving(Reply(GOOD)) as endpoint:
        assert read_reply(Asked(endpoint).reply())[0].question == PAIR["question"]
    assert endpoint.requests[0]["response_format"]["type"] == "json_schema"
    assert endpoint.requests[0]["temperature"] == 0


@pytest.mark.parametrize("refusal", [Reply("no such field: response_format", 400), Reply("Here you are: " + GOOD)])
def test_a_model_that_knows_no_schemas_is_read_as_it_writes(refusal: Reply) -> None:
    with serving(refusal, Reply("Gladly!\n```json\n" + GOOD + "\n```")) as endpoint:
        asked = Asked(endpoint)
        assert read_reply(asked.reply())[0].answer == PAIR["answer"]
        asked.reply()
    assert ["response_format" in request for request in endpoint.requests] == [True, False, False]
    assert asked.waits == []


def test_what_a_teacher_thinks_is_no_part_of_its_reply() -> None:
    thought = Reply(f"<think>\nOne pair will do: {GOOD.replace('dent', 'scratch')}\n</think>\n\n{GOOD}")
    with serving(Reply("no such field: response_format", 400), thought) as endpoint:
        assert Asked(endpoint).reply() == GOOD


def test_a_busy_endpoint_is_asked_again_when_it_says_and_a_broken_one_ever_later() -> None:
    busy = Reply("slow down", 429, {"Retry-After": "7"})
    with serving(busy, Reply("oops", 500), Reply("oops", 503), Reply(GOOD)) as endpoint:
        asked = Asked(endpoint)
        assert read_reply(asked.reply())
    assert asked.waits == [7.0, 2.0, 4.0]


def test_an_endpoint_that_is_down_or_slow_ends_in_one_line() -> None:
    down = Asked(None, teacher_attempts=3)
    with pytest.raises(PairsError, match="did not answer in 3 attempts") as error:
        down.reply()
    assert down.waits == [1.0, 2.0] and "\n" not in str(error.value)
    with serving(Reply(GOOD, seconds=1.5)) as endpoint:
        slow = Asked(endpoint, teacher_seconds=0.2, teacher_attempts=2)
        with pytest.raises(PairsError, match="did not answer in 2 attempts"):
            slow.reply()


def test_a_wrong_key_is_not_tried_again() -> None:
    with serving(Reply("wrong key", 401)) as endpoint:
        asked = Asked(endpoint)
        with pytest.raises(ModelError, match="wrong key"):
            asked.reply()
    assert len(endpoint.requests) == 1


def test_a_prompt_that_is_refused_costs_only_itself_and_is_asked_again_by_the_next_run(tmp_path: Path) -> None:
    asked = [(text, [Message("user", text)]) for text in "abcd"]
    refused = Reply("the content filter", 400)
    with serving(refused, refused, Reply(GOOD)) as endpoint:
        replies, teacher = Replies(tmp_path / "some.replies"), Asked(endpoint).teacher
        assert replies.all(teacher, asked[:1], Written, "Writing") == [""]
        assert all(replies.all(teacher, asked[1:], Written, "Writing"))
        assert sum("response_format" in request for request in endpoint.requests) == 4, "others are held to the schema"
        assert all(Replies(tmp_path / "some.replies").all(teacher, asked, Written, "Writing"))
        assert len(endpoint.requests) == 6


def test_an_endpoint_that_refuses_everything_is_not_asked_for_ever() -> None:
    with serving(Reply("no such model", 400)) as endpoint:
        teacher = Asked(endpoint).teacher
        with pytest.raises(ModelError, match="no such model"):
            list(teacher.replies([PROMPT] * 100, Written))
        assert len(endpoint.requests) < 40


def test_an_unknown_provider_is_one_line() -> None:
    with pytest.raises(ModelError, match="PROVIDER:MODEL") as error:
        ChatTeacher("no-such-provider:x", PairsSettings())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("reply", "count"),
    [
        (GOOD, 1),
        (json.dumps([PAIR, PAIR]), 2),
        (json.dumps(PAIR), 1),
        (f"Sure, [1] here: {GOOD} Anything else?", 1),
        (json.dumps({"pairs": [PAIR, {"question": "half"}, "text", {**PAIR, "answer": 7}]}), 1),
        ("I'm sorry, I can't help with that.", 0),
        ('{"pairs": [{"quote": "cut off', 0),
        ("", 0),
        ("[" * 5000, 0),
        ('{"pairs": [' + "1" * 5000, 0),
        (json.dumps({"pairs": "none"}), 0),
        (json.dumps({**PAIR, "answer": " "}), 0),
    ],
)
def test_replies_are_read_whatever_stands_around_them(reply: str, count: int) -> None:
    assert len(read_reply(reply)) == count


def test_what_a_teacher_writes_goes_through_the_same_filters(house: House) -> None:
    wrong = PAIR | {"quote": "The appraiser may look away.", "question": "May the appraiser look away from hail?"}
    with serving(Reply(json.dumps({"pairs": [PAIR, wrong]}))) as endpoint:
        report = house.make(teacher="m", teacher_url=endpoint.url, generated_per_chunk=2)
    generated = [pair for pair in house.pairs if pair.source == "generated"]
    assert [pair.document for pair in generated] == ["hail.md"], "no other chunk holds the quote"
    assert generated[0].quote in generated[0].passages[(generated[0].golden or 0) - 1].text
    assert report.dropped["quote not in chunk"] > 20


def test_examples_of_the_house_voice_are_shown_to_the_teacher(house: House, tmp_path: Path) -> None:
    tone = tmp_path / "tone.jsonl"
    tone.write_text(json.dumps({"instruction": "Hello?", "response": "In the voice of the house."}))
    with serving(Reply(GOOD)) as endpoint:
        house.make(teacher="m", teacher_url=endpoint.url, tone=(str(tone),))
    assert all("In the voice of the house." in json.dumps(request) for request in endpoint.requests)


def test_a_judge_sees_the_source_and_drops_what_it_finds_bad(house: House) -> None:
    with serving(Reply(GOOD)) as teacher:
        house.make(teacher="m", teacher_url=teacher.url)
        assert [pair for pair in house.pairs if pair.source == "generated"]
    with serving(*[Reply(GOOD)] * (len(teacher.requests)), Reply('{"good": false}')) as judge:
        report = house.make(teacher="m", judge="j", teacher_url=judge.url)
    assert not [pair for pair in house.pairs if pair.source == "generated"]
    assert report.dropped["judge"] == 1
    assert PAIR["quote"] in json.dumps(judge.requests[-1])


def test_a_run_that_ends_goes_on_where_it_was(house: House) -> None:
    with serving(*[Reply(GOOD)] * 9, Reply("down", 503), Reply(GOOD)) as endpoint:
        with pytest.raises(PairsError, match="run this again"):
            house.make(teacher="m", teacher_url=endpoint.url, teacher_attempts=1)
        assert not house.file.exists()
        house.make(teacher="m", teacher_url=endpoint.url, teacher_attempts=1)
        first = house.file.read_bytes()
        count = len(endpoint.requests)
        house.file.unlink()
        house.make(teacher="m", teacher_url=endpoint.url, teacher_attempts=1)
    prompts = [json.dumps(request["messages"]) for request in endpoint.requests]
    assert count == len(prompts), "the third run needs no reply that was not kept"
    assert len(set(prompts)) > 9 and count - len(set(prompts)) <= 4, "only those under way at the end are asked twice"
    assert house.file.read_bytes() == first


class Counting:
    """A teacher that fails after some replies, and counts what it was asked."""

    name = "counting"
    keeps_format = True

    def __init__(self, until: int) -> None:
        self.until = until
        self.asked = 0

    def replies(self, prompts: Sequence[Sequence[Message]], schema: type[BaseModel] | None) -> Iterator[str]:
        assert schema is Written
        for _ in prompts:
            if self.asked == self.until:
                raise PairsError("down")
            self.asked += 1
            yield GOOD


def test_only_what_is_missing_is_asked_for_also_behind_a_cut_line(tmp_path: Path) -> None:
    file = tmp_path / "set.replies"
    asked = [(f"text {number}", (Message("user", str(number)),)) for number in range(5)]
    with pytest.raises(PairsError):
        Replies(file).all(Counting(3), asked, Written, "")
    content = file.read_bytes()
    file.write_bytes(content[:-20])
    rest = Counting(99)
    assert Replies(file).all(rest, asked, Written, "") == [GOOD] * 5
    assert rest.asked == 3, "two that were never asked, and the one whose line was cut"
    again = Counting(99)
    Replies(file).all(again, asked, Written, "")
    assert again.asked == 0


def test_replies_about_texts_that_are_gone_are_forgotten(living: House) -> None:
    with serving(Reply(GOOD)) as endpoint:
        living.make(teacher="m", teacher_url=endpoint.url)
        count = len(replies_file(living.file).read_text().split("\n"))
        (living.docs / "hail.md").unlink()
        living.ingest()
        living.make(teacher="m", teacher_url=endpoint.url)
    assert len(replies_file(living.file).read_text().split("\n")) < count


def test_a_small_model_writes_questions_for_sentences(house: House) -> None:
    engine = ScriptedEngine("What does the appraiser photograph?\nAnd more")
    teacher = EngineTeacher(engine, "small")
    assert list(teacher.replies([PROMPT, PROMPT], None)) == [engine.answer] * 2
    report = house.make(teacher="base")
    assert report.dropped["unreadable reply"] > 0, "the engine of this house says nothing"
    assert report.complaints() and "generated" not in report.counts


def test_the_answer_to_a_small_models_question_is_the_sentence(house: House) -> None:
    from contextlib import closing

    from pairing import CORPUS

    from assistant.store.catalog import Catalog

    with closing(Catalog(house.workspace.corpus(CORPUS))) as catalog:
        lines = [line for chunk in catalog.live_chunks() for line in lines_of(chunk, 2, 0)]
    assert lines and all(len(line.prompt) == 10 for line in lines)
    candidate = candidate_of(lines[0], ' "What is it?" Or what?\nNothing')
    assert candidate and candidate.instruction == "What is it?" and candidate.response == lines[0].sentence
    assert candidate_of(lines[0], "The passage is about a document.") is None
