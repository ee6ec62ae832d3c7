"""The figures of a report, drawn by matplotlib as SVG that takes its colours and letters from the page around it."""

import io
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

from assistant.artifacts.evaluations import ENGLISH, Mean, Tone, Wording
from assistant.text.printing import visible
from eval.metrics.retrieval import CUTOFFS
from eval.report.labels import (
    FAILURE_TITLES,
    OUTCOME_TONES,
    EffectSummary,
    effect_title,
    failure_groups,
    formula_of,
    number,
    title_of,
)
from eval.results import Costs, Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours that matplotlib draws with and that the page replaces by its own, for light, dark and print.
_INK, _SOFT, _LINE = "#010101", "#020202", "#030303"
_TONES: dict[Tone, str] = {"good": "#040101", "bad": "#040202", "even": "#040303", "open": "#040404"}
_SYSTEM = "#0500{:02x}"
_SYSTEM_COLOURS = 8  # as many as the page's style sheet has
_VARIABLES = {
    _INK: "--ink",
    _SOFT: "--soft",
    _LINE: "--line",
    **{colour: f"--{tone}" for tone, colour in _TONES.items()},
    **{_SYSTEM.format(place): f"--s{place}" for place in range(_SYSTEM_COLOURS)},
}
_MARKERS = "osD^vPX*"
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_STYLE: Any = {
    "svg.fonttype": "none",  # letters stay letters: small, sharp, and found by a search
    "svg.hashsalt": "report",  # the same figure is the same text
    "text.parse_math": False,  # a $ in a name is a $
    "text.color": _INK,
    "axes.labelcolor": _SOFT,
    "axes.edgecolor": _LINE,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "grid.color": _LINE,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
CURVES = {"recall": "right passages found (recall)", "success": "any of them found (success)"}


def figures_of(
    results: Results, costs: Costs, summaries: Sequence[EffectSummary], words: Wording = ENGLISH
) -> dict[str, Markup]:
    """Every figure that there are numbers for, by name: effects, curves, failures, costs."""
    drawn = {
        "effects": _effects(summaries, words),
        "curves": _curves(results, words),
        "failures": _failures(results, words),
        "costs": _costs(results, costs, words),
    }
    return {name: figure for name, figure in drawn.items() if figure}


def _effects(summaries: Sequence[EffectSummary], words: Wording) -> Markup | None:
    """A dot and its interval for every effect on the headline metric."""
    known = [one for one in summaries if one.effect.difference.mean.value is not None]
    if not known:
        return None
    with _figure(7.2, 0.7 + 0.56 * len(known)) as figure:
        axes: Any = figure.add_subplot()
        for place, one in enumerate(known):
            mean, colour = one.effect.difference.mean, _TONES[one.tone]
            axes.errorbar(mean.value, place, xerr=_reach(mean), fmt="o", color=colour, capsize=3, linewidth=2)
        margin, metric = known[0].effect.margin, known[0].effect.metric
        axes.axvspan(-margin, margin, color=_LINE, alpha=0.5, linewidth=0)
        axes.axvline(0, color=_SOFT, linewidth=1)
        names = []
        for one in known:
            formula = textwrap.wrap(_short(formula_of(one.effect.formula), 46), 24, break_on_hyphens=False)
            names.append("\n".join([words(effect_title(one.effect.name)), *formula]))
        axes.set_yticks(range(len(known)), names)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(known) - 0.5, -0.5)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(words("difference in {metric}", metric=words(title_of(metric))))
        told = "; ".join(f"{one.words}: {one.figures}" for one in known)
        return _svg(figure, words("Effects with 95 % intervals"), told)


