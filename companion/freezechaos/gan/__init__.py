"""Generative adversarial networks: a deconvolutional generator, frozen or chaotic, in training.

`PRESETS` are runs by name, `train` goes through one of them in a folder, from where it was killed
if it was. `indicators` say what its images look like: whether the generator collapsed, into a
lattice perhaps; `distances` how near they are to real ones. `image_metrics` and `feature_metrics`
have all of them by name.
`experiments.EXPERIMENTS` are questions that many runs answer; `study` runs them, stores them and
has those that come with the package.
From a command line: `python -m freezechaos.gan train --preset smoke`.
"""

from ..extras import extra

with extra("gan"):
    from . import experiments, pictures, study
    from .classifier import Classifier, feature_metrics, real_floor
    from .distances import (
        Classes,
        Coverage,
        Density,
        KernelDistance,
        classes_covered,
        density_coverage,
        frechet,
        kernel_distance,
        precision_recall,
    )
    from .game import State
    from .indicators import (
        Border,
        Lattice,
        Variances,
        border,
        checkerboard,
        discriminator_accuracy,
        diversity,
        image_metrics,
        lattice,
        near_nyquist,
        variances,
    )
    from .losses import LOSSES, Loss
    from .models import Discriminator, Generator, discriminator, generator, upsampling_stack
    from .presets import PRESETS, Preset
    from .training import DivergedError, train

__all__ = [
    "LOSSES",
    "PRESETS",
    "Border",
    "Classes",
    "Classifier",
    "Coverage",
    "Density",
    "Discriminator",
    "DivergedError",
    "Generator",
    "KernelDistance",
    "Lattice",
    "Loss",
    "Preset",
    "State",
    "Variances",
    "border",
    "checkerboard",
    "classes_covered",
    "density_coverage",
    "discriminator",
    "discriminator_accuracy",
    "diversity",
    "experiments",
    "feature_metrics",
    "frechet",
    "generator",
    "image_metrics",
    "kernel_distance",
    "lattice",
    "near_nyquist",
    "pictures",
    "precision_recall",
    "real_floor",
    "study",
    "train",
    "upsampling_stack",
    "variances",
]
