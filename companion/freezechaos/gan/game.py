"""The state of a run, a step of the game of the two networks, and what is seen of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..deconvolution import learning_rates
from ..networks import scale_by_layer
from ..networks.convolutions import compiler_options
from . import devices
from .indicators import discriminator_accuracy, image_metrics
from .losses import LOSSES, squared_slope
from .models import (
    Discriminator,
    Generator,
    discriminator,
    generator,
    upsampling_stack,
    weight_scales,
)
from .presets import Preset

Rate = float | Float[Array, ""] | Float[Array, "layers 2"] | None
FIXED = 64  # latent vectors that are looked at all along


class State(eqx.Module):
    """All that a run needs to go on.

    Attributes:
        step: steps made.
        seed: what everything is drawn from.
        generator, discriminator: the two networks.
        average: the exponential moving average of the generator.
        optimizers: states of the optimizers of the two.
    """

    step: Int[Array, ""]
    seed: Int[Array, ""]
    generator: Generator
    discriminator: Discriminator
    average: Generator
    optimizers: tuple[Any, Any]


class Losses(NamedTuple):
    """Of the two networks in a step, or in each of many, and how often the discriminator is right.

    Attributes:
        discriminator: its loss, with its penalty.
        generator: its loss, after the discriminator's step.
        accuracy: the share of real and generated images that the discriminator, before its step,
            tells apart at logit 0.
    """

    discriminator: Array
    generator: Array
    accuracy: Array


class Keys(NamedTuple):
    """What a run draws from its seed."""

    generator: PRNGKeyArray
    discriminator: PRNGKeyArray
    steps: PRNGKeyArray
    fixed: PRNGKeyArray


def keys(seed: int | Int[Array, ""]) -> Keys:
    """The keys of a run."""
    return Keys(*jax.random.split(jax.random.key(seed), 4))


def latents(key: PRNGKeyArray, count: int, latent: int) -> Float[Array, "count latent"]:
    """Uniform on the sphere |z|^2 = latent, where the theory wants its inputs."""
    z = jax.random.normal(key, (count, latent))
    return z * jnp.sqrt(latent) / jnp.linalg.norm(z, axis=1, keepdims=True)


def optimizers(
    preset: Preset, generator_rate: Rate = None
) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    """Of the generator, with rates by layer, and of the discriminator.

    The generator's rate is the preset's unless another is given, which may be traced; it may
    differ by layer, in rows for weights and biases.
    """
    adam = preset.optimizer == "adam"
    rate = preset.generator_rate if generator_rate is None else generator_rate
    rates = learning_rates(upsampling_stack(preset), preset.gamma)
    if preset.weights == "dcgan":
        rates = rates / _stretched(preset) ** (1 if adam else 2)
    if jnp.ndim(rate):
        rate, rates = 1.0, rates * rate
    first = optax.adam(rate, b1=preset.momentum) if adam else optax.sgd(rate)
    first = optax.chain(first, scale_by_layer(jnp.asarray(rates, jnp.float32)))
    return first, optax.adam(preset.discriminator_rate, b1=preset.momentum)


def _stretched(preset: Preset) -> Float[np.ndarray, "layers 2"]:
    """What the generator multiplies its parameters by.

    A parameter s times smaller than the one that it stands for needs a step 1/s as large, as Adam
    makes; the gradient in it is s times as large, so that of gradient descent must be 1/s^2.
    """
    born = eqx.filter_eval_shape(lambda: generator(preset, key=jax.random.key(0)))
    return weight_scales(born.network)


def initial(preset: Preset, seed: Int[Array, ""] | None = None) -> State:
    """The state before the first step, from the preset's seed or from one that may be traced."""
    start = jnp.asarray(preset.seed if seed is None else seed, jnp.int32)
    drawn = keys(preset.seed if seed is None else start)
    networks = (
        generator(preset, key=drawn.generator),
        discriminator(preset, key=drawn.discriminator),
    )
    average = jax.tree.map(jnp.copy, networks[0])  # `advance` uses both up
    first, second = (
        optimizer.init(eqx.filter(network, eqx.is_array))
        for optimizer, network in zip(optimizers(preset), networks, strict=True)
    )
    return State(jnp.zeros((), jnp.int32), start, *networks, average, (first, second))


def advance(
    images: Float[Array, "n size size colours"],
    state: State,
    preset: Preset,
    mesh: Mesh | None = None,
    count: int | None = None,
) -> tuple[State, Losses]:
    """So many steps, `preset.record` if left out: the new state, and the losses of every step.

    What a step draws depends on the seed and its number alone, so that a resumed run is the same
    run. The state that goes in is used up.
    """
    (device, *_) = images.devices()
    count, preset = preset.record if count is None else count, compiled_alike(preset)
    if device.platform != "cpu":
        return _many_steps(images, state, preset, mesh, count)
    each = []
    for _ in range(count):
        state, losses = _one_step()(images, state, preset, mesh)
        each.append(losses)
    return state, jax.tree.map(lambda *values: np.stack(values), *each)


@cache
def _one_step() -> Callable[[Array, State, Preset, Mesh | None], tuple[State, Losses]]:
    """For a CPU: inside a loop XLA runs convolutions several times slower there."""
    jit: Any = eqx.filter_jit  # its types leave out what it hands on to jax.jit
    return jit(step, donate="all-except-first", compiler_options=compiler_options())