def _curves(results: Results, words: Wording) -> Markup | None:
    """Recall and success by the number of passages; systems that find the same, at every k, share a line."""
    groups: dict[tuple[float | None, ...], list[int]] = {}
    for place, system in enumerate(results.systems):
        means = results.means[system.name]
        values = tuple(means[f"{metric}@{k}"].value for metric in CURVES for k in CUTOFFS)
        if None not in values:
            groups.setdefault(values, []).append(place)
    names = [_short(system.name) for system in results.systems]
    lines = [
        ("\n= ".join(names[place] for place in places), places[0], results.means[results.systems[places[0]].name])
        for places in groups.values()
    ]
    if not lines:
        return None
    with _figure(7.2, 2.9) as figure:
        for axes, (metric, title) in zip(figure.subplots(1, 2, sharey=True), CURVES.items(), strict=True):
            for name, place, means in lines:
                found = [means[f"{metric}@{k}"] for k in CUTOFFS]
                colour, lows, highs = _colour(place), [mean.low for mean in found], [mean.high for mean in found]
                marks = {"color": colour, "marker": _marker(place), "linewidth": 2, "label": name}
                axes.plot(CUTOFFS, [mean.value for mean in found], **marks)
                if None not in lows:
                    axes.fill_between(CUTOFFS, lows, highs, color=colour, alpha=0.12, linewidth=0)
            axes.set_title(words(title), fontsize="medium")
            axes.set(xlabel=words("passages (k)"), ylim=(0, 1.03), xticks=CUTOFFS)
            axes.grid(axis="y", linewidth=0.6)
        figure.axes[1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        told = "; ".join(f"{name}: recall@5 {number(means['recall@5'].value)}" for name, _, means in lines)
        return _svg(figure, words("Retrieval by number of passages"), told)


def _failures(results: Results, words: Wording) -> Markup | None:
    """From all questions of the judged system down to its usable answers, by what goes wrong first."""
    counts = results.first_failures.get(results.gate.system)
    if not counts or not any(counts.values()):
        return None
    total = left = sum(count for some in counts.values() for count in some.values())
    bars = [(words("questions"), 0, total, _SOFT)]
    for outcome, failures in failure_groups(results):
        for failure in failures:
            count = counts.get(outcome, {}).get(failure, 0)
            left -= count
            if count:
                name = f"{words(outcome)}: {words(FAILURE_TITLES[failure])}"
                bars.append((name, left, count, _TONES[OUTCOME_TONES[outcome]]))
    with _figure(7.2, 0.9 + 0.36 * len(bars)) as figure:
        axes: Any = figure.add_subplot()
        for row, (_, start, count, colour) in enumerate(bars):
            axes.barh(row, count, left=start, color=colour, height=0.62)
            axes.annotate(str(count), (start + count, row), xytext=(4, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(bars)), [name for name, *_ in bars])
        axes.invert_yaxis()
        axes.set(xlim=(0, total * 1.08), xlabel=f"{words('questions')}, {_short(results.gate.system)}")
        axes.tick_params(axis="y", length=0)
        told = ", ".join(f"{name} {count}" for name, _, count, _ in bars[1:])
        return _svg(figure, words("What goes wrong first, {count} questions", count=total), told)


def _costs(results: Results, costs: Costs, words: Wording) -> Markup | None:
    """The headline metric against the seconds of an answer."""
    headline = results.primary[0]
    points = []
    for place, system in enumerate(results.systems):
        mean, cost = results.means[system.name][headline], costs.systems.get(system.name)
        if mean.value is not None and cost and cost.seconds.value is not None:
            points.append((place, _short(system.name), cost.seconds.value, mean))
    if not points:
        return None
    with _figure(7.2, 3.1) as figure:
        axes: Any = figure.add_subplot()
        for place, name, seconds, mean in points:
            axes.errorbar(
                seconds, mean.value, yerr=_reach(mean), fmt=_marker(place), color=_colour(place), capsize=3, label=name
            )
        axes.set(xlabel=words("mean seconds a question"), ylabel=words(title_of(headline)))
        axes.set_xlim(left=0)
        axes.grid(linewidth=0.6)
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        told = "; ".join(f"{name}: {seconds:.2f} s, {headline} {mean.value:.2f}" for _, name, seconds, mean in points)
        return _svg(figure, words("{metric} against seconds a question", metric=words(title_of(headline))), told)


def _reach(mean: Mean) -> list[list[float]] | None:
    if mean.value is None or mean.low is None or mean.high is None:
        return None
    return [[max(mean.value - mean.low, 0.0)], [max(mean.high - mean.value, 0.0)]]


def _short(name: str, longest: int = 32) -> str:
    """A name for which a figure has room."""
    name = visible(name)
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _colour(place: int) -> str:
    return _SYSTEM.format(place % _SYSTEM_COLOURS)


def _marker(place: int) -> str:
    return _MARKERS[place % len(_MARKERS)]


@contextmanager
def _figure(width: float, height: float) -> Iterator["Figure"]:
    """An empty figure of some inches."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        yield Figure(figsize=(width, height), layout="constrained")


def _svg(figure: "Figure", title: str, description: str) -> Markup:
    """The figure as an element of a page, with its title and description for those who do not see it."""
    buffer = io.BytesIO()
    none: Mapping[str, None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=none)
    ElementTree.register_namespace("", _SVG[1:-1])
    root = ElementTree.fromstring(buffer.getvalue())
    # Leave out what would act on the whole page: rules of style, sizes, and ids that nothing points to.
    text = " ".join(value for element in root.iter() for value in element.attrib.values())
    used = frozenset(re.findall(r"#([\w-]+)", text))
    for parent in list(root.iter()):
        for unwanted in [*parent.findall(f"{_SVG}metadata"), *parent.findall(f"{_SVG}style")]:
            parent.remove(unwanted)
        if parent.get("id") not in used:
            parent.attrib.pop("id", None)
        if link := parent.attrib.pop(_LINK, ""):
            parent.set("href", link)  # an HTML parser knows no prefixes
        if style := parent.get("style"):
            for colour, variable in _VARIABLES.items():
                style = style.replace(colour, f"var({variable})")
            rules = (rule.strip() for rule in style.split(";"))
            parent.set("style", "; ".join(rule for rule in rules if not rule.startswith("font-family")))
    root.attrib.pop("height", None)
    root.attrib.pop("width", None)
    root.set("role", "img")
    root.set("aria-label", visible(f"{title}. {description}"))
    return Markup(ElementTree.tostring(root, encoding="unicode"))
