"""Problems with checkable answers, made by a generator of reasoning-gym (https://github.com/open-thought/reasoning-gym).

The library is one pure Python wheel, fetched once and checked against its digest like every other wheel. It is the one
wheel whose code runs: the generator that a task names, in a process of its own with a fixed hash seed, so that a seed
gives the same problems everywhere.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from adapter_workbench.tasks.sources import Source
from adapter_workbench.tasks.sources._generate import UNKNOWN
from adapter_workbench.workbench.errors import DataError, InputError, suggest
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.files.wheel import wheel_available, wheel_member
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.machine.interpreter import PYTHON, SAFE_PATH
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = "reasoning-gym==0.1.25"
MEMBER = "reasoning_gym"
SHA256 = "fdab082c3424738929ef1efe9c106ea7b8657a8dec69ad6fb7939b62bc4d4b77"
SECONDS, A_PROBLEM = 60, 0.05  # of processor time: for the generator to start, and for each problem
PROGRAM = Path(__file__).with_name("_generate.py")


class ReasoningGymSettings(Settings):
    """Which generator, and what it is given."""

    dataset: str = Field(pattern=r"^[a-z0-9_]+$", description="the generator's name, for example chain_sum")
    size: int = Field(
        1000, ge=1, le=100_000, description="number of problems that are generated; duplicates are kept once"
    )
    seed: int = Field(0, ge=0, description="draws the problems")
    config: dict[str, Any] = Field(default_factory=dict, description="the generator's own settings")

    @field_validator("config")
    @classmethod
    def _seed_and_size_stand_above(cls, config: dict[str, Any]) -> dict[str, Any]:
        if twice := sorted({"seed", "size"} & config.keys()):
            raise ValueError(f"{' and '.join(twice)} belong beside `config`, not in it")
        return config


def read(settings: ReasoningGymSettings, folder: Path) -> dict[str, pd.DataFrame]:
    """Return one table with the columns question and answer.

    Raises:
        InputError: no such generator.
        DataError: the generator refuses its configuration, takes too long or too much memory, or needs a package that
            is not here.
        AssetError: the wheel cannot be fetched, or is not the promised one.
    """
    import pandas as pd

    where = f"reasoning-gym {settings.dataset}"
    root = wheel_member(PACKAGE, MEMBER, SHA256).parent
    config = {**settings.config, "seed": settings.seed, "size": settings.size}
    seconds = SECONDS + int(A_PROBLEM * settings.size)
    done = subprocess.run(
        [*PYTHON, str(PROGRAM)],
        input=json.dumps({"root": str(root), "dataset": settings.dataset, "config": config, "seconds": seconds}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **SAFE_PATH, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
        check=False,
    )
    if done.returncode == UNKNOWN:
        hint = suggest(settings.dataset, json.loads(done.stderr))
        raise InputError(f"{PACKAGE} has no generator {settings.dataset!r}", where=where, hint=hint)
    if done.returncode:
        raise DataError(
            f"it made no problems: {_why(done, seconds)}",
            where=where,
            hint="Correct `config`, or install the package that the generator needs.",
        )
    frame = pd.DataFrame(json.loads(done.stdout), columns=["question", "answer"])
    return {"data": frame.drop_duplicates("question", ignore_index=True)}


def _why(done: subprocess.CompletedProcess[str], seconds: int) -> str:
    """Return why a generator that had ``seconds`` of processor time made no problems."""
    if done.returncode == -signal.SIGXCPU:
        return f"it takes more than {seconds} seconds of processor time"
    return (done.stderr.strip().splitlines() or [f"its process ended with code {done.returncode}"])[-1]


def origin(settings: ReasoningGymSettings) -> str:
    """Return the generator's name and the library's version."""
    return f"{settings.dataset} ({PACKAGE})"


def identity(settings: ReasoningGymSettings, folder: Path) -> str:
    """Return a digest of the library and of all that the generator is given."""
    return key([SHA256, settings.model_dump(mode="json")])


def available(settings: ReasoningGymSettings, folder: Path) -> Availability:
    """Say whether the library lies in the cache."""
    return wheel_available(PACKAGE, [MEMBER])


SOURCE = Source(ReasoningGymSettings, read, origin, identity, available=available)
