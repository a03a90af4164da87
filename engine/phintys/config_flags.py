"""The table of settings: (name, kind, default, documentation, options)."""

from __future__ import annotations

from typing import Any

_FLOATS = ("float64", "float32", "float16")
_ERR = ("ignore", "warn", "raise", "call", "print", "log")
_TEST = ("off", "ignore", "warn", "raise", "pdb")

FLAGS: list[tuple[Any, ...]] = [
    ("floatX", "enum", "float64", "Default floating dtype of constructors.", _FLOATS),
    ("num_threads", "int", 0, "Threads of the runtime's pool; 0: one for each core."),
    ("memory_limit", "int", 0, "Bytes that arrays and arenas may take; 0: no limit."),
    ("call_timeout", "float", 0.0, "Seconds that a call may take; 0: any time. See limits()."),
    ("max_loop_steps", "int", 0, "Steps that the loops of a call may take together; 0: any."),
    (
        "isa",
        "enum",
        "auto",
        "Most capable instruction set that kernels may use.",
        ("auto", "baseline", "avx2", "avx512", "neon"),
    ),
    (
        "device",
        "str",
        "cpu",
        "Where functions run: 'cpu', 'cuda', 'cuda:1', ... See docs/gpu.md.",
    ),
    (
        "cast_policy",
        "enum",
        "custom",
        "Dtype of Python numbers in expressions: the smallest that fits, or NumPy's and floatX.",
        ("custom", "numpy+floatX"),
    ),
    ("int_division", "enum", "int", "Inert: / is true division.", ("int", "raise", "floatX")),
    (
        "warn_float64",
        "enum",
        "ignore",
        "Inert.",
        ("ignore", "warn", "raise", "pdb"),
    ),
    ("mode", "str", "Mode", "Default mode of functions."),
    (
        "on_unused_input",
        "enum",
        "raise",
        "Unused inputs of functions.",
        ("raise", "warn", "ignore"),
    ),
    (
        "exception_verbosity",
        "enum",
        "low",
        "'high': errors of calls also show small operands, the expression, and all arrays.",
        ("low", "high"),
    ),
    ("profile", "bool", False, "Profile every function that is made; print profiles at exit."),
    ("print_global_stats", "bool", False, "Print times of profiled functions at exit."),
    ("profile_optimizer", "bool", False, "Inert: profiles have the passes."),
    ("profile_memory", "bool", False, "Inert: profiles have the memory."),
    ("deterministic", "enum", "default", "Inert: results never vary.", ("default", "more")),
    (
        "compute_test_value",
        "enum",
        "off",
        "Whether tag.test_value of an expression is computed from those of its inputs, when it is "
        "asked for, and what happens where one is missing.",
        _TEST,
    ),
    ("compute_test_value_opt", "enum", "off", "Inert.", _TEST),
    ("print_test_value", "bool", False, "Inert."),
    ("pickle_test_value", "bool", True, "Inert."),
    ("unpickle_function", "bool", True, "Inert."),
    ("reoptimize_unpickled_function", "bool", False, "Inert: passes run when a function loads."),
    ("optimizer", "str", "o4", "Default set of passes."),
    ("optimizer_excluding", "str", "", "Passes to skip, separated by ':'."),
    ("optimizer_including", "str", "", "Passes to add, separated by ':'."),
    ("optimizer_requiring", "str", "", "Inert."),
    ("optimizer_verbose", "bool", False, "Print the passes that change a graph."),
    (
        "on_opt_error",
        "enum",
        "warn",
        "Inert: an error in a pass is always raised.",
        ("warn", "raise", "pdb", "ignore"),
    ),
    ("on_shape_error", "enum", "warn", "Inert.", ("warn", "raise")),
    ("linker", "str", "cvm", "Inert: there is one executor."),
    ("allow_gc", "bool", True, "Inert: memory is planned."),
    ("check_input", "bool", True, "Inert: inputs are always checked."),
    ("openmp", "bool", False, "Inert: see num_threads."),
    ("openmp_elemwise_minsize", "int", 200000, "Inert."),
    ("traceback.limit", "int", 8, "Inert: the user's line is kept."),
    ("traceback.compile_limit", "int", 0, "Inert."),
    ("NanGuardMode.nan_is_error", "bool", True, "NanGuardMode reports NaN."),
    ("NanGuardMode.inf_is_error", "bool", True, "NanGuardMode reports infinities."),
    ("NanGuardMode.big_is_error", "bool", True, "NanGuardMode reports values above 1e10."),
    (
        "NanGuardMode.action",
        "enum",
        "raise",
        "What NanGuardMode does.",
        ("raise", "warn", "pdb"),
    ),
    ("DebugMode.patience", "int", 10, "Inert."),
    ("DebugMode.check_c", "bool", True, "Inert."),
    ("DebugMode.check_py", "bool", True, "Inert."),
    ("DebugMode.check_finite", "bool", True, "DebugMode refuses non-finite results."),
    ("DebugMode.check_strides", "int", 0, "Inert."),
    ("DebugMode.warn_input_not_reused", "bool", True, "Inert."),
    ("DebugMode.check_preallocated_output", "str", "", "Inert."),
    ("DebugMode.check_preallocated_output_ndim", "int", 4, "Inert."),
    ("numpy.seterr_all", "enum", "ignore", "Inert.", (*_ERR, "None")),
    ("numpy.seterr_divide", "enum", "None", "Inert.", ("None", *_ERR)),
    ("numpy.seterr_over", "enum", "None", "Inert.", ("None", *_ERR)),
    ("numpy.seterr_under", "enum", "None", "Inert.", ("None", *_ERR)),
    ("numpy.seterr_invalid", "enum", "None", "Inert.", ("None", *_ERR)),
    ("unittests.rseed", "str", "666", "Seed of tests; 'random' for a random one."),
    ("tensor.cmp_sloppy", "int", 0, "Inert."),
    ("tensor.local_elemwise_fusion", "bool", True, "Fuse elementwise operations."),
    ("tensor.insert_inplace_optimizer_validate_nb", "int", -1, "Inert."),
    ("scan.allow_gc", "bool", False, "Inert."),
    ("scan.allow_output_prealloc", "bool", True, "Inert."),
    ("scan.debug", "bool", False, "Inert."),
    ("profiling.time_thunks", "bool", True, "Inert."),
    ("profiling.n_apply", "int", 20, "Instructions in a profile."),
    ("profiling.n_ops", "int", 20, "Ops in a table of a profile."),
    ("profiling.output_line_width", "int", 512, "Most characters in a line of a profile."),
    ("profiling.min_memory_size", "int", 1024, "Least bytes that a profile lists."),
    ("profiling.min_peak_memory", "bool", False, "Inert."),
    ("profiling.destination", "str", "stderr", "Profiles at exit: stderr, stdout or a file."),
    ("profiling.debugprint", "bool", False, "Profiles print the graph, too."),
    ("profiling.trace", "str", "", "File for a trace of all profiled functions, at exit."),
    ("profiling.trace_events", "int", 65536, "Events that a profiled function keeps for traces."),
    ("profiling.ignore_first_call", "bool", False, "Inert."),
    ("warn.ignore_bug_before", "str", "0.9", "Inert."),
    ("warn.round", "bool", False, "Inert."),
    ("warn.inc_set_subtensor1", "bool", False, "Inert."),
    ("cuda.root", "str", "", "Inert."),
    (
        "cuda.f32_products",
        "enum",
        "full",
        "Products of float32 on devices: in full, or operands rounded to tf32 or bfloat16.",
        ("full", "tf32", "bf16"),
    ),
    ("cuda.own_products", "bool", False, "Products on devices never go to the vendor's library."),
    ("compile.wait", "int", 5, "Inert."),
    ("compile.timeout", "int", 24, "Inert."),
    ("cycle_detection", "enum", "regular", "Inert.", ("regular", "fast")),
    ("check_stack_trace", "enum", "off", "Inert.", ("off", "log", "warn", "raise")),
    ("cxx", "str", "", "Inert: no compiler is used."),
    ("force_device", "bool", False, "Inert."),
    ("init_gpu_device", "str", "", "Inert."),
    ("print_active_device", "bool", True, "Inert."),
    ("contexts", "str", "", "Inert."),
    (
        "assert_no_cpu_op",
        "enum",
        "ignore",
        "'raise': what a device has no kernel for is an error, instead of computed on the host.",
        ("ignore", "warn", "raise", "pdb"),
    ),
    (
        "experimental.unpickle_gpu_on_cpu",
        "bool",
        False,
        "Functions that were pickled on a device run on the CPU where there is none.",
    ),
    ("gcc.cxxflags", "str", "", "Inert."),
    ("blas.ldflags", "str", "", "Inert."),
    ("vm.lazy", "any", "None", "Inert."),
]

