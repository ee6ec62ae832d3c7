"""House style: written rules that a program can check, and the share of them that a text keeps.

A rules file is YAML: ``rules`` is a list of ``id``, ``description``, ``language`` (``en``, ``de`` … or ``any``) and
one of ``must_match`` or ``must_not_match``, a Python regular expression that is searched in the whole text.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.config import read_yaml
from assistant.errors import UsageError
from eval.metrics import REFUSED, Score, score

_KEYS = {"id", "description", "language"}
_NO_RULES = "no house rule is for this language"
_NO_WORDS = "the answer has no words"


@dataclass(frozen=True, slots=True)
class StyleRule:
    """One rule; ``wanted`` says whether a text has to match the pattern or must not."""

    id: str
    description: str
    language: str
    pattern: re.Pattern[str]
    wanted: bool

    def holds(self, text: str) -> bool:
        """Whether a text keeps the rule."""
        return bool(self.pattern.search(text)) == self.wanted

    def speaks(self, language: str) -> bool:
        """Whether it is for texts in a language."""
        return self.language in {"any", language}


def read_rules(file: Path) -> tuple[StyleRule, ...]:
    """The rules of a file, in order. Raises UsageError that names the rule that cannot be used."""
    content = read_yaml(file)
    entries = content.get("rules") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise UsageError(f"{file} holds no list of rules.", "Write 'rules:' and a list below it.")
    rules: dict[str, StyleRule] = {}
    for number, entry in enumerate(entries, 1):
        place = f"{file}, rule {number}"
        if not isinstance(entry, dict) or not set(entry) >= _KEYS:
            raise UsageError(f"{place}: id, description or language is missing.", "Add it.")
        patterns = [key for key in ("must_match", "must_not_match") if key in entry]
        if len(patterns) != 1:
            raise UsageError(f"{place}: it needs must_match or must_not_match.", "Write one of the two.")
        (kind,) = patterns
        try:
            pattern = re.compile(_text(entry, kind, place))
        except re.error as error:
            raise UsageError(f"{place}: {kind} is no regular expression: {error}.", "Mend the pattern.") from None
        id_, description, language = (_text(entry, key, place) for key in ("id", "description", "language"))
        if id_ in rules:
            raise UsageError(f"{place}: the id '{id_}' stands there twice.", "Give it another one.")
        rules[id_] = StyleRule(id_, description, language, pattern, kind == "must_match")
    return tuple(rules.values())


def _text(entry: Mapping[str, object], key: str, place: str) -> str:
    """One value as it was written; of ``no`` and of nothing YAML makes something else, which would fit no text."""
    value = entry[key]
    if isinstance(value, bool) or value is None or not str(value).strip():
        raise UsageError(f"{place}: {key} is {value!r}, not a text.", "Put it in quotes.")
    return str(value)


def rules_kept(text: str, rules: Sequence[StyleRule], language: str) -> float | None:
    """Share of the rules for a language that a text keeps; None when there are none."""
    held = [rule.holds(text) for rule in rules if rule.speaks(language)]
    return sum(held) / len(held) if held else None


def keeps_all(
    text: str, rules: Sequence[StyleRule], language: str, asked: Collection[str] = frozenset()
) -> float | None:
    """1 if a text keeps every rule that holds for it, else 0; None when no rule does.

    A rule that forbids holds for every text, one that wants something only where ``asked`` names it: no text can both
    grant something and say that it is unknown.
    """
    held = [rule.holds(text) for rule in rules if rule.speaks(language) and (not rule.wanted or rule.id in asked)]
    return float(all(held)) if held else None


def kept_by_rule(texts: Sequence[tuple[str, str]], rules: Sequence[StyleRule]) -> dict[str, tuple[int, int]]:
    """For each rule how many of how many texts keep it, of (text, language); only texts in its language count."""
    return {
        rule.id: (sum(map(rule.holds, spoken)), len(spoken))
        for rule in rules
        for spoken in [[text for text, language in texts if rule.speaks(language)]]
    }


def style_scores(answer: str, refused: bool, rules: Sequence[StyleRule], language: str) -> dict[str, Score]:
    """Both shares of one answer. The words of a refusal are the house's own, and an empty answer has no style."""
    if refused or not answer.strip():
        why = REFUSED if refused else _NO_WORDS
        return {"rules_kept": Score(None, why), "keeps_all_rules": Score(None, why)}
    return {
        "rules_kept": score(rules_kept(answer, rules, language), _NO_RULES),
        "keeps_all_rules": score(keeps_all(answer, rules, language), _NO_RULES),
    }
