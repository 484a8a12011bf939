"""Several heads over the same features."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from adapter_workbench.workbench.methods.heads import Heads

SIZES = (2, 3, 1)


@pytest.fixture
def heads() -> Heads:
    torch.manual_seed(0)
    return Heads([nn.Linear(4, size) for size in SIZES])


def test_logits_stand_side_by_side(heads: Heads) -> None:
    features = torch.randn(5, 4)
    assert heads.owner.tolist() == [0, 0, 1, 1, 1, 2]
    expected = torch.cat([head(features) for head in heads.each], dim=-1)
    assert torch.equal(heads(features), expected)


def test_row_is_answered_by_the_head_of_its_group_alone(heads: Heads) -> None:
    features, group = torch.randn(4, 4), torch.tensor([2, 0, 1, 0])
    logits = heads(features, group)
    probabilities = logits.softmax(dim=-1)
    for row, (index, own) in enumerate(zip(group.tolist(), features, strict=True)):
        labels = heads.owner == index
        assert torch.equal(logits[row, labels], heads.each[index](own))
        assert (logits[row, ~labels] == -math.inf).all()
        torch.testing.assert_close(probabilities[row, labels], heads.each[index](own).softmax(dim=-1))


def test_no_gradient_reaches_another_groups_head(heads: Heads) -> None:
    nn.functional.cross_entropy(heads(torch.randn(2, 4), torch.tensor([1, 1])), torch.tensor([2, 4])).backward()
    assert heads.each[1].weight.grad.abs().sum() > 0
    for other in (0, 2):
        assert not heads.each[other].weight.grad.any()
        assert torch.isfinite(heads.each[other].weight.grad).all()


def test_state_is_that_of_the_heads_and_nothing_is_copied(heads: Heads) -> None:
    names = {f"each.{index}.{name}" for index in range(3) for name in ("weight", "bias")}
    assert heads.state_dict().keys() == names, "who owns a logit follows from the sizes"
    with torch.no_grad():
        heads.each[0].bias.fill_(7.0)
    assert heads(torch.zeros(1, 4))[0, :2].tolist() == [7.0, 7.0]
