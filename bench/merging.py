"""How fast, how exact and how frugal is merging LoRAs here, beside peft's ``add_weighted_adapter``, in one run?

    python -m bench.merging --out FILE.json

Sources are random LoRAs on a BERT of the given size, on all six matrices of each layer (72 at the default), and on
single matrices of the sizes of a 7B model. The peer is timed once, this project as the median of five runs; what is
timed on both sides starts from factors in memory and ends with factors in memory. Errors are against the optimum in
float64 by a full singular value decomposition. Each result is a ratio beside the bar that it has to reach; on a machine
that does other work too, the ratio of processor times with OMP_NUM_THREADS=1 (``cpu_ratio``) is the steadier one.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Annotated, Any, TypeVar

import torch
import typer
from torch import Tensor, nn

from adapter_workbench.fusion.methods import dare, dare_ties, knots, ties
from adapter_workbench.fusion.target.composition import ones, uniform
from adapter_workbench.fusion.updates.dense import blocks
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Update, weighted_sum
from adapter_workbench.workbench.machine.memory import MB, PeakMemory, release
from bench import program

TARGETS = ["query", "key", "value", "intermediate.dense", "output.dense"]  # the last are attention's and the layer's
DENSITY = 0.5
Result = TypeVar("Result")


def main(
    context: typer.Context,
    out: program.Out,
    sources: Annotated[int, typer.Option(help="How many LoRAs are merged.")] = 8,
    rank: Annotated[int, typer.Option(help="Rank of each, and of the result.")] = 16,
    layers: Annotated[int, typer.Option(help="Layers of the BERT.")] = 12,
    hidden: Annotated[int, typer.Option(help="Its hidden size; the intermediate size is four times that.")] = 768,
    modules: Annotated[str, typer.Option(help="Single matrices, OUTxIN, with commas.")] = "4096x4096,11008x4096",
) -> None:
    """Measure, write the results, and print them."""
    shapes = [tuple(map(int, shape.split("x"))) for shape in modules.split(",")]
    load = f"{os.getloadavg()[0]:.1f} processes were waiting for the cores when it began"
    bert = _peft(_bert(layers, hidden), TARGETS, sources, rank)
    updates = _updates(bert, sources)
    results = [_svd("svd, BERT", bert, updates, rank, {"ratio": 50.0, "memory_mb": 50.0, "error": 1e-5})]
    results += [_elected(name, bert, updates, rank) for name in ("ties", "dare-ties")]
    results += [_aligned(updates)]
    for rows, columns in shapes:
        single = _peft(nn.Sequential(nn.Linear(columns, rows, bias=False)), ["0"], sources, rank)
        bars = {"ratio": 1000.0, "error": 1e-5}
        results.append(_svd(f"svd, {rows}×{columns}", single, _updates(single, sources), rank, bars))
    program.write(context, out, {"threads": str(torch.get_num_threads()), "load": load}, results=results)
    program.show(results)


def _bert(layers: int, hidden: int) -> nn.Module:
    from transformers import BertConfig, BertModel

    size = {"hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": 4 * hidden}
    model: nn.Module = BertModel(BertConfig(vocab_size=100, num_attention_heads=4, **size))
    return model


def _peft(base: nn.Module, targets: list[str], sources: int, rank: int) -> Any:
    """Return ``base`` with random LoRAs, called ``source0`` and so on."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=targets, init_lora_weights=False)
    model = get_peft_model(base, config, adapter_name="source0")
    for number in range(1, sources):
        model.add_adapter(f"source{number}", config)
    return model


def _updates(model: Any, sources: int) -> list[Update]:
    return [_update(model, f"source{number}") for number in range(sources)]


def _update(model: Any, adapter: str) -> Update:
    return {
        name: LowRank(
            layer.scaling[adapter] * layer.lora_B[adapter].weight.detach(),
            layer.lora_A[adapter].weight.detach().clone(),
        )
        for name, layer in model.named_modules()
        if adapter in getattr(layer, "lora_A", {})
    }


def _svd(name: str, model: Any, updates: list[Update], rank: int, bars: dict[str, float]) -> dict[str, Any]:
    """The best approximation of the mean, against ``combination_type="svd"``."""
    weights = uniform(len(updates))
    peer = _peer(model, weights, combination_type="svd", svd_rank=rank)
    measured, merged = _own(lambda: weighted_sum(updates, weights, rank))
    squares = [_distances(updates, weights, rank, merged, module) for module in merged.update]
    error = math.sqrt(sum(distance for distance, _ in squares) / sum(size for _, size in squares))
    ours = {**measured, "error": error}
    return _result(name, f"{len(merged.update)} matrices", peer, ours, bars)


def _distances(
    updates: list[Update], weights: Sequence[float], rank: int, merged: Merged, module: str
) -> tuple[float, float]:
    """Return ‖merged − optimum‖² and ‖optimum‖² for one module, in float64."""
    whole = sum(w * _dense(update[module]).double() for update, w in zip(updates, weights, strict=True))
    u, values, vt = torch.linalg.svd(torch.as_tensor(whole), full_matrices=False)
    best = (u[:, :rank] * values[:rank]) @ vt[:rank]
    pair = merged.update[module].to(torch.float64)
    return float((pair.b @ pair.a - best).square().sum()), float(best.square().sum())


