"""What answers cost: seconds by stage, tokens, memory, bytes on disk."""

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from assistant.workspace import size_of
from eval.cases import Case
from eval.metrics import Score, score
from eval.results import ALL_STAGES, Cost, Costs
from eval.running.systems import TimedAnswer

_NOTHING_TIMED = "nothing was timed"
# With fewer the 95th percentile is only the slowest.
_FEWEST_FOR_P95 = 20


def p50(seconds: Sequence[float]) -> Score:
    """Median of the times, in seconds."""
    return score(float(np.median(seconds)) if seconds else None, _NOTHING_TIMED)


def p95(seconds: Sequence[float]) -> Score:
    """The time that one answer in twenty exceeds, in seconds."""
    if len(seconds) < _FEWEST_FOR_P95:
        return Score(None, f"{len(seconds)} times are too few for a 95th percentile ({_FEWEST_FOR_P95})")
    return score(float(np.percentile(seconds, 95)), _NOTHING_TIMED)


def tokens_per_second(tokens: int, seconds: float) -> Score:
    """Tokens generated a second."""
    return score(tokens / seconds if seconds > 0 else None, _NOTHING_TIMED)


def cost_of(answers: Sequence[TimedAnswer], adapter_bytes: int = 0) -> Cost:
    """What the answers of one system took."""
    timings = [one.answer.timings for one in answers]
    stages = list(dict.fromkeys(stage for one in timings for stage in one))
    seconds = {stage: [one[stage] for one in timings if stage in one] for stage in stages}
    seconds[ALL_STAGES] = [sum(one.values()) for one in timings]
    tokens = sum(one.tokens for one in answers)
    return Cost(
        stages={stage: (p50(some), p95(some)) for stage, some in seconds.items()},
        seconds=score(sum(seconds[ALL_STAGES]) / len(answers) if answers else None, "nothing was asked"),
        tokens=tokens,
        tokens_per_second=tokens_per_second(tokens, sum(seconds.get("generate", [])) if tokens else 0.0),
        adapter_bytes=adapter_bytes,
    )


def costs_of(
    systems: Mapping[str, Cost],
    cases: Sequence[Case],
    answers: Mapping[str, Sequence[TimedAnswer]],
    seconds: float,
    cached: int,
    index: Path,
) -> Costs:
    """The costs of a run, as of now."""
    return Costs(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
        cached_answers=cached,
        peak_memory_bytes=_peak_memory(),
        index_bytes=size_of(index),
        processors=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        systems=systems,
        timings={
            case.id: {
                system: {stage: round(seconds, 4) for stage, seconds in some[place].answer.timings.items()}
                for system, some in answers.items()
            }
            for place, case in enumerate(cases)
        },
    )


def _peak_memory() -> int:
    """Most memory that this process has held, in bytes."""
    import psutil

    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
