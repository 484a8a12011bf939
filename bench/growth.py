"""How do time, memory and the report grow with the tasks of a stream?

    python -m bench.growth --out docs/results/growth.json

Pairs of newsgroups, each told apart with next to no training (16 examples, one epoch) by two strategies that keep tasks
isolated, so that what is measured is what a task costs beside its training: opening data, storing, verifying, deriving,
writing to MLflow, reporting. Each length of stream has processes of its own, with one thread: one runs the recipe, one
writes the report. The results are processor seconds (user and system), the highest resident memory of 50 looks a
second, and how large the page and the terminal's report are. ``per_task`` is the slope between two lengths: what each
further task costs. Since runs of one length differ by a tenth, each run also tells what its early and its late stages
took: within one process what grows with the number of tasks shows in these.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from itertools import combinations, pairwise
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer
import yaml

from adapter_workbench.tasks.loading.registry import CATALOG
from adapter_workbench.workbench.machine.interpreter import PYTHON, SAFE_PATH
from bench import program

LENGTHS = "10,20,40,80,160"
STRATEGIES = {"lora": {"strategy": "isolated", "method": "lora"}, "head": {"strategy": "isolated", "method": "head"}}
BUDGET = {"train_examples": 16, "eval_examples": 16, "epochs": 1, "batch_size": 16, "max_length": 32}
COMMAND = [*PYTHON, "-m", "adapter_workbench"]
MB = 1e6


def main(
    context: typer.Context,
    out: program.KeptOut,
    lengths: Annotated[str, typer.Option(help="Numbers of tasks, with commas; at most 190.")] = LENGTHS,
) -> None:
    """Run a stream of each length, and print what each took."""
    streams: dict[str, Any] = program.known(out, "streams", empty={})
    for length in lengths.split(","):
        if length not in streams:
            streams[length] = measured(int(length))
            program.write(context, out, streams=streams, per_task=slopes(streams))
    program.show({"streams": streams, "per_task": slopes(streams)})


def measured(tasks: int) -> dict[str, float]:
    """Return what a stream of so many tasks took: seconds of a processor, MB, bytes and lines."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = pairs(folder / "tasks", tasks)
        recipe = {
            "name": "growth",
            "description": "pairs of newsgroups",
            "backbone": "minilm",
            "tasks": names,
            "seeds": [0],
            "budget": BUDGET,
            "strategies": STRATEGIES,
            "reference": "head",
        }
        (folder / "growth.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        run, _ = taken(folder, "run", "growth.yaml")
        report, output = taken(folder, "report", "growth", "--html", "page.html")
        page = (folder / "page.html").stat().st_size
        within = halves(folder / "workspace" / "pace.jsonl")
    lines = {"page_bytes": page, "terminal_lines": len(output.splitlines())}
    return {
        **{f"run_{key}": value for key, value in run.items()},
        **within,
        **{f"report_{key}": value for key, value in report.items()},
        **lines,
    }


def halves(pace: Path) -> dict[str, float]:
    """Return the seconds of a stage, all strategies together, in the first and in the second half of a stream.

    The last stage, after which all tasks are tested again, is left out.
    """
    strategies: dict[str, list[float]] = {}
    for line in pace.read_text(encoding="utf-8").splitlines():
        piece = json.loads(line)
        strategies.setdefault(piece["pace"], []).append(piece["seconds"])
    *stages, _ = (sum(seconds) for seconds in zip(*strategies.values(), strict=True))
    half = len(stages) // 2
    return {
        "early_stage_seconds": round(fmean(stages[:half]), 3),
        "late_stage_seconds": round(fmean(stages[half:]), 3),
    }


def pairs(folder: Path, count: int) -> list[str]:
    """Write so many tasks into one file of a family, and return their names."""
    catalog = yaml.safe_load((CATALOG / "newsgroups.yaml").read_text(encoding="utf-8"))
    groups = sorted({group for member in catalog["family"] for group in member["labels"]})
    two = [pair for _, pair in zip(range(count), combinations(groups, 2), strict=False)]
    names = [f"pairs-{number}" for number in range(len(two))]
    family = [{"name": name, "labels": {group: group for group in pair}} for name, pair in zip(names, two, strict=True)]
    folder.mkdir()
    (folder / "pairs.yaml").write_text(yaml.safe_dump({**catalog, "family": family}), encoding="utf-8")
    return names


def taken(folder: Path, *words: str) -> tuple[dict[str, float], str]:
    """Run a command in a folder, and return what it took and what it printed; raises CalledProcessError."""
    threads = {"OMP_NUM_THREADS": "1", "WORKBENCH_HOME": str(folder / "workspace")}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        child = subprocess.Popen(
            [*COMMAND, *words], cwd=folder, env={**os.environ, **SAFE_PATH, **threads}, stdout=output
        )
        ended, peak = 0, 0.0
        while not ended:
            peak = max(peak, resident(child.pid))
            time.sleep(0.02)
            ended, status, usage = os.wait4(child.pid, os.WNOHANG)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise subprocess.CalledProcessError(child.returncode, words)
        output.seek(0)
        printed = output.read()
    seconds = round(usage.ru_utime + usage.ru_stime, 1)
    return {"cpu_seconds": seconds, "peak_mb": round(peak)}, printed


def resident(process: int) -> float:
    """Return the resident memory of a process in MB. Its own marks do not serve: every fit resets them."""
    pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / MB


def slopes(streams: dict[str, Any]) -> dict[str, float]:
    """Return "from–to" → processor seconds of the run for each further task."""
    lengths = sorted(streams, key=int)
    return {
        f"{few}–{many}": round(
            (streams[many]["run_cpu_seconds"] - streams[few]["run_cpu_seconds"]) / (int(many) - int(few)), 3
        )
        for few, many in pairwise(lengths)
    }


if __name__ == "__main__":
    typer.run(main)
