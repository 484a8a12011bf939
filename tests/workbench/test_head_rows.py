"""The rows of a head follow their labels through every change."""

from __future__ import annotations

from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapter_workbench.workbench.methods.heads import head_rows


def head(labels: int, seed: int, width: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(labels, width, generator=generator), torch.randn(labels, generator=generator)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_labels_that_stay_keep_their_rows_to_the_last_bit_wherever_they_stand(seed: int) -> None:
    generator = Random(seed)
    weight, bias = head(generator.randint(2, 8), 0)
    kept = generator.sample(range(len(weight)), generator.randint(1, len(weight)))
    sources = [[position] for position in kept] + [[] for _ in range(generator.randint(0, 3))]
    generator.shuffle(sources)
    fresh = head(len(sources), 1)
    new_weight, new_bias = head_rows(weight, bias, sources, fresh)
    for label, group in enumerate(sources):
        rows, biases, position = (weight, bias, group[0]) if group else (*fresh, label)
        assert torch.equal(new_weight[label], rows[position])
        assert torch.equal(new_bias[label], biases[position])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_the_parts_of_a_label_have_together_the_probability_that_it_had(seed: int) -> None:
    generator = Random(seed)
    weight, bias = head(4, seed % 1000)
    parts = [generator.randint(1, 4) for _ in range(4)]
    sources = [[position] for position, count in enumerate(parts) for _ in range(count)]
    generator.shuffle(sources)
    new_weight, new_bias = head_rows(weight, bias, sources, head(len(sources), 1))
    text = torch.randn(7, 5, generator=torch.Generator().manual_seed(2))
    before, after = torch.softmax(text @ weight.T + bias, -1), torch.softmax(text @ new_weight.T + new_bias, -1)
    together = torch.zeros_like(before).index_add(1, torch.tensor(sources).flatten(), after)
    torch.testing.assert_close(together, before)


def test_merging_labels_with_equal_rows_adds_their_probabilities() -> None:
    weight, bias = head(3, 0)
    weight[2] = weight[0]
    new_weight, new_bias = head_rows(weight, bias, [[2, 0], [1]], head(2, 1))
    text = torch.randn(7, 5, generator=torch.Generator().manual_seed(2))
    before, after = torch.softmax(text @ weight.T + bias, -1), torch.softmax(text @ new_weight.T + new_bias, -1)
    torch.testing.assert_close(after, torch.stack([before[:, 0] + before[:, 2], before[:, 1]], dim=1))


def test_what_does_not_fit_the_head_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        head_rows(*head(2, 0), [[2], [0]], head(2, 1))
    with pytest.raises(ValueError, match="fresh head"):
        head_rows(*head(2, 0), [[1], [0]], head(3, 1))
