"""The words of the interface: the same in every language, and numbers and dates as each writes them."""

import ast
import re
import string
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from assistant import errors
from assistant.config import description_of, load, setting_keys
from assistant.errors import ConfigError
from assistant.text.languages import LANGUAGES, Language, data
from ui.pages.training import MORE
from ui.texts import explanation, field_words, preferred, said, shown_date, shown_number, text, texts

ROOT = Path(__file__).parents[2]
CODE = ROOT / "ui"
# What a terminal tells, as whoever starts the app sees it, is English.
TOLD_ON_PAGES = (
    *(ROOT / "ingest" / name for name in ("changes.py", "pipeline.py", "worker.py")),
    *(ROOT / "ingest" / "readers").rglob("*.py"),
    *(file for name in ("pages", "shown", "sources") for file in (CODE / name).rglob("*.py")),
    # What ends a click or a job that pages start: settings, models and servers, pairs, trainings, evaluations.
    *(
        file
        for name in ("answer", "artifacts", "config", "engines", "feedback", "models", "retrieval", "service", "store")
        for file in (ROOT / "assistant" / name).rglob("*.py")
    ),
    *(ROOT / "ingest" / "pairs").rglob("*.py"),
    *(
        ROOT / "train" / f"{name}.py"
        for name in "adapter_export batches checkpoints compose finetune memory model plan preferences registry"
        " run_file trainer".split()
    ),
    *(ROOT / "eval" / f"{name}.py" for name in ("aggregation", "cases", "contamination", "drafts", "gate", "gold")),
    *(ROOT / "eval" / "running" / f"{name}.py" for name in ("runner", "systems")),
    *(
        CODE / f"{name}.py"
        for name in ("context", "conversations", "jobs", "personal_data", "scope", "turns", "uploads")
    ),
)
KINDS = {"Refused", *(name for name, one in vars(errors).items() if isinstance(one, type))}
VALUE = "§"


def places(of: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(of) if name is not None}


def test_every_language_has_the_same_keys_with_the_same_places() -> None:
    english = texts("en")
    for language in LANGUAGES[1:]:
        others = texts(language)
        assert english.keys() == others.keys()
        assert {key for key in english if places(english[key]) != places(others[key])} == set()


