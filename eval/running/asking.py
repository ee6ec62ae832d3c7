"""All systems asked all cases: what no model has said yet is collected, generated in batches, and asked again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from assistant.types import Answer
from assistant.work.progress import progress_bar
from eval.cases import Case
from eval.results import System
from eval.running.playback import PlaybackEngine, Unanswered
from eval.running.systems import Ask


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with what it took: its ``timings`` have the share of its batch as ``generate``."""

    answer: Answer
    tokens: int
    """That the model said."""


def replies_of(
    cases: Sequence[Case], asks: Mapping[System, Ask], engine: PlaybackEngine
) -> dict[str, tuple[Reply, ...]]:
    """What each system says to each case, in order, by the system's name.

    Raises what ``Assistant.ask`` raises; what models have said until then is kept.
    """
    places = [(system, number) for system in asks for number in range(len(cases))]
    replies: dict[tuple[System, int], Reply] = {}
    while places:
        unanswered: dict[tuple[System, int], Unanswered] = {}
        with progress_bar("asking", len(places)) as bar:
            for system, number in places:
                try:
                    replies[system, number] = _reply(asks[system], cases[number], engine)
                except Unanswered as missing:
                    unanswered[system, number] = missing
                bar.advance()
        engine.generate({missing.prompt for missing in unanswered.values()})
        places = list(unanswered)
    return {system.name: tuple(replies[system, number] for number in range(len(cases))) for system in asks}


def _reply(ask: Ask, case: Case, engine: PlaybackEngine) -> Reply:
    engine.used.clear()
    answer = ask(case)
    timings = dict(answer.timings)
    if engine.used:
        timings["generate"] = timings.get("generate", 0.0) + sum(one.seconds for one in engine.used)
    return Reply(replace(answer, timings=timings), sum(one.tokens for one in engine.used))
