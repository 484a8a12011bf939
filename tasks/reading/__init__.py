"""Bytes to tables: encodings, dialects, formats, raw values. Imports nothing of tasks."""
