"""The product of two matrices in WebAssembly, four numbers at once, assembled here.

A panel of eight columns of b is laid row after row, in room at the beginning of the memory; then
four rows of a at a time meet it, in eight vectors of sums. A vector takes 64 terms before it goes
to a second one, so that many terms lose no digits. The last rows and columns are computed as part
of the last four and the last eight that there are, twice if need be, so there are no edges.

The text is that of WebAssembly's own format, in its order on the stack
[https://webassembly.github.io/spec/core/].
"""

from collections.abc import Sequence

PANEL = 8
"""Columns of b in a panel: room for them is k times as many numbers."""

_GIVEN = ("c", "a", "am", "ak", "b", "bk", "bn", "m", "n", "k")
_WHOLE = ("i", "j", "at", "l", "end", "p", "q", "r0", "r1", "r2", "r3", "t0", "t1", "t2", "t3")
_CELLS = [f"{row}{side}" for row in range(4) for side in "lr"]
_VECTORS = ["left", "right", "splat", *(f"{kind}{cell}" for kind in "xs" for cell in _CELLS)]

_CODES = {
    "loop": b"\x03\x40", "if": b"\x04\x40", "else": b"\x05", "end": b"\x0b", "br_if": b"\x0d",
    "select": b"\x1b", "local.get": b"\x20", "local.set": b"\x21", "local.tee": b"\x22",
    "f32.load": b"\x2a\x02", "f32.store": b"\x38\x02", "i32.const": b"\x41",
    "i32.eq": b"\x46", "i32.lt_s": b"\x48", "i32.add": b"\x6a", "i32.sub": b"\x6b",
    "i32.mul": b"\x6c", "v128.load": b"\xfd\x00\x02", "v128.load32_splat": b"\xfd\x09\x02",
    "v128.store": b"\xfd\x0b\x02", "f32x4.splat": b"\xfd\x13", "f32.const": b"\x43",
    "f32x4.add": b"\xfd\xe4\x01", "f32x4.mul": b"\xfd\xe6\x01",
}  # fmt: skip
_OPERANDS = {"br_if", "local.get", "local.set", "local.tee", "i32.const"}


def module() -> bytes:
    """A module that takes `page.memory` and exports `product`.

    product(c, a, am, ak, b, bk, bn, m, n, k) writes the m x n products of rows of a and columns of
    b to c, row after row, in float32. Where they begin is counted in bytes, and so are the strides:
    am from row to row of a, ak along it, bk along a column of b, bn from column to column. n is 8
    or more, m and k are 1 or more; the first 32 k bytes of the memory are the panel's.
    """
    parameters = [0x7F] * len(_GIVEN)
    held = _vector([_number(len(_WHOLE)) + b"\x7f", _number(len(_VECTORS)) + b"\x7b"])
    body = held + _assembled(_product()) + b"\x0b"
    sections = {
        1: _vector([b"\x60" + _vector([bytes([kind]) for kind in parameters]) + b"\x00"]),
        2: _vector([_name("page") + _name("memory") + b"\x02\x00\x01"]),
        3: _vector([b"\x00"]),
        7: _vector([_name("product") + b"\x00\x00"]),
        10: _vector([_number(len(body)) + body]),
    }
    parts = [bytes([k]) + _number(len(section)) + section for k, section in sections.items()]
    return b"\0asm\x01\0\0\0" + b"".join(parts)


def _product() -> str:
    return f"""
      i32.const 0 local.set j
      loop
        {_least("j", f"local.get n i32.const {PANEL} i32.sub")} local.set at
        {_panel()}
        i32.const 0 local.set i
        loop
          {_four_rows()}
          {_add("i", "i32.const 4")} local.get i local.get m i32.lt_s br_if 0
        end
        {_add("j", f"i32.const {PANEL}")} local.get j local.get n i32.lt_s br_if 0
      end"""


