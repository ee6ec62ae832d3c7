"""Cases of other formats mean what they say there; what cannot be used is named with its line."""

import json
from pathlib import Path

import pytest

from assistant.errors import UsageError
from eval.cases import Case, GoldSpan
from eval.readers import read_any, read_beir

CONTEXT = "Hail is frozen rain. The deductible is 150 euros, or 75 at a station. Glass is covered."


def squad(**changes: object) -> dict[str, object]:
    question = {
        "id": "q1",
        "question": "What is the deductible?",
        "answers": [{"text": "150 euros", "answer_start": 39}, {"text": "150 euros", "answer_start": 39}],
        **changes,
    }
    return {"version": "v2.0", "data": [{"title": "motor", "paragraphs": [{"context": CONTEXT, "qas": [question]}]}]}


def beir(folder: Path, qrels: str = "query-id\tcorpus-id\tscore\n1\td1\t2\n1\td2\t1\n2\td1\t0\n") -> Path:
    (folder / "qrels").mkdir(parents=True)
    (folder / "qrels" / "test.tsv").write_text(qrels)
    rows = [{"_id": str(number), "text": f"question {number}", "metadata": {}} for number in (1, 2, 3)]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def written(folder: Path, name: str, content: str) -> Path:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return file


def test_squad_answers_stand_in_the_sentence_that_holds_them(tmp_path: Path) -> None:
    file = written(tmp_path, "dev.json", json.dumps(squad()))
    sentence = "The deductible is 150 euros, or 75 at a station."
    assert read_any(file) == [
        Case("q1", "What is the deductible?", ("150 euros",), gold=((GoldSpan("motor", sentence),),))
    ]


