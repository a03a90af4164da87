# distutils: language = c++
# cython: language_level=3, boundscheck=False, wraparound=False
"""The call path: from Python arguments to the executor and back.

`FunctionBase` is the base of the Python class of compiled functions. A call whose arguments are
arrays of the right dtype and rank (or numbers, of Python or NumPy, for 0-d inputs) runs without a Python-level
call and without allocating anything but its results; every other argument goes through the
`filter` of its input's specification.
"""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libcpp cimport bool as cbool
from libcpp.memory cimport unique_ptr
from libcpp.vector cimport vector

cdef extern from "Python.h":
    ctypedef PyObject* (*vectorcallfunc)(PyObject*, PyObject* const*, size_t, PyObject*)
    Py_ssize_t PyVectorcall_NARGS(size_t nargsf)
    object PyVectorcall_Call(object callable, object args, object kwargs)
    void Py_DECREF_ptr "Py_DECREF"(PyObject*)

cdef extern from "call_support.h" namespace "phintys":
    cdef cppclass TensorView:
        pass

cdef extern from "call_support.h" namespace "phintys::runtime":
    cdef cppclass InputInfo:
        pass
    cdef cppclass OutputInfo:
        pass
    cdef cppclass CallOptions:
        CallOptions()
    cdef cppclass Function:
        const vector[InputInfo]& inputs()
        const vector[OutputInfo]& outputs()

cdef extern from "call_support.h" namespace "phintys::pycall":
    cdef cppclass InputSpec:
        pass
    cdef cppclass Slot:
        pass
    cdef cppclass Frame:
        TensorView* views
        Slot* slots
        PyObject** results
        int reserve(int inputs, int outputs) except -1
    int import_numpy() except -1
    int load_api(object capsule) except -1
    Function* function_of(object) except NULL
    void fill_spec(InputSpec*, const InputInfo&, cbool strict, object allow_downcast)
    bint view_argument(PyObject*, const InputSpec&, TensorView*, Slot*)
    bint view_array_object(PyObject*, const InputSpec&, TensorView*)
    enum: GIL_KEEP
    int gil_use(const Function&) except +
    int run(Function*, Frame&, int gil, int outputs, CallOptions* limits) except -1
    cdef cppclass CancelRef:
        pass
    CancelRef new_cancel_token() except +
    void cancel(const CancelRef&)
    cbool is_cancelled(const CancelRef&)
    int64_t g_limits_in_use
    void count_limits(int by)
    void set_main_thread(unsigned long ident)
    void set_default_limits_ "phintys::pycall::set_default_limits"(double, int64_t)
    void limit_deadline(CallOptions*, double seconds)
    void limit_steps(CallOptions*, int64_t n)
    void add_cancel(CallOptions*, const CancelRef&) except +
    void add_defaults(CallOptions*)
    void install_vectorcall(PyObject* cls, Py_ssize_t offset)
    void inherit_vectorcall(PyObject* instance, PyObject* base)

cdef extern from "call_device.h" namespace "phintys::pycall":
    cdef cppclass Places:
        int set(const Function&, PyObject* targets) except -1
        cbool any()
    cdef cppclass DeviceFrame:
        DeviceFrame(size_t inputs) except +
        bint set_argument(size_t, PyObject*, const InputSpec&) except +
        bint set_ndarray(size_t, PyObject*, const InputSpec&) except +
        int run(Function*, const Places&, CallOptions* limits, PyObject** results) except -1


import_numpy()

import os as _os
from contextvars import ContextVar as _ContextVar
from threading import get_ident as _get_ident, main_thread as _main_thread

from numpy import require as _numpy_require

from phintys import _core
from phintys.errors import PhintysTypeError

load_api(_core._api)


def _find_main_thread():
    set_main_thread(_main_thread().ident)


_find_main_thread()
_os.register_at_fork(after_in_child=lambda: set_main_thread(_get_ident()))

cdef enum:
    MODE_SINGLE = 0
    MODE_LIST = 1
    MODE_DICT = 2
    MODE_NONE = 3

cdef dict _MODES = {"single": MODE_SINGLE, "list": MODE_LIST, "dict": MODE_DICT, "none": MODE_NONE}

cdef class CancelToken:
    """Stops calls of functions that run under it, see ``phintys.limits``; from any thread."""

    cdef CancelRef token

    def __cinit__(self):
        self.token = new_cancel_token()

    def cancel(self):
        """Stops the calls in progress and all later ones that have this token."""
        cancel(self.token)

    @property
    def cancelled(self):
        """Whether ``cancel`` was called."""
        return is_cancelled(self.token)

    def __repr__(self):
        return f"<CancelToken, {'cancelled' if self.cancelled else 'not cancelled'}>"


