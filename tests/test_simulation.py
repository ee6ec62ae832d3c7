"""The simulation of people who wait for answers agrees with what is known of such queues exactly."""

import statistics
from itertools import islice
from pathlib import Path

import pytest

from bench.simulation import H100_OF_8_BILLION, House, Pace, Work, habits, read, record, simulate

PACE = Pace(slots=4, prompt_token=0.001, steps=((1, 0.02), (4, 0.04)), chunk=2048)
QUOTED = Work(before=0.3, behind=0.2, prompt=0, written=0)
WRITTEN = Work(before=0.1, behind=0.2, prompt=500, written=41)


def waits(work: Work, house: House, seconds: float = 20_000) -> list[float]:
    return simulate(house, [work], seconds).seconds


def test_one_person_waits_for_what_an_answer_takes() -> None:
    alone = House(people=1, pause=1.0, apps=1, admitted=8, engines=1, pace=PACE)
    # The end of a prompt gives the first token, each other one takes a step.
    assert statistics.fmean(waits(WRITTEN, alone, 100)) == pytest.approx(0.1 + 500 * 0.001 + 40 * 0.02 + 0.2)
    assert statistics.fmean(waits(QUOTED, alone, 100)) == pytest.approx(0.5)


@pytest.mark.parametrize(("people", "pause"), [(4, 2.0), (10, 5.0), (30, 10.0)])
def test_a_shared_core_keeps_people_waiting_as_long_as_mean_value_analysis_says(people: int, pause: float) -> None:
    """Reiser and Lavenberg, 1980: exact for a shared processor and pauses, whatever the times are distributed like."""
    waiting = response = 0.0
    for population in range(1, people + 1):
        response = 0.5 * (1 + waiting)
        waiting = population * response / (pause + response)
    house = House(people, pause, apps=1, admitted=people, engines=1, pace=PACE)
    assert statistics.fmean(waits(QUOTED, house)) == pytest.approx(response, rel=0.05)


@pytest.mark.parametrize(
    "house", [House(20, 15.0, 2, 4, 2, PACE), House(8, 0.0, 1, 8, 1, PACE)], ids=["pauses", "none"]
)
def test_nobody_is_lost(house: House) -> None:
    """Little's law: those who pause and those who wait are all there are."""
    seconds = waits(WRITTEN, house)
    assert len(seconds) / 20_000 * (house.pause + statistics.fmean(seconds)) == pytest.approx(house.people, rel=0.03)


def test_requests_are_computed_together_up_to_the_slots() -> None:
    """Four in a step of .04 s write twice as much as one in a step of .02; a fifth and more have to wait."""
    only_written = Work(before=0.0, behind=0.0, prompt=1, written=100)
    for people, a_second in ((1, 50), (4, 100), (12, 100)):
        seconds = waits(only_written, House(people, 0.0, 1, people, 1, PACE), 1000)
        assert len(seconds) * 100 / 1000 == pytest.approx(a_second, rel=0.05)


def test_a_second_engine_takes_half_of_the_work() -> None:
    only_written = Work(before=0.0, behind=0.0, prompt=1, written=100)
    one, two = (len(waits(only_written, House(8, 0.0, 1, 8, engines, PACE), 1000)) for engines in (1, 2))
    assert two == pytest.approx(2 * one, rel=0.02)


def test_no_more_than_are_admitted_are_in_work() -> None:
    admitted = House(people=6, pause=0.0, apps=1, admitted=1, engines=1, pace=PACE)
    assert statistics.median(waits(WRITTEN, admitted, 1000)) == pytest.approx(6 * 1.6, rel=0.01)


def test_a_prompt_is_read_in_chunks_beside_those_that_write() -> None:
    """Both are asked at once. As a whole both prompts are read first; in chunks one is, and the other beside it."""
    work = Work(before=0.0, behind=0.0, prompt=1000, written=101)
    for chunk, whole in ((2000, (4.0, 4.0)), (10, (4.0, 6.0))):
        pace = Pace(slots=4, prompt_token=0.001, steps=((1, 0.02), (4, 0.02)), chunk=chunk)
        assert waits(work, House(2, 0.0, 1, 2, 1, pace), 1.0) == pytest.approx(whole, rel=0.02)


def test_what_is_asked_while_it_warms_up_is_left_out() -> None:
    house = House(10, 5.0, 1, 8, 1, PACE)
    whole, late = simulate(house, [WRITTEN], 600).seconds, simulate(house, [WRITTEN], 600, warm_up=300).seconds
    assert len(late) == pytest.approx(len(whole) / 2, rel=0.2)


def test_the_same_seed_asks_the_same() -> None:
    def first(person: int, seed: int) -> list[tuple[float, int]]:
        return list(islice(habits(person, seed, 10.0, 80), 20))

    assert first(3, 1) == first(3, 1)
    assert first(3, 1) != first(4, 1)
    assert first(3, 1) != first(3, 2)


def test_a_gpu_is_slower_with_longer_prompts_and_more_requests() -> None:
    short, long = H100_OF_8_BILLION.pace(100), H100_OF_8_BILLION.pace(4000)
    assert short.step(1, 0) < short.step(64, 0) < long.step(64, 0)
    # 16 GB of weights at half of 3.35 TB/s.
    assert short.step(1, 0) == pytest.approx(0.0096, rel=0.02)


def test_what_was_measured_is_read_as_it_was_written(tmp_path: Path) -> None:
    record(tmp_path / "measured.json", [QUOTED, WRITTEN], PACE)
    assert read(tmp_path / "measured.json") == ([QUOTED, WRITTEN], PACE)
