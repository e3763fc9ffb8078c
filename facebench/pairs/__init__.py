"""Image to image: pairs of a source and what is asked for, and how they are made."""
