"""Places of passages that are no page: rows are said, and are no words of the document."""

from samples import evidence

from assistant.grounding.support import support
from assistant.store.blocks import blocks_in


def test_a_row_supports_no_figure_but_the_name_of_a_sheet_does() -> None:
    text = "Burglaries: all of them were paid."
    blocks = tuple(blocks_in(text, 100, places=[(100, "sheet 2026")]))
    hit = evidence(text, place="sheet 2026, rows 251–273", blocks=blocks)

    def objection(sentence: str) -> str:
        return support(sentence, hit, lambda wanted: dict.fromkeys(wanted, 1.0), 0.4).objection

    assert not objection("All burglaries of 2026 were paid.")
    assert objection("All 273 burglaries were paid.")
