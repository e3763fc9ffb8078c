"""Painted faces: a small data set that needs no download, with every factor of variation known.

A face is a relief (a dome with a nose, sockets, cheeks and lips) painted with albedo, turned by its
pose and lit from one side, under hair, over a background. One integer seed is one face.

>>> render([3, 7], size=32).shape
(2, 3, 32, 32)
"""

from facebench.synth.drawing import draw, render
from facebench.synth.population import FaceFactors, factors

__all__ = ["FaceFactors", "draw", "factors", "render"]