def _panel() -> str:
    """The columns at, at + 1, ... of b, all of them for one l after the other."""
    copied = " ".join(
        f"local.get p local.get q v128.load={half} v128.store={half}" for half in (0, 16)
    )
    gathered = " ".join(
        f"local.get p local.get q local.get bn i32.const {column} i32.mul i32.add f32.load=0 "
        f"f32.store={4 * column}"
        for column in range(PANEL)
    )
    return f"""
      local.get b local.get at local.get bn i32.mul i32.add local.set q
      i32.const 0 local.set p  i32.const 0 local.set l
      loop
        local.get bn i32.const 4 i32.eq if {copied} else {gathered} end
        {_add("p", f"i32.const {4 * PANEL}")} {_add("q", "local.get bk")} {_add("l", "i32.const 1")}
        local.get l local.get k i32.lt_s br_if 0
      end"""


def _four_rows() -> str:
    """Rows i to i + 3 of a times the panel."""
    begin = " ".join(
        f"local.get a {_row(row)} local.tee t{row} local.get am i32.mul i32.add local.set r{row}"
        for row in range(4)
    )
    terms = " ".join(
        f"local.get r{row} v128.load32_splat=0 local.set splat "
        + _sum(f"x{row}l", "local.get splat local.get left f32x4.mul")
        + _sum(f"x{row}r", "local.get splat local.get right f32x4.mul")
        + _add(f"r{row}", "local.get ak")
        for row in range(4)
    )
    kept = " ".join(
        f"local.get c local.get t{row} local.get n i32.mul local.get at i32.add i32.const 4 "
        f"i32.mul i32.add local.tee q local.get s{row}l v128.store=0 "
        f"local.get q local.get s{row}r v128.store=16"
        for row in range(4)
    )
    return f"""
      {begin} {_zeros("s")}
      i32.const 0 local.set p  i32.const 0 local.set l
      loop
        {_zeros("x")}
        local.get l i32.const 64 i32.add local.set end
        {_least("end", "local.get k")} local.set end
        loop
          local.get p v128.load=0 local.set left  local.get p v128.load=16 local.set right
          {terms}
          {_add("p", f"i32.const {4 * PANEL}")} {_add("l", "i32.const 1")}
          local.get l local.get end i32.lt_s br_if 0
        end
        {" ".join(_sum(f"s{cell}", f"local.get x{cell}") for cell in _CELLS)}
        local.get l local.get k i32.lt_s br_if 0
      end
      {kept}"""


def _zeros(kind: str) -> str:
    first, *rest = (f"{kind}{cell}" for cell in _CELLS)
    return f"f32.const f32x4.splat {' '.join(f'local.tee {c}' for c in rest)} local.set {first}"


def _row(number: int) -> str:
    """i + number, or the last row."""
    return (
        f"local.get i i32.const {number} i32.add local.tee q "
        "local.get m i32.const 1 i32.sub local.get q local.get m i32.lt_s select"
    )


def _least(name: str, other: str) -> str:
    return f"local.get {name} {other} local.get {name} {other} i32.lt_s select"


def _add(name: str, term: str) -> str:
    return f"local.get {name} {term} i32.add local.set {name} "


def _sum(name: str, term: str) -> str:
    return f"local.get {name} {term} f32x4.add local.set {name} "


def _assembled(text: str) -> bytes:
    """Bytes of instructions; `v128.load=16` is a load at 16 bytes after its address."""
    places = {name: k for k, name in enumerate((*_GIVEN, *_WHOLE, *_VECTORS))}
    words, code = iter(text.split()), b""
    for word in words:
        name, _, offset = word.partition("=")
        code += _CODES[name]
        if offset:
            code += _number(int(offset))
        elif name in _OPERANDS:
            operand = next(words)
            code += _number(places[operand] if operand in places else int(operand))
        elif name == "f32.const":
            code += b"\0\0\0\0"
    return code


def _number(value: int) -> bytes:
    """LEB128, with a bit of its own for the sign, which for all numbers here is plus."""
    parts = []
    while value > 63:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _vector(parts: Sequence[bytes]) -> bytes:
    return _number(len(parts)) + b"".join(parts)


def _name(text: str) -> bytes:
    return _number(len(text)) + text.encode()
