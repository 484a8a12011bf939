"""Metrics against a second, plain implementation, examples worked by hand, and properties of their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from adapter_workbench.workbench.measures.forgetting import METRICS, Stream, forgetting, metrics

NAN = float("nan")
unit = st.floats(0, 1, allow_nan=False, width=64)


def plain(stream: Stream) -> dict[str, float | None]:
    """The design's table, written down as loops over R[i][j] with i = 0..T and j = 1..T."""
    T = stream.matrix.shape[1]  # noqa: N806 - the symbols of the table
    R = {(i, j): float(stream.matrix[i, j - 1]) for i in range(T + 1) for j in range(1, T + 1)}  # noqa: N806
    n, M = stream.test_sizes, stream.majority  # noqa: N806
    best = {j: max(R[i, j] for i in range(j, T)) for j in range(1, T)}

    def mean(values: list[float]) -> float | None:
        return sum(values) / len(values) if values and not any(map(math.isnan, values)) else None

    gained = all(best[j] - M[j - 1] > 0 for j in best)
    S, J = stream.single, stream.joint  # noqa: N806
    return {
        "average_accuracy": mean([R[T, j] for j in range(1, T + 1)]),
        "average_accuracy_micro": sum(n[j - 1] * R[T, j] for j in range(1, T + 1)) / sum(n),
        "learning_accuracy": mean([R[j, j] for j in range(1, T + 1)]),
        "backward_transfer": mean([R[T, j] - R[j, j] for j in range(1, T)]),
        "forgetting": mean([best[j] - R[T, j] for j in range(1, T)]),
        "relative_forgetting": mean([(best[j] - R[T, j]) / (best[j] - M[j - 1]) for j in best]) if gained else None,
        "forward_transfer": mean([R[j - 1, j] - R[0, j] for j in range(2, T + 1)]),
        "transfer_gain": None if S is None else mean([R[j, j] - S[j - 1] for j in range(1, T + 1)]),
        "intransigence": None if J is None else mean([J[j - 1] - R[j, j] for j in range(1, T + 1)]),
    }


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    tasks = draw(st.integers(1, 6))
    row = npst.arrays(float, tasks, elements=unit)
    return Stream(
        draw(npst.arrays(float, (tasks + 1, tasks), elements=unit)),
        draw(npst.arrays(float, tasks, elements=st.integers(1, 5000).map(float))),
        draw(npst.arrays(float, tasks, elements=st.floats(0, 0.5).map(lambda x: x - 0.01))),
        draw(st.none() | row),
        draw(st.none() | row),
    )


def random_stream(seed: int) -> Stream:
    """T = 1..12; every second one without the cells above the diagonal, where a task has no head yet."""
    random = np.random.default_rng(seed)
    tasks = int(random.integers(1, 13))
    matrix = random.random((tasks + 1, tasks))
    if seed % 2:
        matrix[np.arange(tasks + 1)[:, None] <= np.arange(tasks)] = NAN  # R[i, j] for i < j, columns from task 1
    row = random.random((3, tasks))
    return Stream(matrix, random.integers(1, 5000, tasks).astype(float), 0.3 * row[0], row[1], row[2])


def test_every_metric_agrees_with_the_plain_loops_on_1000_random_matrices() -> None:
    defined = dict.fromkeys((metric.name for metric in METRICS), 0)
    for seed in range(1000):
        stream = random_stream(seed)
        agrees(stream)
        for name, value in metrics(stream).items():
            defined[name] += value is not None
    assert min(defined.values()) > 300, "each of them was compared often enough"


@settings(max_examples=150, deadline=None)
@given(streams())
def test_every_metric_agrees_with_the_plain_loops(stream: Stream) -> None:
    agrees(stream)


def agrees(stream: Stream) -> None:
    expected = plain(stream)
    for name, value in metrics(stream).items():
        if expected[name] is None:
            assert value is None, name
        elif name == "relative_forgetting":  # a tiny denominator magnifies the last bit
            assert value == pytest.approx(expected[name], rel=1e-12, abs=1e-12)
        else:
            assert value == pytest.approx(expected[name], rel=0, abs=1e-12), name


