"""One code for many sizes: programs that differ in their numbers only."""

import re
from collections.abc import Mapping, Sequence

from .runtime import parts
from .sharing import shared

_NUMBER = re.compile(r'(?<![\w."])(?:\d+\.?\d*(?:e[-+]?\d+)?)(?![\w.])|(?<=decoded\()"[^"]*"')
_LONG = re.compile(r'(?<=decoded\()"[^"]{60,}"')


def of_sizes(sources: Mapping[str, str]) -> str:
    """Return a JavaScript expression for a function of a name, to what that source's value is.

    Numbers that are the same in all sources stay; each other one becomes an entry of a table, one
    row a name, so that a page carries one code. Where the code itself differs, as it does for
    sizes of 1, whole sources stand side by side; long constants and functions of the runtime that
    they have in common do not.

    Arguments:
        sources: by name, expressions as from `compile`, of one function at different sizes.
    """
    groups: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for name, source in sources.items():
        skeleton = tuple(_NUMBER.split(source))
        groups.setdefault(skeleton, {})[name] = _NUMBER.findall(source)
    cases = [shared(_of_rows(skeleton, rows)) for skeleton, rows in groups.items()]
    constants, code = _in_front(cases)
    return f"(()=>{{{constants}return (name)=>[{code}].map((of)=>of(name)).find((made)=>made)}})()"


def _in_front(cases: Sequence[str]) -> tuple[str, str]:
    """What is in several cases, declared: the runtime, long constants; and the cases without."""
    several = [
        line for part in parts().values() if sum((line := part + "\n") in c for c in cases) > 1
    ]
    for line in several:
        cases = [case.replace(line, "") for case in cases]
    found = [set(_LONG.findall(case)) for case in cases]
    common = sorted(text for text in set().union(*found) if sum(text in f for f in found) > 1)
    names = {text: f"C{k}" for k, text in enumerate(common)}
    code = _LONG.sub(lambda text: names.get(text[0], text[0]), ",".join(cases))
    constants = "".join(f"const {name}={text};" for text, name in names.items())
    return "".join(several) + constants, code


def _of_rows(skeleton: tuple[str, ...], rows: Mapping[str, list[str]]) -> str:
    """A function of a name, to its value, or to nothing for a name that is not among the rows."""
    columns: dict[tuple[str, ...], str] = {}
    text = [skeleton[0]]
    for number, rest in zip(zip(*rows.values(), strict=True), skeleton[1:], strict=True):
        if len(set(number)) > 1:
            text += [columns.setdefault(number, f"N{len(columns)}"), rest]
        else:
            text += [number[0], rest]
    table = ",".join(
        f'"{name}":[{",".join(column[k] for column in columns)}]' for k, name in enumerate(rows)
    )
    names = f"const row={{{table}}}[name];if(!row)return;const [{','.join(columns.values())}]=row;"
    return f"(name)=>{{{names}return {''.join(text)}}}"
