"""House style: written rules that a program can check, and the share of them that a text keeps.

A rules file is YAML: ``rules`` is a list of ``id``, ``description``, ``language`` (``en``, ``de`` … or ``any``) and
one of ``must_match`` or ``must_not_match``, a Python regular expression that is searched in the whole text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from assistant.errors import UsageError

_KEYS = {"id", "description", "language"}


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


def read_rules(file: Path) -> tuple[StyleRule, ...]:
    """The rules of a file, in order. Raises UsageError that names the rule that cannot be used."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{file} cannot be read: {' '.join(str(error).split())}.", "It has to be YAML.") from None
    rules = content.get("rules") if isinstance(content, dict) else None
    if not isinstance(rules, list):
        raise UsageError(f"{file} holds no list of rules.", "Write 'rules:' and a list below it.")
    return tuple(_rule(entry, f"{file}, rule {number}") for number, entry in enumerate(rules, 1))


def _rule(entry: object, place: str) -> StyleRule:
    if not isinstance(entry, dict) or not set(entry) >= _KEYS:
        raise UsageError(f"{place}: id, description or language is missing.", "Add it.")
    patterns = {key: entry[key] for key in ("must_match", "must_not_match") if key in entry}
    if len(patterns) != 1:
        raise UsageError(f"{place}: it needs must_match or must_not_match.", "Write one of the two.")
    ((kind, pattern),) = patterns.items()
    try:
        compiled = re.compile(str(pattern))
    except re.error as error:
        raise UsageError(f"{place}: {kind} is no regular expression: {error}.", "Mend the pattern.") from None
    return StyleRule(
        str(entry["id"]), str(entry["description"]), str(entry["language"]), compiled, kind == "must_match"
    )


def rules_kept(text: str, rules: Sequence[StyleRule], language: str) -> float | None:
    """Share of the rules for a language that a text keeps; None when there are none."""
    held = [rule.holds(text) for rule in rules if rule.language in {"any", language}]
    return sum(held) / len(held) if held else None
