"""One function for many loops: those that differ only in their numbers and their arrays."""

import re
from collections import defaultdict
from itertools import count

_FUNCTION = re.compile(r"^function (g\d+)\(([^)]*)\)\{(.*)\}$", re.M)
_KIND = re.compile(r"\b(b\d+)=(?:new )?([A-Z]\w*)")
_LOCAL = re.compile(r"\b([xir])\d+\b")
_GIVEN = re.compile(r"\b[bsN]\d+\b|(?<![\w.])\d+\.?\d*(?:e[-+]?\d+)?(?![\w.])")


def shared(code: str) -> str:
    """Return compiled JavaScript with one function for all that are alike.

    What differs among them are its parameters: numbers, and arrays of one type, so that an engine
    sees one type at every place.

    Arguments:
        code: of `compile` or `compile_all`, its numbers or names of them such as `N3`.
    """
    kinds = dict(_KIND.findall(code))
    alike: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, _, body in _FUNCTION.findall(code):
        text = _renamed(body)
        skeleton = _GIVEN.sub(lambda found: f"{kinds.get(found[0], '')}#", text)
        alike[skeleton].append((name, text))
    functions: dict[str, str] = {}
    calls: dict[str, str] = {}
    for members in alike.values():
        names, texts = zip(*members, strict=True)
        functions[names[0]], arguments = _one(names[0], texts)
        calls |= {n: f"{names[0]}({','.join(a)})" for n, a in zip(names, arguments, strict=True)}
    code = _FUNCTION.sub(lambda found: functions.get(found[1], ""), code)
    code = re.sub(r"\n{2,}", "\n", code)
    return re.sub(r"\b(g\d+)\([^()]*\);", lambda found: f"{calls[found[1]]};", code)


def _renamed(body: str) -> str:
    """The same with local names counted from 0."""
    names: dict[str, str] = {}
    counts: dict[str, count] = defaultdict(count)
    return _LOCAL.sub(
        lambda found: names.setdefault(found[0], f"{found[1]}{next(counts[found[1]])}"), body
    )


def _one(name: str, texts: tuple[str, ...]) -> tuple[str, list[tuple[str, ...]]]:
    """The function of that name, and for each text the arguments that make it so."""
    columns: dict[tuple[str, ...], str] = {}
    first, *_ = texts
    rest = iter(_GIVEN.split(first))
    body = [next(rest)]
    for column, after in zip(zip(*map(_GIVEN.findall, texts), strict=True), rest, strict=True):
        same = len(set(column)) == 1 and not column[0].startswith("s")
        body += [column[0] if same else columns.setdefault(column, f"p{len(columns)}"), after]
    rows = [tuple(column[k] for column in columns) for k in range(len(texts))]
    return f"function {name}({','.join(columns.values())}){{{''.join(body)}}}", rows
