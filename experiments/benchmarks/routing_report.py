"""A routing result as a table and as an MLflow run, with a picture of which tasks are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from experiments.reporting.figures import STYLE, image
from experiments.reporting.wording import DASH, bounds, number, with_margin
from workbench.digest import key
from workbench.mlflow.names import metric_name
from workbench.mlflow.run_record import RunRecord
from workbench.statistics import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

METRICS = ("accuracy", "routing_accuracy")
COLUMNS = ("", "accuracy", "routing accuracy", "− joint LoRA", "− joint full", "fit (s)", "ms a text")


def run_record(document: Mapping[str, Any]) -> RunRecord:
    """Return what MLflow should hold of what :func:`experiments.benchmarks.routing.measure` returned.

    One parent with the means, and one child for each contender with a value for each seed (step = its place among the
    seeds) and its confusion of tasks.
    """
    told = {name: document["provenance"][name] for name in ("git", "command")}
    identity = key([document["tasks"], document["budget"], sorted({one["seed"] for one in document["points"]})])
    children = tuple(
        RunRecord(
            key=f"{identity}/{label}",
            name=label,
            params={"contender": label},
            metrics=tuple(
                (name, value, step) for name in METRICS for step, value in enumerate(summary[name]["values"])
            ),
            artifacts={"confusion.png": image(confusion(label, document["tasks"], summary["confusion"]))},
        )
        for label, summary in document["contenders"].items()
    )
    return RunRecord(
        key=identity,
        name="routing",
        tags=told,
        params={"tasks": ", ".join(document["tasks"])} | {name: str(one) for name, one in document["budget"].items()},
        metrics=tuple(_means(document["contenders"])),
        children=children,
    )


def markdown(document: Mapping[str, Any]) -> str:
    """Return the result as a Markdown table, in percent and points, the most accurate first.

    ± is half the t interval over seeds; brackets hold the paired bootstrap interval over test texts.
    """
    ranked = sorted(document["contenders"].items(), key=lambda item: -item[1]["accuracy"]["mean"])
    rows = [[label, *_cells(summary)] for label, summary in ranked]
    rule = ["---", *["---:"] * (len(COLUMNS) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (list(COLUMNS), rule, *rows))


def _cells(summary: Mapping[str, Any]) -> Iterator[str]:
    for name in METRICS:
        yield with_margin(Interval(**summary[name]))
    for other in ("joint-lora", "joint-full"):
        found = summary["minus"].get(other)
        yield f"{number(found['mean'], signed=True)} {bounds(Interval(**found))}" if found else DASH
    for name in ("fit_seconds", "milliseconds_a_text"):
        yield f"{summary[name]:.1f}" if name in summary else DASH


def confusion(label: str, tasks: Sequence[str], shares: Sequence[Sequence[float]]) -> Figure:
    """Return the share of each task's texts (rows) that were taken for each task (columns), in percent."""
    with rc_context(STYLE):
        size = 1.6 + 0.55 * len(tasks)
        figure = Figure(figsize=(size + 0.6, size), layout="constrained")
        axes = figure.subplots()
        axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
        for row, each in enumerate(shares):
            for column, share in enumerate(each):
                ink = "black" if share > 0.6 else "white"
                axes.text(column, row, number(share), ha="center", va="center", color=ink, size=7.5)
        axes.set_xticks(range(len(tasks)), tasks, rotation=35, ha="right", rotation_mode="anchor", size=7.5)
        axes.set_yticks(range(len(tasks)), tasks, size=7.5)
        axes.tick_params(length=0)
        axes.set(xlabel="taken for", ylabel="true task")
        axes.set_title(f"{label}: tasks of the test texts in %", weight="bold")
    return figure


def _means(contenders: Mapping[str, Any]) -> Iterator[tuple[str, float | None, int]]:
    for label, summary in contenders.items():
        for name in METRICS:
            yield metric_name(label, name), summary[name]["mean"], 0
            yield metric_name(label, f"{name}_low"), summary[name]["low"], 0
            yield metric_name(label, f"{name}_high"), summary[name]["high"], 0
