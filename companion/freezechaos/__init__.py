"""Freeze & Chaos: what depth, normalization and up-sampling do to a neural network."""
