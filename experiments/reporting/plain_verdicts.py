"""What each comparison that a recipe declares came to: a sentence without statistics, and its test in small print.

Sentences are in the past tense, which reads the same of one thing and of several: ``Isolated LoRAs ended 2.3 points
higher than full fine-tuning.``
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.differences import EQUAL, UNDECIDED, equal_in_words, test_in_words
from adapter_workbench.experiments.reporting.wording import adjusted_in_words, begun, number, probability, some
from adapter_workbench.workbench.measures.statistics import MOST_SEEDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.workbench.measures.statistics import Interval

FEW = 3  # comparisons with one entry in one metric that have a sentence each; more are grouped by what came out
NAMED = 8  # entries of such a group
ONE_SEED = "with one seed: only several can tell whether that is chance"


@dataclass(frozen=True)
class MetricWords:
    """How a sentence says that two differ in a metric."""

    name: str  # the metric's
    did: str  # what an entry did: ended, forgot
    does: str  # the same of one thing today: ends, forgets
    above: str = "higher"  # the word for a positive difference: higher, more
    below: str = "lower"  # the word for a negative one
    better: str = "higher"  # ``above`` or ``below``, whichever is good; it is what an undecided question asks for
    beside: str = ""  # what follows ``above`` or ``below``
    within: str = ""  # in what two are equal

    @property
    def worse(self) -> str:
        """The other one."""
        return self.below if self.better == self.above else self.above


SCORED = MetricWords("score", "scored", "scores")
ENDED = MetricWords("average_accuracy", "ended", "ends", within="at the end")


@dataclass(frozen=True)
class Named:
    """What is compared: the label of the recipe, and its title where there is one."""

    label: str
    title: str = ""

    @property
    def first(self) -> str:
        """What it is called at the beginning of a sentence."""
        return begun(self.title) or self.label

    @property
    def inside(self) -> str:
        """What it is called within a sentence: a title with a small letter, unless its first word has more capitals."""
        word = self.title.partition(" ")[0]
        is_plain = word[:1].isupper() and word[1:].islower()
        return self.title[:1].lower() + self.title[1:] if is_plain else self.title or self.label


@dataclass(frozen=True)
class ComparisonInWords:
    """An entry, what the recipe compares it with, and the difference of the first from the second in one metric."""

    entry: Named
    against: Named
    words: MetricWords
    difference: Difference

    @property
    def word(self) -> str:
        """What came out, in a word: higher or lower, less or more, equal, undecided; else that nothing can be said."""
        reading = self.difference.reading
        return self._side if reading in ("higher", "lower") else reading

    @property
    def sentence(self) -> str:
        """What came out; nothing where it was not measured."""
        first, second, words = self.entry.first, self.against.inside, self.words
        match self.word:
            case "not measured":
                return ""
            case "equal":
                return f"{first} and {second} are {_joined(equal_in_words(self.difference.margin), words.within)}."
            case "undecided":
                asked = _joined(f"{self.entry.inside} and {second} {words.does} {words.better}", words.beside)
                return f"Which of {asked} is undecided{_would_decide(self.difference)}."
            case "no interval":
                return f"{first} {self._amount} than {second}, {self.why_untested}."
        return f"{first} {self._amount} than {second}."

    @property
    def small_print(self) -> str:
        """By which test; nothing where none was made."""
        difference = self.difference
        limits = _limits(difference.shown)
        if difference.chance is None:
            return f"95 % interval over test examples {limits}" if limits else ""
        equal = difference.reading == EQUAL
        test = f"{'two one-sided tests, ' if equal else ''}{test_in_words([difference])}"
        chance = probability(difference.p_equal if equal else difference.chance, difference.level)
        family = adjusted_in_words(difference.family)
        gap = f"difference {number(difference.shown.mean, signed=True)} points"
        return f"{test}: {chance}{family}; {gap}" + (f", 95 % interval {limits}" if limits else "")

    @property
    def why_untested(self) -> str:
        """Why no test was made, after a comma; nothing where one was."""
        if self.word != "no interval":
            return ""
        seeds = self.difference.tested_seeds
        return f"with equal differences on all {seeds} seeds, which no test can judge" if seeds > 1 else ONE_SEED

    @property
    def _side(self) -> str:
        return self.words.above if (self.difference.shown.mean or 0) > 0 else self.words.below

    @property
    def _amount(self) -> str:
        mean, words = self.difference.shown.mean, self.words
        side = f"{number(abs(mean))} points {self._side}" if mean else f"no {words.above} and no {words.below}"
        return _joined(f"{words.did} {side}", words.beside)

    def as_json(self) -> dict[str, Any]:
        """Return ``{entry, against, metric, reading, sentence, test}``."""
        return {
            "entry": self.entry.label,
            "against": self.against.label,
            "metric": self.words.name,
            "reading": self.difference.reading,
            "sentence": self.sentence,
            "test": self.small_print,
        }


def sentences(planned: Sequence[ComparisonInWords], leading: str | None = None) -> list[str]:
    """Return what came out: a sentence each; where many are compared with one, or are undecided, one for all of them.

    Args:
        planned: in the order in which they are read.
        leading: the label of an entry whose own sentence stands before these: it has no other, but is among many.
    """
    groups: dict[tuple[str, str], list[ComparisonInWords]] = {}
    for comparison in planned:
        if comparison.sentence:
            groups.setdefault((comparison.words.name, comparison.against.label), []).append(comparison)
    few = [group for group in groups.values() if len(group) <= FEW]
    many = [sentence for group in groups.values() if len(group) > FEW for sentence in _grouped(group)]
    alone = [comparison for group in few for comparison in group if comparison.entry.label != leading]
    return [*_singly(alone), *many]


def small_prints(planned: Sequence[ComparisonInWords]) -> list[str]:
    """Return the tests behind :func:`sentences`: one each of few; of many the test that they share."""
    tested = [comparison for comparison in planned if comparison.small_print]
    if len(tested) <= FEW:
        return [f"{test.entry.label} − {test.against.label}: {test.small_print}." for test in tested]
    if all(comparison.difference.chance is None for comparison in tested):
        return ["95 % intervals over test examples (bootstrap), which say nothing about other seeds."]
    family = max(comparison.difference.family for comparison in tested)
    holm = adjusted_in_words(family, ", p")
    test = begun(test_in_words(comparison.difference for comparison in tested))
    return [f"{test}{holm}; the tables have each interval and p."]


def _singly(comparisons: Sequence[ComparisonInWords]) -> Iterator[str]:
    """Yield a sentence each; where more than a few are undecided in a metric, one for all of these, at the end."""
    undecided: dict[str, list[ComparisonInWords]] = {}
    for comparison in comparisons:
        if comparison.word == UNDECIDED:
            undecided.setdefault(comparison.words.name, []).append(comparison)
    listed = {name: members for name, members in undecided.items() if len(members) > FEW}
    for comparison in comparisons:
        if comparison.word != UNDECIDED or comparison.words.name not in listed:
            yield comparison.sentence
    for members in listed.values():
        pairs = some([f"{member.entry.inside} against {member.against.inside}" for member in members], NAMED)
        yield f"{begun(_joined(UNDECIDED, members[0].words.within))}: {pairs}{_all_would_decide(members)}."


def _grouped(group: Sequence[ComparisonInWords]) -> Iterator[str]:
    """Yield who did better, equal, worse, and who is undecided, against one entry in one metric."""
    words, against = group[0].words, group[0].against.inside
    equal = equal_in_words(group[0].difference.margin)
    did = f"{begun(words.did)} "
    titles = {  # what came out → what is said of the first group, and of a later one
        words.better: (f"{did}{_joined(words.better, words.beside)} than {against}", words.better),
        EQUAL: (f"{_joined(equal, words.within)} to {against}", equal),
        words.worse: (f"{did}{_joined(words.worse, words.beside)} than {against}", words.worse),
        UNDECIDED: (f"{_joined(UNDECIDED, words.within)} against {against}", UNDECIDED),
    }
    for why in dict.fromkeys(comparison.why_untested for comparison in group if comparison.why_untested):
        titles[why] = (f"Not tested against {against}, {why}", f"Not tested, {why}")
    is_first = True
    for word, (whole, short) in titles.items():
        if members := [comparison for comparison in group if word in (comparison.word, comparison.why_untested)]:
            yield f"{begun(whole if is_first else short)}: {_names(members)}{_all_would_decide(members)}."
            is_first = False


def _names(members: Sequence[ComparisonInWords]) -> str:
    """Return the members, with their differences where they differ, the largest first: ``a (+3.1), b (+2.0)``."""
    if members[0].word in (EQUAL, UNDECIDED):
        return some([comparison.entry.inside for comparison in members], NAMED)
    means = [(comparison.entry.inside, comparison.difference.shown.mean or 0.0) for comparison in members]
    ranked = sorted(means, key=lambda named: -abs(named[1]))
    return some([f"{name} ({number(mean, signed=True)})" for name, mean in ranked], NAMED)


def _would_decide(difference: Difference) -> str:
    """Return ``; 7 seeds (4 more: about 2 h) would probably decide``, where it is known what would."""
    needed = difference.to_decide
    if needed is None:
        return ""
    if needed.seeds is None:
        return f"; even {MOST_SEEDS:,} seeds would probably not decide"
    return f"; {needed.further(difference.tested_seeds)} would probably decide"


def _all_would_decide(members: Sequence[ComparisonInWords]) -> str:
    """Return how many seeds would decide those that are undecided, from the easiest to the hardest; of how many.

    Nothing where nothing was computed of any of them, as with one seed.
    """
    needs = [(needed.seeds, member.entry.inside) for member in members if (needed := member.difference.to_decide)]
    known = [(seeds, name) for seeds, name in needs if seeds is not None]
    if not known:
        return f"; no number of seeds up to {MOST_SEEDS:,} is known to decide any" if needs else ""
    (least, easiest), (most, hardest) = min(known, key=itemgetter(0)), max(known, key=itemgetter(0))
    seeds = f"{most} seeds" if least == most else f"{least} ({easiest}) to {most} seeds ({hardest})"
    rest = len(members) - len(known)
    some_of = f" {len(known)} of them; for {rest} no number up to {MOST_SEEDS:,} is known to" if rest else ""
    return f"; {seeds} would probably decide{some_of}"


def _limits(shown: Interval) -> str:
    """Return ``−1.2 to 3.4 points``, of the difference as it is, first − second."""
    if shown.low is None or shown.high is None:
        return ""
    return f"{number(shown.low)} to {number(shown.high)} points"


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
