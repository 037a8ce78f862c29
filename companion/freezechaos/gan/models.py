"""The two networks: a generator that is a deconvolutional network, the DCGAN's discriminator."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from math import sqrt
from operator import attrgetter
from typing import Any, Literal, TypeVar, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .. import activations, graphs
from ..architectures import (
    Architecture,
    BatchNorm,
    Beta,
    Layer,
    Nonlinearity,
    UpSampling,
    bare,
    serial,
)
from ..deconvolution import DeconvStack
from ..networks import Deconvolutional, standardize
from ..networks.convolutions import strided_convolution
from .presets import Preset

Network = TypeVar("Network", bound=eqx.Module)

DiscriminatorNorm = Literal["none", "batch", "layer", "spectral"]

_DCGAN_DEVIATION = 0.02
_SQUARINGS = 6
_SLOPE = 0.2  # of the discriminator's leaky ReLU at negative values, as in DCGAN
_UPSAMPLING = {
    "transposed": graphs.transposed_convolution(4, stride=2, padding=1),
    "resize": graphs.resize_convolution(2, 3, padding=1),
    "sub_pixel": graphs.sub_pixel_convolution(2, 3, padding=1),
}
_HALVING = (_UPSAMPLING["transposed"].along(0), _UPSAMPLING["transposed"].along(1))


class Generator(eqx.Module):
    """A deconvolutional network from latent vectors to images, with batch norm if wanted.

    Arguments:
        network: from one position, so that its stack starts at (1, 1), to images.
        norm: batch norm "before" or "after" every nonlinearity, or "none"; over the images of the
            batch and their positions, channel by channel. An image then depends on the batch that
            it is generated in.
        output: "tanh" or "identity", what the last layer goes through.
        gains, shifts: what batch norm's values are times and plus, a vector of the channels for
            every layer but the last; empty for 1 and 0.

    Raises:
        ValueError: a network that starts from more than one position, an unknown norm or output,
            gains and shifts that are not one for every nonlinearity.
    """

    network: Deconvolutional
    norm: Literal["none", "before", "after"] = eqx.field(static=True, default="none")
    output: Literal["tanh", "identity"] = eqx.field(static=True, default="tanh")
    gains: tuple[Float[Array, " _channels"], ...] = ()
    shifts: tuple[Float[Array, " _channels"], ...] = ()

    def __check_init__(self) -> None:
        if self.network.stack.start != (1, 1):
            raise ValueError(
                f"`network` must start from one position, (1, 1); got {self.network.stack.start}. "
                "Let its first layer be graphs.transposed_convolution(4)."
            )
        _check_one_of("norm", self.norm, ("none", "before", "after"))
        _check_one_of("output", self.output, ("tanh", "identity"))
        hidden = len(self.network.channels) - 2
        if {len(self.gains), len(self.shifts)} not in ({0}, {hidden}):
            raise ValueError(
                f"`gains` and `shifts` must be {hidden} vectors each, of the channels of every "
                f"hidden layer, or none; got {len(self.gains)} and {len(self.shifts)}."
            )

    @property
    def latent(self) -> int:
        """Entries of the latent vector."""
        return self.network.channels[0]

    @property
    def architecture(self) -> Architecture:
        """What it is made of, before its weights: its kernels at infinite width, new draws.

        Its inputs are grids of one position, z[:, None, None, :]. Gains and shifts of batch norm
        are not in it, nor another draw than N(0, 1).
        """
        network = self.network
        layers: list[Layer] = []
        for layer in network.stack.layers:
            up = UpSampling(layer, Beta(network.beta), network.stack.parametrization)
            layers += [*(self._between() if layers else ()), up]
        return serial(*layers, *([bare("tanh")] if self.output == "tanh" else []))

    def _between(self) -> list[Layer]:
        norm = {"before": (BatchNorm(), None), "after": (None, BatchNorm()), "none": (None, None)}
        before, after = norm[self.norm]
        return [x for x in (before, Nonlinearity(self.network.activation), after) if x]

    @property
    def couples(self) -> bool:
        """Whether an image depends on the others of its batch, as with batch norm."""
        return self.norm != "none"

    @property
    def weights(self) -> tuple[Any, ...]:
        """Those of the network, for `networks.scale_by_layer`, which puts others in their place."""
        return self.network.weights

    @property
    def biases(self) -> tuple[Any, ...]:
        """Those of the network, for `networks.scale_by_layer`."""
        return self.network.biases

    def __call__(self, z: Float[Array, "n latent"]) -> Float[Array, "n rows columns colours"]:
        """Images of latent vectors, computed in the type of `z`.

        Raises:
            ValueError: latent vectors of another length.
        """
        network = self.network
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise ValueError(
                f"`z` must have shape [n, {self.latent}], one latent vector a row; got "
                f"{list(z.shape)}. Reshape it with z.reshape(-1, {self.latent})."
            )
        x = z[:, None, None, :]
        for layer in range(len(network.weights)):
            x = self._hidden(layer - 1, x) if layer else x
            x = network.affine(layer, x)
        return jnp.tanh(x) if self.output == "tanh" else x

    def _hidden(self, number: int, pre: Array) -> Array:
        pre = self._normed(number, pre) if self.norm == "before" else pre
        value = self.network.activation(pre)
        return self._normed(number, value) if self.norm == "after" else value

    def _normed(self, number: int, x: Array) -> Array:
        x = _standardized(x, (0, 1, 2))
        if not self.gains:
            return x
        return _row(self.gains[number], x) * x + _row(self.shifts[number], x)


class Discriminator(eqx.Module):
    """Images to logits, high for real ones, as in DCGAN.

    Strided convolutions halve the grid down to 4 x 4 and double the channels, each followed by a
    leaky ReLU; a product with all that is left is the logit. Weights start with variance
    2 / (inputs (1 + 0.2^2)), biases at 0 [He et al., 2015].

    Like the generator, it is made for backpropagation: it has no forward derivatives (jax.jvp).

    Arguments:
        size: pixels along a side, 4 times a power of 2.
        colours: of the images, 1 or more.
        width: channels after the first layer.
        norm: "batch" or "layer" norm before every leaky ReLU but the first, with gains of its own;
            "spectral", which divides the weights of each layer, as a matrix with a column a
            channel, by their largest singular value; or "none".
        key: what the weights are drawn with.

    Raises:
        ValueError: a size that is not 4 times a power of 2, 8 or more; an unknown norm.

    Source: Radford, Metz and Chintala, Unsupervised representation learning with deep
    convolutional generative adversarial networks, 2016.
    """

    weights: tuple[Float[Array, "..."], ...]
    biases: tuple[Float[Array, " after"], ...]
    gains: tuple[Float[Array, " _after"], ...]
    norm: DiscriminatorNorm = eqx.field(static=True)

    def __init__(
        self,
        size: int,
        colours: int,
        width: int,
        norm: DiscriminatorNorm = "none",
        *,
        key: PRNGKeyArray,
    ):
        _check_one_of("norm", norm, get_args(DiscriminatorNorm))
        halvings = _halvings(size)
        channels = [colours, *(width << i for i in range(halvings)), 1]
        shapes = [(4, 4, *both) for both in pairwise(channels)]
        keys = jax.random.split(key, len(shapes))
        scales = [sqrt(2 / (16 * before * (1 + _SLOPE**2))) for before in channels[:-1]]
        self.weights = tuple(
            scale * jax.random.normal(key, shape)
            for scale, key, shape in zip(scales, keys, shapes, strict=True)
        )
        self.biases = tuple(map(jnp.zeros, channels[1:]))
        normed = norm in ("batch", "layer")
        self.gains = tuple(map(jnp.ones, channels[2:-1])) if normed else ()
        self.norm = norm

    def __call__(self, x: Float[Array, "n rows columns colours"]) -> Float[Array, " n"]:
        """The logits, computed in the type of `x`."""
        for layer in range(len(self.weights) - 1):
            x = strided_convolution(x, self._weight(layer).astype(x.dtype), _HALVING)
            x = self._normed(layer, x) + _row(self.biases[layer], x)
            x = jax.nn.leaky_relu(x, _SLOPE)
        last = self._weight(-1).reshape(-1).astype(x.dtype)
        return x.reshape(len(x), -1) @ last + self.biases[-1].astype(x.dtype)

    def _weight(self, layer: int) -> Array:
        weight = self.weights[layer]
        return weight / _largest_singular_value(weight) if self.norm == "spectral" else weight

    def _normed(self, layer: int, x: Array) -> Array:
        if not self.gains or layer == 0:
            return x
        axes = (0, 1, 2) if self.norm == "batch" else (1, 2, 3)
        return _row(self.gains[layer - 1], x) * _standardized(x, axes)


def upsampling_stack(preset: Preset) -> DeconvStack:
    """A latent vector's 4 x 4 grid, then k convolutions and one up-sampling for every doubling.

    >>> from freezechaos.gan import PRESETS
    >>> stack = upsampling_stack(PRESETS["freeze"])
    >>> stack.depth, stack.sizes[-1]
    (10, (32, 32))
    """
    block = [graphs.convolution(3, padding=1)] * preset.convolutions
    block = [*block, _UPSAMPLING[preset.upsampling]]
    first = graphs.transposed_convolution(4)
    return DeconvStack((1, 1), [first, *block * _halvings(preset.size)], preset.parametrization)


def generator(preset: Preset, *, key: PRNGKeyArray) -> Generator:
    """A fresh generator, its weights drawn from N(0, 1).

    >>> from freezechaos.gan import PRESETS
    >>> generator(PRESETS["smoke"], key=jax.random.key(0))(jnp.ones((5, 16))).shape
    (5, 16, 16, 1)
    """
    return _drawn(_generator, preset, key)


def discriminator(preset: Preset, *, key: PRNGKeyArray) -> Discriminator:
    """A fresh discriminator."""
    return _drawn(_discriminator, preset, key)


def weight_scales(network: Deconvolutional) -> Float[np.ndarray, "layers 2"]:
    """What every layer multiplies its weights and its biases by, where all positions do alike.

    A weight w of N(0, 0.02^2), learned at a rate, is such a factor s times our weight w / s.

    Raises:
        ValueError: a layer whose positions have different factors, as graph-based at the border.
    """
    scales = [network.scale(layer) for layer in range(len(network.channels) - 1)]
    if any(np.ptp(scale) for scale in scales):
        raise ValueError(
            '`network` must have one factor a layer; got the parametrization "graph". Take '
            '"usual" or "gain".'
        )
    return np.array([[scale.flat[0], network.beta] for scale in scales])


def _generator(preset: Preset, key: PRNGKeyArray) -> Generator:
    doublings = _halvings(preset.size)
    channels = [preset.latent]
    for level in reversed(range(doublings)):
        channels += [preset.width * preset.widening**level] * (preset.convolutions + 1)
    sigma = activations.normalized if preset.normalized else activations.standardized
    network = Deconvolutional(
        upsampling_stack(preset), [*channels, preset.colours], sigma(preset.activation),
        preset.beta, key=key,
    )  # fmt: skip
    if preset.weights == "dcgan":
        network = _dcgan_weights(network)
    hidden = channels[1:] if preset.norm_parameters else []
    gains, shifts = (tuple(map(make, hidden)) for make in (jnp.ones, jnp.zeros))
    return Generator(network, preset.norm, preset.output, gains, shifts)


def _dcgan_weights(network: Deconvolutional) -> Deconvolutional:
    """The same weights, scaled so that the layers have those of N(0, 0.02^2), and no biases."""
    scales = (_DCGAN_DEVIATION / weight_scales(network)[:, 0]).tolist()
    weights = tuple(scale * weight for scale, weight in zip(scales, network.weights, strict=True))
    biases = tuple(map(jnp.zeros_like, network.biases))
    parts = attrgetter("weights", "biases")
    return eqx.tree_at(parts, network, (weights, biases))


def _discriminator(preset: Preset, key: PRNGKeyArray) -> Discriminator:
    return Discriminator(
        preset.size, preset.colours, preset.discriminator_width, preset.discriminator_norm, key=key
    )


def _drawn(make: Callable[[Preset, PRNGKeyArray], Network], preset: Preset, key: Any) -> Network:
    """A network; optimized, drawing its weights takes XLA ten times as long to compile."""
    if isinstance(key, jax.core.Tracer):
        return make(preset, key)
    draw, static = _drawing(make, preset)
    return eqx.combine(draw(key), static)


@cache
def _drawing(make: Callable[[Preset, PRNGKeyArray], Any], preset: Preset) -> tuple[Any, Any]:
    """Compiled once a preset: a function of the key that gives the arrays, and all else."""
    shapes = eqx.filter_eval_shape(make, preset, jax.random.key(0))
    draw = jax.jit(
        lambda key: eqx.filter(make(preset, key), eqx.is_array),
        compiler_options={"xla_backend_optimization_level": 0},
    )
    return draw, eqx.filter(shapes, _is_shape, inverse=True)


def _is_shape(leaf: Any) -> bool:
    return isinstance(leaf, jax.ShapeDtypeStruct)


def _halvings(size: int) -> int:
    """From the size to a side of 4."""
    halvings = (size // 4).bit_length() - 1
    if size < 8 or size != 4 << halvings:
        raise ValueError(f"`size` must be 4 times a power of 2, 8 or more; got {size}. Try 32.")
    return halvings


def _check_one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"`{name}` must be one of {', '.join(known)}; got {value!r}.")


def _standardized(x: Array, axes: tuple[int, ...]) -> Array:
    """At least in float32, where means over a batch are good."""
    wide = x if x.dtype == jnp.float64 else x.astype(jnp.float32)
    return standardize(wide, axes).astype(x.dtype)


def _largest_singular_value(weight: Float[Array, "*window before after"]) -> Float[Array, ""]:
    """Of the matrix with a column for each channel after; never above it.

    Miyato et al. make one power iteration a step and keep its vector. Here the power 2^6 of the
    columns' products is squared together, so that nothing has to be kept beside the weights; that
    the vector is the right one is taken for granted in the derivative, as there.

    Source: Miyato et al., Spectral normalization for generative adversarial networks, 2018.
    """
    matrix = weight.reshape(-1, weight.shape[-1])
    power = jax.lax.stop_gradient(matrix.T @ matrix)
    for _ in range(_SQUARINGS):
        power = power / jnp.linalg.norm(power)
        power = power @ power
    vector = jnp.sum(power, axis=1)
    return jnp.linalg.norm(matrix @ (vector / jnp.linalg.norm(vector)))


def _row(vector: Array, like: Array) -> Array:
    """[channels] spread over the grid, in the type of what it meets."""
    return jnp.broadcast_to(vector.astype(like.dtype), like.shape)
