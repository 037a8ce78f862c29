"""Figures that the reader turns, on a published page without a kernel and in JupyterLab."""

from freezechaos.extras import extra

with extra("explorers"):
    from freezechaos.explorers.ancestry import shared_ancestry
    from freezechaos.explorers.axes import Axis, Choice, Formula
    from freezechaos.explorers.borders import border_frames
    from freezechaos.explorers.checkerboards import checkerboard_modes
    from freezechaos.explorers.combs import lattice_faders
    from freezechaos.explorers.decomposed import batch_norm_bench
    from freezechaos.explorers.desk import mixing_desk
    from freezechaos.explorers.explorer import Explorer
    from freezechaos.explorers.films import training_film
    from freezechaos.explorers.frames import newborn_frames
    from freezechaos.explorers.fully_connected import cobweb, ntk_on_the_circle, phase_diagram
    from freezechaos.explorers.learning import learning_curves
    from freezechaos.explorers.live import Live
    from freezechaos.explorers.mixing import hermite_mixer
    from freezechaos.explorers.neurons import one_layer, one_neuron
    from freezechaos.explorers.normalizing import batch_norm_spectra, layer_norm_bench
    from freezechaos.explorers.odd import (
        bistable_map,
        moving_origin,
        two_candidates,
        two_value_model,
    )
    from freezechaos.explorers.own import own_activation
    from freezechaos.explorers.playing import live_generator
    from freezechaos.explorers.positions import pixel_kernels
    from freezechaos.explorers.prior import random_functions
    from freezechaos.explorers.push import one_push
    from freezechaos.explorers.race import race_on_the_circle
    from freezechaos.explorers.readout import Bands
    from freezechaos.explorers.trainability import trainability_on_digits
    from freezechaos.explorers.training import training_on_the_circle
    from freezechaos.explorers.views import Curves, Guide, Image, Line, Map, Polar, Pushed

__all__ = [
    "Axis",
    "Bands",
    "Choice",
    "Curves",
    "Explorer",
    "Formula",
    "Guide",
    "Image",
    "Line",
    "Live",
    "Map",
    "Polar",
    "Pushed",
    "batch_norm_bench",
    "batch_norm_spectra",
    "bistable_map",
    "border_frames",
    "checkerboard_modes",
    "cobweb",
    "hermite_mixer",
    "lattice_faders",
    "layer_norm_bench",
    "learning_curves",
    "live_generator",
    "mixing_desk",
    "moving_origin",
    "newborn_frames",
    "ntk_on_the_circle",
    "one_layer",
    "one_neuron",
    "one_push",
    "own_activation",
    "phase_diagram",
    "pixel_kernels",
    "race_on_the_circle",
    "random_functions",
    "shared_ancestry",
    "trainability_on_digits",
    "training_film",
    "training_on_the_circle",
    "two_candidates",
    "two_value_model",
]
