"""Which functions a kernel prefers, read off its eigenvalues, and how much of one an image has.

Training under a kernel learns each eigenvector at the rate of its eigenvalue, so the spectrum
says what is learned first and what never. What concerns kernels is worked out in float64 on the
host and comes back as NumPy arrays or Python numbers, not to be traced by JAX;
`checkerboard_energy` of images may be traced, and so may `square_modes`.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from math import ceil, pi, prod, sqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Real
from scipy.sparse.linalg import LinearOperator, eigsh
from scipy.special import entr, gammaln

from . import checks, matrices
from .deconvolution import Compressed
from .types import Integer

_NODES = 24  # Gauss-Legendre nodes a panel
_DENSE = 300  # positions; below it the whole matrix is quicker
_TIED = 2e-7  # of the largest; eigenvalues no further apart come in an order of their images
_OCTAVES = 48  # panels halved towards cosine 1 and -1


class Modes(NamedTuple):
    """Eigenvalues [n] in falling order, and eigenvectors [n, n], one a column."""

    values: Float[np.ndarray, " n"]
    vectors: Float[np.ndarray, "n n"]


def eigenmodes(gram: Real[ArrayLike, "n n"]) -> Modes:
    """Eigenvalues and orthonormal eigenvectors of a Gram matrix, largest first.

    gram = sum_k values[k] v_k v_k^T. Of the two signs of v_k the one is taken that makes the
    first of its largest entries positive; within a degenerate eigenvalue the basis is arbitrary.

    Arguments:
        gram: symmetric and positive semidefinite; what rounding makes negative comes out as 0.

    Raises:
        ValueError, TypeError: not a Gram matrix, or traced by JAX.
    """
    values, vectors = matrices.eigenmodes("gram", matrices.gram("gram", gram))
    return Modes(values, _signed(vectors))


def _signed(vectors: np.ndarray) -> np.ndarray:
    """The columns, the first of the largest entries of each positive."""
    size = np.abs(vectors)
    first = np.argmax(size > 0.999 * size.max(axis=0), axis=0)  # rounding must not choose
    return vectors * np.sign(np.take_along_axis(vectors, first[None], axis=0))


class EigenImages(NamedTuple):
    """Eigenvalues [count] in falling order, and unit eigenvectors as images [count, *size].

    Attributes:
        trace: the sum of all eigenvalues, of which `values` are the largest.
    """

    values: Float[np.ndarray, " count"]
    images: np.ndarray
    trace: float

    @property
    def shares(self) -> Float[np.ndarray, " count"]:
        """Share of the trace in each."""
        return self.values / self.trace


def eigenimages(kernel: Compressed, count: Integer) -> EigenImages:
    """The largest eigenvalues of a kernel between positions, and their eigenvectors as images.

    By Lanczos on the compressed kernel: the matrix is never formed. Signs as in `eigenmodes`; in
    the space of an eigenvalue repeated up to eight times, images that vary least down the rows
    come first.

    Arguments:
        kernel: over one input, as by `deconvolution.compressed(...).ntk`.
        count: how many, from 1 to the number of positions.

    Raises:
        ValueError, TypeError: a kernel of several inputs, a count outside its range.

    Source: [Lanczos], in ARPACK by way of SciPy.
    """
    if not isinstance(kernel, Compressed) or kernel.inputs is not None:
        raise TypeError(
            f"`kernel` must be a Compressed kernel of one input; got {kernel!r}. Take "
            "deconvolution.compressed(stack, activation, beta, input_gram[0, 0]).ntk."
        )
    n = kernel.positions
    if checks.whole("count", count, 1, "Try 6.") > n:
        raise ValueError(f"`count` must be at most {n}, the number of positions; got {count}.")
    more = min(count + 8, n)  # the last eigenvalue asked for may be repeated
    if n <= _DENSE or more > n // 2:
        values, vectors = eigenmodes(kernel.dense())
        values, vectors = values[:more], vectors[:, :more]
    else:
        operator = LinearOperator((n, n), kernel.matvec, dtype=np.float64)
        start = np.random.default_rng(0).normal(size=n)
        values, vectors = eigsh(operator, more, v0=start, ncv=min(n - 1, 4 * more))
        values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    settled = _signed(_settled(values, vectors, kernel.size)).T[:count]
    images = settled.reshape(count, *kernel.size)
    return EigenImages(
        values[:count], images, float(np.sum(np.asarray(kernel.diagonal(), np.float64)))
    )


def _settled(values: np.ndarray, vectors: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A basis of every repeated eigenvalue that does not depend on rounding."""
    vectors, groups = vectors.copy(), [[0]]
    for k, value in enumerate(values[1:], start=1):
        first = values[groups[-1][0]]
        if first - value < 1e-5 * first + 2e-7 * values[0]:
            groups[-1].append(k)
        else:
            groups.append([k])
    for group in groups:
        images = vectors[:, group].T.reshape(len(group), *size)
        steps = np.diff(images, axis=1).reshape(len(group), -1)
        _, rotation = np.linalg.eigh(steps @ steps.T)
        vectors[:, group] = vectors[:, group] @ rotation
    return vectors


