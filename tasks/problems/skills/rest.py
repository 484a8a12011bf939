"""rest: all words but the first."""

from tasks.problems.skill import Skill

SKILL = Skill(tag="gax", apply=lambda words: words[1:])
