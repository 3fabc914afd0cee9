"""Runs adze packages from Python: a thin ctypes layer over libadze_rt.so, numpy arrays in and out.

    import adze_rt
    package = adze_rt.Package("model.adze")
    session = package.session(threads=2)
    outputs = session.run({"x": array})          # name -> array

The library is looked for in $ADZE_RT_LIBRARY, beside this file, and on the loader's path. Types that numpy lacks
(bfloat16, float8, 4- and 2-bit integers) travel as unsigned integers of their storage width.
"""

import ctypes
import os

import numpy as np

MAX_RANK = 16

# ADZE_DTYPE -> numpy type that holds the bits.
_NUMPY = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_,
    10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64, 14: np.complex64, 15: np.complex128,
    16: np.uint16, 17: np.uint8, 18: np.uint8, 19: np.uint8, 20: np.uint8, 21: np.uint8, 22: np.uint8, 23: np.uint8,
    24: np.uint8, 25: np.uint8, 26: np.uint8,
}


class Error(RuntimeError):
    """A failure of the runtime; status is the adze_status_t, which is also the command line's exit code."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class _Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size_bytes", ctypes.c_size_t), ("dtype", ctypes.c_int),
                ("rank", ctypes.c_int32), ("dims", ctypes.c_int64 * MAX_RANK)]


class _Info(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int32),
                ("dims", ctypes.c_int64 * MAX_RANK), ("dim_names", ctypes.c_char_p * MAX_RANK),
                ("dim_min", ctypes.c_int64 * MAX_RANK), ("dim_max", ctypes.c_int64 * MAX_RANK)]


class _Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("device", ctypes.c_char_p), ("num_threads", ctypes.c_int32),
                ("max_bytes", ctypes.c_uint64), ("user", ctypes.c_void_p), ("allocate", ctypes.c_void_p),
                ("release", ctypes.c_void_p), ("log", ctypes.c_void_p)]


class _Event(ctypes.Structure):
    _fields_ = [("kernel", ctypes.c_char_p), ("nodes", ctypes.c_char_p), ("start_ns", ctypes.c_uint64),
                ("end_ns", ctypes.c_uint64)]


def _load():
    here = os.path.dirname(os.path.abspath(__file__))
    names = [os.environ.get("ADZE_RT_LIBRARY"), os.path.join(here, "libadze_rt.so"), "libadze_rt.so"]
    errors = []
    for name in filter(None, names):
        try:
            library = ctypes.CDLL(name)
            break
        except OSError as error:
            errors.append(str(error))
    else:
        raise ImportError("libadze_rt.so was not found; set ADZE_RT_LIBRARY to its path (" + "; ".join(errors) + ")")
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    tensors = ctypes.POINTER(_Tensor)
    signatures = {
        "adze_abi_version": (ctypes.c_uint32, []),
        "adze_last_error": (ctypes.c_char_p, []),
        "adze_package_open": (ctypes.c_int, [ctypes.c_char_p, ctypes.POINTER(pointer)]),
        "adze_package_close": (None, [pointer]),
        "adze_package_num_inputs": (size, [pointer]),
        "adze_package_num_outputs": (size, [pointer]),
        "adze_package_input": (ctypes.c_int, [pointer, size, ctypes.POINTER(_Info)]),
        "adze_package_output": (ctypes.c_int, [pointer, size, ctypes.POINTER(_Info)]),
        "adze_session_create": (ctypes.c_int, [pointer, ctypes.POINTER(_Options), ctypes.POINTER(pointer)]),
        "adze_session_destroy": (None, [pointer]),
        "adze_session_output_shapes": (ctypes.c_int, [pointer, tensors, size, tensors, size]),
        "adze_session_run": (ctypes.c_int, [pointer, tensors, size, tensors, size]),
        "adze_session_arena_bytes": (ctypes.c_uint64, [pointer]),
        "adze_session_set_profiling": (ctypes.c_int, [pointer, ctypes.c_int]),
        "adze_session_num_events": (size, [pointer]),
        "adze_session_event": (ctypes.c_int, [pointer, size, ctypes.POINTER(_Event)]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    if library.adze_abi_version() != 1:
        raise ImportError(f"libadze_rt.so has ABI version {library.adze_abi_version()}, this module speaks 1")
    return library


_library = _load()


def _check(status):
    if status:
        raise Error(status, _library.adze_last_error().decode(errors="replace"))


class TensorInfo:
    """An input or output: name, ONNX type number, dims (None where dynamic) and their inclusive ranges."""

    def __init__(self, info):
        rank = info.rank
        self.name = info.name.decode(errors="surrogateescape")
        self.dtype = info.dtype
        self.numpy_dtype = np.dtype(_NUMPY[info.dtype])
        self.dims = [None if d < 0 else d for d in info.dims[:rank]]
        self.dim_names = [n.decode(errors="replace") if n else None for n in info.dim_names[:rank]]
        self.ranges = list(zip(info.dim_min[:rank], info.dim_max[:rank]))

    def __repr__(self):
        return f"TensorInfo({self.name!r}, {self.numpy_dtype}, {self.dims})"


class Package:
    """An opened package; every byte has been checked."""

    def __init__(self, path):
        self._handle = ctypes.c_void_p()
        _check(_library.adze_package_open(os.fsencode(path), ctypes.byref(self._handle)))
        self.inputs = self._tensors(_library.adze_package_num_inputs, _library.adze_package_input)
        self.outputs = self._tensors(_library.adze_package_num_outputs, _library.adze_package_output)

    def _tensors(self, count, query):
        out = []
        for i in range(count(self._handle)):
            info = _Info()
            _check(query(self._handle, i, ctypes.byref(info)))
            out.append(TensorInfo(info))
        return out

    def session(self, device="cpu", threads=0, max_bytes=0):
        """A session on the device; threads = 0 uses all cores, max_bytes = 0 sets no cap."""
        return Session(self, device, threads, max_bytes)

    def __del__(self):
        if getattr(self, "_handle", None):
            _library.adze_package_close(self._handle)


class Session:
    def __init__(self, package, device, threads, max_bytes):
        self.package = package
        self._handle = ctypes.c_void_p()
        options = _Options(ctypes.sizeof(_Options), device.encode(), threads, max_bytes, None, None, None, None)
        _check(_library.adze_session_create(package._handle, ctypes.byref(options), ctypes.byref(self._handle)))

    def run(self, inputs):
        """One inference. inputs: name -> array, or a list in the package's order. Returns name -> array."""
        ins, keep = self._bind(inputs)
        outs = (_Tensor * len(self.package.outputs))()
        _check(_library.adze_session_run(self._handle, ins, len(ins), outs, len(outs)))
        del keep
        return {info.name: self._array(info, out) for info, out in zip(self.package.outputs, outs)}

    def output_shapes(self, inputs):
        """Shapes of the outputs for these inputs; None where only the run can tell."""
        ins, keep = self._bind(inputs)
        outs = (_Tensor * len(self.package.outputs))()
        _check(_library.adze_session_output_shapes(self._handle, ins, len(ins), outs, len(outs)))
        del keep
        return {info.name: tuple(None if d < 0 else d for d in out.dims[:out.rank])
                for info, out in zip(self.package.outputs, outs)}

    def _bind(self, inputs):
        if isinstance(inputs, dict):
            known = {info.name for info in self.package.inputs}
            unknown, missing = set(inputs) - known, known - set(inputs)
            if unknown or missing:
                raise Error(2, f"inputs do not fit: unknown {sorted(unknown)}, missing {sorted(missing)}")
            inputs = [inputs[info.name] for info in self.package.inputs]
        tensors, keep = (_Tensor * len(inputs))(), []
        for i, value in enumerate(inputs):
            array = np.ascontiguousarray(value).reshape(np.shape(value))
            keep.append(array)
            tensors[i] = self._tensor(array, self.package.inputs[i] if i < len(self.package.inputs) else None)
        return tensors, keep

    @staticmethod
    def _tensor(array, info):
        if array.ndim > MAX_RANK:
            raise Error(3, f"rank {array.ndim} is above {MAX_RANK}")
        # The package's type where its bits are held by this numpy type, else the array's own, for the runtime to refuse.
        if info is not None and info.numpy_dtype == array.dtype:
            dtype = info.dtype
        else:
            dtype = next((k for k, v in _NUMPY.items() if np.dtype(v) == array.dtype), 0)
        tensor = _Tensor(array.ctypes.data, array.nbytes, dtype, array.ndim)
        tensor.dims[:array.ndim] = array.shape
        return tensor

    @staticmethod
    def _array(info, tensor):
        shape = tuple(tensor.dims[:tensor.rank])
        count = int(np.prod(shape, dtype=np.int64))
        if count == 0:
            return np.zeros(shape, info.numpy_dtype)
        raw = ctypes.string_at(tensor.data, count * info.numpy_dtype.itemsize)  # a copy: the next run reuses the memory
        return np.frombuffer(bytearray(raw), info.numpy_dtype).reshape(shape)

    @property
    def arena_bytes(self):
        """Planned memory of the last run."""
        return _library.adze_session_arena_bytes(self._handle)

    def set_profiling(self, on):
        _check(_library.adze_session_set_profiling(self._handle, int(on)))

    def events(self):
        """(kernel, nodes, start_ns, end_ns) of the last run's commands."""
        out = []
        for i in range(_library.adze_session_num_events(self._handle)):
            event = _Event()
            _check(_library.adze_session_event(self._handle, i, ctypes.byref(event)))
            out.append((event.kernel.decode(errors="replace"), event.nodes.decode(errors="replace"), event.start_ns,
                        event.end_ns))
        return out

    def __del__(self):
        if getattr(self, "_handle", None):
            _library.adze_session_destroy(self._handle)
