"""What the faces of generated images are like, beside those of real ones."""
