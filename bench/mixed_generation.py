"""How much faster does a language model write for several LoRAs at once than for one after the other?

    python -m bench.mixed_generation --out FILE.json

One LoRA is learned from next to nothing (2 examples, one step), and copied with other weights. As many rows as there
are LoRAs are answered, all with as many tokens: nothing that the model is likely to write ends an answer.

mixed     in one batch, each row by a LoRA of its own
in turn   one row after the other, as a server has to that holds one LoRA at a time
one       in one batch, all rows by the same LoRA

The three take turns in each of several rounds, and all figures are of the median round. ``first`` is the work up to the
first token (the prompts are read), ``further`` that of all other tokens. On a machine that is busy with other work only
the processor time can be compared. ``same`` counts the rows to which the mixed batch gives the same words as in turn,
and ``confidence_apart`` is the largest difference of confidences among them.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.answering.predictor import rows_of
from adapter_workbench.workbench.answering.serving import Serving
from adapter_workbench.workbench.methods.stored_model import backbone_of
from bench import program
from bench.copied_adapters import copy_adapter
from bench.large import SHAPE, made

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.answering.predictor import Answer

BUDGET = {"train_examples": 2, "eval_examples": 2, "epochs": 1, "batch_size": 2, "max_length": 160}


def main(
    context: typer.Context,
    out: program.Out,
    task: Annotated[str, typer.Option(help="Whose texts are answered; its answers are generated.")] = (
        "reasoning-gym-word-reversal"
    ),
    backbone: Annotated[str, typer.Option(help="A causal language model.")] = "smollm2",
    adapters: Annotated[int, typer.Option(min=2, help="LoRAs, and rows.")] = 8,
    tokens: Annotated[int, typer.Option(min=1, help="Of each answer.")] = 32,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way is measured.")] = 3,
    precision: Annotated[str, typer.Option(help="fp32 or bf16.")] = "fp32",
    large: Annotated[bool, typer.Option("--large", help="The model of bench.large, in place of --backbone.")] = False,
) -> None:
    """Make the adapters, let them answer, and print what it took."""
    with tempfile.TemporaryDirectory() as temporary:
        workbench = Workbench(Path(temporary) / "workspace")
        if large:
            backbone = str(Path(temporary) / "large")
            made(Path(backbone), json.loads(SHAPE))
        budget = {**BUDGET, "precision": precision}
        lesson = workbench.lesson(task, "lora", backbone=backbone, budget=budget)
        learned = workbench.train(lesson).adapter
        store = workbench.workspace.adapters
        copies = [store.get(copy_adapter(learned, store, f"copy-{number}")) for number in range(adapters)]
        opened = backbone_of(learned)
        write_on(opened.tokenizer)
        serving, ids = Serving(copies, opened), [copy.id for copy in copies]
        texts = lesson.task.splits["test"]["text"][:adapters]

        def ways(limit: int) -> dict[str, Callable[[], list[Answer]]]:
            rows = rows_of(texts, learned.manifest.task.model_copy(update={"max_new_tokens": limit}))
            return {
                "mixed": lambda: serving.answers(rows, ids),
                "in turn": lambda: [serving.answers(rows.select([row]), [name])[0] for row, name in enumerate(ids)],
                "one": lambda: serving.answers(rows, ids[:1] * adapters),
            }

        answers = {name: way() for name, way in ways(tokens).items()}  # the first pass of each is not measured
        first, whole = (_measured(ways(limit), rounds) for limit in (1, tokens))
    results = {name: _figures(first[name], whole[name], answers[name]) for name in answers}
    ratios = {
        f"{unit} of {other}": round(results[other][unit] / results["mixed"][unit], 2)
        for unit in ("seconds", "cpu_seconds", "first_cpu_seconds", "further_cpu_seconds")
        for other in ("in turn", "one")
    }
    agreement = _agreement(answers["mixed"], answers["in turn"])
    processor = {"processor": program.processor()}
    program.write(context, out, processor, generation=results, ratios_by_mixed=ratios, agreement=agreement)
    program.show({"generation": results, "ratios_by_mixed": ratios, "agreement": agreement})


def write_on(tokenizer: PreTrainedTokenizerBase) -> None:
    """Let answers end with the last token of the vocabulary alone, which is a rare one."""
    tokenizer.chat_template = None
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(len(tokenizer) - 1)


def _measured(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the seconds of each way, by the clock and of the processor, in the median of rounds in turn."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(_taken(way))
    return {name: _medians(pairs) for name, pairs in taken.items()}


def _medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    clock, processor = zip(*pairs, strict=True)
    return median(clock), median(processor)


def _taken(way: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds that answering takes, by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - clock, time.process_time() - processor


def _figures(first: tuple[float, float], whole: tuple[float, float], answers: list[Answer]) -> dict[str, Any]:
    written = sum(answer.written.new for answer in answers if answer.written)
    return {
        "tokens": written,
        "seconds": round(whole[0], 2),
        "cpu_seconds": round(whole[1], 2),
        "first_cpu_seconds": round(first[1], 2),
        "further_cpu_seconds": round(whole[1] - first[1], 2),
        "tokens_per_cpu_second": round(written / whole[1], 1),
    }


def _agreement(mixed: list[Answer], alone: list[Answer]) -> dict[str, Any]:
    same = [(answer, other) for answer, other in zip(mixed, alone, strict=True) if answer.words == other.words]
    apart = max((abs((answer.confidence or 0) - (other.confidence or 0)) for answer, other in same), default=0.0)
    return {"rows": len(mixed), "same": len(same), "confidence_apart": float(f"{apart:.1e}")}


if __name__ == "__main__":
    typer.run(main)
