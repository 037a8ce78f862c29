"""A layer whose parts are switched on and off as it runs: one compiled function for all of them."""

from collections.abc import Callable

from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from freezechaos.activations import standardized

from . import grams, layers
from . import parts as part

Switch = Bool[Array, ""] | Int[Array, ""] | bool
"""Whether a part is on."""


def switched_step(
    gram: Float[Array, "n n"],
    recentre: Switch,
    rescale: Switch,
    nonlinearity: Switch,
    *,
    width: int | None = None,
    key: Key[Array, ""] | None = None,
) -> Float[Array, "n n"]:
    """The Gram matrix one layer on, scaled to trace n, of those parts that are on, in this order.

    What `gram_step` gives with these parts; with a width, what `propagate` does in a layer. The
    nonlinearity is standardized ReLU. Made for `jax.jit`: the numbers in `gram` are not looked at.

    Arguments:
        gram: of two points or more, of trace n; symmetric, no eigenvalue negative.
        recentre, rescale, nonlinearity: True or False, traced or not; of integers 0 is off.
        width: neurons of the layer, 1 or more; infinitely many where left out.
        key: draws the weights of a layer of finite width, and is not used without one.

    Raises:
        ValueError: a width without a key.

    Source: [NBGK], as for `gram_step` and `propagate`.
    """
    if width is not None and key is None:
        raise ValueError(
            f"`key` must be given with a width; got None with width={width}. A layer of finite "
            "width draws its weights: try key=jax.random.key(0)."
        )
    relu = standardized("relu")

    def nonlinear(gram: Array) -> Array:
        return _where_on(nonlinearity, lambda g: grams.nonlinear(g, relu), gram)

    if width is None:
        gram = _where_on(recentre, grams.recentred, gram)
        after = lax.cond(rescale, lambda g: grams.rescaled(g, nonlinear), nonlinear, gram)
        return grams.settled(after)
    assert key is not None
    neurons = layers.drawn(gram, key, width)
    neurons = _where_on(recentre, part.recentre, neurons)
    neurons = _where_on(rescale, part.rescale, neurons)
    return layers.gram_of(_where_on(nonlinearity, relu, neurons))


def _where_on(switch: Switch, function: Callable[[Array], Array], x: Array) -> Array:
    return lax.cond(switch, function, lambda x: x, x)
