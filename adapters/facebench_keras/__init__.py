"""Keras started as a process needs it, and models that Keras saved read without running them."""