cdef class CallLimits:
    """What the calls in a context may take; immutable once it is set."""

    cdef CallOptions options
    cdef object before

    def __cinit__(self):
        count_limits(1)

    def __dealloc__(self):
        count_limits(-1)


cdef object _current_limits = _ContextVar("phintys limits", default=None)


def enter_limits(deadline, CancelToken token, max_steps):
    """Narrows the limits of this context; None: not in this respect."""
    cdef CallLimits limits = CallLimits()
    outer = _current_limits.get()
    if outer is not None:
        limits.options = (<CallLimits>outer).options
    if deadline is not None:
        limit_deadline(&limits.options, deadline)
    if token is not None:
        add_cancel(&limits.options, token.token)
    if max_steps is not None:
        limit_steps(&limits.options, max_steps)
    limits.before = _current_limits.set(limits)


def leave_limits():
    """Puts the limits back that were there before the last ``enter_limits`` of this context."""
    cdef CallLimits limits = _current_limits.get()
    if limits is not None:
        _current_limits.reset(limits.before)


def set_default_limits(double timeout, int64_t max_steps):
    """Limits of calls that have none of that kind; 0: none."""
    set_default_limits_(timeout, max_steps)


# Two inputs have this name: it cannot be used as a keyword.
cdef object _AMBIGUOUS = object()


