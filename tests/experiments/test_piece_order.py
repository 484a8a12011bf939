"""Which piece comes next: what goes on from a worker's last one, else what the longest chain waits for; each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_workbench.experiments.engine.workers.inline import Inline
from adapter_workbench.experiments.engine.workers.schedule import Schedule
from adapter_workbench.experiments.workspace import Workspace
from tests.ear import Ear
from tests.toy_pieces import ToyPiece


def toy(label: str, *needs: ToyPiece, updates: int = 10) -> ToyPiece:
    return ToyPiece(label, tuple(piece.key for piece in needs), updates)


SHORT = toy("short", updates=25)
FIRST = toy("first")
SECOND = toy("second", FIRST)
THIRD = toy("third", SECOND)
BESIDE = toy("beside", FIRST)
PIECES = [SHORT, FIRST, SECOND, THIRD, BESIDE]


def test_the_longest_chain_comes_first_and_then_what_goes_on_from_it() -> None:
    schedule = Schedule(PIECES)
    assert schedule.longest() is FIRST, "three fits of 10 steps wait for it; the other piece has 25"
    assert schedule.longest() is SHORT
    assert schedule.longest() is None
    schedule.mark_done(SHORT)
    assert schedule.after(SHORT.key) is None
    schedule.mark_done(FIRST)
    assert schedule.after(FIRST.key) is SECOND, "its chain is longer than that of `beside`"
    assert schedule.after(FIRST.key) is BESIDE
    schedule.mark_done(SECOND)
    assert [schedule.longest(), len(schedule)] == [THIRD, 0]


def test_a_piece_that_needs_two_waits_for_both() -> None:
    dependent = toy("both", SHORT, FIRST)
    schedule = Schedule([SHORT, FIRST, dependent])
    schedule.longest()
    schedule.longest()
    schedule.mark_done(FIRST)
    assert schedule.after(FIRST.key) is None
    assert schedule.longest() is None
    schedule.mark_done(SHORT)
    assert schedule.after(FIRST.key) is dependent


def test_a_piece_that_is_done_is_not_planned_and_holds_nothing_up() -> None:
    schedule = Schedule([SECOND, THIRD, BESIDE])
    assert [schedule.longest(), schedule.longest(), schedule.longest()] == [SECOND, BESIDE, None]


def test_what_a_failed_piece_is_needed_for_is_dropped_and_the_rest_goes_on() -> None:
    schedule = Schedule(PIECES)
    assert schedule.longest() is FIRST
    schedule.mark_failed(FIRST)
    assert {piece.label for piece in schedule.dropped} == {"second", "third", "beside"}
    assert schedule.longest() is SHORT
    assert [schedule.longest(), len(schedule)] == [None, 0]


def test_a_piece_that_was_given_back_is_given_out_again() -> None:
    schedule = Schedule(PIECES)
    assert schedule.longest() is FIRST
    schedule.give_back(FIRST)
    assert schedule.longest() is FIRST
    schedule.mark_done(FIRST)
    assert schedule.longest() is SHORT, "25 steps against 20"


def test_a_long_chain_of_thousands_is_planned_and_dropped() -> None:
    pieces = [toy("0")]
    for number in range(1, 5000):
        pieces.append(toy(str(number), pieces[-1]))
    schedule = Schedule(pieces)
    first = schedule.longest()
    assert first is pieces[0]
    schedule.mark_failed(first)
    assert (len(schedule.dropped), len(schedule)) == (4999, 0)


def test_what_finds_no_room_waits_and_keeps_its_place() -> None:
    memory = {SHORT.key: 50.0, FIRST.key: 800.0, BESIDE.key: 50.0, SECOND.key: 800.0, THIRD.key: 0.0}
    schedule = Schedule(PIECES, lambda piece: memory[piece.key])
    assert schedule.longest(memory=10) is None
    assert schedule.longest(memory=100) is SHORT, "the longest chain begins with a piece of 800 MB"
    assert schedule.longest(memory=100) is None
    assert schedule.longest(memory=800) is FIRST
    schedule.mark_done(FIRST)
    assert schedule.after(FIRST.key, memory=100) is BESIDE, "the longer chain goes on with 800 MB"
    assert schedule.longest() is SECOND


@pytest.mark.parametrize(
    ("singles", "workers", "has_to_send", "goes_on"),
    [
        (20, 2, False, True),  # a chain of 33 steps waits; 253 are left, 63 are half of what that is for each of two
        (20, 6, False, False),  # 21 are half of it for each of six
        (20, 6, True, True),  # 42 are all of it: one that would have to fetch a state stays longer
        (20, 9, True, False),
        (2, 2, False, False),  # 55 are left, 14 are half of it for each
        (2, 1, False, True),  # one worker ends at the same time in any order
    ],
)
def test_a_worker_leaves_its_chain_where_a_longer_one_might_end_last(
    singles: int, workers: int, has_to_send: bool, goes_on: bool
) -> None:
    begun = toy("begun", updates=100)
    longer = [toy("longer 0")]
    for number in (1, 2):
        longer.append(toy(f"longer {number}", longer[-1]))
    own = toy("own", begun)
    schedule = Schedule([begun, own, *longer, *(toy(str(number)) for number in range(singles - 1))])
    assert schedule.longest() is begun
    schedule.mark_done(begun)
    assert schedule.after(begun.key, workers, has_to_send=has_to_send) is (own if goes_on else None)
    assert schedule.longest() is longer[0]
    assert schedule.after(begun.key, workers, has_to_send=has_to_send) is (None if goes_on else own), (
        "no longer chain waits any more"
    )


def test_a_piece_that_two_entries_share_is_counted_once(tmp_path: Path) -> None:
    ear = Ear()
    pieces = [ToyPiece("shared"), ToyPiece("own"), ToyPiece("shared")]
    Inline().do(pieces, Workspace(tmp_path), ear, lambda piece: None)
    assert [progress.pieces for progress in ear.progress] == [2, 2]
