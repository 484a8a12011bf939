"""Runs one generator of reasoning-gym in a process of its own: a request as JSON on stdin, problems as JSON on stdout.

The package's ``__init__`` imports every generator and with them ten more packages, one of which has to be compiled.
One generator needs its own module alone, so the packages above it are put in place without running them.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

MEMORY = 2 << 30  # bytes; what is generated is named by a task file, which may come from elsewhere
UNKNOWN, REFUSED = 3, 4  # exit codes: no such generator; it cannot be imported, or not with this configuration


def main() -> None:
    """Write a list of [question, answer] for the request ``{root, dataset, config, seconds}``."""
    request = json.load(sys.stdin)
    seconds = request["seconds"]
    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # at the first of both it is sent a SIGXCPU
    root, dataset = Path(request["root"]), request["dataset"]
    modules = generators(root)
    if dataset not in modules:
        sys.stderr.write(json.dumps(sorted(modules)))
        sys.exit(UNKNOWN)
    try:
        problems = create(root, dataset, modules[dataset], request["config"])
        pairs = [[problem["question"], str(problem["answer"])] for problem in problems]
    except MemoryError:
        sys.stderr.write(f"it takes more than {MEMORY >> 30} GiB of memory")
        sys.exit(REFUSED)
    except (ImportError, AssertionError, TypeError, ValueError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}")
        sys.exit(REFUSED)
    json.dump(pairs, sys.stdout)


def generators(root: Path) -> dict[str, str]:
    """Return the name and the module of every generator below ``root``, by what its source says."""
    modules = {}
    for path in sorted((root / "reasoning_gym").glob("*/**/*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("DATASET_NAME = "):
                modules[line.split('"')[1]] = ".".join(path.relative_to(root).with_suffix("").parts)
    return modules


def create(root: Path, dataset: str, module: str, config: dict[str, Any]) -> Any:
    """Return the generator ``dataset``, which ``module`` registers, with its configuration."""
    sys.path.insert(0, str(root))
    parts = module.split(".")[:-1]
    for depth in range(1, len(parts) + 1):
        package = ModuleType(".".join(parts[:depth]))
        package.__path__ = [str(root.joinpath(*parts[:depth]))]
        sys.modules[package.__name__] = package
    importlib.import_module(module)
    return importlib.import_module("reasoning_gym.factory").create_dataset(dataset, **config)


if __name__ == "__main__":
    main()
