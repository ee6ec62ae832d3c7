"""An optional judge: a model that reads question, gold answer, passages and answer, and says right, partly or wrong.

It is asked in batches like everyone else, and what it said is kept with the other generations. Refusals are not put to
it: the gold says whether they are right. Its verdicts stand in ``judge.json`` beside the run's other files, because
they are an opinion of a model: no gate asks it, and results.json is the same without it. Where people have rated
answers, a report says how far it can be trusted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from assistant.config import Settings
from assistant.engines import Engine
from assistant.prompt import build_messages
from assistant.text.printing import visible
from assistant.types import Message, Passage
from assistant.workspace import Workspace
from eval.metrics import UNANSWERABLE, Score
from eval.results import CaseRow, RowAnswer, read_json, write_json
from eval.running.fingerprints import generation_identities
from eval.running.playback import GENERATIONS_FILE, Generations, PlaybackEngine, Prompt

JUDGE_FILE = "judge.json"
_SYSTEM = (
    "You grade answers to questions. Compare the answer with the gold answer and with the passages. Reply with one"
    " word: right (it says what the gold answer says, and nothing false), partly (something is missing or false), or"
    " wrong."
)
_TASK = "Question: {question}\nGold answer: {gold}\nAnswer to grade: {answer}\n\nOne word: right, partly or wrong?"
_WORTH = {"right": 1.0, "partly": 0.5, "wrong": 0.0}
_LONGEST_REPLY = 8  # tokens: one word, and signs around it
_LONGEST_ANSWER = 4000  # characters, so that passages have room beside it
_SHOWN = 40  # characters of what is no verdict
_NO_GOLD = Score(None, "no gold answer to judge by")


@dataclass(frozen=True, slots=True)
class JudgeVerdicts:
    """What one judge says of a run's answers."""

    model: str
    """As it was named."""
    verdicts: Mapping[str, Mapping[str, Score]]
    """Case → system → 1 right, .5 partly, 0 wrong; or none, with the reason."""


_VERDICTS = TypeAdapter(JudgeVerdicts)


def write_verdicts(run: Path, verdicts: JudgeVerdicts) -> None:
    """Replace the verdicts in a run's folder."""
    write_json(run / JUDGE_FILE, _VERDICTS, verdicts)


def read_verdicts(run: Path) -> JudgeVerdicts | None:
    """The verdicts in a run's folder; None if no judge was named. Raises UsageError for a damaged file."""
    file = run / JUDGE_FILE
    return read_json(file, _VERDICTS) if file.exists() else None


def judge_settings(settings: Settings, model: str) -> Settings:
    """The settings with the judge as the model: in this process, or on the server that ``eval.judge_url`` names."""
    engine, url = settings.engine, settings.eval.judge_url
    here = "auto" if engine.runtime == "openai" else engine.runtime
    judge = engine.model_copy(
        update={
            "model": model,
            "url": url,
            "runtime": "openai" if url else here,
            "key_file": settings.eval.judge_key_file,
            "chat_template": "",
        }
    )
    return settings.model_copy(update={"engine": judge})


def judged_by(
    engine: Engine, settings: Settings, rows: Sequence[CaseRow], workspace: Workspace, *, fresh: bool = False
) -> JudgeVerdicts:
    """What the judge says of every answer; ``settings`` are those of ``judge_settings``. ``fresh`` asks it again.

    Raises what ``Engine.complete`` raises; what it has said until then is kept.
    """
    identities = generation_identities(workspace.adapters, (), settings, type(engine).__name__)
    generations = Generations(workspace.root / GENERATIONS_FILE, identities, fresh=fresh)
    prompts = {
        (row.case.id, system): Prompt(tuple(_fitting(engine, row, answer)), _LONGEST_REPLY, None)
        for row in rows
        for system, answer in row.answers.items()
        if not row.case.unanswerable and not answer.refused and row.case.answers
    }
    new = {prompt for prompt in prompts.values() if generations.get(prompt) is None}
    PlaybackEngine(engine, generations).generate(new)

    def verdict(row: CaseRow, system: str) -> Score:
        prompt = prompts.get((row.case.id, system))
        if prompt and (said := generations.get(prompt)):
            return verdict_of(said.said)
        if row.case.unanswerable:
            return Score(None, UNANSWERABLE)
        return Score(0.0) if row.answers[system].refused else _NO_GOLD

    return JudgeVerdicts(
        settings.engine.model, {row.case.id: {system: verdict(row, system) for system in row.answers} for row in rows}
    )


def verdict_of(reply: str) -> Score:
    """The one word of a reply; anything more is no verdict."""
    word = reply.strip().strip(".!*\"'`").casefold()
    if word in _WORTH:
        return Score(_WORTH[word])
    return Score(None, f"the judge said '{visible(reply.strip()[:_SHOWN])}', which is no verdict")


def _fitting(engine: Engine, row: CaseRow, answer: RowAnswer) -> list[Message]:
    """The prompt with as many passages as the judge can read, the best first."""
    case = row.case
    task = _TASK.format(question=case.question, gold=" or ".join(case.answers), answer=answer.text[:_LONGEST_ANSWER])
    shown = [row.passages[place] for place in answer.shown]
    passages = [Passage(one.document, one.start, one.end, one.heading, one.text) for one in shown]
    while True:
        messages = build_messages(_SYSTEM, passages, case.history, task, engine.control_tokens)
        if not passages or engine.count(messages) + _LONGEST_REPLY <= engine.window:
            return messages
        passages.pop()
