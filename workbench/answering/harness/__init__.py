"""EleutherAI's evaluation harness: its tasks, loaded as data, and put to an adapted body."""
