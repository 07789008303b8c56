"""How the engine becomes machine code: compiled once, cached by what its sources say, wherever a folder is writable."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

_SOURCES = ("compiled.py", "rules.py", "draws.py", "network.py", "state.py", "engine.py")


def _fingerprint() -> str:
    """Hash of every source that ends up in the machine code; Numba alone looks at one file and misses the others."""
    digest = hashlib.sha256(f"{numba.__version__} {os.environ.get('NUMBA_CPU_NAME', '')}".encode())
    for name in _SOURCES:
        path = Path(__file__).with_name(name)
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()[:16]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def cache_folder() -> Path:
    """The folder of the machine code: UPTAKE_CACHE, beside the package, the user's cache, or a temporary folder."""
    name = f"uptake-{_fingerprint()}"
    user = Path(os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache")
    named = os.environ.get("UPTAKE_CACHE")
    candidates = [Path(named)] if named else []
    candidates += [Path(__file__).parent / "__pycache__", user / "uptake"]
    for parent in candidates:
        if _writable(parent / name):
            return parent / name
    return Path(tempfile.mkdtemp(prefix="uptake-"))


CACHE = cache_folder()


def is_cached() -> bool:
    """Whether machine code for these sources is there already (else the first run compiles it)."""
    return any(CACHE.rglob("engine.run_rows*.nbc"))


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function where it is used. IEEE division, so that loops vectorise; no reference counts, since
    compiled code here allocates nothing and arrays are kept alive by Python.
    """
    return numba.njit(function, error_model="numpy", nogil=True, _nrt=False)


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that is called from one place only, as a part of its caller."""
    return numba.njit(function, error_model="numpy", nogil=True, _nrt=False, inline="always")


def entry_point(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, releasing the interpreter, and keep its machine code in `CACHE`."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(CACHE)
    try:
        return numba.njit(function, error_model="numpy", nogil=True, _nrt=False, cache=True)
    finally:
        config.CACHE_DIR = before


def column(name: str, dtype: Any, *dimensions: Any) -> Any:
    """An accessor for compiled code: the array at the address that a record holds under `name`.

    `dimensions` are names of the record's fields, or numbers. Why addresses: a function that takes the state as a tuple
    of arrays is passed hundreds of machine words, which takes minutes to compile and outweighs the arithmetic. A record
    of addresses is one word. Why an intrinsic: a function call for each access would treble the time to compile.
    """

    @intrinsic
    def accessor(typing_context: Any, record: Any) -> Any:
        array = types.Array(numba.from_dtype(np.dtype(dtype)), len(dimensions), "C")

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
            populate_array(out, data, shape, strides, item, meminfo=None)
            return out._getvalue()

        return array(record), generate

    return accessor
