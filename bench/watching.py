"""What watching a training costs: SmolLM2 fine-tuned by TRL's SFTTrainer, with ForgettingCallback and without it.

    python -m bench.watching compare --out docs/results/watching.json

Each training runs in a process of its own, and reads the same rows. Memory is the high-water mark of the resident
memory of that process while it trains (VmHWM, reset when the training begins), measuring included. Losses are compared
too: a training that is watched has the losses of one that is not.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from adapter_workbench.workbench.machine.memory import PeakMemory
from bench import program

WAYS = ("lora", "full")
WORDS, FITTED = "reasoning-gym-chain-sum", "sentiment-movies"
app = typer.Typer()

Steps = Annotated[int, typer.Option(help="Optimiser steps.")]
Batch = Annotated[int, typer.Option(help="Rows in a step.")]
Length = Annotated[int, typer.Option(help="Tokens of a row.")]
Rows = Annotated[int, typer.Option(help="Test rows of each of the two tasks.")]
Watched = Annotated[bool, typer.Option(help="With the callback.")]


@app.command()
def compare(
    context: typer.Context,
    out: program.KeptOut,
    steps: Steps = 3,
    batch: Batch = 4,
    length: Length = 128,
    rows: Rows = 16,
) -> None:
    """Train in each way with the callback and without it, and print the table as JSON."""
    results = program.known(out, "trainings", empty={})
    sizes = ["--steps", str(steps), "--batch", str(batch), "--length", str(length), "--rows", str(rows)]
    for way in WAYS:
        for watched in (False, True):
            name = f"{way}, watched" if watched else way
            if name not in results:
                child = [*program.ITSELF, "bench.watching", "train", way, "--watched" if watched else "--no-watched"]
                output = subprocess.run([*child, *sizes], check=True, stdout=subprocess.PIPE, text=True).stdout
                results[name] = json.loads(output.splitlines()[-1])
            program.write(context, out, trainings=results)
    program.show(results)


@app.command()
def train(way: str, watched: Watched, steps: Steps, batch: Batch, length: Length, rows: Rows) -> None:
    """Train once, and print what was found."""
    from adapter_workbench.experiments.api import Workbench

    with tempfile.TemporaryDirectory() as folder:
        callbacks = [_callback(Path(folder), steps, rows)] if watched else []
        trainer = _trainer(way, Path(folder), callbacks, steps, batch, length)
        began = time.perf_counter()
        with PeakMemory() as memory:
            trainer.train()
        seconds = time.perf_counter() - began
        cost = Workbench(Path(folder) / "space").report("out").as_json()["strategies"] if watched else {}
    figures = {
        "before_mb": round(memory.before_mb or 0),
        "peak_mb": round(memory.peak_mb or 0),
        "seconds": round(seconds, 1),
        "losses": [round(logged["loss"], 4) for logged in trainer.state.log_history if "loss" in logged],
        **{name: round(value, 3) for entry in cost.values() for name, value in entry["cost"].items()},
    }
    typer.echo(json.dumps(figures))


def _callback(folder: Path, steps: int, rows: int) -> Any:
    from adapter_workbench import ForgettingCallback

    return ForgettingCallback(
        [WORDS, FITTED], every=steps, rows=rows, head_rows=2 * rows, max_length=192, workspace=folder / "space"
    )


def _trainer(way: str, folder: Path, callbacks: list[Any], steps: int, batch: int, length: int) -> Any:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]  # it names its exports when they are asked for

    from adapter_workbench.tasks.loading import registry
    from adapter_workbench.workbench.backbone.names import open_backbone

    base = open_backbone("smollm2")
    texts = registry.load(registry.find("bbc-news", [])).splits["train"]["text"][: steps * batch]
    settings = SFTConfig(
        str(folder / "out"),
        max_steps=steps,
        per_device_train_batch_size=batch,
        max_length=length,
        learning_rate=1e-4,
        bf16=False,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    lora = LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
    return SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base.folder),
        args=settings,
        train_dataset=Dataset.from_dict({"text": texts}),
        processing_class=base.tokenizer,
        peft_config=lora if way == "lora" else None,
        callbacks=callbacks,
    )


if __name__ == "__main__":
    app()