class SquareModes(NamedTuple):
    """Spectrum of a kernel between the pixels of a square, in JAX's arrays, largest first.

    Attributes:
        values: all eigenvalues.
        images: the first unit eigenvectors, as images.
        boards: the checkerboard share, as of `checkerboard_share`.
    """

    values: Float[Array, " pixels"]
    images: Float[Array, "count n n"]
    boards: Float[Array, ""]

    @property
    def shares(self) -> Float[Array, " pixels"]:
        """Share of the trace in each, 0 where rounding makes it negative."""
        return jnp.maximum(self.values, 0) / jnp.sum(jnp.maximum(self.values, 0))

    @property
    def effective_rank(self) -> Float[Array, ""]:
        """As by the function of this name."""
        positive = self.shares > 0
        logs = jnp.log(jnp.where(positive, self.shares, 1))
        return jnp.exp(-jnp.sum(self.shares * logs))


def square_modes(
    kernel: Float[Array, "n n n n"], count: int, stride: int, levels: int = 2
) -> SquareModes:
    """Eigenvalues and first eigenimages of a kernel that the symmetries of the square leave alone.

    Mirroring rows, mirroring columns and exchanging both commute with such a kernel, so that its
    eigenimages can be taken even or odd under each. That splits one eigenproblem of n^2 pixels
    into five of n^2 / 4 and less, the quickest road where a page computes. All may be traced.

    Within an eigenvalue that is repeated, images of different symmetries come unmixed and in an
    order that rounding does not change: stripes before checkerboards. Of two that are one another
    transposed, the one that varies less down the rows is first. Signs are as in `eigenmodes`.

    Arguments:
        kernel: [rows, columns, rows, columns], as of `deconvolution.square_kernels`, of layers
            that mirroring leaves alone; n is even, and a multiple of stride^levels. Not checked.
        count: how many images, at most (n / 2 - 1) n / 4.
        stride, levels: the periods of `boards`.
    """
    n = len(kernel)
    even, odd = _mirrored(n)
    with jax.default_matmul_precision("highest"):
        alike = [
            _sector(_between(kernel, half, half), count, half, half, pairs)
            for half in (even, odd)
            for pairs in _exchanged(n // 2)
        ]
        values, tops, images = _sector(_between(kernel, even, odd), count, even, odd)
        boards = _boards(kernel, stride**levels)
    turned = jnp.swapaxes(images, 1, 2)
    later = (_varying(images) > _varying(turned))[:, None, None]
    both = jnp.where(later, turned, images), jnp.where(later, images, turned)
    found = [(values, tops, image) for image in both] + alike
    kinds = np.repeat(np.arange(len(found)), [len(tops) for _, tops, _ in found])
    values, tops, images = (jnp.concatenate(parts) for parts in zip(*found, strict=True))
    settled = tops - jnp.asarray(_TIED * kinds, tops.dtype) * jnp.max(tops)
    return SquareModes(
        jnp.sort(values)[::-1], _positive(images[jnp.argsort(-settled)[:count]]), boards
    )


def _mirrored(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal bases [n, n / 2] of the lines that mirroring keeps, and of those it negates."""
    one, other = np.eye(n // 2), np.eye(n // 2)[::-1]
    return np.vstack([one, other]) / sqrt(2), np.vstack([one, -other]) / sqrt(2)


def _exchanged(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal bases [n^2, ...] of symmetric and of antisymmetric matrices."""
    rows, columns = np.triu_indices(n)
    units = np.eye(n * n).reshape(n, n, n, n)[rows, columns]
    sums, differences = (units + sign * units.swapaxes(1, 2) for sign in (1, -1))
    parts = (part.reshape(-1, n * n).T for part in (sums, differences[rows < columns]))
    one, other = (part / np.linalg.norm(part, axis=0) for part in parts)
    return one, other


def _between(kernel: Array, down: np.ndarray, along: np.ndarray) -> Array:
    """The kernel in a product basis: [images, images]."""
    d, a = (jnp.asarray(half, kernel.dtype) for half in (down, along))
    part = jnp.einsum("pi,pcrd,rk->ickd", d, kernel, d)
    count = down.shape[1] * along.shape[1]
    return jnp.einsum("cj,ickd,dl->ijkl", a, part, a).reshape(count, count)


def _sector(
    block: Array, count: int, down: np.ndarray, along: np.ndarray, pairs: np.ndarray | None = None
) -> tuple[Array, Array, Array]:
    """All eigenvalues, the largest, and their images."""
    if pairs is not None:
        basis = jnp.asarray(pairs, block.dtype)
        block = basis.T @ block @ basis
    values, vectors = jnp.linalg.eigh(block)
    vectors = vectors[:, -count:] if pairs is None else basis @ vectors[:, -count:]
    grid = vectors.T.reshape(-1, down.shape[1], along.shape[1])
    d, a = (jnp.asarray(half, block.dtype) for half in (down, along))
    return values, values[-count:], d @ grid @ a.T


def _varying(images: Array) -> Array:
    """Squared differences between the rows of each."""
    return jnp.sum(jnp.diff(images, axis=1) ** 2, axis=(1, 2))


def _positive(images: Array) -> Array:
    """Each with the sign that makes the first of its largest entries positive."""
    flat = images.reshape(len(images), -1)
    size = jnp.abs(flat)
    first = jnp.argmax(size > 0.999 * jnp.max(size, axis=1, keepdims=True), axis=1)
    return images * jnp.sign(flat[jnp.arange(len(flat)), first])[:, None, None]


def _boards(kernel: Array, period: int) -> Array:
    """The checkerboard share, in the precision of the kernel."""
    n = len(kernel)
    basis = _periodic(n, period)
    onto = jnp.asarray(basis @ basis.T, kernel.dtype)
    kernel = kernel - jnp.mean(kernel)  # which no centred image sees, and differences lose digits
    constant = jnp.sum(kernel) / n**2
    total = jnp.einsum("pcpc->", kernel) - constant
    return (jnp.einsum("pr,pcrd,cd->", onto, kernel, onto) - constant) / total


def constant_share(gram: Real[ArrayLike, "n n"]) -> float:
    """Share of the trace that lies along the constant vector, in [0, 1].

    (1^T K 1 / n) / trace K: the Rayleigh quotient of (1, ..., 1) / sqrt(n) over the sum of all
    eigenvalues. In freeze the constant becomes the top eigenvector and its share tends to 1; in
    chaos K tends to the identity and the share to 1 / n.

    Arguments:
        gram: symmetric and positive semidefinite.

    Raises:
        ValueError, TypeError: not a Gram matrix, or traced by JAX.

    Source: [JGGH, freeze and chaos].

    >>> constant_share(np.ones((4, 4))), constant_share(np.eye(4))
    (1.0, 0.25)
    """
    matrix = matrices.gram("gram", gram)
    return float(np.clip(matrix.mean() / np.diagonal(matrix).mean(), 0, 1))


def effective_rank(gram: Real[ArrayLike, "n n"]) -> float:
    """How many eigenvectors share the trace, in [1, n]: exp of the entropy of the eigenvalues.

    exp(-sum_k p_k log p_k) with p_k = lambda_k / trace K.

    Arguments:
        gram: symmetric and positive semidefinite.

    Raises:
        ValueError, TypeError: not a Gram matrix, or traced by JAX.

    Source: Roy and Vetterli, The effective rank, EUSIPCO 2007.

    >>> round(effective_rank(np.eye(4)), 6), round(effective_rank(np.ones((4, 4))), 6)
    (4.0, 1.0)
    """
    values = matrices.eigenvalues("gram", matrices.gram("gram", gram))
    return float(np.exp(np.sum(entr(values / np.sum(values)))))


def condition_number(gram: Real[ArrayLike, "n n"]) -> float:
    """Largest eigenvalue over smallest: how many times longer the last mode takes to learn.

    Infinite where the smallest does not exceed what rounding can make of 0, sqrt(n) times the
    rounding of the largest diagonal entry in the matrix's own precision plus that of the largest
    eigenvalue in float64.

    Arguments:
        gram: symmetric and positive semidefinite.

    Raises:
        ValueError, TypeError: not a Gram matrix, or traced by JAX.

    >>> round(condition_number(np.diag([4.0, 1.0])), 6), condition_number(np.ones((2, 2)))
    (4.0, inf)
    """
    matrix = matrices.gram("gram", gram)
    values = matrices.eigenvalues("gram", matrix)
    floor = matrices.floor(matrix, matrices.rounding(gram), values[0])
    return float(values[0] / values[-1]) if values[-1] > floor else float("inf")


def checkerboard_energy(
    images: Real[ArrayLike, "..."],
    stride: Integer | Sequence[Integer],
    *,
    levels: Integer = 2,
    dimensions: Integer = 2,
) -> Float[Array, "..."]:
    """Share of an image's energy, the mean left out, at periods up to stride^levels, in [0, 1].

    Up-sampling by `stride` leaves patterns of the periods stride, stride^2, ..., stride^levels = p
    along each axis. Together they are the functions of (row mod p, column mod p), in the discrete
    Fourier transform the frequencies that are multiples of 1 / p along every axis. With P the
    projection onto them, which is exact also where p does not divide the size, and m the mean,

        |P (image - m)|^2 / |image - m|^2.

    A checkerboard has 1, and so have stripes of these periods; an image that does not vary by more
    than rounding has 0. White noise has (q - 1) / (n - 1) on average, with n pixels and
    q = p^dimensions: hold results against that. Natural images have less as long as four periods
    fit. The difference between levels=2 and levels=1 is the share of the period stride^2 alone.

    Arguments:
        images: any batch of [rows, columns], or of [positions] with dimensions=1, all finite; of
            [n, height, width, channels] take one channel, images[..., 0].
        stride: 2 or more, or one an axis, where 1 forbids variation along that axis.
        levels: number of up-sampling layers to account for; images hold two periods or more.
        dimensions: how many of the last axes are the image's.

    Returns one number an image; its gradient is finite everywhere.

    Raises:
        ValueError, TypeError: an argument outside its range.

    Source: the periods are those of checkerboard patterns in [JGGH, freeze and chaos].

    >>> board = np.indices((8, 8)).sum(axis=0) % 2
    >>> checkerboard_energy(np.stack([board, np.ones((8, 8))]), stride=2).round(3)
    Array([1., 0.], dtype=float32)
    """
    array = checks.targets("images", images)
    return _periodic_share(array, _periods(array.shape, stride, levels, dimensions))


def checkerboard_share(
    gram: Real[ArrayLike, "n n"],
    size: Integer | tuple[Integer, ...],
    stride: Integer | Sequence[Integer],
    *,
    levels: Integer = 2,
) -> float:
    """Share of a kernel, its constant part left out, at periods up to stride^levels, in [0, 1].

        trace(P C K C P) / trace(C K C)

    with C taking the mean away and P the projection of `checkerboard_energy`. Of images drawn from
    a Gaussian process with covariance K it is the ratio of the expected energies: what
    `checkerboard_energy` has above its line, over what it has below. Of an NTK it is the share of
    the speed with which training from noise moves these patterns. A multiple of the identity has
    (q - 1) / (n - 1), with n positions and q = stride^levels an axis multiplied: more is a
    preference for checkerboards, less an aversion. A constant kernel has 0.

    Arguments:
        gram: between positions, rows before columns; symmetric and positive semidefinite.
        size: (rows, columns), or a number in one dimension.
        stride, levels: as for `checkerboard_energy`.

    Raises:
        ValueError, TypeError: not a Gram matrix of that size, an argument outside its range.

    >>> board = np.indices((8, 8)).sum(axis=0).ravel() % 2
    >>> round(checkerboard_share(np.outer(board, board), (8, 8), 2), 6)
    1.0
    """
    matrix = matrices.gram("gram", gram)
    shape = tuple(map(int, size if isinstance(size, tuple) else (size,)))
    if prod(shape) != len(matrix):
        raise ValueError(
            f"`size` must have as many positions as `gram` has rows, {len(matrix)}; got {size}."
        )
    bases = map(_periodic, shape, _periods(shape, stride, levels, len(shape)))
    basis = reduce(np.kron, bases)
    mean = matrix.mean(axis=0)
    centred = matrix - mean - mean[:, None] + mean.mean()
    total = float(np.trace(centred))
    if total <= matrices.rounding(gram) * np.trace(matrix):
        return 0.0
    return float(np.clip(np.sum(basis * (centred @ basis)) / total, 0, 1))


@partial(jax.jit, static_argnames="periods")
def _periodic_share(array: Array, periods: tuple[int, ...]) -> Array:
    """Share of the energy over the last axes in the functions of position modulo the periods."""
    axes = tuple(range(-len(periods), 0))
    corner = jax.lax.stop_gradient(array[(..., *[slice(1)] * len(periods))])
    varying = array - corner  # exactly zero for a constant
    varying = varying - jnp.mean(varying, axes, keepdims=True)
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(varying), axes, keepdims=True))
    rounding = jnp.finfo(array.dtype).eps * jnp.max(jnp.abs(array), axes, keepdims=True)
    flat = size <= rounding
    scaled = varying / jnp.where(flat, 1, size)  # its squares neither overflow nor vanish
    flat, total = jnp.squeeze(flat, axes), jnp.sum(scaled**2, axes)
    for axis, period in zip(axes, periods, strict=True):
        basis = jnp.asarray(_periodic(array.shape[axis], period), array.dtype)
        scaled = jnp.tensordot(scaled, basis, ((axes[0],), (0,)), precision="highest")
    share = jnp.sum(scaled**2, axes) / jnp.where(flat, 1, total)
    return jnp.where(flat, 0, jnp.minimum(share, 1))


