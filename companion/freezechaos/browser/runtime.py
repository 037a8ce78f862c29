"""What compiled code may call, the functions of `runtime.js`: all programs of a page share them."""

import re
from base64 import b64encode
from functools import cache
from pathlib import Path

from . import simd


@cache
def parts() -> dict[str, str]:
    """By name, each function or constant, as a line of a page."""
    text = re.sub(
        r"^ *//.*\n", "", Path(__file__).with_suffix(".js").read_text("utf-8"), flags=re.M
    )
    text = re.sub(r"\n +", " ", text)
    found = [part.strip() for part in re.split(r"\n(?=function |const |let )", text)]
    # Every page carries this text: without spaces, but not inside a message.
    spaces = re.compile(r" ?([-+*/%=<>?:;,&|^(){}]) ?")
    found = [part if "`" in part else spaces.sub(r"\1", part) for part in found]
    named = {re.split(r"[ (=]+", part)[1]: part.replace("\n", "") for part in found if part}
    coded = b64encode(simd.module()).decode("ascii")
    return named | {"simd": f'const simd=decoded("{coded}");'}


def called(body: str) -> str:
    """The parts that `body` calls, and what these call."""
    needed: list[str] = []
    waiting = [body]
    while waiting:
        seen = waiting.pop()
        for name, part in parts().items():
            if name not in needed and re.search(rf"\b{name}\b", seen):
                needed.append(name)
                waiting.append(part)
    return "".join(part + "\n" for name, part in parts().items() if name in needed)
