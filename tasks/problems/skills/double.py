"""double: each word twice."""

from adapter_workbench.tasks.problems.problem import Skill

SKILL = Skill(tag="fep", apply=lambda words: [word for word in words for _ in range(2)])
