"""What a primitive does to single numbers, in JavaScript.

An entry of `OPERATIONS` takes the operands, as JavaScript, and the equation, and gives an
expression. Results are rounded by `rounded` to the type that they have: float32 as
`Math.fround` does it. Denormal numbers become zero, as XLA has it on a CPU, where they come from
a product, or where a number is kept: to test every sum would cost more than the sums.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .program import Equation, Unsupported

TINY = {"float32": 1.1754943508222875e-38, "float64": 2.2250738585072014e-308}
ARRAYS = {
    "float32": "Float32Array",
    "float64": "Float64Array",
    "int32": "Int32Array",
    "uint32": "Uint32Array",
    "int16": "Int16Array",
    "uint16": "Uint16Array",
    "int8": "Int8Array",
    "uint8": "Uint8Array",
    "bool": "Uint8Array",
    "int64": "Float64Array",  # whole numbers up to 2^53
}
TINY_NAME = {"float32": "T", "float64": "U"}
SHORT = {dtype: re.sub("[a-z]|Array", "", kind) for dtype, kind in ARRAYS.items()}
Operation = Callable[..., str]


def _binary(sign: str) -> Operation:
    return lambda _, a, b: f"{a}{sign}{b}"


def _call(name: str) -> Operation:
    return lambda _, *operands: f"{name}({','.join(operands)})"


def _is_float(dtype: str) -> bool:
    return dtype.startswith("float")


def _mul(equation: Equation, a: str, b: str) -> str:
    exact = equation.outputs[0].dtype in ("int32", "uint32")
    return f"Math.imul({a},{b})" if exact else f"{a}*{b}"


def _integer_pow(equation: Equation, a: str) -> str:
    y = equation.params["y"]
    if abs(y) > 4 or not _is_float(equation.outputs[0].dtype):
        if not _is_float(equation.outputs[0].dtype):
            product = a
            for _ in range(y - 1):
                product = f"Math.imul({product},{a})"
            return product if y else "1"
        return f"Math.pow({a},{y})"
    product = "*".join([a] * abs(y)) or "1"
    return f"1/({product})" if y < 0 else product


def _select(equation: Equation, which: str, *cases: str) -> str:
    if len(cases) == 2:
        return f"{which}?{cases[1]}:{cases[0]}"
    return f"[{','.join(cases)}][{which}]"


def _shift(sign: str) -> Operation:
    def shift(equation: Equation, a: str, b: str) -> str:
        known = equation.inputs[1].data
        if known is not None and known.size == 1:
            over = int(known) > 31
            return "0" if over and sign != ">>" else f"{a}{sign}{min(int(known), 31)}"
        return f"{a}>>Math.min({b},31)" if sign == ">>" else f"{b}>31?0:{a}{sign}{b}"

    return shift


def _converted(equation: Equation, a: str) -> str:
    before, after = equation.inputs[0].dtype, equation.outputs[0].dtype
    if after == "bool":
        return f"{a}!=0"
    if _is_float(before) and not _is_float(after):
        low, high = np.iinfo(after).min, np.iinfo(after).max
        return f"Math.trunc(Math.max({low},Math.min({high},{a}||0)))"
    return f"+{a}" if before == "bool" else a


def _not(equation: Equation, a: str) -> str:
    return f"{a}?0:1" if equation.outputs[0].dtype == "bool" else f"~{a}"


def _div(equation: Equation, a: str, b: str) -> str:
    return f"{a}/{b}" if _is_float(equation.outputs[0].dtype) else f"Math.trunc({a}/{b})"


def _round(equation: Equation, a: str) -> str:
    even = "EVEN" in str(equation.params["rounding_method"]).upper()
    return f"even({a})" if even else f"Math.sign({a})*Math.round(Math.abs({a}))"


def _reduced(equation: Equation, a: str) -> str:
    if (equation.params["exponent_bits"], equation.params["mantissa_bits"]) != (8, 23):
        raise Unsupported("`reduce_precision` knows float32 only")
    return f"Math.fround({a})"


def _bits(equation: Equation, a: str) -> str:
    before, after = equation.inputs[0].dtype, equation.outputs[0].dtype
    if {before, after} <= {"int32", "uint32"}:
        return a
    if {before, after} <= {"int32", "uint32", "float32"}:
        return f"(bits_of_{before}({a}),bits_{after}())"
    raise Unsupported(f"`bitcast_convert_type` does not know {before} to {after}")


OPERATIONS: dict[str, Operation] = {
    "add": _binary("+"),
    "add_any": _binary("+"),
    "sub": _binary("-"),
    "mul": _mul,
    "div": _div,
    "rem": _binary("%"),
    "neg": lambda _, a: f"-{a}",
    "integer_pow": _integer_pow,
    "pow": _call("Math.pow"),
    "max": _call("Math.max"),
    "min": _call("Math.min"),
    "abs": _call("abs"),
    "sign": _call("Math.sign"),
    "floor": _call("Math.floor"),
    "ceil": _call("Math.ceil"),
    "round": _round,
    "is_finite": _call("Number.isFinite"),
    "exp": _call("Math.exp"),
    "exp2": lambda _, a: f"Math.pow(2,{a})",
    "log": _call("Math.log"),
    "log2": _call("Math.log2"),  # from JAX 0.12 on a primitive
    "expm1": _call("Math.expm1"),
    "log1p": _call("Math.log1p"),
    "tanh": _call("Math.tanh"),
    "sinh": _call("Math.sinh"),
    "cosh": _call("Math.cosh"),
    "asinh": _call("Math.asinh"),
    "acosh": _call("Math.acosh"),
    "atanh": _call("Math.atanh"),
    "sin": _call("Math.sin"),
    "cos": _call("Math.cos"),
    "tan": _call("Math.tan"),
    "asin": _call("Math.asin"),
    "acos": _call("Math.acos"),
    "atan": _call("Math.atan"),
    "atan2": _call("Math.atan2"),
    "sqrt": _call("Math.sqrt"),
    "rsqrt": lambda _, a: f"1/Math.sqrt({a})",
    "cbrt": _call("Math.cbrt"),
    "threefry2x32": _call("threefry"),
    "erf": _call("erf"),
    "erfc": _call("erfc"),
    "erf_inv": lambda equation, a: (
        f"erfInverse{'32' * (equation.outputs[0].dtype == 'float32')}({a})"
    ),
    "eq": _binary("=="),
    "ne": _binary("!="),
    "lt": _binary("<"),
    "le": _binary("<="),
    "gt": _binary(">"),
    "ge": _binary(">="),
    "and": _binary("&"),
    "or": _binary("|"),
    "xor": _binary("^"),
    "not": _not,
    "shift_left": _shift("<<"),
    "shift_right_logical": _shift(">>>"),
    "shift_right_arithmetic": _shift(">>"),
    "population_count": _call("bitCount"),
    "clz": _call("Math.clz32"),
    "select_n": _select,
    "convert_element_type": _converted,
    "reduce_precision": _reduced,
    "bitcast_convert_type": _bits,
    "copy": lambda _, a: a,
}
_EXACT = {  # float results that need no rounding, being an operand or a small whole number
    "neg", "max", "min", "abs", "sign", "floor", "ceil", "round", "select_n", "copy",
    "reduce_precision", "bitcast_convert_type",
}  # fmt: skip
_TINY_FROM = {"add", "sub", "mul", "div", "exp", "exp2", "pow", "integer_pow", "erfc", "rem"}
_SHORT = {"float32", "bool", "int8", "uint8", "int16", "uint16"}


def rounded(equation: Equation, expression: str, operands: Sequence[str]) -> str:
    """Return the value of the type that `equation` gives."""
    name, dtype = equation.name, equation.outputs[0].dtype
    if _tested(equation, operands):
        near = "f(x)" if dtype == "float32" else "x"
        return f"abs(x={expression})<{TINY_NAME[dtype]}?0:{near}"
    if dtype == "float32":
        before = equation.inputs[0].dtype
        exact = name in _EXACT or (name == "convert_element_type" and before in _SHORT)
        return expression if exact else f"f({expression})"
    if dtype == "uint32":
        return f"({expression})>>>0"
    if dtype == "int32":
        return f"({expression})|0"
    if dtype in ("int8", "int16"):
        bits = 32 - int(dtype[3:])
        return f"({expression})<<{bits}>>{bits}"
    if dtype in ("uint8", "uint16"):
        return f"({expression})&{2 ** int(dtype[4:]) - 1}"
    if dtype == "int64" and (name in ("and", "or", "xor", "not") or name.startswith("shift")):
        raise Unsupported(f"`{name}` of {dtype}, at {equation.where}")
    if dtype not in ARRAYS:
        raise Unsupported(f"numbers of the type {dtype}, at {equation.where}")
    return expression


def _tested(equation: Equation, operands: Sequence[str]) -> bool:
    """Whether a product's size is looked at, as that of one with a known factor is not."""
    product = equation.name == "mul" and _is_float(equation.outputs[0].dtype)
    return product and not any(map(_is_literal, operands))


def may_be_tiny(equation: Equation, operands: Sequence[str]) -> bool:
    """Whether the result is a float that may be denormal."""
    sums = equation.name in _TINY_FROM and _is_float(equation.outputs[0].dtype)
    return sums and not _tested(equation, operands)


def flushed(number: str, dtype: str) -> str:
    """What is kept of a number that has a name: 0 of one that is denormal."""
    if not _is_float(dtype):
        return number
    return f"abs({number})<{TINY_NAME[dtype]}?0:{number}"


def _is_literal(operand: str) -> bool:
    return operand[0] in "(-0123456789"


def literal(value: Any, dtype: str) -> str:
    """One number in JavaScript, in parentheses where it is negative."""
    if dtype == "bool":
        return "1" if value else "0"
    if not np.isfinite(value):
        text = "NaN" if np.isnan(value) else "1/0" if value > 0 else "-1/0"
        return text if text == "NaN" else f"({text})"
    number = float(value)
    text = repr(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)
    if number == 0 and np.signbit(value):
        text = "-0"
    return f"({text})" if text.startswith("-") else text
