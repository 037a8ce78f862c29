"""Generative adversarial networks: a deconvolutional generator, frozen or chaotic, in training.

`PRESETS` are runs by name, `train` goes through one of them in a folder, from where it was killed
if it was, and `indicators` say what came out: whether the generator collapsed, into a
checkerboard perhaps, and what its borders look like. From a command line:
`python -m freezechaos.gan train --preset smoke`.
"""

from . import pictures
from .indicators import border, checkerboard, diversity
from .losses import LOSSES, Loss
from .models import Discriminator, Generator, discriminator, generator, upsampling_stack
from .presets import PRESETS, Preset

__all__ = [
    "LOSSES",
    "PRESETS",
    "Discriminator",
    "Generator",
    "Loss",
    "Preset",
    "border",
    "checkerboard",
    "discriminator",
    "diversity",
    "generator",
    "pictures",
    "upsampling_stack",
]