def test_an_example_worked_by_hand() -> None:
    matrix = np.array(
        [
            [0.5, 0.4, 0.3],  # before any task
            [0.9, 0.5, 0.2],
            [0.7, 0.8, 0.6],
            [0.6, 0.9, 0.7],
        ]
    )
    stream = Stream(
        matrix,
        np.array([100.0, 200.0, 100.0]),
        np.array([0.5, 0.6, 0.3]),
        single=np.array([0.9, 0.9, 0.9]),
        joint=np.array([0.95, 0.85, 0.9]),
    )
    expected = {
        "average_accuracy": (0.6 + 0.9 + 0.7) / 3,
        "average_accuracy_micro": (60 + 180 + 70) / 400,
        "learning_accuracy": (0.9 + 0.8 + 0.7) / 3,
        "backward_transfer": (-0.3 + 0.1) / 2,
        "forgetting": (0.3 - 0.1) / 2,  # task 1: max(0.9, 0.7) - 0.6; task 2: max(0.8) - 0.9
        "relative_forgetting": (0.3 / 0.4 - 0.1 / 0.2) / 2,
        "forward_transfer": (0.1 + 0.3) / 2,  # R[1, 2] - R[0, 2], R[2, 3] - R[0, 3]
        "transfer_gain": (0.0 - 0.1 - 0.2) / 3,
        "intransigence": (0.05 + 0.05 + 0.2) / 3,
    }
    assert metrics(stream) == pytest.approx(expected, abs=1e-12)


def test_transfer_as_gradient_episodic_memory_defines_it() -> None:
    """Lopez-Paz & Ranzato (2017), equations 2 to 4, T = 3: R after each task, and b̄ at initialisation, by hand."""
    R = [[0.90, 0.30, 0.20], [0.80, 0.85, 0.40], [0.75, 0.80, 0.95]]  # noqa: N806 - the paper's symbols
    b = [0.10, 0.25, 0.30]
    values = metrics(Stream(np.array([b, *R]), np.ones(3), np.zeros(3)))
    assert values["average_accuracy"] == pytest.approx(2.50 / 3, abs=1e-12)  # (0.75 + 0.80 + 0.95) / 3
    assert values["backward_transfer"] == pytest.approx(-0.10, abs=1e-12)  # ((0.75 − 0.90) + (0.80 − 0.85)) / 2
    assert values["forward_transfer"] == pytest.approx(0.075, abs=1e-12)  # ((0.30 − 0.25) + (0.40 − 0.30)) / 2


def test_forgetting_and_intransigence_as_riemannian_walk_defines_them() -> None:
    """Chaudhry et al. (2018), equation 3 and definition 3, k = 4: a[l][j] accuracy on task j after task l, by hand."""
    a = [
        [0.95, NAN, NAN, NAN],
        [0.90, 0.80, NAN, NAN],
        [0.97, 0.70, 0.60, NAN],
        [0.85, 0.75, 0.62, 0.90],
    ]
    joint = np.array([0.96, 0.88, 0.66, 0.90])  # a*, a reference model trained on the data of all tasks so far
    values = metrics(Stream(np.array([[NAN] * 4, *a]), np.ones(4), np.zeros(4), joint=joint))
    # f = max over l < k of a[l][j] − a[k][j]: 0.97 − 0.85, 0.80 − 0.75, 0.60 − 0.62
    assert values["forgetting"] == pytest.approx((0.12 + 0.05 - 0.02) / 3, abs=1e-12)
    # I_k = a*_k − a[k][k]: 0.01, 0.08, 0.06, 0.00
    assert values["intransigence"] == pytest.approx(0.15 / 4, abs=1e-12)


def test_the_maximum_is_taken_since_the_task_was_learned_and_before_the_last_stage() -> None:
    before_it_was_learned = np.array([[0.0, 1.0, 0.0], [0.5, 1.0, 0.0], [0.5, 0.6, 0.0], [0.5, 0.6, 0.9]])
    assert forgetting(before_it_was_learned) == 0.0
    at_the_last_stage = np.array([[0.0, 0.0], [0.5, 0.0], [0.7, 0.9]])
    assert forgetting(at_the_last_stage) == pytest.approx(-0.2)


