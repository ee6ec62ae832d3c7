"""What an adapter has learnt from is known only while its pairs are those of then."""

from typing import Any

import pytest
from cards import trained
from toys import toy_pair, write_toy_pairs

from assistant.config import Settings
from assistant.errors import AdapterError
from assistant.workspace import Workspace
from eval.contamination import learnt_by


def test_pairs_that_are_those_of_then_are_certain(workspace: Workspace, settings: Settings) -> None:
    write_toy_pairs(workspace)
    trained(workspace, "house")
    learnt = learnt_by(["house"], workspace, settings)
    assert learnt.is_certain and len(learnt.pairs["house"]) == 20
    assert learnt_by([], workspace, settings).is_certain


def test_pairs_that_were_made_anew_are_not(workspace: Workspace, settings: Settings) -> None:
    write_toy_pairs(workspace)
    trained(workspace, "house")
    write_toy_pairs(workspace, [toy_pair(number, "test") for number in range(20)])
    learnt = learnt_by(["house"], workspace, settings)
    assert (learnt.changed, learnt.unknown, learnt.is_certain) == (("house",), (), False)
    assert len(learnt.pairs["house"]) == 20, "they are the best that is known"


def test_pairs_that_are_gone_or_on_a_server_are_unknown(workspace: Workspace, settings: Settings) -> None:
    write_toy_pairs(workspace)
    trained(workspace, "house")
    served = settings.model_copy(update={"engine": settings.engine.model_copy(update={"url": "http://a/v1"})})
    assert learnt_by(["house"], workspace, served).unknown == ("house",)
    workspace.pairs_file("toy").unlink()
    learnt = learnt_by(["house"], workspace, settings)
    assert (learnt.unknown, learnt.pairs, learnt.is_certain) == (("house",), {}, False)
    with pytest.raises(AdapterError):
        learnt_by(["nobody"], workspace, settings)


def test_a_sum_of_adapters_has_learnt_what_its_parts_have(workspace: Workspace, settings: Settings) -> None:
    write_toy_pairs(workspace)
    write_toy_pairs(workspace, [toy_pair(40)], "more")
    trained(workspace, "one")
    trained(workspace, "other", "more")
    of: dict[str, Any] = {
        "pairs_hash": "of both",
        "components": (("one", 1.0), ("other", 0.5)),
        "created": "2026-11-02T10:00:00+00:00",
    }
    trained(workspace, "sum", "toy, more", **of)
    learnt = learnt_by(["sum"], workspace, settings)
    assert learnt.is_certain and len(learnt.pairs["sum"]) == 21
    write_toy_pairs(workspace, [toy_pair(41)], "more")
    assert learnt_by(["sum"], workspace, settings).changed == ("sum",)


@pytest.mark.parametrize("created", ["2026-11-03T10:00:00+00:00", None])
def test_a_part_that_was_trained_again_or_is_gone_tells_nothing(
    workspace: Workspace, settings: Settings, created: str | None
) -> None:
    write_toy_pairs(workspace)
    if created:
        trained(workspace, "one", created=created)
    of: dict[str, Any] = {"pairs_hash": "of one", "components": (("one", 1.0),), "created": "2026-11-02T10:00:00+00:00"}
    trained(workspace, "sum", **of)
    assert learnt_by(["sum"], workspace, settings).changed == ("sum",)
