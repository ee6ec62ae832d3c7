"""A second model, which looks at what a first one wrote, with the source before it: ``pairs.judge``."""

import re
from collections.abc import Iterator

from assistant.prompt import build_messages
from ingest.pairs.candidate import Candidate
from ingest.pairs.context import Asked, EvidenceList
from ingest.pairs.drops import Drops
from ingest.pairs.generated_answers import Lists
from ingest.pairs.replies import Asking, Replies
from ingest.pairs.teacher import Teacher

_SYSTEM = "You check examples for training."
_TASK = """Question: {question}
Answer: {answer}

Does the passage above fully support the answer, does the answer fit the question, and would somebody who has not seen
the passage ask it so? Reply with yes or no only."""
_LONGEST_VERDICT = 8
_YES = re.compile(r"\W*(?:yes|true|ja)\b", re.IGNORECASE)


def judged(lists: Lists, judge: Teacher, replies: Replies, drops: Drops) -> Iterator[tuple[EvidenceList, list[Asked]]]:
    """Without what the judge does not find good; it is not asked of what no model wrote.

    Raises what ``Teacher.replies`` raises.
    """
    written = [(shown, one.candidate) for shown, asked in lists for one in asked if one.candidate.source == "generated"]
    said = replies.all(judge, [_asking(*one) for one in written], _LONGEST_VERDICT, "Judging")
    bad = {candidate for (_, candidate), reply in zip(written, said, strict=True) if not _YES.match(reply)}
    for candidate in bad:
        drops.add("judge", candidate)
    for shown, asked in lists:
        if some := [one for one in asked if one.candidate not in bad]:
            yield shown, some


def _asking(shown: EvidenceList, candidate: Candidate) -> Asking:
    golden = shown.passages[(shown.golden or 1) - 1]
    task = _TASK.format(question=candidate.instruction, answer=candidate.response)
    return Asking(golden.text, build_messages(_SYSTEM, [golden], [], task))
