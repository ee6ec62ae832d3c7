"""What is wrong with a candidate, cheapest question first; the first fault found is the reason it is dropped.

form ──▶ length ──▶ quote ──▶ facts ──▶ stands alone ──▶ language
"""

import re
from collections.abc import Callable

from assistant.text.lexicon import vocabulary
from assistant.text.words import content_stems, may_be_in, stems
from ingest.pairs.candidate import Candidate
from ingest.pairs.standalone import OPENING, stands_alone

_LONGEST_QUESTION = 220
_MOST_QUESTION_WORDS = 32
_LONGEST_RESPONSE = 420
_FIRST_WORDS = 6
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# A capital within a sentence: a name in most languages. German writes nouns so; they have to be in the chunk too.
_NAME = re.compile(r"(?<=[a-zäöüß,;] )[A-ZÄÖÜ][\w&-]+")
_MARKER = re.compile(r"\[\s*\d{1,3}\s*\]")
_DELIMITER = re.compile(r"<\s*(?:/\s*)?passage\b|<\|", re.IGNORECASE)

# Words that are written small within a sentence, in either language.
_LARGE_WORDS = frozenset("i you he she ihr ihre ihrem ihren ihrer sie us it".split())
_SMALL_WORDS = vocabulary("stopwords") - _LARGE_WORDS | {"within", "each"}
# Kinds that give what is written, whatever its grammar.
_AS_WRITTEN = frozenset({"faq", "entry", "table", "definition"})
_SENTENCE_END = re.compile(r"[.:!?]\s")


def fault(candidate: Candidate, chunk: str, context: str) -> str:
    """The reason to drop a candidate, given the text and context of its chunk; empty if there is none."""
    shown = folded(f"{context}\n{chunk}")
    for reason, is_wrong in _CHECKS:
        if is_wrong(candidate, shown):
            return reason
    return ""


def folded(text: str) -> str:
    """``text`` with each run of white space as one blank."""
    return " ".join(text.split())


def numbers(text: str) -> set[str]:
    """The numbers of a text, as they are written in it."""
    return set(_NUMBER.findall(text))


def _has_bad_form(candidate: Candidate, shown: str) -> bool:  # noqa: ARG001 - all checks are called alike
    question, response = candidate.instruction, candidate.response
    both = f"{question}\n{response}"
    if not question.strip() or not response.strip() or "|" in both or "\ufffd" in both:
        return True
    if _MARKER.search(both) or _DELIMITER.search(both) or not re.search(r"[^\W\d_]{2}", response):
        return True
    if any(text.count("(") != text.count(")") or text.count('"') % 2 for text in (question, response)):
        return True
    if candidate.kind not in _AS_WRITTEN and _runs_on(OPENING.sub("", response)):
        return True
    if response.endswith("?") and candidate.kind != "faq":
        return True
    is_search = candidate.kind == "search"
    return not response.rstrip().endswith((".", "!", "?", "…", '"', "”", "“", ")", "’", "'")) or not (
        response[0].isupper() or response[0].isdigit() or is_search
    )


def _runs_on(response: str) -> bool:
    """Whether a heading runs into the sentence behind it: a small word of its first few is written large."""
    words = _SENTENCE_END.split(response, maxsplit=1)[0].split()
    return any(word[0].isupper() and word.lower() in _SMALL_WORDS for word in words[1:_FIRST_WORDS])


def _has_bad_length(candidate: Candidate, shown: str) -> bool:  # noqa: ARG001
    words = len(candidate.instruction.split())
    is_short = words < 3 or len(candidate.response.split()) < 3
    is_long = words > _MOST_QUESTION_WORDS or len(candidate.instruction) > _LONGEST_QUESTION
    return is_short or is_long or len(candidate.response) > _LONGEST_RESPONSE


def _is_misquoted(candidate: Candidate, shown: str) -> bool:
    return not candidate.quote.strip() or folded(candidate.quote) not in shown


def _has_foreign_facts(candidate: Candidate, shown: str) -> bool:
    if not numbers(candidate.response) <= numbers(shown):
        return True
    return any(name not in shown for name in _NAME.findall(candidate.response))


def _asks_of_something_else(candidate: Candidate, shown: str) -> bool:
    """Whether a model's question is about other things than its chunk: half of what it names has to be there."""
    if candidate.source != "generated":
        return False
    wanted = set(content_stems(candidate.instruction, candidate.language))
    has_numbers = numbers(candidate.instruction) <= numbers(shown)
    return not has_numbers or len(wanted & set(stems(shown, candidate.language))) * 2 < len(wanted)


def _leans_on_others(candidate: Candidate, shown: str) -> bool:  # noqa: ARG001
    by_people = candidate.kind == "faq"
    return not stands_alone(candidate.instruction, candidate.response, candidate.language, by_people)


def _speaks_otherwise(candidate: Candidate, shown: str) -> bool:  # noqa: ARG001
    if candidate.kind in {"search", "table", "entry", "definition"}:
        return False  # names and cells have no language that could be told
    said = [candidate.instruction]
    if candidate.source == "generated":  # what is found in a chunk is answered in the chunk's own words
        said.append(candidate.response)
    return not all(may_be_in(text, candidate.language) for text in said)


_CHECKS: tuple[tuple[str, Callable[[Candidate, str], bool]], ...] = (
    ("form", _has_bad_form),
    ("length", _has_bad_length),
    ("quote not in chunk", _is_misquoted),
    ("number or name not in chunk", _has_foreign_facts),
    ("asks of something else", _asks_of_something_else),
    ("does not stand alone", _leans_on_others),
    ("other language", _speaks_otherwise),
)
