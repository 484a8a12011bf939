"""A report shows settings in words: what is not given is not called "all", and nothing reads like Python."""

from __future__ import annotations

from adapter_workbench.experiments.reporting.wording import settings
from adapter_workbench.experiments.studies.core.data_sources import used


def test_a_setting_that_is_not_given_is_none() -> None:
    assert settings({"rank": 8, "targets": None, "balanced": False}) == "rank: 8, targets: none, balanced: no"
    assert settings({}) == "–"


def test_no_limit_of_examples_means_all_of_them_and_no_patience_means_none() -> None:
    budget = {"train_examples": None, "eval_examples": 240, "patience": None, "precision": "auto"}
    assert used(budget, "bf16") == {
        "train examples": "all",
        "eval examples": "240",
        "patience": "none",
        "precision": "bf16",
    }
