"""Eigenfaces: a Gaussian in the principal subspace of the training images."""

from facebench_pca.sampler import PCASampler as PCASampler
