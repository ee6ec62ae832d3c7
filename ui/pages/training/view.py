"""Trainings and adapters: what their files say, as plain values, and the same as HTML."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from markupsafe import Markup

from assistant.artifacts.cards import (
    METRICS_FILE,
    AdapterCard,
    AdapterScores,
    adapters_shown,
    read_card,
    read_scores,
    run_folder,
    staleness,
)
from assistant.artifacts.command_reports import BadRow, CheckReport
from assistant.artifacts.pairs import Source, holds_preferences, overview, read_header
from assistant.engines.opening import uses_server
from assistant.errors import AssistantError
from assistant.models.catalogue import is_same
from assistant.workspace import Workspace, size_of
from ui.context import AppContext
from ui.shown.components import (
    Badge,
    ListEntry,
    bytes_of,
    choices_html,
    day_of,
    duration,
    empty_html,
    interval,
    meta_html,
)
from ui.shown.templates import filled
from ui.texts import shown_number

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LossCurves:
    """Losses of a training, in nats a token: (step, loss) of each step and of each validation."""

    losses: tuple[Point, ...] = ()
    validations: tuple[Point, ...] = ()
    voice: tuple[Point, ...] = ()
    """Validations on examples of the house voice alone, while these are shown."""
    base: float | None = None
    """Validation loss before training; None where it is not known."""


@dataclass(frozen=True, slots=True)
class AdapterView:
    """An adapter as the page shows it; ``card`` is None for a damaged one, whose ``flags`` say what is wrong."""

    name: str
    card: AdapterCard | None
    size: int
    """Bytes on disk."""
    scores: AdapterScores | None
    flags: tuple[str, ...]


_EXAMPLES = 3  # enough to see what pairs look like
_OWN: tuple[Source, ...] = (
    *("generated", "structure", "set", "feedback", "tone", "refusal"),
    *("vote", "thumb", "synthetic"),
)
"""The sources of a house's own pairs and preferences; those of which there are least are shown first."""


def pairs_sets(workspace: Workspace) -> list[str]:
    """Names of the sets of pairs, the newest first; those of preferences behind the others."""
    if not workspace.pairs.is_dir():
        return []
    shown = (file for file in workspace.pairs.glob("*.jsonl") if workspace.shows("pairs", file.stem))
    files = sorted(shown, key=lambda file: file.stat().st_mtime, reverse=True)
    return [file.stem for file in sorted(files, key=holds_preferences)]


def examples_named(workspace: Workspace) -> frozenset[str]:
    """Files of own pairs and of the house voice that a set of pairs was made from, as ``tone/voice.jsonl``."""
    named: list[object] = []
    for name in pairs_sets(workspace):
        with suppress(AssistantError):
            header = read_header(workspace.pairs_file(name))
            for files in (header.settings.get("data"), header.settings.get("tone")) if header else ():
                named += files if isinstance(files, list) else []
    return frozenset("/".join(Path(str(one)).parts[-2:]) for one in named)  # wherever the workspace lay then


def course_of(workspace: Workspace, name: str) -> LossCurves:
    """The course of the training of ``name``: of the one that is under way, else of the one that made the adapter."""
    running = run_folder(workspace, name) / METRICS_FILE
    file = running if running.exists() else workspace.adapter(name) / METRICS_FILE
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    records: list[Mapping[str, Any]] = []
    for line in lines:
        with suppress(ValueError):  # the last one may be being written
            records += [record for record in [json.loads(line)] if isinstance(record, dict)]
    base = None
    if file != running:
        with suppress(AssistantError):
            base = read_card(workspace.adapter(name)).base_validation_loss
    losses, validations, voice = (
        tuple((one["step"], one[key]) for one in records if _is_number(one.get("step")) and _is_number(one.get(key)))
        for key in ("loss", "validation_loss", "voice_validation_loss")
    )
    return LossCurves(losses, validations, voice, base)


def adapters(workspace: Workspace) -> list[AdapterView]:
    """All adapters by name."""
    found = []
    for name in adapters_shown(workspace):
        folder = workspace.adapters / name
        size = size_of(folder)
        try:
            card = read_card(folder)
            stale = staleness(card, workspace)
        except AssistantError as error:
            found.append(AdapterView(name, None, size, None, (str(error),)))
        else:
            found.append(AdapterView(name, card, size, read_scores(folder), (str(stale),) if stale else ()))
    return found


