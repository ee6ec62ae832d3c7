"""The JSON of ``assistant search`` and ``assistant ask``."""

from collections.abc import Sequence
from typing import Any

from assistant.types import Answer, Evidence
from assistant.untrusted.injection import gives_orders


def search_json(id_: str | int | None, question: str, hits: Sequence[Evidence]) -> dict[str, Any]:
    """The JSON of ``assistant search``."""
    return {"id": id_, "question": question, "hits": [hit_json(hit) for hit in hits]}


def hit_json(hit: Evidence) -> dict[str, Any]:
    """One hit, as ``search`` and ``ask`` print it."""
    return {
        "rank": hit.rank,
        "score": hit.score,
        "scores": {"dense": hit.dense, "lexical": hit.lexical},
        "ranks": {"dense": hit.dense_rank, "lexical": hit.lexical_rank},
        "corpus": hit.corpus,
        "document": hit.document,
        "path": hit.path,
        "title": hit.title,
        "date": hit.date,
        "language": hit.language,
        "pages": list(hit.pages),
        "place": hit.place,
        "heading": hit.heading,
        "start": hit.start,
        "end": hit.end,
        "header": hit.header,
        "text": hit.text,
        "warning": "orders" if gives_orders(hit.text, hit.context) else "",
    }


def answer_json(id_: str | int | None, answer: Answer, *, trace: bool = False) -> dict[str, Any]:
    """The JSON of ``assistant ask``; ``trace`` adds how the answer came about."""
    hits = {hit.rank: hit for hit in reversed(answer.hits)}
    sentences = [
        {
            "text": sentence.text,
            "supported": sentence.supported,
            "reason": sentence.reason,
            "citations": [
                {
                    "hit": one.hit,
                    "corpus": hits[one.hit].corpus if one.hit in hits else "",
                    "document": one.document,
                    "path": one.path,
                    "page": one.page,
                    "heading": hits[one.hit].block_at(one.start).heading if one.hit in hits else "",
                    "start": one.start,
                    "end": one.end,
                    "quote": one.quote,
                    "warning": one.warning,
                }
                for one in sentence.citations
            ],
        }
        for sentence in answer.sentences
    ]
    content: dict[str, Any] = {
        "id": id_,
        "question": answer.question,
        "standalone_question": answer.standalone_question,
        "refused": answer.refused,
        "refusal_reason": answer.refusal_reason,
        "readings": list(answer.readings),
        "quoted": answer.quoted,
        "hedged": answer.hedged,
        "small_talk": answer.small_talk,
        "checked": {"by": checked.by, "date": checked.date.isoformat()} if (checked := answer.checked) else None,
        "like_checked": list(answer.like_checked),
        "translations": list(answer.translations),
        "notes": list(answer.notes),
        "answer": answer.text,
        "sentences": sentences,
        "hits": [hit_json(hit) for hit in answer.hits],
        "adapter": answer.adapter,
        "timings": dict(answer.timings),
    }
    if trace and (its := answer.trace):
        content["trace"] = {
            "searched": list(its.searched),
            "rewriting": its.rewriting,
            "found": [hit_json(hit) for hit in its.found],
            "judgement": dict(its.judgement),
            "dropped": list(its.dropped),
            "prompt": its.prompt,
            "said": its.said,
        }
    return content
