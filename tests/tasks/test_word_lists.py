"""Small problems on lists of words: each skill and convention by hand, and what every shipped member has to hold."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.problems.conventions import CONVENTIONS
from adapter_workbench.tasks.problems.problem import ANIMALS, THINGS
from adapter_workbench.tasks.problems.skills import SKILLS
from adapter_workbench.tasks.sources import SOURCES
from adapter_workbench.workbench.errors import DataError

WORDS = ("owl", "cup", "cat")
GIVEN = {
    "animals": "owl cat",
    "copy": "owl cup cat",
    "double": "owl owl cup cup cat cat",
    "last": "cat",
    "rest": "cup cat",
    "reverse": "cat cup owl",
}
STEPS = [("owl", "cat"), ("cat", "owl")]
WRITTEN = {
    "framed": "<< cat owl >>",
    "numbered": "1 cat 2 owl",
    "plain": "cat owl",
    "slashes": "cat / owl /",
    "twice": "cat owl | cat owl",
    "written-out": "owl cat -> cat owl",
}
FAMILIES = registry.families()
MEMBERS = [*FAMILIES["form-and-skill"], *FAMILIES["two-steps"]]


def rows_of(**settings: object) -> pd.DataFrame:
    source = SOURCES.get("word-lists")
    frame = source.read(source.settings.model_validate(settings), Path())["data"]
    assert isinstance(frame, pd.DataFrame)
    return frame


def test_each_skill_and_convention_does_what_its_file_says() -> None:
    assert {name: " ".join(SKILLS.get(name).apply(WORDS)) for name in SKILLS.names()} == GIVEN
    assert {name: CONVENTIONS.get(name).write(STEPS) for name in CONVENTIONS.names()} == WRITTEN
    tags = [SKILLS.get(name).tag for name in SKILLS.names()] + [CONVENTIONS.get(name).tag for name in WRITTEN]
    assert len({*tags}) == len(tags)
    assert not {*tags} & (ANIMALS | THINGS)
    assert not ANIMALS & THINGS


def test_a_seed_gives_the_same_problems() -> None:
    first = rows_of(skills=["reverse"], size=30, seed=1)
    assert first.equals(rows_of(skills=["reverse"], size=30, seed=1))
    assert not first.equals(rows_of(skills=["reverse"], size=30, seed=2))
    assert rows_of(skills=["copy"], fewest=1, most=1, size=2000)["question"].is_unique
    source = SOURCES.get("word-lists")
    identities = {
        source.identity(source.settings.model_validate({"skills": ["copy"], **settings}), Path())
        for settings in ({}, {"seed": 1}, {"convention": "twice"})
    }
    assert len(identities) == 3


def test_steps_are_carried_out_one_after_another_and_none_can_be_left_out() -> None:
    problems = rows_of(skills=["animals", "reverse"], convention="written-out", fewest=3, most=4, size=200)
    for question, answer in problems.itertuples(index=False):
        words = question.partition(": ")[2].split()
        kept = [word for word in words if word in ANIMALS]
        assert 3 <= len(words) <= 4
        assert answer == f"{' '.join(kept)} -> {' '.join(kept[::-1])}"
        assert kept != words
        assert len(kept) > 1  # else turning around would change nothing


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"skills": ["revers"]}, ValidationError, "unknown skill 'revers'. Did you mean reverse"),
        ({"skills": ["copy"], "convention": "twise"}, ValidationError, "unknown answer convention. Did you mean twice"),
        ({"skills": ["animals", "animals"]}, DataError, "none is changed by every skill"),
        ({"skills": ["copy"], "fewest": 4, "most": 3}, ValidationError, r"`fewest` \(4\) is more than `most` \(3\)"),
        ({"skills": ["copy"], "fewest": 1, "most": 500}, ValidationError, "less than or equal to 50"),
    ],
)
def test_what_is_refused(settings: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        rows_of(**settings)


@pytest.mark.parametrize("name", MEMBERS)
def test_members_of_the_families_cannot_be_answered_by_one_part_alone(name: str) -> None:
    spec = registry.find(name)
    task, settings = registry.load(spec), spec.source_settings
    sizes = [len(task.splits[split]) for split in ("train", "validation", "test")]
    assert all(size >= fewest for size, fewest in zip(sizes, (500, 70, 150), strict=True))
    assert len({text.partition(":")[0] for text in task.splits["train"]["text"]}) == 1, "one rule, one convention"
    skills = [SKILLS.get(skill) for skill in settings.skills]
    convention, plain = CONVENTIONS.get(settings.convention), CONVENTIONS.get("plain")
    for text, answer in zip(task.splits["test"]["text"], task.splits["test"]["answer"], strict=True):
        words = tuple(text.partition(": ")[2].split())
        steps = [*accumulate(skills, lambda given, skill: tuple(skill.apply(given)), initial=words)][1:]
        assert answer == convention.write(steps)
        assert all(skill.trivial for skill in skills) or answer != convention.write([words] * len(skills))
        assert settings.convention == "plain" or answer != plain.write(steps)
