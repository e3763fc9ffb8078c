"""Image to image: a U-Net against a patch discriminator and the mean absolute error, in PyTorch."""

from facebench_pix2pix.translator import Pix2PixTranslator as Pix2PixTranslator
