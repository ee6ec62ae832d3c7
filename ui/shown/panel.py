"""Beside the chat, as HTML: a passage on the pages of its file or in its text, and why an answer is what it is."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote as url_quote

from markupsafe import Markup

from assistant.types import Answer, Trace
from ui.conversations import Turn, TurnReply
from ui.shown.plain import heading_line, place_line, reply_name
from ui.shown.templates import filled
from ui.sources.drawing import Sheet
from ui.sources.library import LocatedPassage
from ui.texts import Texts

_AROUND = 2400
"""Characters of a document that are shown on each side of a passage."""
_STEPS = ("rewrite", "retrieve", "judge", "prompt", "generate", "quote")


def pages_html(passage: LocatedPassage, sheets: Sequence[tuple[int, Sheet]], words: Texts) -> Markup:
    """A passage on the pages of its file: ``sheets`` by page number."""
    return filled(
        "panel.pages",
        **_source(passage, words),
        sheets=sheets,
        is_marked=any(sheet.boxes for _, sheet in sheets),
        quote=passage.text[passage.start : passage.end],
    )


def text_html(passage: LocatedPassage, words: Texts, note: str = "") -> Markup:
    """A passage in the text of its document, with what stands around it."""
    first, last = max(0, passage.start - _AROUND), min(len(passage.text), passage.end + _AROUND)
    first = passage.text.rfind("\n", 0, first) + 1 if first else 0
    return filled(
        "panel.text",
        **_source(passage, words),
        remark=note,
        before=passage.text[first : passage.start],
        marked=passage.text[passage.start : passage.end],
        behind=passage.text[passage.end : last],
        is_first=first == 0,
        is_last=last == len(passage.text),
    )


def missing_html(message: str, remedy: str, quote: str, words: Texts) -> Markup:
    """A passage that is not there any more: the words as they were cited."""
    return filled("panel.missing", message=message, remedy=remedy, quote=quote, words=words)


def reasons_html(turn: Turn, words: Texts) -> Markup:
    """The steps from the question to each reply, by its name where there are two."""
    replies = [_reasons(reply, reply_name(turn, at, words), words) for at, reply in enumerate(turn.replies)]
    return filled("panel.reasons", replies=replies, words=words)


def _source(passage: LocatedPassage, words: Texts) -> dict[str, Any]:
    """What the frame around a passage shows: its document, where it stands there, and where pages and file are had."""
    document = passage.document
    pages = tuple(page for _, page in passage.pages)
    place = " · ".join(filter(None, (place_line(pages, passage.place, words), heading_line(passage.heading))))
    address = f"/sources/{url_quote(document.corpus)}/{document.id}"
    return {"document": document, "place": place, "address": address, "words": words}


def _reasons(reply: TurnReply, name: str, words: Texts) -> dict[str, Any]:
    answer, trace = reply.answer, reply.answer.trace
    if trace is None:
        return {"name": name, "trace": None}
    left_out = {hit.chunk for hit in trace.found if hit.rank in trace.dropped}
    read = {hit.chunk for hit in answer.hits} - left_out if trace.prompt else set()
    found = []
    for hit in trace.found:
        sides = (
            words("why.meaning", rank=hit.dense_rank) if hit.dense_rank else "",
            words("why.wording", rank=hit.lexical_rank) if hit.lexical_rank else "",
            "" if hit.chunk in read else words("why.unread"),
        )
        found.append((hit, ", ".join(filter(None, sides))))
    probability, threshold = trace.judgement.get("probability"), trace.judgement.get("threshold")
    judged = ""
    if probability is not None and threshold is not None:
        shares = {"probability": _percent(probability, words), "threshold": _percent(threshold, words)}
        judged = words("why.probability", **shares)
    known = {"probability", "threshold"}
    return {
        "name": name,
        "corpus": reply.corpus,
        "trace": trace,
        "found": found,
        "judged": judged,
        "features": [f"{feature}: {value:.3f}" for feature, value in trace.judgement.items() if feature not in known],
        "outcome": _outcome(answer, trace, words),
        "took": [f"{words(f'why.step_{one}')}: {answer.timings[one]:.2f} s" for one in _STEPS if one in answer.timings],
    }


def _outcome(answer: Answer, trace: Trace, words: Texts) -> str:
    if not answer.refused:
        unsupported = sum(not sentence.supported for sentence in answer.sentences)
        if answer.hedged or answer.quoted:
            return words("why.hedged" if answer.hedged else "why.quoted")
        return words("why.partly", count=unsupported) if unsupported else words("why.supported")
    if not trace.found:
        return words("why.refused_nothing")
    if answer.readings:
        return words("why.refused_unclear")
    if trace.prompt:
        return words("why.refused_model")
    return words("why.refused_weak", probability=_percent(1 - trace.judgement.get("probability", 0.0), words))


def _percent(share: float, words: Texts) -> str:
    return words("why.percent", percent=f"{100 * share:.0f}")
