"""Statistics, forgetting, scores of texts, counts of labels: numbers from numbers. Imports errors."""
