"""An optional judge: a model that reads question, gold answer, passages and answer, and says right, partly or wrong.

It is asked in batches like everyone else, and what it said is kept with the other generations. Refusals are not put to
it: the gold says whether they are right.
"""

from collections.abc import Iterator, Sequence

from assistant.config import Settings
from assistant.engines.base import Engine
from assistant.prompt import build_messages
from assistant.text.printing import visible
from assistant.types import Message, Passage
from assistant.workspace import Workspace
from eval.judgement import Judgement
from eval.metrics.score import UNANSWERABLE, Score
from eval.results import Row, RowAnswer
from eval.running.generations import GENERATIONS_FILE, Generations, Prompt
from eval.running.identity import generation_identities
from eval.running.playback import PlaybackEngine

_SYSTEM = (
    "You grade answers to questions. Compare the answer with the gold answer and with the passages. Reply with one"
    " word: right (it says what the gold answer says, and nothing false), partly (something is missing or false), or"
    " wrong."
)
_TASK = "Question: {question}\nGold answer: {gold}\nAnswer to grade: {answer}\n\nOne word: right, partly or wrong?"
_WORTH = {"right": 1.0, "partly": 0.5, "wrong": 0.0}
_LONGEST_REPLY = 8
_LONGEST_ANSWER = 4000
_SHOWN = 40
_NO_GOLD = Score(None, "no gold answer to judge by")


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
    engine: Engine, settings: Settings, rows: Sequence[Row], workspace: Workspace, *, fresh: bool = False
) -> Judgement:
    """What the judge says of every answer; ``settings`` are those of ``judge_settings``. ``fresh`` asks it again.

    Raises what ``Engine.complete`` raises; what it has said until then is kept.
    """
    identities = generation_identities(workspace.adapters, (), settings, type(engine).__name__)
    generations = Generations(workspace.root / GENERATIONS_FILE, identities, fresh=fresh)
    prompts = dict(_prompts(engine, rows))
    PlaybackEngine(engine, generations).generate(
        {prompt for prompt in prompts.values() if generations.get(prompt) is None}
    )

    def verdict(row: Row, system: str) -> Score:
        prompt = prompts.get((row.case.id, system))
        said = generations.get(prompt) if prompt else None
        return verdict_of(said.said) if said else _without_asking(row, row.answers[system])

    return Judgement(
        settings.engine.model, {row.case.id: {system: verdict(row, system) for system in row.answers} for row in rows}
    )


def verdict_of(reply: str) -> Score:
    """The one word of a reply; anything more is no verdict."""
    word = reply.strip().strip(".!*\"'`").casefold()
    if word in _WORTH:
        return Score(_WORTH[word])
    return Score(None, f"the judge said '{visible(reply.strip()[:_SHOWN])}', which is no verdict")


def _without_asking(row: Row, answer: RowAnswer) -> Score:
    if row.case.unanswerable:
        return Score(None, UNANSWERABLE)
    return Score(0.0) if answer.refused else _NO_GOLD


def _prompts(engine: Engine, rows: Sequence[Row]) -> Iterator[tuple[tuple[str, str], Prompt]]:
    """(case, system) → prompt, for every answer that there is something to judge in."""
    for row in rows:
        for system, answer in row.answers.items():
            if not row.case.unanswerable and not answer.refused and row.case.answers:
                messages = _fitting(engine, row, answer)
                yield (row.case.id, system), Prompt(tuple(messages), _LONGEST_REPLY, None)


def _fitting(engine: Engine, row: Row, answer: RowAnswer) -> list[Message]:
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
