"""Small problems on lists of words: skills that are carried out one after another, and a way to write the answer.

Skills and answer conventions are files in ``tasks/problems``. A problem's text names each of them by a word without
meaning, so that a model can know neither the rule nor the convention before it has learned it.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Self

from pydantic import Field, field_validator, model_validator

from adapter_workbench.tasks.problems.conventions import CONVENTIONS
from adapter_workbench.tasks.problems.problem import draw_problem
from adapter_workbench.tasks.problems.skills import SKILLS
from adapter_workbench.tasks.sources import Source
from adapter_workbench.workbench.errors import suggest
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

REVISION = 1  # of the problems that the same settings give


class WordListSettings(Settings):
    """What is done to the words, how the answer is written, and how many problems there are."""

    skills: tuple[str, ...] = Field(
        min_length=1,
        max_length=10,
        description="carried out one after another: names of files in tasks/problems/skills",
    )
    convention: str = Field("plain", description="how the answer is written: a file in tasks/problems/conventions")
    fewest: int = Field(3, ge=1, le=50, description="words of the shortest list")
    most: int = Field(5, ge=1, le=50, description="words of the longest list")
    size: int = Field(1000, ge=1, le=100_000, description="number of problems that are drawn; duplicates are kept once")
    seed: int = Field(0, ge=0, description="draws the problems")

    @field_validator("skills")
    @classmethod
    def _known_skills(cls, skills: tuple[str, ...]) -> tuple[str, ...]:
        for name in skills:
            if name not in SKILLS.names():
                raise ValueError(f"unknown skill {name!r}. {suggest(name, SKILLS.names())}")
        return skills

    @field_validator("convention")
    @classmethod
    def _known_convention(cls, convention: str) -> str:
        if convention not in CONVENTIONS.names():
            raise ValueError(f"unknown answer convention. {suggest(convention, CONVENTIONS.names())}")
        return convention

    @model_validator(mode="after")
    def _shortest_is_not_longer(self) -> Self:
        if self.fewest > self.most:
            raise ValueError(f"`fewest` ({self.fewest}) is more than `most` ({self.most})")
        return self


def read(settings: WordListSettings, folder: Path) -> dict[str, pd.DataFrame]:
    """Return one table with the columns question and answer.

    Raises:
        DataError: no list is changed by every skill.
    """
    import pandas as pd

    skills, convention = [SKILLS.get(name) for name in settings.skills], CONVENTIONS.get(settings.convention)
    random, lengths = Random(settings.seed), (settings.fewest, settings.most)
    problems = [draw_problem(random, skills, convention, lengths) for _ in range(settings.size)]
    frame = pd.DataFrame(problems, columns=["question", "answer"])
    return {"data": frame.drop_duplicates("question", ignore_index=True)}


def origin(settings: WordListSettings) -> str:
    """Return the skills and the convention."""
    return f"{', then '.join(settings.skills)}, written {settings.convention}"


def identity(settings: WordListSettings, folder: Path) -> str:
    """Return a digest of all that the problems follow from."""
    named = [*map(SKILLS.identity, settings.skills), CONVENTIONS.identity(settings.convention)]
    return key([str(REVISION), settings.model_dump(mode="json"), named])


def available(settings: WordListSettings, folder: Path) -> Availability:
    """Say that the problems are here: they are made, not fetched."""
    return Availability("here", "made from a seed")


SOURCE = Source(WordListSettings, read, origin, identity, available=available)
