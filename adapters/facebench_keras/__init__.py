"""Keras started as a process needs it, and what it saved, vetted before it is built."""