def smoothed(points: Sequence[Point], places: Iterable[int]) -> list[Point]:
    """At each of some places the mean of the value there and its neighbours, a twentieth of all to either side."""
    reach = len(points) // 20 + 1
    windows = ((place, points[max(place - reach, 0) : place + reach + 1]) for place in places)
    return [(points[place][0], fmean(value for _, value in window)) for place, window in windows]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


T = TypeVar("T")
# A drawing in units of its own, with room at its edges for what stands at the axes.
_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 32
_TICKS = 4
_MOST_POINTS = 600
"""Of a drawing; more could not be told apart at its width."""


def adapter_line(context: AppContext, name: str) -> str:
    """An adapter and the memory that it takes besides the model; of one that was made for another, for which."""
    folder = context.workspace.adapters / name
    if base := other_base(context, name):
        return context.text("training.other_base", name=name, base=base)
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return context.text("training.adds", name=name, size=bytes_of(context, size)) if size else name


def other_base(context: AppContext, name: str) -> str:
    """The base that an adapter was made for where it is another one than answers now, by name; else empty.

    Whether two models are one is told by their weights when the adapter is asked; a damaged adapter is told then, too.
    """
    chosen = context.settings.engine
    with suppress(AssistantError):
        base = read_card(context.workspace.adapters / name).base
        return "" if is_same(base, chosen.model) or uses_server(chosen) else Path(base).name
    return ""


def adapters_html(context: AppContext, views: Sequence[AdapterView]) -> Markup:
    """Adapters as a list to choose from."""
    if not views:
        return empty_html(context.text("training.empty.title"), context.text("training.empty.what"))
    stale = Badge(context.text("training.stale"), "warn")
    entries = []
    for view in views:
        card, facts = view.card, context.text("training.unusable")
        if card is not None:
            parts = (card.method, card.corpus, _losses(context, view), day_of(context, card.created))
            facts = " · ".join(filter(None, parts))
        entries.append(ListEntry(view.name, view.name, facts, stale if view.flags else None))
    return choices_html(entries)