def _periods(shape: tuple[int, ...], stride: Any, levels: Any, dimensions: Any) -> tuple[int, ...]:
    """stride^levels along each axis of the images."""
    levels = checks.whole("levels", levels, 1, "It counts the up-sampling layers; try 2.")
    checks.whole("dimensions", dimensions, 1, "Images have 2, signals 1.")
    if len(shape) < dimensions:
        raise ValueError(
            f"`images` must have {dimensions} axes or more; got shape {list(shape)}. "
            "Of signals [..., positions] take dimensions=1."
        )
    strides = tuple(stride) if isinstance(stride, Sequence) else (stride,) * dimensions
    hint = "It is the factor of up-sampling; try 2."
    periods = tuple(checks.whole("stride", s, 1, hint) ** levels for s in strides)
    if len(periods) != dimensions or max(periods) == 1:
        raise ValueError(
            f"`stride` must be 2 or more, or one such number for each of the {dimensions} "
            f"dimensions; got {stride}. {hint}"
        )
    if any(length < 2 * p for length, p in zip(shape[-dimensions:], periods, strict=True)):
        raise ValueError(
            f"`images` must hold two periods or more, {[2 * p for p in periods]} pixels; got "
            f"shape {list(shape)}. Lower `levels`, or take larger images; of images "
            "[n, height, width, channels] take images[..., 0]."
        )
    return periods


