"""A deep convolutional GAN in Keras 3, on TensorFlow or PyTorch."""

from facebench_dcgan.sampler import DCGANSampler as DCGANSampler
