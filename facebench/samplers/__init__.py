"""Samplers of pictures and of latents, and what adapters share."""
