"""Products of matrices, and what becomes one."""

from .emit import Located, Scope, nest
from .places import Place
from .program import Equation, Unsupported


def _dot_general(scope: Scope, equation: Equation) -> list[Located]:
    """Batches of products, each [m, k] times [k, n]; axes that belong together walked as one."""
    (sum_a, sum_b), (batch_a, batch_b) = equation.params["dimension_numbers"]
    value = equation.outputs[0]
    if not value.dtype.startswith("float"):
        raise Unsupported(f"`dot_general` of {value.dtype}, at {equation.where}")
    sides = []
    for operand, summed, batch in zip(
        equation.inputs, (sum_a, sum_b), (batch_a, batch_b), strict=True
    ):
        place = scope.place(operand)
        free = [k for k in range(len(place.shape)) if k not in (*summed, *batch)]
        if place.merged(free) is None or place.merged(summed) is None:
            order = [*batch, *free, *summed]
            place = scope.contiguous(place.transposed(order))
            batch = list(range(len(batch)))
            free = list(range(len(batch), len(batch) + len(free)))
            summed = list(range(len(batch) + len(free), len(order)))
        outer, rows, along = place.transposed(batch), place.merged(free), place.merged(summed)
        assert rows is not None
        assert along is not None
        sides.append((outer, rows, along))
    (a, (m, a_m), (k, a_k)), (b, (n, b_n), (_, b_k)) = sides
    target = scope.emitter.array(value.shape, value.dtype)
    over = Place(
        target.base, a.shape, tuple(s for s in target.strides[: len(a.shape)]), value.dtype
    )
    scope.call(
        nest(
            scope.emitter,
            a.shape,
            [over, a, b],
            lambda at: (
                f"product({target.base},{at[0]},{a.base},{at[1]},{a_m},{a_k},"
                f"{b.base},{at[2]},{b_k},{b_n},{m},{n},{k});"
            ),
        )
    )
    return [target]


PRODUCTS = {"dot_general": _dot_general}
