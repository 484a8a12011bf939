"""A recipe over tiny tasks that is run once for a whole file of tests; figures are drawn roughly here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from experiments.api import Workbench
from tests.streams import write_tasks

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
            patch.setattr("experiments.reporting.figures.image", rough)
        yield


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three tasks and the recipe over them that the file of tests calls RECIPE; it is run in `space`."""
    folder = tmp_path_factory.mktemp("place")
    write_tasks(folder)
    (folder / "tiny.yaml").write_text(request.module.RECIPE.format(backbone=bert), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bench(place: Path) -> Workbench:
    """A workbench on that folder."""
    return Workbench(place / "space", [place / "tasks"])


@pytest.fixture(scope="module")
def plan(bench: Workbench, place: Path) -> Any:
    """What the recipe comes to."""
    return bench.plan(str(place / "tiny.yaml"))


@pytest.fixture(scope="module")
def report(bench: Workbench, plan: Any) -> Any:
    """The report on the recipe, run once."""
    return bench.run(plan, "test")