@eqx.filter_jit(donate="all-except-first")
def _many_steps(images: Array, state: State, preset: Preset, mesh: Mesh | None, count: int) -> Any:
    """One compiled call, so that an accelerator does not wait for this process."""
    static = eqx.filter(state, eqx.is_array, inverse=True)

    def body(arrays: State, _: None) -> tuple[State, Losses]:
        after, losses = step(images, eqx.combine(arrays, static), preset, mesh)
        return eqx.filter(after, eqx.is_array), losses

    arrays, losses = jax.lax.scan(body, eqx.filter(state, eqx.is_array), length=count)
    return eqx.combine(arrays, static), losses


def step(
    images: Float[Array, "n size size colours"],
    state: State,
    preset: Preset,
    mesh: Mesh | None = None,
    generator_optimizer: optax.GradientTransformation | None = None,
) -> tuple[State, Losses]:
    """One step of the discriminator, then one of the generator on the same latent vectors.

    The generator runs once: its images meet the old discriminator and the new one. Devices of a
    mesh share the batch; its means and norms are those of the whole. An optimizer of the generator
    stands in for the preset's.
    """
    dtype, loss = jnp.dtype(preset.compute), LOSSES[preset.loss]
    both = batch(images, state, preset)
    real, z = both if mesh is None else devices.sharded(both, mesh)
    real, z = real.astype(dtype), z.astype(dtype)
    weights, static = eqx.partition(state.generator, eqx.is_array)
    fake, pullback = jax.vjp(lambda weights: eqx.combine(weights, static)(z), weights)

    def logits(network: Discriminator, fake: Array) -> tuple[Array, Array]:
        both = network(real), network(fake)
        return both[0].astype(jnp.float32), both[1].astype(jnp.float32)

    def of_discriminator(network: Discriminator) -> tuple[Array, Array]:
        both = logits(network, fake)
        penalized = {"none": [], "r1": [real], "r1_r2": [real, fake]}[preset.penalty]
        penalty = sum(squared_slope(network, images) for images in penalized)
        whole = loss.discriminator(*both) + preset.penalty_weight * penalty
        return whole, discriminator_accuracy(*both)

    def of_generated(fake: Array, network: Discriminator) -> Array:
        return loss.generator(*logits(network, fake))

    own, of_other = optimizers(preset)
    (first, right), grads = eqx.filter_value_and_grad(of_discriminator, has_aux=True)(
        state.discriminator
    )
    second_network, second_optimizer = updated(
        of_other, state.discriminator, grads, state.optimizers[1]
    )
    second, grads = jax.value_and_grad(of_generated)(fake, second_network)
    (grads,) = pullback(grads)
    first_network, first_optimizer = updated(
        generator_optimizer or own, state.generator, grads, state.optimizers[0]
    )
    average = moving_average(state.average, first_network, state.step, preset.average)
    after = State(
        state.step + 1, state.seed, first_network, second_network, average,
        (first_optimizer, second_optimizer),
    )  # fmt: skip
    seen = Losses(first, second, right)
    return after if mesh is None else devices.replicated(after, mesh), seen


def moving_average(
    average: Generator, network: Generator, step: Int[Array, ""], decay: float
) -> Generator:
    """d average + (1 - d) network, where d = min(decay, (1 + step) / (10 + step)).

    The smaller decay at the beginning lets it forget how the network was drawn: up to about step
    9 / (1 - decay) it leans on the last ninth of the steps, whatever `decay` is. As TensorFlow's
    ExponentialMovingAverage with num_updates.
    """
    share = jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(
        lambda old, new: share.astype(new.dtype) * old + (1 - share).astype(new.dtype) * new,
        average, network,
    )  # fmt: skip


def batch(images: Array, state: State, preset: Preset) -> tuple[Array, Array]:
    """Real images, drawn with replacement, and latent vectors: functions of seed and step."""
    picks, latent = jax.random.split(jax.random.fold_in(keys(state.seed).steps, state.step))
    chosen = jax.random.randint(picks, (preset.batch,), 0, len(images))
    return images[chosen], latents(latent, preset.batch, preset.latent)


def updated(optimizer: Any, network: Any, grads: Any, state: Any) -> tuple[Any, Any]:
    """The network after a step of its optimizer, and the optimizer's state."""
    with jax.numpy_dtype_promotion("standard"):  # optax takes floats to the power of counts
        updates, state = optimizer.update(grads, state)
    return eqx.apply_updates(network, updates), state


@eqx.filter_jit
def observe(state: State) -> dict[str, Array]:
    """Indicators of images of the fixed latent vectors; whether they and all weights are finite."""
    images = state.generator(latents(keys(state.seed).fixed, FIXED, state.generator.latent))
    leaves = [images, *jax.tree.leaves(eqx.filter(state, eqx.is_inexact_array))]
    finite = jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves])
    return image_metrics(images) | {"finite": jnp.all(finite)}


def samples(
    network: Generator, count: int = FIXED, *, key: PRNGKeyArray
) -> Float[np.ndarray, "count size size colours"]:
    """Images of latent vectors drawn with the key, in float32."""
    z = latents(key, count, network.latent)
    return np.asarray(_generated(network, z))


@eqx.filter_jit
def _generated(network: Generator, z: Array) -> Array:
    return network(z)


def compiled_alike(preset: Preset) -> Preset:
    """One preset for all that differ in nothing that is compiled."""
    return replace(preset, steps=1, record=1, save=1, keep=1, seed=0)
