"""A convolutional variational autoencoder in PyTorch."""

from facebench_vae.sampler import VAESampler as VAESampler
