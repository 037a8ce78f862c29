"""JAX functions for a page: `compile` writes JavaScript that computes what a function computes.

    from freezechaos.browser import compile, compile_all

    source = compile(function, jax.ShapeDtypeStruct((), "float32"), x)

`source` is a JavaScript expression; its value is a function. It takes one argument for every leaf
of the examples, a typed array of just that many elements in row-major order (for a leaf of one
element a plain number will do), and returns an array of new typed arrays, one for every leaf of
the result:

    const f = SOURCE;
    const [y] = f(0.1, new Float32Array([0.2, 0.5, 1]));

Float32, int32 and uint32 are the typed arrays of these names, float64 what was traced under
`jax.enable_x64`, booleans Uint8Array, int64 Float64Array; a random key is two numbers of a
Uint32Array. The code asks for nothing: no network, no module, no `eval`; it runs in a window, in a
worker and from a file. Results agree with JAX to a few roundings, random bits agree to the bit.
Products of float32 run in WebAssembly, four numbers at once, where the device has that, and in
loops where not; a device repeats its own results to the bit.

`compile_all` makes one object of several functions, `of_sizes` one code of a function at several
sizes.

A primitive of your own is what its `impl` computes. One of JAX that is not known is an
`Unsupported` error that names it, the function, and the line.
"""

from .compiler import compile, compile_all
from .program import Unsupported
from .sizes import of_sizes

__all__ = ["Unsupported", "compile", "compile_all", "of_sizes"]
