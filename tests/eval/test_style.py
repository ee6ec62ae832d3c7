"""House rules as written; what cannot be used is named."""

from pathlib import Path

import pytest

from assistant.errors import UsageError
from eval.metrics.style import keeps_all, kept_by_rule, read_rules, rules_kept, style_scores

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data/sample/tone_rules.yaml"


def test_the_sample_rules_hold_for_their_own_examples() -> None:
    import json

    rules = read_rules(SAMPLE)
    for line in (ROOT / "data/sample/tone.jsonl").read_text("utf-8").splitlines():
        example = json.loads(line)
        named = [rule for rule in rules if not rule.wanted or rule.id in example["rules"]]
        assert rules_kept(example["response"], named, example["language"]) == 1.0, example["id"]


def test_a_text_that_breaks_a_rule_loses_its_share() -> None:
    rules = [rule for rule in read_rules(SAMPLE) if not rule.wanted]
    kept = rules_kept("We pay 500 euros.", rules, "en")
    broken = rules_kept("Unfortunately, we pay 500 euros!", rules, "en")
    assert kept == 1.0
    assert broken == pytest.approx(1 - 2 / len([rule for rule in rules if rule.language != "de"]))


def test_a_text_keeps_all_rules_or_does_not_and_is_asked_only_what_its_kind_can_give() -> None:
    rules = read_rules(SAMPLE)
    good = "Yes, up to €500. § 7 (2) sets it. Next step: send us the receipt."
    assert keeps_all(good, rules, "en") == keeps_all(good, rules, "en", {"names-clause", "next-step"}) == 1.0
    assert keeps_all(good, rules, "en", {"unknown-says-so"}) == 0.0
    assert keeps_all(f"{good} Sorry!", rules, "en") == 0.0
    assert keeps_all(good, [], "en") is None


def test_every_rule_is_counted_over_the_texts_in_its_language() -> None:
    counts = kept_by_rule([("Yes!", "en"), ("Yes.", "en"), ("Ja, dir.", "de")], read_rules(SAMPLE))
    assert counts["no-exclamation-mark"] == (2, 3)
    assert counts["formal-sie"] == (0, 1)
    assert counts["currency-before-number"] == (2, 2)


def test_neither_a_refusal_nor_silence_has_a_style() -> None:
    rules = read_rules(SAMPLE)
    for answer, refused in (("I cannot find this in your documents.", True), (" ", False)):
        scores = style_scores(answer, refused, rules, "en")
        assert all(score.value is None and score.reason for score in scores.values())
    assert style_scores("Yes.", False, rules, "en")["keeps_all_rules"].value == 1.0
    assert style_scores("Yes.", False, [], "en")["rules_kept"].reason == "no house rule is for this language"


def test_without_rules_for_a_language_there_is_no_score() -> None:
    assert rules_kept("text", [], "en") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("rules: 3", "no list of rules"),
        ("- a", "no list of rules"),
        ("rules:\n  - id: a", "rule 1"),
        ("rules:\n  - {id: a, description: b, language: en}", "must_match"),
        ("rules:\n  - {id: a, description: b, language: en, must_match: '('}", "no regular expression"),
        ("rules: [", "cannot be read"),
        ("rules:\n  - {id: a, description: b, language: no, must_match: x}", "language is False, not a text"),
        ("rules:\n  - {id: a, description: b, language: en, must_match: }", "must_match is None, not a text"),
        ("rules:" + "\n  - {id: a, description: b, language: en, must_match: x}" * 2, "rule 2: the id 'a' stands"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(content)
    with pytest.raises(UsageError, match=said) as error:
        read_rules(file)
    assert "\n" not in str(error.value)
