"""Experiments are drawn roughly here; tests/experiments/report looks at the pictures that readers get."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@pytest.fixture(scope="module", autouse=True)
def rough_pictures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Save figures without a layout and at few dots an inch, but where the pictures are what is tested."""

    def rough(figure: Figure, form: str = "png") -> bytes:
        buffer = io.BytesIO()
        figure.set_layout_engine("none")
        figure.savefig(buffer, format=form, dpi=20)
        return buffer.getvalue()

    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name != "report":
            patch.setattr("experiments.reporting.figures.image", rough)
        yield
