"""Answers told once more in the voice of the house: the same facts, and nothing that only the examples know."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pairing import CORPUS, House, ReadingEngine

from assistant.artifacts.pairs import Pair
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Message, Passage
from ingest.pairs.candidates import CandidatePair
from ingest.pairs.evidence_lists import EvidenceList
from ingest.pairs.generated_answers import KIND, Verifier, changed
from ingest.pairs.teacher import rejected_file

EXAMPLE = {
    "instruction": "A birch fell on my fence. Who pays for the saw?",
    "context": "Gardens, Trees\nIf a tree falls on the fence, we pay the saw and the new posts.",
    "response": "We pay the saw and the new posts. Next step: send a photograph to the mayor of Bremen.",
}
ASKED = "How soon are dents photographed?"
READ = "The appraiser must photograph every dent and write a report within 14 days."
TEXT = f"{READ} Call the night desk on the day of the hail."


class VoiceEngine(ReadingEngine):
    """One that tells facts once more in a way of its own."""

    def __init__(self, voice: Callable[[str], str]) -> None:
        super().__init__()
        self.voice = voice

    def _said(self, messages: Sequence[Message]) -> str:
        _, is_voice, facts = messages[-1].content.partition("\nFacts: ")
        if not is_voice:
            return super()._said(messages)
        self.prompts.append(tuple(messages))
        return self.voice(facts)


def told(house: House) -> list[Pair]:
    return [pair for pair in house.pairs if pair.kind == KIND]


@pytest.fixture
def tone(tmp_path: Path) -> tuple[str, ...]:
    file = tmp_path / "tone.jsonl"
    file.write_text(json.dumps(EXAMPLE) + "\n")
    return (str(file),)


def test_a_retelling_takes_the_place_of_the_answer_where_all_facts_stay(house: House, tone: tuple[str, ...]) -> None:
    house.make(teacher="base", engine=VoiceEngine(lambda facts: f"Yes. {facts}"), tone=tone)
    assert len(told(house)) > 10
    for pair in told(house):
        assert pair.source == "generated" and pair.golden
        assert pair.response == "Yes. " + pair.quote.replace(".", f" [{pair.golden}].")
    assert len({(pair.passages, pair.instruction) for pair in house.pairs}) == len(house.pairs), "not beside it"


def test_an_answer_stays_as_it_was_read_where_a_retelling_adds_to_it(house: House, tone: tuple[str, ...]) -> None:
    engine = VoiceEngine(lambda facts: f"{facts} Next step: send a photograph to the mayor of Bremen.")
    house.make(teacher="base", engine=engine, tone=tone)
    assert not told(house)
    assert any(pair.source == "generated" for pair in house.pairs)
    lines = [json.loads(line) for line in rejected_file(house.file).read_text().splitlines()]
    assert all("Bremen" in line["response"] for line in lines if line["reason"].startswith(KIND))
    assert any(line["reason"].startswith(KIND) for line in lines)


def test_examples_are_shown_as_far_as_their_passage_supports_them(house: House, tone: tuple[str, ...]) -> None:
    engine = VoiceEngine(lambda facts: facts)
    house.make(teacher="base", engine=engine, tone=tone)
    prompts = [prompt for prompt in engine.prompts if "Facts: " in prompt[-1].content]
    assert prompts
    for prompt in prompts:
        assert Message("assistant", "We pay the saw and the new posts.") in prompt
        assert not any("Bremen" in message.content for message in prompt)


def test_what_is_repeated_word_for_word_is_no_retelling(house: House, tone: tuple[str, ...]) -> None:
    house.make(teacher="base", engine=VoiceEngine(lambda facts: facts), tone=tone)
    assert not told(house) and any(pair.source == "generated" for pair in house.pairs)
    assert KIND not in (rejected_file(house.file).read_text() if rejected_file(house.file).exists() else "")


@pytest.mark.parametrize(("changes", "calls"), [({"retold": 0.0}, False), ({"tone": ()}, False), ({}, True)])
def test_nothing_is_told_again_without_examples_or_a_share(
    house: House, tone: tuple[str, ...], changes: dict[str, object], calls: bool
) -> None:
    engine = VoiceEngine(lambda facts: facts)
    chosen: dict[str, Any] = {"tone": tone, "most": 8, **changes}
    house.make(teacher="base", engine=engine, **chosen)
    assert any("Facts: " in prompt[-1].content for prompt in engine.prompts) is calls


def test_other_examples_have_the_answers_told_anew(house: House, tone: tuple[str, ...]) -> None:
    house.make(teacher="base", engine=VoiceEngine(lambda facts: facts), tone=tone, most=8)
    again = VoiceEngine(lambda facts: facts)
    house.make(teacher="base", engine=again, tone=tone, most=8)
    assert not again.prompts, "nothing is asked twice"
    row = json.loads(Path(tone[0]).read_text())
    Path(tone[0]).write_text(json.dumps({**row, "response": "We pay the new posts and the saw."}) + "\n")
    report = house.make(teacher="base", engine=again, tone=tone, most=8)
    assert report.other_settings == ("voice",)
    assert all(Message("assistant", "We pay the new posts and the saw.") in prompt for prompt in again.prompts)
    assert again.prompts


@pytest.fixture(scope="module")
def verifier(template: House) -> Iterator[Verifier]:
    settings = template.settings
    with closing(Catalog(template.workspace.corpus(CORPUS))) as catalog:
        retriever = Retriever(catalog, template.embedder, settings.retrieval, settings.device)
        retriever.search("hail")
        yield Verifier(retriever, settings.answer)


@pytest.mark.parametrize(
    ("retelling", "fault"),
    [
        ("Within 14 days the appraiser must write a report and photograph every dent.", ""),
        (f"Yes. {READ} Next step: call the night desk on the day of the hail.", ""),
        (f"{READ} Next step: send the photographs to the garage.", "unsupported"),
        (f"{READ} § 9 of the terms says so.", "adds figures"),
        ("The appraiser must photograph every dent and write a report.", "leaves out figures"),
        ("Every dent is photographed within 14 days.", "leaves out a part"),
        (f"{READ} The night desk is open on the day of the hail.", "adds a fact"),
        (f"{READ} Call Lindmoor.", "adds a name"),
        ("Der Gutachter muss jede Delle innerhalb von 14 Tagen fotografieren.", "other language"),
        ("14 days.", "no whole sentence"),
    ],
)
def test_a_retelling_adds_nothing_and_leaves_nothing_out(verifier: Verifier, retelling: str, fault: str) -> None:
    shown = EvidenceList((Passage("hail.md", 0, len(TEXT), "Hail > § 7 Dents", TEXT),), 1, 0)
    one = CandidatePair(ASKED, READ, READ, "plain", 0, "hail.md", "en", "generated")
    assert changed(one, shown, retelling, verifier) == fault
