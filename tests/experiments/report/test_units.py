"""No percent sign stands behind an R², and no majority class where there is none; of other tasks nothing changes."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace

from rich.console import Console

from adapter_workbench.experiments.reporting.differences import Difference
from adapter_workbench.experiments.reporting.mlflow_run import run_record
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.reporting.presentation import Presentation
from adapter_workbench.experiments.reporting.terminal import show
from adapter_workbench.experiments.reporting.wording import PERCENT, baselines, unit
from adapter_workbench.experiments.studies import present
from adapter_workbench.experiments.studies.core.tune import LearningRateTrial
from adapter_workbench.experiments.studies.methods import figures as method_figures
from adapter_workbench.experiments.studies.methods.record import ComparisonRecord, Search
from adapter_workbench.experiments.studies.methods.report import ComparisonReport, recommend
from adapter_workbench.experiments.studies.stream.page import gallery
from adapter_workbench.experiments.studies.stream.page.figures import learning_versus_forgetting
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.workbench.measures.statistics import interval, paired_t_test
from adapter_workbench.workbench.mlflow.run_record import NOTE_TAG
from tests.experiments.made_up_methods import method_row

OTHER_SHARES = [  # percent that are none of a score
    r"data:image\S+",
    r"<style>.*?</style>",
    r"<h2>What it took.*?(?=<h2>The stream)",  # how much of the time was measuring
    r"\d+ %(?=\s+\S+ MB)",  # the same on a terminal, before the memory
    r"9[57](\.5)?\s%|2\.5 %",  # intervals
    r"[\d.]+\s% of full('|&#39;)s",  # parameters
]


LOWER = Difference(interval([-0.2, 0.0]), None, paired_t_test([-0.2, 0.0]))


def views(views: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the name and the words of each view, without what is no score."""
    return [(name, re.sub("|".join(OTHER_SHARES), "", text, flags=re.DOTALL)) for name, text in views.items()]


def media(presentation: Presentation) -> dict[str, str]:
    """Return what terminal, page and description say."""
    screen = io.StringIO()
    show(presentation, Console(file=screen, width=200, highlight=False))
    note = run_record(presentation).tags[NOTE_TAG]
    return {"terminal": screen.getvalue(), "page": drawn_page(presentation, {}), "note": note}


def stream(record: Record, kinds: Mapping[str, str]) -> list[tuple[str, str]]:
    report = summarise(replace(record, kinds=kinds))
    plot = learning_versus_forgetting(report)
    assert plot is not None
    captions = [gallery.caption(report, name) + gallery.alternative(report, name) for name in gallery.EXHIBITS]
    return views(
        {
            **media(present(report)),
            "captions": " ".join(captions),
            "axis": plot.axes[0].get_ylabel(),
        }
    )


def comparison(kinds: Mapping[str, str]) -> list[tuple[str, str]]:
    gap = Difference(interval([-0.2, 0.0]), None, paired_t_test([-0.2, 0.0]))
    rows = (
        method_row("full", [0.5, 0.7], 1_000_000, tasks=[*kinds]),
        method_row("lora", [0.4, 0.6], 1_000, gap, tasks=[*kinds]),
    )
    search = Search("lora", next(iter(kinds)), 100, (LearningRateTrial(0.1, 0.5, -1.0, 1.0),), 0.1)
    record = ComparisonRecord(
        experiment="made-up", description="", backbone="minilm", tasks=tuple(kinds), seeds=(0, 1), reference="full",
        budget={}, tune=1, majority=dict.fromkeys(kinds, 0.25), entries=(), searches=(search,), kinds=kinds,
    )  # fmt: skip
    report = ComparisonReport(record, rows, recommend(rows, "full", unit(kinds)))
    axis = method_figures.score_by_parameters(report, rows).axes[0].get_ylabel()
    return views({**media(present(report)), "axis": axis})


def test_a_stream_of_numbers_has_no_percent(replicated: Record) -> None:
    for part, text in stream(replicated, dict.fromkeys(replicated.tasks, "regression")):
        assert not re.search("%|percent|majority", text, re.IGNORECASE), part
        assert "R² × 100" in text
        assert ("always the mean" in text.lower()) == (part not in ("terminal", "axis"))


def test_a_comparison_on_numbers_has_no_percent() -> None:
    for part, text in comparison({"stsb": "regression"}):
        assert not re.search("%|percent|majority", text, re.IGNORECASE), part
        assert "R² × 100" in text
        assert ("always the mean, stsb" in text) == (part == "page")


def test_where_kinds_are_mixed_the_numbers_are_named(replicated: Record) -> None:
    mixed = dict.fromkeys(replicated.tasks, "classification") | {"a": "regression"}
    for part, text in (*stream(replicated, mixed), *comparison(mixed)):
        if part == "axis":
            assert re.match(r"(test score|learning accuracy) × 100 ", text)
            continue
        assert "ercent (R² × 100 for a)" in text.replace("\\", ""), part
        signs = re.findall(r"<dt>(.*)\u00a0%|<dt>(.*) %", text)
        assert signs == [("", f"majority baseline, {task}</dt><dd>25.0") for task in "bc"] * (
            "always the mean, a" in text
        )


def test_shares_are_in_percent(replicated: Record) -> None:
    shares = dict.fromkeys(replicated.tasks, "classification")
    for part, text in (*stream(replicated, shares), *comparison(shares)):
        assert re.search("%|percent", text, re.IGNORECASE), part
        assert "R²" not in text


def test_answers_have_no_majority_class() -> None:
    assert baselines([]) == baselines(["classification", "multilabel"]) == "majority class"
    assert baselines(["seq2seq", "causal-lm"]) == "always the most frequent answer"
    assert baselines(["seq2seq", "classification"]) == "always the same answer"


def test_records_of_before_are_in_percent() -> None:
    assert unit({}) == unit({"a": "seq2seq"}) == PERCENT
    assert unit(dict.fromkeys("abcd", "regression") | {"e": "multilabel"}).words == "percent (R² × 100 for 4 tasks)"
