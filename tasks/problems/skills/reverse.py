"""reverse: all words, the last one first."""

from tasks.problems.skill import Skill

SKILL = Skill(tag="kor", apply=lambda words: words[::-1])