cdef class FunctionBase:
    """Base of compiled functions: holds a `_core.Function` and calls it.

    Parameters
    ----------
    fn : _core.Function
    specs : sequence
        One object for each input, with the attributes `name` (str or None), `strict`,
        `allow_downcast` (None, True, False), `borrow`, `value` (default, or None if the caller
        must give one) and `filter(value, strict=, allow_downcast=, borrow=)`, which returns an
        ndarray of the input's dtype and rank or raises TypeError. `label`, if there, names the
        input in messages if it has no name.
    output_mode : {"single", "list", "dict", "none"}
    output_keys : sequence of str, for "dict"
    output_targets : sequence of str, or None
        For each output "" or "cpu", or the device on which it is wanted.
    """

    cdef vectorcallfunc vectorcall
    cdef readonly object fn
    """The `_core.Function` behind this one."""
    cdef public object trust_input
    """Accepted for compatibility: arguments are checked in any case, at no cost worth saving."""
    cdef readonly tuple specs
    """Specifications of the inputs, as given."""
    cdef readonly str output_mode
    cdef readonly tuple output_keys
    cdef object __weakref__
    cdef Function* function
    cdef vector[InputSpec] inputs
    cdef dict positions
    cdef tuple defaults
    cdef int n_inputs
    cdef int n_outputs
    cdef int mode
    cdef int gil
    cdef Places places
    cdef bint meets_devices

    def __cinit__(self, *args, **kwargs):
        self.vectorcall = <vectorcallfunc><void*>_vectorcall
        self.function = NULL
        inherit_vectorcall(<PyObject*>self, <PyObject*>FunctionBase)

    def __init__(self, fn, specs, output_mode="list", output_keys=None, output_targets=None):
        cdef Function* function = function_of(fn)
        specs = tuple(specs)
        if <size_t>len(specs) != function.inputs().size():
            raise ValueError(
                f"{len(specs)} input specifications for a function of "
                f"{function.inputs().size()} inputs"
            )
        if output_mode not in _MODES:
            raise ValueError(f"there is no output mode {output_mode!r}")
        keys = tuple(output_keys) if output_keys is not None else ()
        if output_mode == "dict" and <size_t>len(keys) != function.outputs().size():
            raise ValueError("one key for each output is needed")
        if output_mode == "single" and function.outputs().size() != 1:
            raise ValueError("output mode 'single' is for functions of one output")
        self.fn = fn
        self.specs = specs
        self.output_mode = output_mode
        self.output_keys = keys
        self.trust_input = False
        self.mode = _MODES[output_mode]
        self.n_inputs = <int>len(specs)
        self.n_outputs = <int>function.outputs().size()
        self.positions = {}
        self.inputs.clear()
        self.inputs.resize(len(specs))
        defaults = []
        for i, spec in enumerate(specs):
            fill_spec(
                &self.inputs[i], function.inputs()[i], bool(spec.strict), spec.allow_downcast
            )
            defaults.append(spec.value)
            name = spec.name
            if name is not None:
                self.positions[name] = _AMBIGUOUS if name in self.positions else i
        self.defaults = tuple(defaults)
        self.gil = gil_use(function[0])
        if output_targets is not None:
            output_targets = tuple(output_targets)
            if <size_t>len(output_targets) != function.outputs().size():
                raise ValueError("one target for each output is needed")
        self.places.set(function[0], <PyObject*>output_targets)
        self.meets_devices = self.places.any()
        if self.meets_devices:
            # Calls of all other functions know nothing of devices.
            self.vectorcall = <vectorcallfunc><void*>_vectorcall_device
        self.function = function

    def __call__(self, *args, **kwargs):
        return PyVectorcall_Call(self, args, kwargs)

    @property
    def holds_gil(self):
        """Whether calls keep the GIL in any case: only programs of a few values do. Those with shared
        variables release it when they have to wait for one; others too, but for shapes whose calls
        have been found to take no longer."""
        return self.gil == GIL_KEEP

    cdef object _run(self, PyObject* const* args, object subset):
        """Calls the function with `n_inputs` arguments, none of them null."""
        cdef Frame frame
        cdef object kept = None
        cdef int i
        frame.reserve(self.n_inputs, self.n_outputs)
        for i in range(self.n_inputs):
            if not view_argument(args[i], self.inputs[i], frame.views + i, frame.slots + i):
                value = self._filtered(i, <object>args[i], frame.views + i)
                if kept is None:
                    kept = []
                (<list>kept).append(value)
        if g_limits_in_use != 0:
            self._run_limited(frame)
        else:
            run(self.function, frame, self.gil, self.n_outputs, NULL)
        return self._packed(frame.results, subset)

    cdef int _run_limited(self, Frame& frame) except -1:
        cdef CallOptions options
        limits = _current_limits.get()
        if limits is not None:
            options = (<CallLimits>limits).options
        add_defaults(&options)
        return run(self.function, frame, self.gil, self.n_outputs, &options)

    cdef object _run_device(self, PyObject* const* args, object subset):
        """The same of a function that runs on a device, or has outputs for one."""
        cdef unique_ptr[DeviceFrame] frame
        cdef Frame results
        cdef CallOptions options
        cdef CallOptions* limits = NULL
        cdef object kept = []
        cdef int i
        results.reserve(0, self.n_outputs)
        frame.reset(new DeviceFrame(self.n_inputs))
        for i in range(self.n_inputs):
            if not frame.get().set_argument(i, args[i], self.inputs[i]):
                kept.append(self._device_filtered(i, <object>args[i], frame.get()))
        if g_limits_in_use != 0:
            current = _current_limits.get()
            if current is not None:
                options = (<CallLimits>current).options
            add_defaults(&options)
            limits = &options
        frame.get().run(self.function, self.places, limits, results.results)
        return self._packed(results.results, subset)

    cdef object _device_filtered(self, int i, object value, DeviceFrame* frame):
        """The slow path of an argument of such a call: what `frame` uses, to be kept until its end."""
        try:
            foreign = _device_argument(value, self.fn.device)
        except Exception as e:
            raise _bad_input(self, i, e) from e
        if foreign is not None:
            if frame.set_argument(i, <PyObject*>foreign, self.inputs[i]):
                return foreign
            # Another dtype or rank: converted, or refused, as an ndarray is.
            value = foreign.numpy()
        spec = self.specs[i]
        try:
            array = spec.filter(
                value, strict=spec.strict, allow_downcast=spec.allow_downcast, borrow=True
            )
            native = _numpy_require(array, array.dtype.newbyteorder("="), "A")
            if frame.set_ndarray(i, <PyObject*>native, self.inputs[i]):
                return native
            raise PhintysTypeError(
                f"the value has dtype {native.dtype} and shape {native.shape}, which do not fit "
                f"the input"
            )
        except Exception as e:
            raise _bad_input(self, i, e) from e

    cdef object _filtered(self, int i, object value, TensorView* view):
        """The slow path of an argument: what `view` shows, to be kept until the call ends."""
        spec = self.specs[i]
        try:
            array = spec.filter(
                value, strict=spec.strict, allow_downcast=spec.allow_downcast, borrow=True
            )
            if view_array_object(<PyObject*>array, self.inputs[i], view):
                return array
            # Right but for its place in memory: unaligned or byte-swapped.
            native = _numpy_require(array, array.dtype.newbyteorder("="), "A")
            if view_array_object(<PyObject*>native, self.inputs[i], view):
                return native
            raise PhintysTypeError(
                f"the value has dtype {native.dtype} and shape {native.shape}, which do not fit "
                f"the input"
            )
        except Exception as e:
            raise _bad_input(self, i, e) from e

    cdef object _packed(self, PyObject** results, object subset):
        """Results (references are taken over) as the caller wants them."""
        cdef int i
        cdef list out
        if self.mode == MODE_SINGLE and subset is None:
            value = <object>results[0]
            Py_DECREF_ptr(results[0])
            return value
        out = []
        for i in range(self.n_outputs):
            out.append(<object>results[i])
            Py_DECREF_ptr(results[i])
        if subset is None:
            return dict(zip(self.output_keys, out)) if self.mode == MODE_DICT else out
        if self.mode == MODE_DICT:
            return {key: out[self.output_keys.index(key)] for key in subset}
        return [out[k] for k in subset]

    cdef object _call_with_names(self, PyObject* const* args, Py_ssize_t nargs, object names):
        """A call with keyword arguments, defaults, or a wrong number of arguments."""
        cdef list values
        cdef Py_ssize_t i
        cdef vector[PyObject*] pointers
        subset = None
        if nargs > self.n_inputs:
            raise PhintysTypeError("Too many parameter passed to theano function")
        values = [<object>args[i] for i in range(nargs)]
        given = [True] * nargs + [False] * (self.n_inputs - nargs)
        values.extend(self.defaults[nargs:])
        for i in range(len(names) if names is not None else 0):
            name = names[i]
            value = <object>args[nargs + i]
            position = self.positions.get(name)
            if position is None:
                if name == "output_subset":
                    subset = value
                    continue
                raise PhintysTypeError(
                    f"Unknown input or state: {name}. {_about_inputs(self.specs)}"
                )
            if position is _AMBIGUOUS:
                raise PhintysTypeError(
                    f"Ambiguous name: {name} - please check the names of the inputs of your "
                    f"function for duplicates."
                )
            if given[position]:
                raise PhintysTypeError("Too many parameter passed to theano function")
            given[position] = True
            values[position] = value
        for i in range(self.n_inputs):
            if not given[i] and values[i] is None:
                raise PhintysTypeError(f"Missing required input: {_label(self.specs[i])}")
            pointers.push_back(<PyObject*>values[i])
        if self.meets_devices:
            return self._run_device(pointers.data(), subset)
        return self._run(pointers.data(), subset)


