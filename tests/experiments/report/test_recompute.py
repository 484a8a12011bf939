"""A stranger computes a report again from its JSON alone: docs/recompute.py, which takes nothing from this project."""

from __future__ import annotations

import ast
import json
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adapter_workbench.experiments.studies.stream.results.summary import summarise
from tests.runs import RECOMPUTE, recompute

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.studies.stream.results.record import Record

STREAMS = sorted(
    path
    for path in (RECOMPUTE.parent / "results").glob("*.json")
    if all("metrics" in entry for entry in json.loads(path.read_text()).get("strategies", {"none": {}}).values())
)


def document_of(record: Record) -> dict[str, Any]:
    return json.loads(json.dumps(summarise(record).as_json(), allow_nan=False))


def test_the_program_takes_nothing_from_this_project() -> None:
    imported = [
        node for node in ast.walk(ast.parse(RECOMPUTE.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {name.name for node in imported if isinstance(node, ast.Import) for name in node.names}
    names |= {node.module or "" for node in imported if isinstance(node, ast.ImportFrom)}
    assert names == {"json", "sys", "numpy", "scipy.stats"}


@pytest.mark.parametrize("test", ["paired", "pooled", "stratified"])
@pytest.mark.parametrize("made", ["record", "replicated", "half_way"])
def test_all_of_a_new_report_is_computed_again(
    request: pytest.FixtureRequest, tmp_path: Path, made: str, test: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document_of(replace(request.getfixturevalue(made), test=test))))
    code, out = recompute(path)
    assert (code, "0 differ; 0 need what this file does not have." in out) == (0, True), out
    assert int(out.split()[0]) > 30


def test_a_comparison_that_was_decided_at_a_look_is_computed_from_the_seeds_of_then(
    record: Record, tmp_path: Path
) -> None:
    two = replace(record, seeds=(0, 1), outcomes=tuple(of for of in record.outcomes if of.seed < 2))
    document, early = document_of(record), document_of(two)
    entries = {name: of["strategies"]["full-replay"] for name, of in (("now", document), ("then", early))}
    entries["now"]["comparison"] = entries["then"]["comparison"]
    (tmp_path / "report.json").write_text(json.dumps({**document, "looks": [2, 3]}))
    code, out = recompute(tmp_path / "report.json")
    assert (code, "0 differ; 0 need what this file does not have." in out) == (0, True), out


def test_what_was_forgotten_needs_the_matrix_of_each_seed(record: Record, tmp_path: Path) -> None:
    """From the mean matrix comes less: the best stage of the mean is at most the mean of each seed's best."""
    document = document_of(record)
    entry = document["strategies"]["full-sequential"]
    entry["seeds"] = [{**seed, "matrix": entry["matrix"]} for seed in entry["seeds"]]
    (tmp_path / "report.json").write_text(json.dumps(document))
    code, out = recompute(tmp_path / "report.json")
    assert (code, "full-sequential: forgetting of each seed: the file has" in out) == (1, True)


@pytest.mark.parametrize("changed", ["p", "p_holm", "low"])
def test_another_number_is_found(record: Record, tmp_path: Path, changed: str) -> None:
    document = deepcopy(document_of(record))
    document["strategies"]["full-replay"]["comparison"]["average_accuracy"][changed] += 0.001
    (tmp_path / "report.json").write_text(json.dumps(document))
    code, out = recompute(tmp_path / "report.json")
    assert (code, out.count("the file has")) == (1, 1)
    assert out.startswith("full-replay: difference in average_accuracy")


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_stored_reports_hold_what_their_values_give(path: Path) -> None:
    code, out = recompute(path)
    assert code == 0, out
    assert int(out.split()[0]) > 0


def test_there_are_stored_reports_of_streams() -> None:
    assert {"quickstart", "20news-10", "remedies"} <= {path.stem for path in STREAMS}
