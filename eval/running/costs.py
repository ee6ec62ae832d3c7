"""What answers cost: seconds by stage, tokens, memory, bytes on disk."""

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from eval.cases import Case
from eval.metrics.cost import p50, p95, tokens_per_second
from eval.metrics.score import score
from eval.results import ALL_STAGES, Cost, Costs
from eval.running.asking import Reply


def cost_of(replies: Sequence[Reply], adapter_bytes: int = 0) -> Cost:
    """What the replies of one system took."""
    timings = [reply.answer.timings for reply in replies]
    stages = list(dict.fromkeys(stage for one in timings for stage in one))
    seconds = {stage: [one[stage] for one in timings if stage in one] for stage in stages}
    seconds[ALL_STAGES] = [sum(one.values()) for one in timings]
    tokens = sum(reply.tokens for reply in replies)
    return Cost(
        stages={stage: (p50(some), p95(some)) for stage, some in seconds.items()},
        seconds=score(sum(seconds[ALL_STAGES]) / len(replies) if replies else None, "nothing was asked"),
        tokens=tokens,
        tokens_per_second=tokens_per_second(tokens, sum(seconds.get("generate", [])) if tokens else 0.0),
        adapter_bytes=adapter_bytes,
    )


def timings_of(
    cases: Sequence[Case], replies: Mapping[str, Sequence[Reply]]
) -> dict[str, dict[str, Mapping[str, float]]]:
    """Case → system → stage → seconds."""

    def rounded(reply: Reply) -> dict[str, float]:
        return {stage: round(seconds, 4) for stage, seconds in reply.answer.timings.items()}

    return {
        case.id: {system: rounded(some[place]) for system, some in replies.items()} for place, case in enumerate(cases)
    }


def costs_of(
    systems: Mapping[str, Cost],
    timings: Mapping[str, Mapping[str, Mapping[str, float]]],
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
        timings=timings,
    )


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _peak_memory() -> int:
    """Most memory that this process has held, in bytes."""
    import psutil

    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
