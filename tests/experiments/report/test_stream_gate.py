"""Bounds on streams whose numbers were made up, so that what is found is known in closed form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from scipy import stats

from adapter_workbench.experiments.gating.gate import Gate
from adapter_workbench.experiments.gating.stream_bounds import StreamBounds, gate_report
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.workbench.errors import GateError, InputError, UnknownNameError
from tests.messages import naming


def gate(record: Record, **bounds: Any) -> Gate:
    return gate_report(summarise(record, brief=True), StreamBounds(**bounds))


def found_values(gate: Gate) -> dict[str, float | None]:
    return {check.what: check.value and round(check.value, 6) for check in gate.checks}


def test_forgetting_is_that_of_the_report_in_points(replicated: Record) -> None:
    passed = gate(replicated, max_forgetting=22.5, min_average=65.5)
    # sequential loses 10 points a stage, 20 in the other order: 15 and 30 on average; replay 3, and 6 with seed 1
    assert found_values(passed) == {
        "average score of isolated": 80.5,
        "forgetting of isolated": 0.0,
        "average score of sequential": 65.5,
        "forgetting of sequential": 22.5,
        "average score of replay": pytest.approx(77.5),
        "forgetting of replay": 4.5,
    }
    assert passed.passed, "what lies on its bound holds, whatever rounding makes of a share times 100"
    passed.require()
    broken = gate(replicated, max_forgetting=4.0, strategies=("isolated", "replay"))
    assert [check.holds for check in broken.checks] == [True, False]
    with pytest.raises(GateError, match=naming("1 of 2 bounds", "\n  forgetting of replay: NO: 0.50 too high")):
        broken.require()
    document = json.loads(json.dumps(broken.as_json(), allow_nan=False))
    assert (document["experiment"], document["passed"]) == (replicated.experiment, False)
    assert document["bounds"][1]["missing"] == pytest.approx(0.5)


def test_a_task_has_a_bound_of_its_own_where_it_is_not_the_last(replicated: Record) -> None:
    bounds = {"a": 20.0, "b": 9.0, "c": 41.0}
    asked = gate(replicated, max_forgetting_of=bounds, strategies=("sequential",))
    # of b nothing can be forgotten in the second order, of c in the first
    assert [round(check.value or 0, 6) for check in asked.checks] == [20.0, 10.0, 40.0]
    assert [check.holds for check in asked.checks] == [True, False, True]
    with pytest.raises(InputError, match="'c' is learned last"):
        gate(replace(replicated, orders=replicated.orders[:1]), max_forgetting_of={"c": 1.0})


def test_forgetting_of_joint_training_alone_is_no_bound(replicated: Record) -> None:
    entries = tuple(replace(entry, strategy="joint") for entry in replicated.entries)
    joint = replace(replicated, entries=entries)
    with pytest.raises(InputError, match=r"joint training.*\n.*--strategy isolated"):
        gate(joint, max_forgetting=2.0)
    assert {check.bound for check in gate(joint, max_forgetting=2.0, min_average=3.0).checks} == {3.0}


def test_the_whole_interval_has_to_hold_where_that_is_asked(replicated: Record, one_seed: Record) -> None:
    _, high = stats.t.interval(0.95, 1, loc=0.045, scale=stats.sem([0.03, 0.06]))  # a seed counts once
    only = {"strategies": ("replay",), "whole_interval": True}
    assert gate(replicated, max_forgetting=100 * high + 0.01, **only).passed
    (broken,) = gate(replicated, max_forgetting=100 * high - 0.01, **only).checks
    assert not broken.holds
    assert broken.missing == pytest.approx(0.01)
    low, _ = stats.t.interval(0.95, 1, loc=0.775, scale=stats.sem([0.78, 0.77]))
    assert gate(replicated, min_average=100 * low - 0.01, **only).passed
    assert not gate(replicated, min_average=100 * low + 0.01, **only).passed

    (alone,) = gate(one_seed, max_forgetting=99, strategies=("full-sequential",), whole_interval=True).checks
    assert (alone.holds, alone.verdict) == (False, "NO (no interval: one seed)")
    assert gate(one_seed, max_forgetting=99, strategies=("full-sequential",)).passed


def test_joint_training_is_asked_for_forgetting_only_by_name(one_seed: Record) -> None:
    everyone = gate(one_seed, max_forgetting=99, min_average=50)
    assert everyone.passed
    assert "average score of full-joint" in found_values(everyone)
    assert "forgetting of full-joint" not in found_values(everyone)
    (named,) = gate(one_seed, max_forgetting=99, strategies=("full-joint",)).checks
    assert (named.value, named.holds, named.note) == (None, False, "not measured")


def test_what_one_replication_lacks_is_not_known(replicated: Record) -> None:
    """The second seed of sequential was not tested after stage 2 of the first order, where a and b are known."""
    kept = [
        replace(outcome, cells=())
        if (outcome.label, outcome.seed, outcome.order, outcome.stage) == ("sequential", 1, 0, 2)
        else outcome
        for outcome in replicated.outcomes
    ]
    asked = gate(
        replace(replicated, outcomes=tuple(kept)),
        max_forgetting=99,
        max_forgetting_of={"a": 99, "c": 99},
        min_average=1.5,
        strategies=("sequential",),
    )
    assert [(check.holds, check.note) for check in asked.checks] == [
        (True, ""),
        (False, "not measured"),
        (False, "not measured"),
        (True, ""),  # c is learned last in that order
    ]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"max_forgetting": 1, "strategies": ("sequentail",)}, "--strategy: .*'sequentail'"),
        ({"max_forgetting_of": {"bbc-new": 1}}, "--max-forgetting-of: .*'bbc-new'"),
    ],
)
def test_unknown_names_are_told(one_seed: Record, bounds: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        gate(one_seed, **bounds)


def test_a_stream_that_is_not_finished_passes_no_gate(half_way: Record) -> None:
    with pytest.raises(InputError, match="not finished: full-sequential 2 of 12 stages") as refused:
        gate(half_way, max_forgetting=99, strategies=("full-sequential",))
    assert "workbench run made-up" in str(refused.value)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"min_average": 0.9}, "0.9 looks like a share"),
        ({"min_average": 101}, "101 could never hold"),
        ({"max_forgetting": float("nan")}, "a finite number"),
        ({"max_forgetting_of": {"a": float("inf")}}, "a finite number"),
    ],
)
def test_bounds_that_cannot_be_meant_are_refused(bounds: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        StreamBounds(**bounds)