def _periodic(length: int, period: int) -> np.ndarray:
    """Orthonormal basis of the functions of position modulo the period, one a column."""
    indicator = np.arange(length)[:, None] % period == np.arange(period)
    return indicator / np.sqrt(indicator.sum(axis=0))


class SphereModes(NamedTuple):
    """Spectrum of a dot-product kernel on the sphere, an entry a degree 0, 1, ....

    Attributes:
        eigenvalues: one a degree; its eigenfunctions are the spherical harmonics.
        log_multiplicities: logarithm of the number of harmonics of that degree.
        errors: how far an eigenvalue may be off by rounding of the cosine and of the kernel.
        trace: kernel(1), the sum of multiplicity times eigenvalue over all degrees.
    """

    eigenvalues: Float[np.ndarray, " degrees"]
    log_multiplicities: Float[np.ndarray, " degrees"]
    errors: Float[np.ndarray, " degrees"]
    trace: float

    @property
    def multiplicities(self) -> Float[np.ndarray, " degrees"]:
        """Number of harmonics of each degree; infinite where float64 ends."""
        with np.errstate(over="ignore"):
            return np.rint(np.exp(self.log_multiplicities))

    @property
    def shares(self) -> Float[np.ndarray, " degrees"]:
        """Share of the trace in each degree; what is missing to 1 lies in higher degrees."""
        size = np.abs(self.eigenvalues) / abs(self.trace)
        with np.errstate(divide="ignore", over="ignore"):
            return np.sign(self.eigenvalues) * np.exp(self.log_multiplicities + np.log(size))


