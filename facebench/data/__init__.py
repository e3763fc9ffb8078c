"""Data sets: from photographs in any folder or archive to one memory-mapped array."""
