"""Where a text ends an answer."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.engines.thinking import until


@given(
    text=st.text("abEND", max_size=20),
    stop=st.lists(st.text("abEND", min_size=1, max_size=4), max_size=3),
    data=st.data(),
)
def test_an_answer_ends_at_the_same_place_however_it_is_cut_into_pieces(
    text: str, stop: list[str], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    ended = "".join(until(pieces, stop))
    assert ended == "".join(until(text, stop))
    assert not any(one in ended for one in stop)
    assert text.startswith(ended)
