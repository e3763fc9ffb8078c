"""Pickles of plain numbers and NumPy arrays, read without executing anything.

A pickle is a program for a small stack machine. `pickletools` only takes it apart, and what runs
here is a machine of our own: it knows the few instructions that plain data need, and of the names
that a pickle may call only those that NumPy's arrays of numbers are made with, replaced by
functions of this file. Nothing is imported, and nothing of the file is called.
"""

import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pickletools import genops
from typing import Any

import numpy as np

from facebench.text import shown

_MOST_STEPS = 50_000
"""Instructions of a pickle; one of statistics has some hundreds."""
_NUMBERS = re.compile(r"f[248]|[iu][1248]|b1")
_ELSEWHERE = {
    "torch": "tensors of PyTorch, which .cpu().numpy() makes NumPy's",
    "cupy": "arrays of CuPy, which cupy.asnumpy makes NumPy's",
    "jax": "arrays of JAX, which numpy.asarray makes NumPy's",
    "jaxlib": "arrays of JAX, which numpy.asarray makes NumPy's",
}


class NotPlain(ValueError):
    """What a pickle holds besides plain data, as the middle of a sentence."""


@dataclass(eq=False)
class PickledArray:
    """An array of numbers, which lies in the file's own bytes; None until it was all read."""

    values: np.ndarray | None = None

    def build(self, state: Any) -> None:
        """Fill it as NumPy's own arrays are filled."""
        match state:
            case (1, tuple(shape), _DType() as dtype, bool(fortran), bytes(data)):
                self.values = _array(data, dtype, shape, "F" if fortran else "C")
            case _:
                raise NotPlain("an array that is not of plain numbers")


@dataclass(eq=False)
class _DType:
    code: str
    order: str = "="

    def build(self, state: Any) -> None:
        match state:
            case (3, "<" | ">" | "|" | "=" as order, None, None, None, -1, -1, 0):
                self.order = order
            case _:
                raise NotPlain("an array of records, not of plain numbers")

    def numpy(self) -> np.dtype:
        return np.dtype(f"{self.order}{self.code}")


@dataclass(frozen=True)
class _Global:
    """A name that the pickle calls, and what is done in its place."""

    call: Callable[..., Any] | None


def read_plain(content: bytes) -> Any:
    """Return the dictionaries, lists, texts and numbers of a pickle, arrays as `PickledArray`.

    Raises:
        NotPlain: if it holds anything else.
        ValueError, IndexError: if it is damaged.
    """
    machine = _Machine(len(content))
    for step, (opcode, argument, _) in enumerate(genops(io.BytesIO(content))):
        if step >= _MOST_STEPS:
            raise NotPlain(f"more than {_MOST_STEPS:,} instructions")
        if opcode.name == "STOP":
            break
        machine.run(opcode.name, argument)
    [found] = machine.stack
    return found