def on_sphere(
    kernel: Callable[[Float[Array, " n"]], Float[Array, " n"]], dimension: Integer, degrees: Integer
) -> SphereModes:
    """Eigenvalues of kernel(x.y) under the uniform distribution on the unit sphere of R^d.

    By Funk and Hecke the harmonics of degree k share lambda_k = E[kernel(t) P_k(t)], where t is
    the cosine of two random points and P_k the Gegenbauer polynomial with P_k(1) = 1; in two
    dimensions P_k(cos a) = cos(k a), Fourier. A Gram matrix of n random points has, as n grows,
    the eigenvalues n lambda_k.

    Gauss-Legendre panels that halve towards cosine 1 and -1 integrate every power series in the
    cosine with radius of convergence 1, which a kernel for all dimensions is [Schoenberg],
    however sharp: what error there is comes from rounding and is returned. It is about 1e-16
    of the kernel's root mean square over sqrt(multiplicity), so in high dimension only the first
    degrees are resolved (about 10 in 784 dimensions), the ones with errors below eigenvalues.

    Arguments:
        kernel: maps cosines in [-1, 1] to numbers, given float64 JAX arrays; for instance
            lambda cosine: kernels.ntk(activation, beta, depth, cosine).
        dimension: d, 2 or more; the sphere is S^(d-1).
        degrees: how many: 0, ..., degrees - 1.

    Raises:
        ValueError, TypeError: an argument outside its range, a kernel that is not finite.

    >>> spectrum = on_sphere(lambda cosine: cosine**2, dimension=3, degrees=3)
    >>> spectrum.multiplicities
    array([1., 3., 5.])
    >>> spectrum.shares.round(6) + 0.0
    array([0.333333, 0.      , 0.666667])
    """
    dimension = checks.whole("dimension", dimension, 2, "Inputs on a circle have dimension 2.")
    degrees = checks.whole("degrees", degrees, 1, "It counts the degrees from 0 on; try 20.")
    if not callable(kernel):
        raise TypeError(
            f"`kernel` must be a function of the cosine; got a {type(kernel).__name__}. "
            "Try lambda cosine: kernels.ntk(activation, beta, depth, cosine)."
        )
    cosine, weight = _nodes(dimension, degrees)
    value, rounding = _values(kernel, cosine)
    eigenvalues, errors = np.empty(degrees), np.empty(degrees)
    for k, polynomial in zip(range(degrees), _gegenbauer(dimension, cosine), strict=False):
        eigenvalues[k] = np.sum(weight * value * polynomial)
        size = np.abs(polynomial)
        errors[k] = np.sum(weight * size * (rounding + k * 2.0**-52 * np.abs(value)))
    trace = float(_values(kernel, np.ones(1))[0][0])
    return SphereModes(eigenvalues, _log_multiplicities(dimension, degrees), errors, trace)