@given(npst.arrays(float, st.integers(2, 8), elements=unit))
def test_a_model_for_each_task_forgets_exactly_nothing(scores: np.ndarray) -> None:
    tasks = len(scores)
    matrix = np.full((tasks + 1, tasks), NAN)
    for stage in range(1, tasks + 1):
        matrix[stage, :stage] = scores[:stage]
    values = metrics(Stream(matrix, np.ones(tasks), np.full(tasks, -0.1), single=scores))
    assert values["forgetting"] == values["backward_transfer"] == values["relative_forgetting"] == 0.0
    assert values["transfer_gain"] == 0.0
    assert values["average_accuracy"] == values["learning_accuracy"]
    assert values["forward_transfer"] is None


@given(streams(), st.randoms(use_true_random=False))
def test_averages_do_not_depend_on_the_order_of_the_columns(stream: Stream, random: object) -> None:
    order = np.arange(stream.matrix.shape[1])
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = Stream(stream.matrix[:, order], stream.test_sizes[order], stream.majority[order])
    for name in ("average_accuracy", "average_accuracy_micro"):
        assert metrics(stream)[name] == metrics(shuffled)[name]


def test_one_task_has_no_forgetting() -> None:
    values = metrics(Stream(np.array([[0.2], [0.9]]), np.array([10.0]), np.array([0.5])))
    assert values["average_accuracy"] == values["learning_accuracy"] == 0.9
    undefined = ("forgetting", "backward_transfer", "relative_forgetting", "forward_transfer")
    assert [values[name] for name in undefined] == [None] * 4


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_an_unfinished_stream_is_not_scored(finished: int) -> None:
    matrix = np.full((4, 3), 0.8)
    matrix[finished + 1 :] = NAN
    values = metrics(Stream(matrix, np.ones(3), np.full(3, 0.3), single=np.full(3, 0.8), joint=np.full(3, 0.8)))
    if finished == 2:  # R[1, 2], R[2, 3] and row 0 are all there is to it
        assert values.pop("forward_transfer") == 0.0
    assert set(values.values()) == {None}


def test_a_missing_cell_is_never_a_zero() -> None:
    matrix = np.full((4, 3), 0.8)
    matrix[2, 0] = NAN
    values = metrics(Stream(matrix, np.ones(3), np.full(3, 0.3)))
    assert values["forgetting"] is None
    assert values["relative_forgetting"] is None
    assert values["backward_transfer"] == 0.0


def test_nothing_gained_means_no_relative_forgetting() -> None:
    matrix = np.array([[NAN, NAN], [0.5, NAN], [0.4, 0.9]])
    assert metrics(Stream(matrix, np.ones(2), np.array([0.5, 0.5])))["relative_forgetting"] is None


def test_the_table_names_each_metric_once() -> None:
    assert [metric.name for metric in METRICS] == list(dict.fromkeys(metric.name for metric in METRICS))


def test_checkpoints_count_from_the_first_row_however_many_there_are() -> None:
    matrix = np.array([[0.9, 0.5], [0.95, 0.6], [0.7, 0.8], [0.8, 0.7]])  # four checkpoints, two tasks
    values = metrics(Stream(matrix, np.array([100.0, 300.0]), np.array([0.5, 0.5]), since=np.array([0, 0])))
    assert values["average_accuracy"] == pytest.approx(0.75)
    assert values["learning_accuracy"] == pytest.approx(0.7), "of the first checkpoint"
    assert values["backward_transfer"] == pytest.approx(((0.8 - 0.9) + (0.7 - 0.5)) / 2)
    assert values["forgetting"] == pytest.approx(((0.95 - 0.8) + (0.8 - 0.7)) / 2), "no task is the last"
    assert values["relative_forgetting"] == pytest.approx((0.15 / 0.45 + 0.1 / 0.3) / 2)
    assert values["forward_transfer"] is None
    until = Stream(matrix, np.array([100.0, 300.0]), np.array([0.5, 0.5]), since=np.array([0, 0])).until(1)
    assert metrics(until)["forgetting"] == pytest.approx(((0.9 - 0.95) + (0.5 - 0.6)) / 2)
