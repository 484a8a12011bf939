"""Fusing for few-shot targets, measured against the plain alternatives: one fuse, or a recipe of many."""