cdef object _label(object spec):
    return spec.name or getattr(spec, "label", None) or "<unnamed input>"


cdef object _bad_input(FunctionBase self, int i, object error):
    """The same error with the function and the input it was about."""
    name = getattr(self, "name", None) or self.fn.name
    function = f'theano function with name "{name}"' if name else "theano function"
    input_name = self.specs[i].name
    argument = f'argument "{input_name}"' if input_name else "argument"
    text = f"Bad input {argument} to {function} at index {i} (0-based). {error}"
    try:
        return type(error)(text)
    except Exception:
        return PhintysTypeError(text)


cdef object _about_inputs(tuple specs):
    named = [spec.name for spec in specs if spec.name]
    unnamed = len(specs) - len(named)
    hint = "(use 'name=...' in a Variable's constructor to give it a name)."
    if not specs:
        return "The function is supposed to have no input."
    if not named:
        if unnamed == 1:
            return (
                "The function has a single input variable which has no name, and thus cannot be "
                f"assigned through a keyword argument {hint}"
            )
        return (
            f"The function has {unnamed} inputs, but none of them is named, and thus they cannot "
            f"be assigned through keyword arguments {hint}"
        )
    plural = "s" if len(named) > 1 else ""
    text = f"The function has {len(named)} named input{plural} ({', '.join(named)})"
    if not unnamed:
        return text + "."
    plural = "s" if unnamed > 1 else ""
    return (
        f"{text}, and {unnamed} unnamed input{plural} which thus cannot be accessed through "
        f"keyword argument{plural} {hint}"
    )


cdef object _vectorcall(object callable, PyObject* const* args, size_t nargsf, PyObject* names):
    cdef FunctionBase self = <FunctionBase>callable
    cdef Py_ssize_t nargs = PyVectorcall_NARGS(nargsf)
    if self.function == NULL:
        raise RuntimeError("this function is not usable: FunctionBase.__init__ was not called")
    if names == NULL and nargs == self.n_inputs:
        return self._run(args, None)
    return self._call_with_names(args, nargs, <object>names if names != NULL else None)


cdef object _vectorcall_device(
    object callable, PyObject* const* args, size_t nargsf, PyObject* names
):
    cdef FunctionBase self = <FunctionBase>callable
    cdef Py_ssize_t nargs = PyVectorcall_NARGS(nargsf)
    if names == NULL and nargs == self.n_inputs:
        return self._run_device(args, None)
    return self._call_with_names(args, nargs, <object>names if names != NULL else None)


cdef object _device_argument(object value, str device):
    """`value` as an array on a device if it is one of any library, else None."""
    global _on_device
    if _on_device is None:
        from phintys.cuda import on_device as _found
        _on_device = _found
    return _on_device(value, device)


cdef object _on_device = None


cdef void _install():
    cdef FunctionBase probe = FunctionBase.__new__(FunctionBase)
    install_vectorcall(
        <PyObject*>FunctionBase, <char*>&probe.vectorcall - <char*><PyObject*>probe
    )


_install()
