"""Recipes over tiny tasks that are run once, for a file of tests or for all; figures are drawn roughly here."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapter_workbench.experiments.api import Workbench
from tests.ear import Ear
from tests.streams import write_recipe, write_tasks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@pytest.fixture(scope="module", autouse=True)
def rough_pictures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Save figures without a layout and at few dots an inch; tests/experiments/report looks at real ones."""

    def rough(figure: Figure, form: str = "png", dpi: float = 20) -> bytes:
        buffer = io.BytesIO()
        figure.set_layout_engine("none")
        figure.savefig(buffer, format=form, dpi=min(dpi, 20))
        return buffer.getvalue()

    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name != "report":
            patch.setattr("adapter_workbench.experiments.reporting.figures.image", rough)
        yield


@pytest.fixture(scope="module")
def study_folder(request: pytest.FixtureRequest, bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three tasks and the recipe over them that the file of tests calls RECIPE; it is run in `space`."""
    folder = tmp_path_factory.mktemp("place")
    write_tasks(folder)
    (folder / "tiny.yaml").write_text(request.module.RECIPE.format(backbone=bert), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bench(study_folder: Path) -> Workbench:
    """A workbench on that folder."""
    return Workbench(study_folder / "space", [study_folder / "tasks"])


@pytest.fixture(scope="module")
def plan(bench: Workbench, study_folder: Path) -> Any:
    """What the recipe comes to."""
    return bench.plan(str(study_folder / "tiny.yaml"))


@pytest.fixture(scope="module")
def report(bench: Workbench, plan: Any) -> Any:
    """The report on the recipe, run once."""
    return bench.run(plan, "test")


FirstRun = Callable[..., Workbench]


@pytest.fixture(scope="session")
def first_runs(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return what gives the folder of a stream that ran once with these changes; nobody writes there."""

    @cache
    def ran(*changes: str) -> Path:
        folder = tmp_path_factory.mktemp("first")
        recipe = str(write_recipe(folder, bert))
        bench = Workbench(folder / "space", [folder / "tasks"])
        bench.run(bench.plan(recipe, [*changes]), "workbench run first")
        return folder

    return ran


@pytest.fixture
def first_run(first_runs: Callable[..., Path], tmp_path: Path) -> FirstRun:
    """Return what gives a workbench on a copy of such a folder, in this test's own; MLflow's part is left out."""

    def copied(*changes: str) -> Workbench:
        shutil.copytree(
            first_runs(*changes), tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("mlflow.db*", "mlruns")
        )
        return Workbench(tmp_path / "space", [tmp_path / "tasks"], Ear())

    return copied