def plot_html(context: AppContext, course: LossCurves, name: str, total: float | None = None) -> Markup:
    """The losses of a training; ``total`` are the steps that there will be. Empty where there are none yet."""
    if not course.losses:
        return Markup()
    losses = _thinned(course.losses)
    smooth = smoothed(course.losses, _thinned(range(len(course.losses))))
    base = [] if course.base is None else [course.base]
    values = [value for _, value in (*smooth, *course.validations, *course.voice)] + base
    every = sorted(value for _, value in losses)
    # Single steps scatter; one that shoots up must not flatten all the others.
    most, least = max(*values, every[int(0.98 * (len(every) - 1))]), min(*values, *every)
    last_step = max(total or 0, course.losses[-1][0])

    def x(step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * step / max(last_step, 1)

    def y(value: float) -> float:
        share = (value - least) / ((most - least) or 1)
        return max(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share, _TOP)

    def placed(points: Sequence[Point]) -> list[tuple[str, str]]:
        return [(f"{x(step):.1f}", f"{y(value):.1f}") for step, value in points]

    ticks = []
    for tick in range(_TICKS + 1):
        value, step = least + (most - least) * tick / _TICKS, round(last_step * tick / _TICKS)
        ticks.append((x(step), y(value), step, shown_number(value, context.language, 2)))
    # Names with the last values: the same for those who do not see the drawing.
    named = [("training", smooth[-1][1])]
    named += [("validation", value) for _, value in course.validations[-1:]]
    named += [("voice", value) for _, value in course.voice[-1:]]
    named += [("base", value) for value in base]
    legend = (
        f"{context.text(f'training.plot.{key}')}: {shown_number(loss, context.language, 3)}" for key, loss in named
    )
    return filled(
        "pages/training/view.plot",
        title=context.text("training.plot.title", name=name),
        width=_WIDTH,
        height=_HEIGHT,
        left=_LEFT,
        right=_WIDTH - _RIGHT,
        ticks=ticks,
        step=context.text("training.plot.step"),
        lines=[
            ("each", placed(losses), False),
            ("smooth", placed(smooth), False),
            ("validation", placed(course.validations), True),
            ("voice", placed(course.voice), True),
        ],
        base="" if course.base is None else f"{y(course.base):.1f}",
        legend=" · ".join(legend),
    )


def card_html(context: AppContext, view: AdapterView, course: LossCurves) -> Markup:
    """What an adapter is, what it learnt from and how good it is."""
    plot = plot_html(context, course, view.name)
    return filled(
        "pages/training/view.card",
        name=view.name,
        flags=[*map(context.said, view.flags)],
        plot=plot,
        rows=_facts(context, view),
    )


def check_html(context: AppContext, found: CheckReport) -> Markup:
    """What a training would need and learn."""
    time = context.text("training.check.not_tried")
    if found.probe is not None:
        time = context.text("training.check.at_most", time=duration(context, found.probe.seconds))
    rows = {
        "training.check.fits": context.text(
            "training.check.memory" if found.memory_total <= found.memory_free else "training.check.too_little",
            needed=bytes_of(context, found.memory_total),
            free=bytes_of(context, found.memory_free),
        ),
        "training.check.time": time,
        "training.check.pairs": context.text(
            "training.check.pairs_of",
            train=_number(context, found.rows),
            validation=_number(context, found.validation_rows),
        ),
        "training.check.steps": _number(context, found.steps),
        "training.facts.parameters": _parameters(context, found.parameters, found.base_parameters),
    }
    return filled(
        "pages/training/view.check",
        rows={context.text(key): text for key, text in rows.items()},
        title=context.text("training.check.examples"),
        examples=found.examples,
        words=context.text,
        chosen=found.chosen,
    )


def pairs_html(context: AppContext, name: str, bad_rows: Sequence[BadRow] = ()) -> Markup:
    """How many pairs a set holds, by where they come from, some of them, and rows of a file that were left out."""
    try:
        context.refuse_missing("pairs", name)
        counts, examples = overview(context.workspace.pairs_file(name), _OWN)
    except (AssistantError, OSError) as error:
        return meta_html(context.said(error))
    parts = ", ".join(
        f"{_number(context, count)} {context.text(f'training.pairs_of_source.{source}')}"
        for source, count in counts.items()
    )
    rarest = sorted(examples, key=lambda pair: counts[pair.source])
    return filled(
        "pages/training/view.pairs",
        words=context.text,
        line=context.text("training.pairs_hold", total=_number(context, sum(counts.values())), parts=parts),
        examples=rarest[:_EXAMPLES],
        bad_rows=bad_rows,
    )


def _facts(context: AppContext, view: AdapterView) -> dict[str, str]:
    card = view.card
    if card is None:
        return {}
    value, low, high = (view.scores.means if view.scores else {}).get("correctness", (None, None, None))
    scores = ""
    if value is not None:
        scores = interval(value, low, high, lambda number: shown_number(number, context.language, 3))
    composed = " + ".join(f"{weight:g} × {name}" for name, weight in card.components)
    pairs = sum(card.pairs_counts.values())
    rows = {
        "method": card.method,
        "base": card.base,
        "components": composed,
        "started_from": card.started_from,
        "origin": card.origin,
        "licence": card.licence,
        "losses": _losses(context, view),
        "scores": scores,
        "pairs": f"{card.learnt_from} ({_number(context, pairs)})" if pairs else card.learnt_from,
        "documents": f"{card.corpus} ({_number(context, len(card.documents))})" if card.documents else card.corpus,
        "parameters": _parameters(context, card.parameters, card.base_parameters),
        "size": bytes_of(context, view.size),
        "training": f"{_number(context, card.steps)} · {duration(context, card.seconds)}" if card.steps else "",
        "created": day_of(context, card.created),
        "machine": card.machine,
    }
    return {context.text(f"training.facts.{key}"): text for key, text in rows.items() if text}


def _losses(context: AppContext, view: AdapterView) -> str:
    card = view.card
    if card is None:
        return ""
    known = [loss for loss in (card.base_validation_loss, card.validation_loss) if loss is not None]
    return " → ".join(shown_number(loss, context.language, 3) for loss in known)


def _parameters(context: AppContext, trained: int, base: int) -> str:
    share = shown_number(100 * trained / max(base, 1), context.language, 2)
    return context.text("training.share", count=_number(context, trained), share=share)


def _number(context: AppContext, number: float) -> str:
    return shown_number(number, context.language)


def _thinned(points: Sequence[T]) -> list[T]:
    """Every n-th point and the last one."""
    every = len(points) // _MOST_POINTS + 1
    return [*points[:-1:every], points[-1]]
