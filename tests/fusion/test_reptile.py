"""Reptile's rule over a stream of LoRAs: the algorithm's own recursion, step by step."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from adapter_workbench.fusion.updates.lowrank import LowRank
from adapter_workbench.fusion.updates.reptile import STEP, initialisation, shares
from adapter_workbench.workbench.errors import InputError


def lora(seed: int, rank: int = 2) -> dict[str, LowRank]:
    torch.manual_seed(seed)
    return {name: LowRank(torch.randn(5, rank), torch.randn(rank, 3)) for name in ("query", "value")}


@pytest.mark.parametrize("count", [1, 2, 10, 30])
def test_it_is_the_recursion_of_the_paper(count: int) -> None:
    updates = [lora(seed) for seed in range(count)]
    b, a = torch.zeros(5, 2), torch.zeros(2, 3)
    for done, update in enumerate(updates, start=1):
        epsilon = max(1 / done, STEP)
        b += epsilon * (update["query"].b - b)  # theta <- theta + epsilon (phi - theta)
        a += epsilon * (update["query"].a - a)
    learned = initialisation(updates)
    assert set(learned) == {"query", "value"}
    torch.testing.assert_close(learned["query"].b, b)
    torch.testing.assert_close(learned["query"].a, a)
    assert sum(shares(count)) == pytest.approx(1)


def test_it_is_the_mean_at_first_and_favours_what_is_new_later() -> None:
    assert shares(4) == pytest.approx((0.25,) * 4)
    many = shares(40)
    assert many[-1] == pytest.approx(STEP)
    assert all(older < newer for older, newer in pairwise(many[10:]))


def test_factors_of_other_shapes_have_no_mean() -> None:
    with pytest.raises(InputError, match="modules or rank"):
        initialisation([lora(0), lora(1, rank=3)])
    with pytest.raises(InputError, match="modules or rank"):
        initialisation([lora(0), {"query": lora(1)["query"]}])