class _Machine:
    """The stack, the memo and the instructions."""

    def __init__(self, size: int):
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._text_left = size
        """Bytes that texts may still be turned into: each is turned once, or memory has no end."""

    def run(self, name: str, argument: Any) -> None:
        """Do one instruction."""
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self, argument)
        elif name in ("PERSID", "BINPERSID"):
            raise NotPlain(_ELSEWHERE["torch"])
        else:
            raise NotPlain(f"the instruction {name}, which plain data have no use for")

    def mark(self, _: Any) -> None:
        self._marks.append(len(self.stack))

    def memoize(self, index: int | None) -> None:
        self._memo[len(self._memo) if index is None else index] = self.stack[-1]

    def recall(self, index: int) -> None:
        if index not in self._memo:
            raise NotPlain("a reference to what it does not hold")
        self.stack.append(self._memo[index])

    def tuple_of(self, count: int | None) -> None:
        items = self._after_mark() if count is None else [self.stack.pop() for _ in range(count)]
        self.stack.append(tuple(items if count is None else items[::-1]))

    def set_items(self, items: list[Any]) -> None:
        target = self._top(dict)
        if len(items) % 2 or not all(isinstance(key, str) for key in items[::2]):
            raise NotPlain("a dictionary whose keys are not texts")
        target.update(zip(items[::2], items[1::2], strict=True))

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def set_marked(self, _: Any) -> None:
        self.set_items(self._after_mark())

    def append(self, _: Any) -> None:
        value = self.stack.pop()
        self._top(list).append(value)

    def extend(self, _: Any) -> None:
        values = self._after_mark()
        self._top(list).extend(values)

    def name_of(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(_known(module, name))

    def name_on_stack(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise NotPlain("a call of something without a name")
        self.stack.append(_known(module, name))

    def call(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        match function, arguments:
            case _Global(call), (str(text), *_) if call is _encode:
                self._text_left -= len(text)
                if self._text_left < 0:
                    raise NotPlain("the same text many times over")
        match function:
            case _Global(call) if call is not None and isinstance(arguments, tuple):
                self.stack.append(call(arguments))
            case _:
                raise NotPlain("a call of something that is no function of NumPy's")

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        match self.stack[-1]:
            case PickledArray() | _DType() as stored:
                stored.build(state)
            case _:
                raise NotPlain("an object that is not plain data")

    def ignore(self, _: Any) -> None:
        """Where frames begin says nothing of what is in them."""

    def _after_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise NotPlain("contents that are damaged")
        return self.stack[-1]


_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.ignore,
    "FRAME": _Machine.ignore,
    "MARK": _Machine.mark,
    "BINPUT": _Machine.memoize,
    "LONG_BINPUT": _Machine.memoize,
    "MEMOIZE": _Machine.memoize,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "TUPLE": lambda machine, _: machine.tuple_of(None),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_marked,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.extend,
    "GLOBAL": _Machine.name_of,
    "STACK_GLOBAL": _Machine.name_on_stack,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}


def _known(module: str, name: str) -> _Global:
    """Return what stands in for a name: NumPy 2 has renamed the modules of its arrays."""
    known = f"{module.replace('numpy._core.', 'numpy.core.', 1)}.{name}"
    if known in _STAND_INS:
        return _Global(_STAND_INS[known])
    if (package := module.partition(".")[0]) in _ELSEWHERE:
        raise NotPlain(_ELSEWHERE[package])
    raise NotPlain(f"an object of {shown(f'{module}.{name}')}, which could be a program")


def _dtype(arguments: tuple[Any, ...]) -> _DType:
    match arguments:
        case (str(code), *_) if _NUMBERS.fullmatch(code):
            return _DType(code)
    raise NotPlain("an array of something else than plain numbers")


def _reconstruct(arguments: tuple[Any, ...]) -> PickledArray:
    """Return an array that is still to be filled."""
    match arguments:
        case (_Global(None), (0,), b"b"):
            return PickledArray()
    raise NotPlain("an array of an unknown kind")


def _from_buffer(arguments: tuple[Any, ...]) -> PickledArray:
    match arguments:
        case (bytes() | bytearray() as data, _DType() as dtype, tuple(shape), "C" | "F" as order):
            return PickledArray(_array(data, dtype, shape, order))
    raise NotPlain("an array of an unknown kind")


def _scalar(arguments: tuple[Any, ...]) -> int | float | bool:
    match arguments:
        case (_DType() as dtype, bytes(data)):
            number: int | float | bool = _array(data, dtype, (), "C").item()
            return number
    raise NotPlain("a number of an unknown kind")


def _encode(arguments: tuple[Any, ...]) -> bytes:
    """Return the bytes that protocol 2 keeps as text."""
    match arguments:
        case (str(text), "latin1"):
            return text.encode("latin1")
    raise NotPlain("bytes of an unknown kind")


_STAND_INS: dict[str, Callable[[tuple[Any, ...]], Any] | None] = {
    "numpy.ndarray": None,
    "numpy.dtype": _dtype,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "_codecs.encode": _encode,
}


def _array(
    data: bytes | bytearray, dtype: _DType, shape: tuple[Any, ...], order: str
) -> np.ndarray:
    kind = dtype.numpy()
    is_shape = len(shape) <= 4 and all(type(size) is int and size >= 0 for size in shape)
    if not is_shape or math.prod(shape) * kind.itemsize != len(data):
        raise NotPlain("an array whose size is not that of its numbers")
    values = np.frombuffer(data, kind)
    return values.reshape(shape, order="F" if order == "F" else "C")
