"""A task lives on: the next version of its rows and labels, its history, and how two versions differ."""
