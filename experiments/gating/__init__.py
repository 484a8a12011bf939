"""Bounds on an adapter or on a stream, and whether they hold: what stands between a training and a release."""
