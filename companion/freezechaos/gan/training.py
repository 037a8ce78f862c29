"""Training: a compiled step, and the loop around it that keeps a record."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PRNGKeyArray
from tqdm import tqdm

from .. import data
from ..deconvolution import learning_rates
from ..networks import scale_by_layer
from . import devices
from .checkpoints import Checkpoints, replaced
from .indicators import border, checkerboard, diversity
from .losses import LOSSES
from .models import Discriminator, Generator, discriminator, generator, upsampling_stack
from .presets import Preset

FIXED = 64  # latent vectors that are looked at all along


class State(eqx.Module):
    """All that a run needs to go on.

    Attributes:
        step: steps made.
        seed: what everything is drawn from.
        generator, discriminator: the two networks.
        average: the moving average of the generator.
        memories: of the two optimizers.
    """

    step: Int[Array, ""]
    seed: Int[Array, ""]
    generator: Generator
    discriminator: Discriminator
    average: Generator
    memories: tuple[Any, Any]


class Losses(NamedTuple):
    """Of the discriminator and of the generator in a step, or in each of many."""

    discriminator: Array
    generator: Array


class Keys(NamedTuple):
    """What a run draws from its seed."""

    generator: PRNGKeyArray
    discriminator: PRNGKeyArray
    steps: PRNGKeyArray
    fixed: PRNGKeyArray


class DivergedError(RuntimeError):
    """A loss or a weight is no longer finite."""


def keys(seed: int | Int[Array, ""]) -> Keys:
    """The keys of a run."""
    return Keys(*jax.random.split(jax.random.key(seed), 4))


def latents(key: PRNGKeyArray, count: int, latent: int) -> Float[Array, "count latent"]:
    """Uniform on the sphere |z|^2 = latent, where the theory wants its inputs."""
    z = jax.random.normal(key, (count, latent))
    return z * jnp.sqrt(latent) / jnp.linalg.norm(z, axis=1, keepdims=True)


def real_images(preset: Preset, split: str = "train") -> data.Images:
    """The images of a preset, in [-1, 1]; those of 28 x 28 get a black margin up to 32 x 32."""
    padded = preset.data in ("mnist", "fashion_mnist") and preset.size == 32
    size = None if padded else preset.size
    known = data.load(preset.data, split, size=size, channels=preset.colours, path=preset.path)
    margin = (preset.size - known.images.shape[1]) // 2
    sides = [(0, 0), (margin, margin), (margin, margin), (0, 0)]
    return replace(known, images=np.pad(known.images, sides, constant_values=-1))


def optimizers(preset: Preset) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
    """Adam for the generator, with rates by layer where gamma is not 0, and the discriminator."""
    first = optax.adam(preset.generator_rate, b1=preset.momentum)
    if preset.gamma:
        rates = learning_rates(upsampling_stack(preset), preset.gamma)
        first = optax.chain(first, scale_by_layer(rates))
    return first, optax.adam(preset.discriminator_rate, b1=preset.momentum)


def initial(preset: Preset) -> State:
    """The state before the first step."""
    drawn = keys(preset.seed)
    networks = (
        generator(preset, key=drawn.generator),
        discriminator(preset, key=drawn.discriminator),
    )
    average = jax.tree.map(jnp.copy, networks[0])  # `advance` uses both up
    first, second = (
        optimizer.init(eqx.filter(network, eqx.is_array))
        for optimizer, network in zip(optimizers(preset), networks, strict=True)
    )
    step, seed = (jnp.asarray(number, jnp.int32) for number in (0, preset.seed))
    return State(step, seed, *networks, average, (first, second))


def advance(
    images: Float[Array, "n size size colours"],
    state: State,
    preset: Preset,
    mesh: Mesh | None = None,
) -> tuple[State, Losses]:
    """`preset.record` steps: the new state, and the losses of every step.

    What a step draws depends on the seed and its number alone, so that a resumed run is the same
    run. The state that goes in is used up.
    """
    (device, *_) = images.devices()
    if device.platform != "cpu":
        return _many_steps(images, state, preset, mesh)
    each = []
    for _ in range(preset.record):
        state, losses = _one_step(images, state, preset, mesh)
        each.append(losses)
    return state, jax.tree.map(lambda *values: np.stack(values), *each)


@eqx.filter_jit(donate="all-except-first")
def _one_step(images: Array, state: State, preset: Preset, mesh: Mesh | None) -> Any:
    """For a CPU: inside a loop XLA runs convolutions several times slower there."""
    return step(images, state, preset, mesh)


@eqx.filter_jit(donate="all-except-first")
def _many_steps(images: Array, state: State, preset: Preset, mesh: Mesh | None) -> Any:
    """One compiled call, so that an accelerator does not wait for this process."""
    static = eqx.filter(state, eqx.is_array, inverse=True)

    def body(arrays: State, _: None) -> tuple[State, Losses]:
        after, losses = step(images, eqx.combine(arrays, static), preset, mesh)
        return eqx.filter(after, eqx.is_array), losses

    arrays, losses = jax.lax.scan(body, eqx.filter(state, eqx.is_array), length=preset.record)
    return eqx.combine(arrays, static), losses


def step(
    images: Float[Array, "n size size colours"],
    state: State,
    preset: Preset,
    mesh: Mesh | None = None,
) -> tuple[State, Losses]:
    """One step of the discriminator, then one of the generator on the same latent vectors.

    The generator runs once: its images meet the old discriminator and the new one. Devices of a
    mesh share the batch; its means and norms are those of the whole.
    """
    dtype, loss = jnp.dtype(preset.compute), LOSSES[preset.loss]
    both = batch(images, state, preset)
    real, z = both if mesh is None else devices.shared_out(both, mesh)
    real, z = real.astype(dtype), z.astype(dtype)
    weights, static = eqx.partition(state.generator, eqx.is_array)
    fake, pull = jax.vjp(lambda weights: eqx.combine(weights, static)(z), weights)

    def of_discriminator(network: Discriminator) -> Array:
        logits = network(real), network(fake)
        return loss.discriminator(*(value.astype(jnp.float32) for value in logits))

    def of_images(fake: Array, network: Discriminator) -> Array:
        return loss.generator(network(fake).astype(jnp.float32))

    pair = optimizers(preset)
    first, slope = eqx.filter_value_and_grad(of_discriminator)(state.discriminator)
    judge, judge_memory = updated(pair[1], state.discriminator, slope, state.memories[1])
    second, slope = jax.value_and_grad(of_images)(fake, judge)
    (slope,) = pull(slope)
    maker, maker_memory = updated(pair[0], state.generator, slope, state.memories[0])
    share = jnp.minimum(preset.average, (1 + state.step) / (10 + state.step))
    average = jax.tree.map(
        lambda old, new: share.astype(new.dtype) * old + (1 - share).astype(new.dtype) * new,
        state.average, maker,
    )  # fmt: skip
    memories = maker_memory, judge_memory
    after = State(state.step + 1, state.seed, maker, judge, average, memories)
    return after, Losses(first, second)


def batch(images: Array, state: State, preset: Preset) -> tuple[Array, Array]:
    """Real images, drawn with replacement, and latent vectors: functions of seed and step."""
    picks, latent = jax.random.split(jax.random.fold_in(keys(state.seed).steps, state.step))
    chosen = jax.random.randint(picks, (preset.batch,), 0, len(images))
    return images[chosen], latents(latent, preset.batch, preset.latent)


def updated(optimizer: Any, network: Any, slope: Any, memory: Any) -> tuple[Any, Any]:
    """The network after a step of its optimizer, and the memory of it."""
    updates, memory = optimizer.update(slope, memory)
    return eqx.apply_updates(network, updates), memory


@eqx.filter_jit
def observe(state: State, preset: Preset) -> dict[str, Array]:
    """Indicators of the images of the fixed latent vectors, and whether all weights are finite."""
    z = latents(keys(state.seed).fixed, FIXED, preset.latent)
    images = state.generator(z)
    two, four = checkerboard(images)
    frame = border(images)
    leaves = jax.tree.leaves(eqx.filter(state, eqx.is_inexact_array))
    finite = jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves])
    return {
        "diversity": diversity(images), "checkerboard_2": two, "checkerboard_4": four,
        "border_brightness": frame.brightness, "border_contrast": frame.contrast,
        "finite": jnp.all(finite),
    }  # fmt: skip


def samples(
    network: Generator, count: int = FIXED, *, key: PRNGKeyArray
) -> Float[np.ndarray, "count size size colours"]:
    """Images of latent vectors drawn with the key, in float32."""
    z = latents(key, count, network.network.channels[0])
    return np.asarray(_generated(network, z))


@eqx.filter_jit
def _generated(network: Generator, z: Array) -> Array:
    return network(z)


def train(
    preset: Preset,
    folder: str | Path,
    *,
    progress: bool = True,
    images: Float[np.ndarray, "n size size colours"] | None = None,
    each: Callable[[State], None] | None = None,
    on: Sequence[jax.Device] | None = None,
) -> State:
    """Train in a folder up to `preset.steps`, from its newest checkpoint if it has any.

    On several hosts call it on each, after jax.distributed.initialize(), with one folder that all
    of them see; the first host writes.

    Arguments:
        preset: the run; with a folder that holds one, the same but for steps, save and keep.
        folder: holds preset.json, metrics.jsonl, a line every `record` steps, and checkpoints.
        progress: whether a bar shows losses and indicators.
        images: real ones in place of the preset's set, in [-1, 1].
        each: called with the state wherever a checkpoint is written, on the first host.
        on: devices that share the batches; all there are if left out.

    Raises:
        ValueError: a batch that the devices cannot share.
        DivergedError: a loss or a weight is no longer finite; older checkpoints are kept.
        ChangedPresetError, BrokenCheckpointError, SaveError: as `checkpoints.Checkpoints` says.
        OSError, ValueError: no images.
    """
    folder, leads = Path(folder), jax.process_index() == 0
    mesh = devices.mesh(preset.batch, on)
    known = real_images(preset).images if images is None else images
    real = devices.everywhere(jnp.asarray(known), mesh)
    fresh = devices.everywhere(initial(preset), mesh)  # first, so that a mistake leaves no folder
    with Checkpoints(folder, preset) as kept:
        state = kept.restore(fresh)
        start, hidden = int(state.step), not (progress and leads)
        with (
            resumed(folder / "metrics.jsonl", start, writes=leads) as lines,
            tqdm(total=preset.steps, initial=start, unit="step", disable=hidden) as bar,
        ):
            for after, metrics in follow(real, state, preset, mesh):
                state = after
                check_finite(metrics, kept.newest)
                lines.write(json.dumps(metrics) + "\n")
                lines.flush()
                bar.update(preset.record)
                bar.set_postfix({name: f"{metrics[name]:.3f}" for name in _SHOWN})
                if metrics["step"] % preset.save == 0 or metrics["step"] >= preset.steps:
                    kept.save(state)
                    if each is not None and leads:
                        each(devices.here(state))
    return devices.here(state)


def follow(
    images: Array, state: State, preset: Preset, mesh: Mesh | None = None
) -> Iterator[tuple[State, dict[str, Any]]]:
    """The state and its line of metrics after every `record` steps, up to `preset.steps`.

    A state is used up as soon as the next one is asked for.
    """
    compiled = once_for_all(preset)
    while int(state.step) < preset.steps:
        state, losses = advance(images, state, compiled, mesh)
        yield state, summary(state, losses, compiled)


def once_for_all(preset: Preset) -> Preset:
    """One preset for all that differ in nothing that is compiled."""
    return replace(preset, steps=preset.record, save=preset.record, keep=1, seed=0)


_SHOWN = ("discriminator", "generator", "diversity", "checkerboard_2")


def summary(state: State, losses: Losses, preset: Preset) -> dict[str, Any]:
    """A line of metrics: the step, losses in the mean over the call, indicators."""
    means = {name: float(np.mean(value)) for name, value in losses._asdict().items()}
    seen = {name: value.item() for name, value in observe(state, preset).items()}
    return {"step": int(state.step), **means, **seen}


def check_finite(metrics: dict[str, Any], newest: int | None) -> None:
    """Stop before anything that is not finite is saved."""
    finite = metrics.pop("finite")
    if finite and np.isfinite([metrics["discriminator"], metrics["generator"]]).all():
        return
    saved = "Nothing was saved yet." if newest is None else f"The checkpoint of step {newest} is."
    raise DivergedError(
        f"a loss or a weight is not finite after step {metrics['step']}: discriminator "
        f"{metrics['discriminator']:g}, generator {metrics['generator']:g}. {saved} "
        "Train in a new folder with a lower generator_rate or discriminator_rate, half of what "
        "they are to begin with."
    )


def resumed(file: Path, step: int, *, writes: bool = True) -> TextIO:
    """The metrics, open to be added to, without lines past the step or broken by a kill."""
    if not writes:
        return open(os.devnull, "w", encoding="utf-8")
    kept = [line for line in metrics_of(file) if line["step"] <= step]
    replaced(file, "".join(json.dumps(line) + "\n" for line in kept).encode())
    return file.open("a", encoding="utf-8")


def metrics_of(file: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl; what a kill left half written is left out."""
    lines = []
    for text in Path(file).read_text("utf-8").splitlines() if Path(file).exists() else []:
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines
