"""What is measured of an adaptation, on tiny models: the parts add up and nothing is left behind."""

from __future__ import annotations

import ctypes
import mmap
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.workbench.backbone.fingerprints import fingerprint
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.machine.memory import PeakMemory, release, resident_peak
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import fit, measuring
from adapter_workbench.workbench.training.measuring import REPETITIONS, measure

MB = 1_000_000


@pytest.fixture
def adaptation(backbone: Backbone, request: pytest.FixtureRequest) -> Adaptation:
    return Adaptation(backbone, request.param, METHODS.get(request.param).settings(), "fp32")


@pytest.mark.parametrize("adaptation", ["full", "head", "lora", "pfeiffer"], indirect=True)
def test_every_part_of_a_step_is_timed_and_only_an_update_of_weights_is_merged(
    adaptation: Adaptation, task: Task, budget: Budget
) -> None:
    before = torch.get_rng_state()

    cost = measure(adaptation, task, budget)

    assert torch.equal(torch.get_rng_state(), before), "the caller's generator is left alone"
    assert cost.tokens == budget.batch_size * 5, "three words and two special tokens"
    assert (cost.texts, cost.length, cost.label_tokens) == (budget.batch_size, 5, 0)
    assert cost.repetitions == REPETITIONS
    assert cost.forward_seconds_per_token is not None and cost.forward_seconds_per_token > 0
    assert cost.backward_seconds_per_token is not None and cost.backward_seconds_per_token > 0
    assert cost.update_seconds is not None and cost.update_seconds > 0
    assert min(cost.inference_ms, cost.bare_inference_ms) > 0
    assert (cost.merged_inference_ms is not None) == (adaptation.method == "lora")
    fresh = adaptation.backbone.load()
    assert fingerprint(fresh.named_parameters()) == adaptation.backbone.fingerprint


