"""What a stream's recipe compares, in the words of each metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.plain_verdicts import ENDED, ComparisonInWords, MetricWords, Named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport

FORGOT = MetricWords("forgetting", "forgot", "forgets", "more", "less", "less", within="in forgetting")
LEARNED = MetricWords(
    "learning_accuracy", "scored", "scores", beside="right after each task", within="right after each task"
)


def planned(
    record: Record, strategies: Sequence[StrategyReport], metrics: Sequence[MetricWords] = (ENDED, FORGOT, LEARNED)
) -> Iterator[ComparisonInWords]:
    """Yield every strategy beside what it is compared with, metric by metric."""
    names = {strategy.label: Named(strategy.label, strategy.entry.title) for strategy in strategies}
    for words in metrics:
        for strategy in strategies:
            against = names.get(strategy.against(record.reference))
            if against and (difference := strategy.differences.get(words.name)):
                yield ComparisonInWords(names[strategy.label], against, words, difference)