def test_an_impossible_squad_question_is_unanswerable(tmp_path: Path) -> None:
    file = written(tmp_path, "dev.json", json.dumps(squad(answers=[], is_impossible=True)))
    (case,) = read_any(file)
    assert (case.unanswerable, case.answers, case.gold) == (True, (), ())


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (squad(answers=[{"text": "150 euros", "answer_start": 3}]), "'q1': '150 euros' does not stand at 3"),
        (squad(answers=[]), "'q1': no answers and no gold"),
        (squad(question=None), "data.0.paragraphs.0.qas.0.question"),
        ({"data": {}}, "data: Input should be a valid array"),
        ({"version": "x"}, "data: Field required"),
    ],
)
def test_a_squad_file_that_cannot_be_used_is_named(tmp_path: Path, dataset: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_any(written(tmp_path, "dev.json", json.dumps(dataset)))


def test_beir_has_a_gold_group_for_each_relevant_document(tmp_path: Path) -> None:
    (case,) = read_any(beir(tmp_path / "beir"))
    assert (case.id, case.question, case.answers) == ("1", "question 1", ())
    assert case.gold == ((GoldSpan("d1.md"),), (GoldSpan("d2.md"),))


@pytest.mark.parametrize(
    ("qrels", "said"),
    [
        ("head\n1\td1\n", "line 2: not query, document and grade"),
        ("head\n1 d1 1\n", "line 2"),
        ("head\n1\td1\tmuch\n", "line 2"),
        ("head\n9\td1\t1\n", "lacks the question '9'"),
        ("head\n", "holds no cases"),
    ],
)
def test_a_beir_folder_that_cannot_be_used_is_named(tmp_path: Path, qrels: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_any(beir(tmp_path / "beir", qrels))


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"train\.tsv"):
        read_beir(beir(tmp_path / "beir"), "train")


TABLE = """id,question,answers,must_include,document,quote,page,unanswerable,language,tags
a,"What, in euros, is it?",€150 | 150 euros,150 euros|€150; hail,motor.pdf,you bear 150 euros,3,no,en,motor | hail
,Wie wird das Wetter?,,,,,,ja,de
"""


def test_a_table_says_everything_that_a_case_needs(tmp_path: Path) -> None:
    first, second = read_any(written(tmp_path, "cases.csv", TABLE))
    assert first == Case(
        "a",
        "What, in euros, is it?",
        ("€150", "150 euros"),
        (("150 euros", "€150"), ("hail",)),
        ((GoldSpan("motor.pdf", "you bear 150 euros", 3),),),
        tags=("motor", "hail"),
    )
    assert (second.id, second.unanswerable, second.language) == ("line-3", True, "de")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_the_table_of_any_spreadsheet_is_read(tmp_path: Path, separator: str) -> None:
    rows = [["question", "answers"], ["Hail?", "yes, it is"], ['Two\nlines with "quotes"?', "no"], ["", ""]]
    quoted = [separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    file = written(tmp_path, "cases.csv", "\ufeff" + "\r\n".join(quoted) + "\r\n")
    assert [(case.id, case.question) for case in read_any(file)] == [
        ("line-2", "Hail?"),
        ("line-3", 'Two\nlines with "quotes"?'),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1: the columns are missing"),
        ("answers\nx", "line 1: the columns are answers"),
        ("question,question\nx,y", "line 1: the columns are question, question"),
        ("question,anwsers\nx,y", "Name 'question' and any of"),
        ("question,answers\nHail?,yes\nGlass?,yes,no", "line 3: 3 cells, but 2 columns"),
        ("question,answers\nHail?,yes\nGlass?,", "line 3: no answers and no gold"),
        ("question,unanswerable\nHail?,maybe", "line 2: unanswerable is 'maybe'"),
        ("question,answers,page\nHail?,yes,3", "line 2: a quote or page without a document"),
        ("question,answers,document,page\nHail?,yes,t.pdf,three", "line 2: gold.0.0.page"),
        ("question,answers\n,yes", "line 2: question"),
        ('question,answers\n"Hail?,yes', "line 2: "),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        read_any(written(tmp_path, "cases.csv", content))
    assert "\n" not in str(error.value)


ROW: dict[str, object] = {
    "id": "va-1",
    "question": "Can I get help after a death in the family?",
    "answers": ["Yes"],
    "evidence_doc": "burials/counselling.md",
    "evidence_text": "**You may** get [counselling](https://example.org/a) <b>free</b>.",
    "unanswerable": False,
    "origin": "written",
}


def read_row(folder: Path, **changes: object) -> Case:
    (case,) = read_any(written(folder, "qa.jsonl", json.dumps({**ROW, **changes})))
    return case


def test_evidence_text_is_gold_without_its_links(tmp_path: Path) -> None:
    case = read_row(tmp_path)
    assert case.gold == ((GoldSpan("burials/counselling.md", "**You may** get counselling free ."),),)
    assert read_any(tmp_path) == [case]


def test_long_evidence_is_gold_by_its_beginning(tmp_path: Path) -> None:
    ((span,),) = read_row(tmp_path, evidence_text="word " * 500).gold
    assert 80 < len(span.quote) <= 120
    assert span.quote.endswith("word")


def test_pages_are_alternatives_and_texts_are_all_needed(tmp_path: Path) -> None:
    assert read_row(tmp_path, evidence_pages=[3, 7]).gold == (
        (GoldSpan("burials/counselling.md", page=3), GoldSpan("burials/counselling.md", page=7)),
    )
    assert len(read_row(tmp_path, evidence_text=["one thing", "another thing"]).gold) == 2
    assert read_row(tmp_path, evidence_doc=["a", "b"]).gold == ((GoldSpan("a"),), (GoldSpan("b"),))
    assert read_row(tmp_path, evidence_text=None, evidence_pages=None).gold == ()


def test_an_unanswerable_row_has_no_gold(tmp_path: Path) -> None:
    case = read_row(tmp_path, unanswerable=True, answers=["NOT_ENOUGH_INFO"])
    assert (case.unanswerable, case.answers, case.gold) == (True, (), ())


def test_the_questions_of_a_set_share_a_language(tmp_path: Path) -> None:
    rows = [{**ROW, "id": str(n), "question": f"Wie hoch ist die Frist für die Kündigung {n}?"} for n in range(5)]
    cases = read_any(written(tmp_path, "qa.jsonl", "\n".join(map(json.dumps, rows))))
    assert {case.language for case in cases} == {"de"}


@pytest.mark.parametrize("name", ["cases.txt", "empty", "missing.jsonl", "missing.csv"])
def test_what_is_no_set_of_cases_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=name):
        read_any(tmp_path / name)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.json", "a.csv"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(UsageError, match="cannot be read"):
            read_any(tmp_path / name)
