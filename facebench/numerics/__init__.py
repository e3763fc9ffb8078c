"""Numerics that features and metrics share."""
