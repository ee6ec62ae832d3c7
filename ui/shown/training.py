"""Trainings and adapters, as HTML."""

from collections.abc import Mapping, Sequence

from assistant.artifacts.reports import CheckReport
from ui.context import AppContext
from ui.plots import PlotWords, loss_svg
from ui.shown.pieces import Badge, choice_html, empty_html, interval, said
from ui.shown.safe import escaped
from ui.shown.work import day_of, duration
from ui.texts import shown_number
from ui.training import AdapterView, Course

_MIB, _GIB = 1 << 20, 1 << 30


def adapters_html(context: AppContext, views: Sequence[AdapterView]) -> str:
    """Adapters as a list to choose from."""
    if not views:
        return empty_html(context.text("training.empty.title"), context.text("training.empty.what"))
    return f'<ul class="choices">{"".join(_choice(context, view) for view in views)}</ul>'


def plot_html(context: AppContext, course: Course, name: str, total: float | None = None) -> str:
    """The losses of a training; empty where there are none yet."""
    words = PlotWords(
        title=context.text("training.plot.title", name=name),
        step=context.text("training.plot.step"),
        training=context.text("training.plot.training"),
        validation=context.text("training.plot.validation"),
        voice=context.text("training.plot.voice"),
        base=context.text("training.plot.base"),
        language=context.language,
    )
    return loss_svg(course, words, total)


def card_html(context: AppContext, view: AdapterView, course: Course) -> str:
    """What an adapter is, what it learnt from and how good it is."""
    flags = "".join(f'<p class="remark">{escaped(flag)}</p>' for flag in view.flags)
    head = f"<header><h3>{escaped(view.name)}</h3></header>{flags}"
    body = f"{plot_html(context, course, view.name)}{_table(_facts(context, view))}"
    return f'<article class="adapter">{head}{body}</article>'


def check_html(context: AppContext, found: CheckReport) -> str:
    """What a training would need and learn."""
    fits = found.memory_total <= found.memory_free
    memory = context.text(
        "training.check.memory" if fits else "training.check.too_little",
        needed=_bytes(context, found.memory_total),
        free=_bytes(context, found.memory_free),
    )
    rows = {
        "training.check.fits": memory,
        "training.check.time": _time(context, found),
        "training.check.pairs": context.text(
            "training.check.pairs_of",
            train=_number(context, found.rows),
            validation=_number(context, found.validation_rows),
        ),
        "training.check.steps": _number(context, found.steps),
        "training.facts.parameters": _parameters(context, found.parameters, found.base_parameters),
    }
    examples = "".join(_example(context, one.prompt, one.trained) for one in found.examples)
    details = f"<details><summary>{said(context, 'training.check.examples')}</summary>{examples}</details>"
    return f"{_table({context.text(key): text for key, text in rows.items()})}{details}"


def pairs_html(context: AppContext, counts: Mapping[str, int]) -> str:
    """How many pairs a set holds, by where they come from."""
    parts = ", ".join(f"{_number(context, count)} {source}" for source, count in counts.items())
    total = _number(context, sum(counts.values()))
    return f'<p class="meta">{escaped(context.text("training.pairs_hold", total=total, parts=parts))}</p>'


def _choice(context: AppContext, view: AdapterView) -> str:
    stale = Badge(context.text("training.stale"), "warn") if view.flags else None
    return choice_html(view.name, view.name, _short_facts(context, view), stale)


def _short_facts(context: AppContext, view: AdapterView) -> str:
    card = view.card
    if card is None:
        return context.text("training.damaged")
    parts = (card.method, card.corpus, _losses(context, view), day_of(context, card.created))
    return " · ".join(filter(None, parts))


def _facts(context: AppContext, view: AdapterView) -> dict[str, str]:
    card = view.card
    if card is None:
        return {}
    composed = " + ".join(f"{weight:g} × {name}" for name, weight in card.components)
    pairs = sum(card.pairs_counts.values())
    rows = {
        "method": card.method,
        "base": card.base,
        "components": composed,
        "losses": _losses(context, view),
        "scores": _scores(context, view),
        "pairs": f"{card.pairs} ({_number(context, pairs)})" if pairs else card.pairs,
        "documents": f"{card.corpus} ({_number(context, len(card.documents))})" if card.documents else card.corpus,
        "parameters": _parameters(context, card.parameters, card.base_parameters),
        "size": _bytes(context, view.size),
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


def _scores(context: AppContext, view: AdapterView) -> str:
    value, low, high = (view.scores.means if view.scores else {}).get("correctness", (None, None, None))
    if value is None:
        return ""
    return interval(value, low, high, lambda number: shown_number(number, context.language, 3))


def _time(context: AppContext, found: CheckReport) -> str:
    if found.probe is None:
        return context.text("training.check.not_tried")
    return context.text("training.check.at_most", time=duration(context, found.probe.seconds))


def _example(context: AppContext, prompt: str, trained: str) -> str:
    learnt = said(context, "training.check.learnt")
    return f'<pre class="log">{escaped(prompt)}<mark title="{learnt}">{escaped(trained)}</mark></pre>'


def _table(rows: Mapping[str, str]) -> str:
    lines = "".join(
        f'<tr><th scope="row">{escaped(label)}</th><td>{escaped(text)}</td></tr>' for label, text in rows.items()
    )
    return f'<table class="facts">{lines}</table>' if lines else ""


def _parameters(context: AppContext, trained: int, base: int) -> str:
    share = shown_number(100 * trained / max(base, 1), context.language, 2)
    return context.text("training.share", count=_number(context, trained), share=share)


def _bytes(context: AppContext, size: int) -> str:
    return (
        f"{shown_number(size / _MIB, context.language, 1)} MiB"
        if size < _GIB
        else f"{shown_number(size / _GIB, context.language, 2)} GiB"
    )


def _number(context: AppContext, number: float) -> str:
    return shown_number(number, context.language)
