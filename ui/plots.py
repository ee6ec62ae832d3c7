"""The losses of a training as a small drawing (SVG) in the page's own colours, light or dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from assistant.text.languages import Language
from ui.shown.safe import escaped
from ui.texts import shown_number
from ui.training import Course, Point, smoothed

T = TypeVar("T")
_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 32
_TICKS = 4
_MOST_POINTS = 600
"""More could not be told apart at this width."""


@dataclass(frozen=True, slots=True)
class PlotWords:
    """What stands in the drawing and below it."""

    title: str
    step: str
    training: str
    validation: str
    voice: str
    base: str
    language: Language


@dataclass(frozen=True, slots=True)
class _Scale:
    last_step: float
    least: float
    most: float

    def x(self, step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * step / max(self.last_step, 1)

    def y(self, value: float) -> float:
        share = (value - self.least) / ((self.most - self.least) or 1)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def loss_svg(course: Course, words: PlotWords, total: float | None = None) -> str:
    """The drawing; ``total`` are the steps that there will be. Empty where there is nothing to draw yet."""
    if not course.losses:
        return ""
    losses = _thinned(course.losses)
    smooth = smoothed(course.losses, _thinned(range(len(course.losses))))
    base = [] if course.base is None else [course.base]
    values = [value for _, value in (*smooth, *course.validations, *course.voice)] + base
    every = [value for _, value in losses]
    # Single steps scatter; one that shoots up must not flatten all the others.
    most = max(*values, sorted(every)[int(0.98 * (len(every) - 1))])
    scale = _Scale(max(total or 0, course.losses[-1][0]), min(*values, *every), most)
    return (
        f'<figure class="plot"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escaped(words.title)}">'
        f"{_axes(scale, words)}{_line(scale, losses, 'each')}{_line(scale, smooth, 'smooth')}"
        f"{_validated(scale, course.validations, 'validation')}{_validated(scale, course.voice, 'voice')}"
        f"{_base(scale, course)}"
        f"</svg><figcaption>{_legend(smooth[-1][1], course, words)}</figcaption></figure>"
    )


def _axes(scale: _Scale, words: PlotWords) -> str:
    parts = []
    for tick in range(_TICKS + 1):
        value = scale.least + (scale.most - scale.least) * tick / _TICKS
        step = round(scale.last_step * tick / _TICKS)
        y, x, number = scale.y(value), scale.x(step), shown_number(value, words.language, 2)
        parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number}</text>')
        anchor = "end" if tick == _TICKS else "middle"
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 14}" text-anchor="{anchor}">{step}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT - 3}">{escaped(words.step)}</text>')
    return "".join(parts)


def _line(scale: _Scale, points: Sequence[Point], kind: str) -> str:
    if len(points) < 2:
        return ""
    path = " ".join(f"{scale.x(step):.1f},{max(scale.y(value), _TOP):.1f}" for step, value in points)
    return f'<polyline class="{kind}" points="{path}"/>'


def _validated(scale: _Scale, points: Sequence[Point], kind: str) -> str:
    dots = (
        f'<circle class="{kind}" cx="{scale.x(step):.1f}" cy="{scale.y(value):.1f}" r="3"/>' for step, value in points
    )
    return _line(scale, points, kind) + "".join(dots)


def _base(scale: _Scale, course: Course) -> str:
    if course.base is None:
        return ""
    y = scale.y(course.base)
    return f'<line class="base" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _legend(loss: float, course: Course, words: PlotWords) -> str:
    """Names with the last values: the same for those who do not see the drawing."""
    values = [(words.training, loss)]
    values += [(words.validation, value) for _, value in course.validations[-1:]]
    values += [(words.voice, value) for _, value in course.voice[-1:]]
    values += [] if course.base is None else [(words.base, course.base)]
    return escaped(" · ".join(f"{name}: {shown_number(value, words.language, 3)}" for name, value in values))


def _thinned(points: Sequence[T]) -> list[T]:
    """Every n-th point and the last one."""
    every = len(points) // _MOST_POINTS + 1
    return [*points[:-1:every], points[-1]]