_INERT_FALSE = """
gpuarray.sync gpuarray.single_stream magma.enabled nocleanup
gpu.local_elemwise_fusion lib.amdlibm gpuelemwise.sync
cmodule.warn_no_version cmodule.remove_gxx_opt cmodule.compilation_warning cmodule.preload_cache
cmodule.debug warn.argmax_pushdown_bug warn.gpusum_01_011_0111_bug warn.sum_sum_bug
warn.sum_div_dimshuffle_bug warn.subtensor_merge_bug warn.gpu_set_subtensor1 warn.vm_gc_bug
warn.signal_conv2d_interface warn.reduce_join warn.inc_subtensor1_opt warn.identify_1pexp_bug
cache_optimizations conv.assert_shape blas.check_openmp experimental.local_alloc_elemwise
experimental.local_alloc_elemwise_assert
"""
_INERT_TEXT = """
gpuarray.preallocate gpuarray.sched cuda.include_path dnn.conv.workmem dnn.conv.workmem_bwd
dnn.conv.algo_bwd dnn.conv.algo_fwd dnn.conv.algo_bwd_data dnn.conv.algo_bwd_filter
dnn.conv.precision dnn.base_path dnn.include_path dnn.library_path dnn.bin_path dnn.enabled
magma.include_path magma.library_path optdb.position_cutoff optdb.max_use_ratio
cmodule.age_thresh_use metaopt.verbose metaopt.optimizer_excluding metaopt.optimizer_including
compiledir_format base_compiledir compiledir gpuarray.cache_path ctc.root
"""
FLAGS += [(name, "bool", False, "Inert.") for name in _INERT_FALSE.split()]
FLAGS += [(name, "str", "", "Inert.") for name in _INERT_TEXT.split()]