def test_every_text_stands_somewhere() -> None:
    files = (file for file in CODE.rglob("*") if file.suffix in {".py", ".jinja"})
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    whole = set(re.findall(r"""["']([a-z_]+(?:\.[a-z0-9_]+)+)["']""", code))
    begun = tuple(map("".join, re.findall(r"""f["']([a-z_]+\.[a-z0-9_.]*)\{|["']([a-z_]+\.[a-z0-9_.]*)["'] ~""", code)))
    assert [key for key in texts("en") if key not in whole and not key.startswith(begun)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_of_another_type(language: Language) -> None:
    assert all(value and value not in ("None", "True", "False") for value in texts(language).values())


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_setting_is_explained_in_every_language(language: Language) -> None:
    of_trainings = {f"train.{key}" for key in (*MORE, "pairs")}
    assert set(data(language, "fields")) == {*setting_keys(), *of_trainings}
    explained = {key: field_words(key, language) for key in data(language, "fields")}
    assert [key for key, (_, does) in explained.items() if len(does) < 20] == []
    assert {key for key, (name, _) in explained.items() if name} == of_trainings


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_what_is_typed_as_it_stands_is_so_in_every_language(language: Language) -> None:
    typed = re.compile(r"\b(?:[a-z]+\.[a-z_]{3,}|ASSISTANT_[A-Z_]+|https?://[^ ;]+\d\S*?|--[a-z]+)(?=[ ;,)]|$)")
    for key in setting_keys():
        assert set(typed.findall(description_of(key))) <= set(typed.findall(explanation(key, language)))


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_what_goes_wrong_on_a_page_is_told_in_every_language(language: Language) -> None:
    told = {(kind, text) for file in TOLD_ON_PAGES for kind, text in told_in(file) if not is_typed(text)}
    assert len(told) > 350
    untold = {text for kind, text in told if said(as_shown(kind, text), language) == as_shown(kind, text)}
    assert untold == set()


def is_typed(text: str) -> bool:
    """Whether it is nothing but a command, or what stands in a file."""
    return bool(re.fullmatch(r"pip install (--no-deps )?\S+|Write (§|'§:' and indent)\.", text))


def told_in(file: Path) -> Iterator[tuple[str, str]]:
    """What is raised or found in a module, with the kind of it; values stand there as a word."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
            for argument in node.args:
                yield from (
                    (node.func.id, text) for text in written(argument) if any(map(str.isalpha, text)) and " " in text
                )


def written(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts) if not any(
            isinstance(getattr(part, "value", None), ast.IfExp) for part in parts
        ):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in parts)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*written(body), *written(orelse))


def as_shown(kind: str, text: str) -> str:
    """Why a file is refused is told behind its name; what helps begins with a capital letter."""
    return f"{VALUE} {text}." if kind == "Refused" and text[0].islower() else text


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_what_the_program_says_is_known_in_every_language_and_by_itself(language: Language) -> None:
    known = data(language, "messages")
    assert list(known) == list(data(LANGUAGES[1], "messages"))
    for english, words in known.items():
        assert places(words) <= places(english)
        values = {name: f"<{name}>" for name in places(english)}
        assert said(english.format(**values), language) == words.format(**values)  # no other pattern takes it


def test_sentences_behind_each_other_and_values_of_several_words_are_told() -> None:
    assert said("a b.txt is encrypted. Save it without a password.", "de") == (
        "a b.txt ist verschlüsselt. Speichern Sie die Datei ohne Passwort."
    )
    assert said("31 files, 1 chunk, embedded with e5; refuses below 0.20, by the prior", "fr") == (
        "31 fichiers, 1 passage, vecteurs de e5 ; refuse au-dessous de 0.20, d'après le réglage de départ"
    )
    assert said(
        "a.pdf holds no text (page 2 is scanned: no text (ingest.ocr is off)). Read it with OCR, or remove it.", "de"
    ) == (
        "a.pdf enthält keinen Text (Seite 2 ist ein Scan ohne Text (ingest.ocr ist aus))."
        " Lesen Sie die Datei mit OCR, oder entfernen Sie sie."
    )
    assert said("3 of 4 files are gone from disk and would be forgotten; there is no /docs any more.", "de") == (
        "3 von 4 Dateien sind nicht mehr da und würden vergessen; /docs gibt es nicht mehr."
    )
    assert said("{name} is empty. Nobody knows why.", "de") == "{name} ist leer. Nobody knows why."
    for left in ("", "Nobody has put this into words.", "is empty. " * 200):
        assert said(left, "de") == left
    assert said("notes.txt is empty.", "en") == "notes.txt is empty."


@pytest.mark.parametrize("language", LANGUAGES[1:])
@pytest.mark.parametrize(
    "assignment",
    ["retrieval.k=0", "answer.caution=much", "ui.allowed_hosts=[https://a/b]", "ui.port=[", "retrieval.l=1"],
)
def test_a_setting_that_is_refused_is_told_in_every_language(language: Language, assignment: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(environment={}, assignments=[assignment])
    told, english = said(str(refused.value), language), str(refused.value)
    assert told != english
    assert not set(re.findall(r"[A-Za-z]{5,} [a-z]{4,} [a-z]{3,}", english)) & set(
        re.findall(r"[A-Za-z]{5,} [a-z]{4,} [a-z]{3,}", told)
    ), told


def test_a_key_that_there_is_not_is_told() -> None:
    with pytest.raises(KeyError):
        text("chat.no_such_text", "en")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("en-GB,en;q=0.9", "en"),
        ("it,de;q=0.3", "de"),
        ("en;q=0,de;q=0.1", "de"),
        ("", "en"),
        ("it", "en"),
        ("de;q=x,,;q=", "en"),
    ],
)
def test_the_browser_says_which_language(header: str, language: str) -> None:
    assert preferred(header) == language


def test_numbers_and_dates_are_written_as_each_language_does() -> None:
    assert (shown_number(1234.5, "en", 1), shown_number(1234.5, "de", 1)) == ("1,234.5", "1.234,5")
    assert (shown_date(date(2026, 11, 5), "en"), shown_date(date(2026, 11, 5), "de")) == ("05 Nov 2026", "05.11.2026")
    assert shown_date(datetime(2026, 11, 5, 14, 3, tzinfo=UTC), "de") == "05.11.2026, 14:03"


def test_values_are_put_in_as_they_are() -> None:
    assert text("app.forbidden", "en", role="{admin}", name="<b>", own="{}").count("{admin}") == 1
