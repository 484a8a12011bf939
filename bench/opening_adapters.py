"""How much work is it to open many adapters on one backbone?

    python -m bench.opening_adapters --out FILE.json

Copies of an adapter of each method, with other weights, on MiniLM are opened as `workbench serve` opens them, in one
process with one backbone. The results are seconds of a processor for each number of adapters; the smallest number is
opened once before, so that nothing is imported while it is measured.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.answering.adapter_set import AdapterSet
from adapter_workbench.workbench.methods.stored_model import backbone_of
from bench import program
from bench.copied_adapters import copy_adapter, originals


def main(
    context: typer.Context,
    out: program.Out,
    methods: program.Methods = "lora,pfeiffer",
    adapters: Annotated[str, typer.Option(help="How many are opened, with commas, the fewest first.")] = "8,32,128",
) -> None:
    """Make the adapters, open them, and print what it took."""
    counts = [int(count) for count in adapters.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        store = Workbench(folder / "workspace").workspace.adapters
        opening: dict[str, Any] = {}
        for original in originals(folder, methods.split(",")):
            method = original.manifest.method
            stored = [store.get(copy_adapter(original, store, f"{method}-{number}")) for number in range(counts[-1])]
            AdapterSet.open(stored[: counts[0]], backbone_of(original))
            opening[method] = {}
            for count in counts:
                began = time.process_time()
                AdapterSet.open(stored[:count], backbone_of(original))
                opening[method][str(count)] = round(time.process_time() - began, 2)
            program.write(context, out, {"processor": program.processor()}, opening_cpu_s=opening)
    program.show(opening)


if __name__ == "__main__":
    typer.run(main)