def _nodes(dimension: int, degrees: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and weights that sum to 1, from panels in the angle 0 .. pi / 2, mirrored."""
    count = ceil(pi / 2 * max(degrees / 8, sqrt(dimension)))
    even = np.linspace(0, pi / 2, count + 1)
    halved = even[1] * 2.0 ** np.arange(-_OCTAVES, 0)
    borders = np.concatenate([[0.0], halved, even[1:]])
    x, w = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(borders)[:, None] / 2
    angle = (borders[:-1, None] + half * (1 + x)).ravel()
    cosine = np.cos(angle)
    near_right = np.log1p(-np.minimum(cosine**2, 0.5)) / 2  # log sin, whose digits its power needs
    log_sine = np.where(cosine**2 < 0.5, near_right, np.log(np.sin(angle)))
    weight = (half * w).ravel() * np.exp((dimension - 2) * log_sine)
    return np.concatenate([cosine, -cosine]), np.tile(weight / (2 * np.sum(weight)), 2)


def _values(kernel: Callable[[Array], Array], cosine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kernel in float64, and what the last digit of cosine and kernel can change in it."""
    results = []
    for argument in (cosine, np.nextafter(cosine, 0)):
        with jax.enable_x64(True):
            result = np.asarray(kernel(jnp.asarray(argument)))
        if result.shape != cosine.shape or not np.isfinite(result).all():
            raise ValueError(
                f"`kernel` must give a finite number for every cosine in [-1, 1]; for "
                f"{cosine.size} of them got an array of shape {list(result.shape)}"
                f"{'' if np.isfinite(result).all() else ' with NaN or infinity'}. "
                "Try lambda cosine: kernels.ntk(activation, beta, depth, cosine)."
            )
        results.append(result.astype(np.float64))
    value, neighbour = results
    return value, np.abs(value - neighbour) + 16 * matrices.rounding(result) * np.abs(value)


def _gegenbauer(dimension: int, cosine: np.ndarray) -> Any:
    """P_0, P_1, ... at the cosines, with P_k(1) = 1, by their three-term recurrence."""
    previous, current = np.ones_like(cosine), cosine
    yield previous
    k = 1
    while True:
        yield current
        grown = (2 * k + dimension - 2) * cosine * current - k * previous
        previous, current = current, grown / (k + dimension - 2)
        k += 1


def _log_multiplicities(dimension: int, degrees: int) -> np.ndarray:
    """log of (2 k + d - 2) (k + d - 3)! / (k! (d - 2)!)."""
    k = np.arange(1, degrees)
    factorials = gammaln(k + dimension - 2) - gammaln(k + 1) - gammaln(dimension - 1)
    return np.concatenate([[0.0], np.log(2 * k + dimension - 2) + factorials])