@pytest.mark.parametrize(
    "adaptation", ["diff-pruning", "p-tuning", "adalora", "corda", "lora-fa", "lora-plus"], indirect=True
)
def test_the_step_is_that_of_a_fit(
    adaptation: Adaptation, task: Task, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, in_the_step = [], measuring._step

    def counted(model: TaskModel, *given: Any) -> Any:
        trained.append(sum(parameter.numel() for parameter in model.trainable().values()))
        return in_the_step(model, *given)

    monkeypatch.setattr(measuring, "_step", counted)
    assert measure(adaptation, task, budget).update_seconds
    model = adaptation.fresh(task.kind, len(task.labels), seed=0)
    record = fit(model, task, adaptation, budget.model_copy(update={"epochs": 1}), 0, Silent(), "test")
    assert trained == [record.trainable_parameters]


def test_demonstrations_are_read_by_the_adapted_model_alone(
    llama: Path, copying: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[int, int] = {}
    monkeypatch.setattr(
        measuring, "_answer", lambda model, texts: read.update({id(model): texts["input_ids"].shape[1]})
    )
    prompted = Adaptation(open_backbone(str(llama)), "in-context", METHODS.get("in-context").settings(), "fp32")
    cost = measure(prompted, copying, Budget(batch_size=8, max_length=32, precision="fp32"))
    adapted, bare = read.values()
    assert adapted > bare
    assert cost.update_seconds is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="looks at the memory of the process")
def test_peak_counts_from_what_was_there_before() -> None:
    with PeakMemory() as memory:
        block = torch.ones(40 * MB // 4)
        del block
    if memory.before_mb is None or memory.peak_mb is None:
        pytest.skip("this system does not tell")
    assert 38 < memory.peak_mb - memory.before_mb < 60


def take_and_give_back(megabytes: int) -> None:
    """Use so much memory for a moment, past the C library, which may have blocks of earlier tests at hand."""
    with mmap.mmap(-1, megabytes * MB) as block:
        for page in range(0, megabytes * MB, mmap.PAGESIZE):
            block[page] = 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="looks at the memory of the process")
def test_a_peak_measured_inside_another_leaves_that_one_its_own() -> None:
    with PeakMemory() as outer:
        take_and_give_back(80)
        with PeakMemory() as inner:
            take_and_give_back(40)
        with PeakMemory() as empty:
            pass
    if outer.before_mb is None or outer.peak_mb is None or inner.peak_mb is None or empty.peak_mb is None:
        pytest.skip("this system does not tell")
    assert 78 < outer.peak_mb - outer.before_mb < 100
    assert 38 < inner.peak_mb - outer.before_mb < 60
    assert empty.peak_mb - outer.before_mb < 20


@pytest.mark.skipif(torch.cuda.is_available(), reason="looks at the memory of the process")
def test_a_peak_inside_counts_for_the_outer_one() -> None:
    with PeakMemory() as outer:
        with PeakMemory():
            take_and_give_back(40)
        with PeakMemory():
            pass
    if outer.before_mb is None or outer.peak_mb is None:
        pytest.skip("this system does not tell")
    assert 38 < outer.peak_mb - outer.before_mb < 60


HEAP = """
import torch
from adapter_workbench.workbench.machine.memory import PeakMemory, freed_at_once, run_in_thread

def blocks():
    return [(torch.ones(2_500_000), torch.ones(25_000)) for _ in range(10)]  # 10 MB, and less than is given back

def kept():
    with freed_at_once():
        with PeakMemory() as before:
            pass
        blocks()
        with PeakMemory() as after:
            pass
    return after.before_mb - before.before_mb

with freed_at_once():
    pass  # from here on blocks of 10 MB come from the heap
pins = [small for _, small in blocks()]
print(run_in_thread(kept), kept())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")
@pytest.mark.skipif(torch.cuda.is_available(), reason="looks at the memory of the process")
def test_what_was_freed_before_is_not_taken_again_and_kept_in_a_thread_apart() -> None:
    # in a process of its own: where blocks lie depends on all that was done before
    done = subprocess.run([sys.executable, "-c", HEAP], capture_output=True, text=True, check=True)
    in_a_thread, at_once = (float(number) for number in done.stdout.split())
    assert in_a_thread < 10
    assert at_once > 50, "the case is not what it should be"


REUSE = """
import resource
import torch
from adapter_workbench.workbench.machine.memory import PeakMemory, freed_for_reuse

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(12_500_000)  # 50 MB, more than glibc keeps
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

at_first = pages()
with freed_for_reuse():
    kept = pages()
with PeakMemory() as after:
    pass
with PeakMemory() as now:
    torch.ones(12_500_000)
print(at_first, kept, pages(), now.peak_mb - after.before_mb)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")
@pytest.mark.skipif(torch.cuda.is_available(), reason="looks at the memory of the process")
def test_what_is_freed_for_reuse_is_asked_of_the_system_once_and_given_back_after_the_work() -> None:
    done = subprocess.run([sys.executable, "-c", REUSE], capture_output=True, text=True, check=True)
    at_first, kept, afterwards, back = (float(number) for number in done.stdout.split())
    assert kept < at_first / 5, "ten blocks take the pages of one"
    assert afterwards > at_first / 2, "after the work everything is as usual"
    assert back > 40, "nothing stays behind"


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="not glibc")
def test_released_memory_no_longer_counts() -> None:
    many = [torch.ones(1000) for _ in range(10_000)]  # 40 MB in blocks that the C library keeps for later
    with PeakMemory() as full:
        pass
    del many
    release()
    with PeakMemory() as after:
        pass
    if full.before_mb is None or after.before_mb is None:
        pytest.skip("this system does not tell")
    assert full.before_mb - after.before_mb > 30


@pytest.mark.skipif(resident_peak() is None, reason="the system does not tell")
def test_a_peak_is_not_that_of_the_process_that_began_this_one() -> None:
    held = bytearray(b"1") * 400 * MB
    ask = "from adapter_workbench.workbench.machine.memory import resident_peak; print(resident_peak())"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert 2 * float(done.stdout) < len(held) / MB