def _elected(name: str, model: Any, updates: list[Update], rank: int) -> dict[str, Any]:
    """TIES and DARE-TIES cut to a rank, both trimming module by module as peft does."""
    weights = ones(len(updates))
    peer = _peer(model, weights, combination_type=f"{name.replace('-', '_')}_svd", svd_rank=rank, density=DENSITY)
    if name == "ties":
        own: Any = ties.Settings(rank=rank, density=DENSITY, scope="module")
        run: Callable[[list[Update]], Merged] = lambda given: ties.merge(given, weights, own, 0)  # noqa: E731
    else:
        own = dare.Settings(rank=rank, drop=1 - DENSITY)
        run = lambda given: dare_ties.merge(given, weights, own, 0)  # noqa: E731
    measured, _ = _own(lambda: run(updates), repeats=1)
    first = {pair.shape: module for module, pair in updates[0].items()}  # one module of each shape is checked
    excess = max(
        _excess(name, run, [{module: update[module]} for update in updates], rank) for module in first.values()
    )
    ours = {**measured, "excess_error": excess}
    bars = {"ratio": 5.0, "excess_error": 1e-3}
    return _result(f"{name}, BERT", f"{len(updates[0])} matrices", peer, ours, bars)


def _excess(name: str, run: Callable[[list[Update]], Merged], updates: list[Update], rank: int) -> float:
    """Return how much larger the truncation error is than that of the full decomposition, relative to it."""
    (module,) = updates[0]
    deltas = torch.stack([_dense(update[module]) for update in updates])
    if name == "ties":
        floors = _floors(deltas)
        deltas = deltas * (deltas.abs() >= floors[:, None, None])
    else:
        generator = torch.Generator().manual_seed(0)
        for block in blocks(updates[0][module]):  # the masks are drawn by block of rows, then by source
            for delta in deltas[:, block]:
                delta.mul_((torch.rand(delta.shape, generator=generator) >= 1 - DENSITY) / DENSITY)
    agrees = (deltas.sign() == deltas.sum(0).sign()) & (deltas != 0)
    whole = ((deltas * agrees).sum(0) / agrees.sum(0).clamp(min=1)).double()
    best = float(torch.linalg.svdvals(whole)[rank:].norm())
    pair = run(updates).update[module].to(torch.float64)
    return float((whole - pair.b @ pair.a).norm()) / best - 1


def _floors(deltas: Tensor) -> Tensor:
    return torch.stack(
        [delta.abs().flatten().kthvalue(int((1 - DENSITY) * delta.numel()) + 1).values for delta in deltas]
    )


def _aligned(updates: list[Update]) -> dict[str, Any]:
    """KnOTS' joint decomposition of one module, against the dense one."""
    module = next(iter(updates[0]))
    pairs = [update[module] for update in updates]
    wide = torch.cat([_dense(pair) for pair in pairs], dim=1)
    peer = _timed(lambda: torch.linalg.svd(wide, full_matrices=False))
    measured, (left_factor, _) = _own(lambda: knots.align(pairs))
    values = torch.linalg.svdvals(torch.cat([_dense(pair.to(torch.float64)) for pair in pairs], dim=1))
    error = float((left_factor.norm(dim=0) - values[: left_factor.shape[1]]).abs().max() / values[0])
    ours = {**measured, "error": error}
    return _result(
        "knots alignment", "one matrix, torch.linalg.svd as the peer", peer, ours, {"ratio": 100.0, "error": 1e-5}
    )


def _dense(pair: LowRank) -> Tensor:
    return pair.b @ pair.a


def _peer(model: Any, weights: Sequence[float], **options: Any) -> dict[str, float]:
    names = [f"source{number}" for number in range(len(weights))]
    torch.manual_seed(0)
    measured = _timed(lambda: model.add_weighted_adapter(names, list(weights), "merged", **options))
    model.delete_adapter("merged")
    return measured


def _timed(work: Callable[[], Any]) -> dict[str, float]:
    """Run the peer's ``work`` once."""
    memory, (seconds, cpu) = _memory(lambda: _seconds(work))
    return {"peer_seconds": seconds, "peer_cpu_seconds": cpu, "peer_memory_mb": memory}


def _own(work: Callable[[], Any], repeats: int = 5) -> tuple[dict[str, float], Any]:
    """Run this project's ``work`` once for its memory, without what it returns, and ``repeats`` times for its time."""
    memory, result = _memory(work)
    walls, cpus = zip(*(_seconds(work) for _ in range(repeats)), strict=True)
    kept = sum(t.nbytes for p in result.update.values() for t in (p.b, p.a)) if isinstance(result, Merged) else 0
    return {"seconds": median(walls), "cpu_seconds": median(cpus), "memory_mb": memory - kept / MB}, result


def _seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """Return wall time and processor time of ``work``."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


def _memory(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return how many MB ``work`` takes beyond what is in use before, NaN where no system tells, and what it gives."""
    release()
    with PeakMemory() as memory:
        result = work()
    if memory.peak_mb is None or memory.before_mb is None:
        return math.nan, result
    return memory.peak_mb - memory.before_mb, result


def _result(
    name: str, what: str, peer: dict[str, float], ours: dict[str, float], bars: dict[str, float]
) -> dict[str, Any]:
    ratios = {
        "ratio": peer["peer_seconds"] / ours["seconds"],
        "cpu_ratio": peer["peer_cpu_seconds"] / ours["cpu_seconds"],
    }
    measured = {**ratios, **peer, **ours}
    reached = {key: measured[key] >= bar if key == "ratio" else measured[key] <= bar for key, bar in bars.items()}
    return {"name": name, "what": what, **measured, "bars": bars, "reached": reached}


if __name__ == "__main__":
    typer.run(main)
