"""A candidate beside the champion that it may replace: scores on old and new rows, labels, changed answers, bounds."""
