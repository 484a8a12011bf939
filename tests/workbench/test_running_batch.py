"""Rows that join and leave a batch take nothing from the others: all get the tokens that they get by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.cache_utils import DynamicSlidingWindowLayer

from adapter_workbench.workbench.backbone.generation import generate
from adapter_workbench.workbench.backbone.running_batch import OtherCacheError, RunningBatch

END, PAD, LIMIT = 0, 1, 12


def prompts(lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return prompts of these lengths, padded on the left, and their mask (rows, tokens)."""
    longest = max(lengths)
    mask = (torch.arange(longest) >= longest - torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(5, 25, mask.shape, generator=torch.Generator().manual_seed(longest))
    return ids.where(mask == 1, PAD), mask


@pytest.fixture
def lm(llama: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(llama).eval()


def after(tokens: int) -> Any:
    """Return what pauses a batch after so many tokens."""
    return lambda new: new.shape[1] >= tokens


@torch.inference_mode()
def test_a_batch_that_pauses_is_that_which_is_generated_at_once_bit_for_bit(lm: Any) -> None:
    asked = prompts((3, 9, 4))
    batch = RunningBatch(lm, (END,), PAD)
    parts = [batch.join(*asked), batch.write(LIMIT, after(4)), batch.write(LIMIT - 5, after(LIMIT))]
    tokens, likelihoods = (torch.cat(tensors, dim=1) for tensors in zip(*parts, strict=True))
    wanted, likely = generate(lm, *asked, LIMIT, (END,), PAD)
    assert torch.equal(tokens, wanted)
    assert torch.equal(likelihoods, likely)


@pytest.mark.parametrize("others", [(2, 12), (5, 1)])  # longer than what there is by then, and shorter
@torch.inference_mode()
def test_rows_that_join_and_leave_change_nothing_for_the_others(others: tuple[int, int], lm: Any) -> None:
    asked, more = prompts((3, 4, 2)), prompts(others)
    wanted, likely = generate(lm, *asked, LIMIT, (END,), PAD)
    wanted_of_more, likely_of_more = generate(lm, *more, LIMIT, (END,), PAD)
    batch, seen = RunningBatch(lm, (END,), PAD), []
    lm.base_model.register_forward_hook(
        lambda _, __, output: seen.append((output.last_hidden_state.shape[:2], batch._ids.shape[1]))
    )
    first = [batch.join(*asked), batch.write(LIMIT, after(3))]
    joined = [batch.join(*more)]
    both = batch.write(LIMIT, after(2))
    batch.keep([4, 0, 2])  # the second row leaves, and one that has joined; the others stand in another order
    rest = batch.write(3, after(3))

    def told(number: int, row: int) -> Tensor:  # of tokens (0) or likelihoods (1), all of a row of the first or later
        index = {0: 1, 2: 2, 4: 0}
        begun = [part[number][row] for part in first] if row < 3 else [part[number][row - 3] for part in joined]
        last = [rest[number][index[row]]] if row in index else []
        return torch.cat([*begun, both[number][row], *last])

    for row, (own, sure) in enumerate(zip([*wanted, *wanted_of_more], [*likely, *likely_of_more], strict=True)):
        tokens, likelihoods = told(0, row), told(1, row)
        assert tokens.tolist() == own[: len(tokens)].tolist()
        torch.testing.assert_close(likelihoods, sure[: len(likelihoods)])
    rows_and_tokens, lengths = zip(*seen, strict=True)
    read = [(3, 4), *[(3, 1)] * 3, (2, max(others)), *[(5, 1)] * 2, *[(3, 1)] * 3]
    assert [tuple(shape) for shape in rows_and_tokens] == read, (
        "what joins is read in a pass of its own, and nothing anew"
    )
    assert lengths[-3] == max(3 + 6, others[1] + 3), "no column is padding in all rows"


@torch.inference_mode()
def test_a_model_that_keeps_something_else_is_refused_and_the_batch_stays(
    lm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = prompts((3, 4))
    batch = RunningBatch(lm, (END,), PAD)
    tokens, _ = batch.join(*asked)
    with monkeypatch.context() as patch:
        window = DynamicCache()
        window.layers = [DynamicSlidingWindowLayer(4)]
        patch.setattr("adapter_workbench.workbench.backbone.running_batch.write", lambda *_: (tokens, tokens, window))
        with pytest.raises(OtherCacheError):
            batch.join(*prompts((2,)))
    more, _ = batch.write(LIMIT - 1, after(LIMIT))
    assert torch.equal(torch.cat([tokens, more], dim=1), generate(lm, *asked, LIMIT, (END,), PAD)[0])
