"""The kinds of experiment there are, a folder each."""
