"""How the engine becomes machine code: compiled once, cached by what its sources say, wherever a folder is writable.

This is the one place that uses what Numba does not promise to keep (`numba.core`, `numba.np`): for indices that are
never negative, for arrays at addresses, and for asking memory ahead. Each says beside it what it saves; times are
processor time of a run with every mechanism on.
"""

import hashlib
import operator
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_jitable, register_model
from numba.np import arrayobj


def _fingerprint() -> str:
    """Hash of all sources of this room: Numba alone looks at one file, and would run an equation of yesterday."""
    digest = hashlib.sha256(f"{numba.__version__} {os.environ.get('NUMBA_CPU_NAME', '')}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """The folder of the machine code: UPTAKE_CACHE, beside the package, the user's cache, or a temporary folder."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache")
    named = os.environ.get("UPTAKE_CACHE")
    parents = [*([Path(named)] if named else []), Path(__file__).parent / "__pycache__", user / "uptake"]
    for folder in (parent / f"uptake-{_fingerprint()}" for parent in parents):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):  # an installed package often lies where nobody may write
                return folder
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="uptake-"))


CACHE = cache_folder()


def is_cached() -> bool:
    """Whether machine code for these sources is there already (else the first run compiles it)."""
    return any(CACHE.rglob("month.run_rows*.nbc"))


_OPTIONS = {"error_model": "numpy", "nogil": True, "_nrt": False}
"""IEEE division, so that loops vectorise; no reference counts, since compiled code here allocates nothing and arrays
are kept alive by Python."""


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function where it is used, in compiled code or from Python."""
    return numba.njit(function, **_OPTIONS)


def everywhere(function: Callable[..., Any]) -> Any:
    """Leave a function as it is, for numbers and arrays in Python, and let compiled code call it with numbers too."""
    return register_jitable(**_OPTIONS)(function)


def inner(function: Callable[..., Any]) -> Any:
    """Compile a function that only compiled code calls: without what Python would need to call it.

    Left out, and with one kind of whole number everywhere, a fifth of the time to compile is saved.
    """
    return numba.njit(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, **_OPTIONS)


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that is called from few places, and often, as a part of its callers: slow to compile."""
    return numba.njit(function, inline="always", **_OPTIONS)


def entry_point(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, releasing the interpreter, and keep its machine code in `CACHE`."""
    before = config.CACHE_DIR  # read when a function is declared; other packages' functions go where they went
    config.CACHE_DIR = str(CACHE)
    try:
        return numba.njit(function, cache=True, **_OPTIONS)
    finally:
        config.CACHE_DIR = before


class ColumnType(types.Array):
    """The type of an array whose indices are never negative: nothing is spent on counting from the end.

    Without it each access compares and selects, loops stay scalar, and a run takes 21 % (100 000 places) to 45 % (Perm
    Krai) longer. It is a class of its own since Numba decides by the type of the array.
    """

    def copy(self, dtype: Any = None, ndim: Any = None, layout: Any = None, readonly: Any = None) -> types.Array:
        """The type of a part of it."""
        plain = super().copy(dtype, ndim, layout, readonly)
        return ColumnType(plain.dtype, plain.ndim, plain.layout, readonly=not plain.mutable, aligned=plain.aligned)


register_model(ColumnType)(models.ArrayModel)


def _unsigned(context: Any, builder: Any, kind: Any, value: Any) -> tuple[Any, Any]:
    """An index, or a tuple of them, as unsigned numbers; slices stay as they are."""
    if isinstance(kind, types.BaseTuple):
        parts = cgutils.unpack_tuple(builder, value, len(kind))
        pairs = [_unsigned(context, builder, *pair) for pair in zip(kind, parts, strict=True)]
        whole = types.Tuple([part for part, _ in pairs])
        return whole, context.make_tuple(builder, whole, [part for _, part in pairs])
    if isinstance(kind, types.Integer):
        return types.uintp, context.cast(
            builder, context.cast(builder, value, kind, types.intp), types.intp, types.uintp
        )
    return kind, value


@lower_builtin(operator.getitem, ColumnType, types.Integer)
@lower_builtin(operator.getitem, ColumnType, types.BaseTuple)
def _get(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kind, index = _unsigned(context, builder, signature.args[1], args[1])
    get = arrayobj.getitem_array_tuple if isinstance(kind, types.BaseTuple) else arrayobj.getitem_arraynd_intp
    return get(context, builder, signature.return_type(signature.args[0], kind), (args[0], index))


@lower_builtin(operator.setitem, ColumnType, types.Any, types.Any)
def _set(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kind, index = _unsigned(context, builder, signature.args[1], args[1])
    changed = types.void(signature.args[0], kind, signature.args[2])
    return arrayobj.setitem_array(context, builder, changed, (args[0], index, args[2]))


def column(name: str, dtype: Any, *dimensions: Any) -> Any:
    """An accessor for compiled code: the array at the address that a record holds under `name`.

    `dimensions` are names of the record's fields, or numbers. Why addresses: a function that takes the state as a tuple
    of arrays is passed hundreds of machine words, which takes minutes to compile and outweighs the arithmetic. A record
    of addresses is one word. Why an intrinsic: a function call for each access would treble the time to compile. The
    array does not keep its memory alive; whoever wrote the address does.
    """

    @intrinsic
    def accessor(typing_context: Any, record: Any) -> Any:
        array = ColumnType(numba.from_dtype(np.dtype(dtype)), len(dimensions), "C")

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            word = context.get_value_type(types.intp)

            def field(key: Any) -> Any:
                if isinstance(key, int):
                    return context.get_constant(types.intp, key)
                offset = signature.args[0].offset(key)
                return builder.load(cgutils.get_record_member(builder, args[0], offset, word))

            out = context.make_array(array)(context, builder)
            shape = [field(key) for key in dimensions]
            item = context.get_constant(types.intp, np.dtype(dtype).itemsize)
            strides = [item]
            for extent in reversed(shape[1:]):
                strides.insert(0, builder.mul(strides[0], extent))
            data = builder.inttoptr(field(name), out.data.type)
            arrayobj.populate_array(out, data, shape, strides, item, meminfo=None)
            return out._getvalue()

        return array(record), generate

    return accessor


@intrinsic
def prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask the processor for an array's item before it is needed: most of a large country is out of its caches.

    Without it a run of 100 000 places takes 26 % longer; one of 50 places, 3 % less. Numba has no public way to the
    processor's instruction.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        column, number = signature.args
        view = context.make_array(column)(context, builder, args[0])
        at = context.cast(builder, args[1], number, types.intp)
        address = cgutils.get_item_pointer(context, builder, column, view, [at])
        word, pointer = cgutils.int32_t, cgutils.voidptr_t
        takes = cgutils.ir.FunctionType(cgutils.ir.VoidType(), [pointer, word, word, word])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [pointer], takes)
        # to be read, kept in every cache, data
        builder.call(ask, [builder.bitcast(address, pointer), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, index), generate
