"""A sampler's process: started, watched, limited and ended."""
