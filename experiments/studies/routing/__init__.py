"""Routers on a set of adapters: texts of several tasks, whose task is not given."""
