"""Generative adversarial networks: a deconvolutional generator, frozen or chaotic, in training.

`PRESETS` are runs by name, `train` goes through one of them in a folder, from where it was killed
if it was. `diversity`, `checkerboard`, `border`, `frechet` and `precision_recall` say what came
out: whether the generator collapsed, into a checkerboard perhaps, how near it is to real images.
`study.stored` has the runs that come with the package.
From a command line: `python -m freezechaos.gan train --preset smoke`.
"""

from . import pictures, study
from .game import State
from .indicators import (
    Border,
    Coverage,
    border,
    checkerboard,
    diversity,
    frechet,
    precision_recall,
)
from .losses import LOSSES, Loss
from .models import Discriminator, Generator, discriminator, generator, upsampling_stack
from .presets import PRESETS, Preset
from .training import DivergedError, train

__all__ = [
    "LOSSES",
    "PRESETS",
    "Border",
    "Coverage",
    "Discriminator",
    "DivergedError",
    "Generator",
    "Loss",
    "Preset",
    "State",
    "border",
    "checkerboard",
    "discriminator",
    "diversity",
    "frechet",
    "generator",
    "pictures",
    "precision_recall",
    "study",
    "train",
    "upsampling_stack",
]
