"""The next version of a task's adapter: from the versions that are stored to what is to be learned."""
