"""How MLflow's UI shows the runs of an experiment: chosen columns of the table, and curves drawn over each other.

It is what the button *Share* keeps: a tag of the experiment, which an address names. Without the name the UI shows what
each person has chosen before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

EXPERIMENT_ID = "{experiment_id}"  # in a description: becomes the id of the run's experiment, for links
SHARED = "mlflow.sharedViewState."  # what the tags' names begin with
LABEL = "label"  # the tag that says what is compared; its runs differ in the seed
COLUMNS = 2  # of charts beside each other
TABLE, CURVES = "workbench-table", "workbench-curves"
MODES = {TABLE: "TABLE", CURVES: "CHART"}
TRAINING = "workflowType=machine_learning"  # without it the UI is about traces and prompts, with runs hidden away


@dataclass(frozen=True)
class View:
    """What the table and the charts of an experiment's runs show."""

    # that are columns of the table, in this order; with ``label`` among them, the runs of a label are a group
    tags: tuple[str, ...]
    metrics: tuple[str, ...]  # that are columns after those
    # metrics that have a chart each, with a line for each label: the mean of its runs over the steps
    curves: tuple[str, ...] = ()

    def experiment_tags(self) -> dict[str, str]:
        """Return the experiment's tags that hold the view."""
        columns = [*(f"tags.`{name}`" for name in self.tags), *(f"metrics.`{name}`" for name in self.metrics)]
        shown: dict[str, object] = {"selectedColumns": columns, "columnOrder": []}
        if LABEL in self.tags:
            shown["groupBy"] = {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": LABEL}]}
        views = {TABLE: shown} | ({CURVES: {**shown, **_charts(self.curves)}} if self.curves else {})
        return {f"{SHARED}{name}": json.dumps(view) for name, view in views.items()}

    def links(self) -> str:
        """Return Markdown that leads from a description to both."""
        table = f"[All runs in a table]({address(TABLE)})"
        return f"{table} · [curves of all runs]({address(CURVES)})" if self.curves else table


def address(view: str) -> str:
    """Return the address of a view in the UI, in which the experiment's id is still to be filled in."""
    return f"#/experiments/{EXPERIMENT_ID}/runs?{TRAINING}&viewStateShareKey={view}&compareRunsMode={MODES[view]}"


def addresses(experiment_id: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return what can be looked at of an experiment with these tags, and the address of each such view in the UI."""
    views = {"all runs": TABLE, "curves": CURVES}
    there = {what: view for what, view in views.items() if f"{SHARED}{view}" in tags}
    return {what: address(view).replace(EXPERIMENT_ID, experiment_id) for what, view in there.items()}


def _charts(metrics: tuple[str, ...]) -> dict[str, object]:
    section = "curves"
    charts = [
        {
            "uuid": f"curve-{metric}",
            "type": "LINE",
            "runsCountToCompare": 50,
            "metricSectionId": section,
            "deleted": False,
            "isGenerated": False,
            "metricKey": metric,
            "selectedMetricKeys": [metric],
            "xAxisKey": "step",
            "displayPoints": True,
            "scaleType": "linear",
            "xAxisScaleType": "linear",
            "yAxisKey": "metric",
            "lineSmoothness": 0,  # else MLflow draws a moving mean
            "useGlobalLineSmoothing": False,
        }
        for metric in metrics
    ]
    return {
        "compareRunCharts": charts,
        "compareRunSections": [
            # of three columns, which is what MLflow has, titles are cut
            {"uuid": section, "name": "Curves", "display": True, "isReordered": True, "columns": COLUMNS}
        ],
        "isAccordionReordered": True,  # else the section comes after those that MLflow makes itself
        "runsHiddenMode": "SHOW_ALL",
    }
