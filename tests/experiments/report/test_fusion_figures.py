"""Figures of a composition: valid images that show every name and value."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from adapter_workbench.experiments.reporting.figures import NO_WIDTH, image
from adapter_workbench.experiments.studies.compositions.figures import (
    attention_map,
    diagnostics_map,
    scores_by_shots,
    weight_bars,
)
from adapter_workbench.fusion.diagnosis.diagnostics import diagnose
from adapter_workbench.fusion.updates.lowrank import LowRank


def texts(figure: Figure) -> list[str]:
    pixels = imread(io.BytesIO(image(figure)))  # raises where it is no PNG; drawing fills the tick labels in
    assert np.ptp(pixels) > 0.5
    labels = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible()]
    return [text.get_text() for text in labels if text.get_text()]


def document(sources: int) -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(16, 1, generator=generator)
    updates = [
        {
            "m": LowRank(
                torch.cat([common, torch.randn(16, 1, generator=generator)], 1), torch.randn(2, 12, generator=generator)
            )
        }
        for _ in range(sources)
    ]
    return diagnose([f"source-{index}" for index in range(sources)], updates, permutations=39).as_json()


def test_every_pair_stands_beside_its_chance() -> None:
    diagnostics = document(3)
    figure = diagnostics_map(diagnostics)
    assert figure is not None
    shown = texts(figure)
    for name in ("source-0", "source-1", "source-2", "cosine of ΔW", "sign conflict", "overlap of what they write"):
        assert name in shown
    overlap = diagnostics["pairs"]["left_overlap"]  # type: ignore[index]
    value, p, low, high = (overlap[part][2][1] for part in ("value", "p", "low", "high"))
    assert p <= 0.05  # they share what they write
    assert f"{value:.2f}*" in shown
    assert f"{low:.2f} … {high:.2f}".replace("-", "−") in shown
    assert sum(text.rstrip("*") == f"{overlap['value'][0][0]:.2f}" for text in shown) == 0  # no diagonal


def test_many_sources_leave_the_ranges_out() -> None:
    figure = diagnostics_map(document(8))
    assert figure is not None
    assert not any(" … " in text for text in texts(figure))


def test_what_is_not_defined_is_hatched() -> None:
    diagnostics = document(2)
    diagnostics["pairs"]["cosine"] = {part: [[None] * 2] * 2 for part in ("value", "mean", "low", "high", "p")}  # type: ignore[index]
    figure = diagnostics_map(diagnostics)
    assert figure is not None
    assert image(figure)
    cells = {squares.get_hatch(): len(squares.get_paths()) for squares in figure.axes[0].collections}
    assert cells == {"////": 1, None: 0}


def test_one_source_has_no_pairs() -> None:
    assert diagnostics_map(document(1)) is None


def test_bars_show_what_is_taken_away() -> None:
    figure = weight_bars({"first": 0.5, "second": -0.25, "a-very-long-name-of-an-adapter-that-goes-on": 1.0})
    shown = texts(figure)
    assert {"first", "second", "0.500", "−0.250", "1.000", "weight"} <= set(shown)
    assert any("…" in text for text in shown)
    first, second, third = (bar.get_facecolor() for bar in figure.axes[0].patches)
    assert first == third != second


def test_attention_shows_layers_and_sources() -> None:
    figure = attention_map({"layer 1": (0.25, 0.75), "layer 2": (0.5, 0.5)}, ["first", "second"])
    assert {"layer 1", "layer 2", "first", "second", "0.25", "0.75", "0.50"} <= set(texts(figure))
    with pytest.raises(ValueError, match="zip"):
        attention_map({"layer 1": (0.25, 0.5, 0.25)}, ["first", "second"])


def test_a_label_that_begins_with_an_underscore_has_an_entry() -> None:
    row = SimpleNamespace(label="_mine", role="composition", score={"4": 0.5}.get)
    report: Any = SimpleNamespace(record=SimpleNamespace(shots=(4,)), rows=[row], overall="4")
    assert NO_WIDTH + "_mine" in texts(scores_by_shots(report))
