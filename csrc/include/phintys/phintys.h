/* The C interface of Phintys: load a saved function, call it, read and write its state, save it.
 *
 * Conventions
 * - Every function that can fail returns a phintys_status; PHINTYS_OK is 0. The message of the last
 *   failure in the calling thread is phintys_error_message(). No C++ exception leaves the library.
 * - A failed function changes nothing: state, handles and result parameters stay as they were.
 * - Text is UTF-8. Texts and shapes that the library returns belong to the handle they were asked
 *   of and live until it is freed, unless said otherwise.
 * - Handles are made by functions that return them through a pointer and are freed by the function
 *   of the same family. Freeing NULL does nothing.
 * - Structs that may grow begin with `struct_size`: the caller sets it to sizeof the struct it was
 *   compiled with, and the library reads and writes no more than that.
 *
 * Threads
 * - A phintys_function may be used by any number of threads at once, calls included; freeing it
 *   must be the last thing that happens to it. Calls that update the same state run one after
 *   another; every other call runs concurrently. A call sees all updates of another call or none.
 * - A phintys_array is immutable through this interface and may be read by many threads.
 * - The process-wide settings at the end of this file are for the start of the program.
 *
 * This header is C99 and C++. C++ programs may prefer <phintys/phintys.hpp>, made of it. */
#ifndef PHINTYS_PHINTYS_H_
#define PHINTYS_PHINTYS_H_

#include <stddef.h>
#include <stdint.h>

/* Raised when a program compiled for an older header would no longer work. */
#define PHINTYS_ABI_VERSION 1

#if defined(__GNUC__) || defined(__clang__)
#define PHINTYS_API __attribute__((visibility("default")))
#else
#define PHINTYS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* --- results ------------------------------------------------------------------------------- */

/* What went wrong. Numbers are never reused. */
typedef int32_t phintys_status;
enum {
  PHINTYS_OK = 0,
  PHINTYS_ERROR_VALUE = 1,           /* a value, shape or name that does not fit */
  PHINTYS_ERROR_TYPE = 2,            /* a dtype or rank that does not fit */
  PHINTYS_ERROR_INDEX = 3,           /* an index out of range */
  PHINTYS_ERROR_KEY = 4,             /* there is nothing of that name */
  PHINTYS_ERROR_RUNTIME = 5,         /* anything else that failed while running */
  PHINTYS_ERROR_MEMORY = 6,          /* out of memory, or a memory limit reached */
  PHINTYS_ERROR_ASSERTION = 7,       /* an Assert in the function */
  PHINTYS_ERROR_IO = 8,              /* a file cannot be opened, read or written */
  PHINTYS_ERROR_NOT_IMPLEMENTED = 9, /* an operation that this build does not have */
  PHINTYS_ERROR_INTERNAL = 10,       /* a bug in Phintys: please report it */
  PHINTYS_ERROR_MISSING_INPUT = 11,  /* an input without value or default */
  PHINTYS_ERROR_BAD_FILE = 12,       /* not a valid saved function, or a newer one */
  PHINTYS_ERROR_OVERFLOW = 13,       /* a size that does not fit */
  PHINTYS_ERROR_ARGUMENT = 14,       /* misuse of this interface: a null pointer, a bad size */
  PHINTYS_ERROR_TIMEOUT = 15,        /* a call that did not end by its deadline */
  PHINTYS_ERROR_CANCELLED = 16,      /* a call that was cancelled */
  PHINTYS_ERROR_STEP_LIMIT = 17      /* a call whose loops would take more steps than allowed */
};

/* The message of the last failure in this thread ("" if none), valid until the next failure in this
 * thread. Never NULL. */
PHINTYS_API const char* phintys_error_message(void);
/* Copies that message, cut to `size - 1` bytes and terminated, to `buffer` (which may be NULL if
 * size is 0). Returns the message's whole length without the terminator. */
PHINTYS_API size_t phintys_copy_error_message(char* buffer, size_t size);
/* Short name of a status: "value", "bad_file", ... */
PHINTYS_API const char* phintys_status_name(phintys_status status);

/* "1.2.3", and the PHINTYS_ABI_VERSION that the library was built with. */
PHINTYS_API const char* phintys_version(void);
PHINTYS_API int32_t phintys_abi_version(void);

/* --- arrays -------------------------------------------------------------------------------- */

/* Element types. The numbers are those of saved files. bool is one byte, 0 or 1; float16 is its
 * IEEE bits; complex numbers are pairs (real, imaginary). */
typedef int32_t phintys_dtype;
enum {
  PHINTYS_BOOL = 0,
  PHINTYS_INT8 = 1,
  PHINTYS_INT16 = 2,
  PHINTYS_INT32 = 3,
  PHINTYS_INT64 = 4,
  PHINTYS_UINT8 = 5,
  PHINTYS_UINT16 = 6,
  PHINTYS_UINT32 = 7,
  PHINTYS_UINT64 = 8,
  PHINTYS_FLOAT16 = 9,
  PHINTYS_FLOAT32 = 10,
  PHINTYS_FLOAT64 = 11,
  PHINTYS_COMPLEX64 = 12,
  PHINTYS_COMPLEX128 = 13,
  PHINTYS_DTYPE_COUNT = 14,
  PHINTYS_DEFAULT = -1 /* in a phintys_view given as input: use the input's default value */
};

/* Bytes of one element, or 0 for a number that is no dtype. */
PHINTYS_API size_t phintys_dtype_size(phintys_dtype dtype);
/* NumPy's name ("float32"), or NULL. */
PHINTYS_API const char* phintys_dtype_name(phintys_dtype dtype);

/* The largest rank of an array. */
#define PHINTYS_MAX_RANK 32

/* Array memory that somebody else owns. This struct never grows. */
typedef struct phintys_view {
  void* data; /* first element; aligned to the element's parts; may be NULL if empty */
  phintys_dtype dtype;
  int32_t ndim;           /* 0 .. PHINTYS_MAX_RANK */
  const int64_t* shape;   /* ndim dimensions, each >= 0; may be NULL if ndim is 0 */
  const int64_t* strides; /* ndim strides in bytes, of any sign; NULL: C order without gaps */
} phintys_view;

/* An array that the library made: a result, or a copy of state. */
typedef struct phintys_array phintys_array;

/* Describes the array in `view`: valid, and its memory readable, until the array is freed. The
 * elements lie in C order; view->strides is not NULL. */
PHINTYS_API phintys_status phintys_array_view(const phintys_array* array, phintys_view* view);
PHINTYS_API void phintys_array_free(phintys_array* array);

/* --- functions ----------------------------------------------------------------------------- */

typedef struct phintys_function phintys_function;

typedef struct phintys_load_options {
  size_t struct_size; /* sizeof(phintys_load_options) */
  uint64_t
      memory_limit; /* bytes that the loaded function may take; 0: only the file's size bounds it */
  const char* device; /* where it is to run: "cuda", "cuda:1"; NULL or "cpu": on the host */
} phintys_load_options;

/* Loads a saved function. The file is data and is validated in full: whatever it holds, the result
 * is a usable function or PHINTYS_ERROR_BAD_FILE (or _MEMORY, _IO). `options` may be NULL. The
 * bytes given to phintys_load_memory are not needed afterwards. */
PHINTYS_API phintys_status phintys_load_file(const char* path, const phintys_load_options* options,
                                             phintys_function** function);
PHINTYS_API phintys_status phintys_load_memory(const void* bytes, size_t size,
                                               const phintys_load_options* options,
                                               phintys_function** function);
PHINTYS_API void phintys_function_free(phintys_function* function);

/* Saves the function with its present state (a consistent snapshot, also while other threads call
 * it). The file at `path` is replaced atomically. */
PHINTYS_API phintys_status phintys_save_file(const phintys_function* function, const char* path);
/* The same to memory that the library allocates and the caller gives to phintys_memory_free. */
PHINTYS_API phintys_status phintys_save_memory(const phintys_function* function, void** bytes,
                                               size_t* size);
PHINTYS_API void phintys_memory_free(void* bytes);

/* An input, an output or a state variable. */
typedef struct phintys_variable_info {
  size_t struct_size; /* sizeof(phintys_variable_info), set by the caller */
  const char* name;   /* "" if it has none */
  phintys_dtype dtype;
  int32_t ndim;
  const int64_t* shape; /* static dimensions; -1: any */
  int32_t has_default;  /* inputs: 1 if the input may be left out */
  int32_t is_updated;   /* state: 1 if calls of the function update it */
} phintys_variable_info;

/* The function's name ("" if it has none). */
PHINTYS_API const char* phintys_function_name(const phintys_function* function);
PHINTYS_API size_t phintys_input_count(const phintys_function* function);
PHINTYS_API size_t phintys_output_count(const phintys_function* function);
PHINTYS_API phintys_status phintys_input_info(const phintys_function* function, size_t index,
                                              phintys_variable_info* info);
PHINTYS_API phintys_status phintys_output_info(const phintys_function* function, size_t index,
                                               phintys_variable_info* info);
/* Position of the input of that name. PHINTYS_ERROR_KEY if there is none. */
PHINTYS_API phintys_status phintys_input_index(const phintys_function* function, const char* name,
                                               size_t* index);
/* Free text that was saved with the function, by its key; NULL if there is none. */
PHINTYS_API const char* phintys_metadata(const phintys_function* function, const char* key);

/* --- calls --------------------------------------------------------------------------------- */

/* Calls the function on `n_inputs` arrays, in the order of its inputs, and applies its updates.
 * Trailing inputs may be left out, and others given with dtype PHINTYS_DEFAULT, if they have
 * defaults. Dtype and rank must be the input's. The memory of the inputs is only read and must not
 * change during the call. On success `outputs` holds phintys_output_count() new arrays (n_outputs
 * must be that number), each to be freed by the caller. */
PHINTYS_API phintys_status phintys_call(phintys_function* function, const phintys_view* inputs,
                                        size_t n_inputs, phintys_array** outputs, size_t n_outputs);
/* The same, writing the outputs to the caller's memory: each view must have the output's dtype and
 * the very shape that it turns out to have. The memory must not overlap that of the inputs. If a
 * shape differs, PHINTYS_ERROR_VALUE says which it is; the updates have then been applied. */
PHINTYS_API phintys_status phintys_call_into(phintys_function* function, const phintys_view* inputs,
                                             size_t n_inputs, const phintys_view* outputs,
                                             size_t n_outputs);

/* Stops the calls that were given it, from any thread or from a signal handler. Freeing it does not
 * disturb calls in progress. */
typedef struct phintys_cancel phintys_cancel;
PHINTYS_API phintys_status phintys_cancel_create(phintys_cancel** token);
/* Calls in progress and later ones fail with PHINTYS_ERROR_CANCELLED, for ever. */
PHINTYS_API void phintys_cancel_request(phintys_cancel* token);
PHINTYS_API int32_t phintys_cancel_requested(const phintys_cancel* token);
PHINTYS_API void phintys_cancel_free(phintys_cancel* token);

typedef struct phintys_call_options {
  size_t struct_size;     /* sizeof(phintys_call_options) */
  int64_t timeout_ns;     /* PHINTYS_ERROR_TIMEOUT if the call takes longer; 0: any time */
  phintys_cancel* cancel; /* may be NULL */
  int64_t max_steps;      /* PHINTYS_ERROR_STEP_LIMIT if all its loops take more; 0: any number */
} phintys_call_options;

/* phintys_call and phintys_call_into within limits. A call looks at them between operations and
 * between the steps of loops, and while it waits for state that other calls use; an operation that
 * has begun runs to its end. A call that is stopped changes no state and gives no outputs.
 * `options` may be NULL. */
PHINTYS_API phintys_status phintys_call_limited(phintys_function* function,
                                                const phintys_view* inputs, size_t n_inputs,
                                                phintys_array** outputs, size_t n_outputs,
                                                const phintys_call_options* options);
PHINTYS_API phintys_status phintys_call_into_limited(phintys_function* function,
                                                     const phintys_view* inputs, size_t n_inputs,
                                                     const phintys_view* outputs, size_t n_outputs,
                                                     const phintys_call_options* options);

/* Bytes of working memory that a call on inputs of these dtypes and shapes plans, outputs not
 * counted (the views' data may be NULL). What depends on the values of inputs is left out. */
PHINTYS_API phintys_status phintys_planned_bytes(phintys_function* function,
                                                 const phintys_view* inputs, size_t n_inputs,
                                                 uint64_t* bytes);
/* Frees the memory that the function keeps between calls; the next call allocates it again. */
PHINTYS_API phintys_status phintys_release_memory(phintys_function* function);

/* --- state --------------------------------------------------------------------------------- */

/* The function's shared variables: what calls update and phintys_save_file keeps. */
PHINTYS_API size_t phintys_state_count(const phintys_function* function);
PHINTYS_API phintys_status phintys_state_info(const phintys_function* function, size_t index,
                                              phintys_variable_info* info);
/* Position of the state variable of that name. PHINTYS_ERROR_KEY if there is none,
 * PHINTYS_ERROR_VALUE if several have it. */
PHINTYS_API phintys_status phintys_state_index(const phintys_function* function, const char* name,
                                               size_t* index);
/* A copy of the present value, to be freed by the caller. */
PHINTYS_API phintys_status phintys_state_get(const phintys_function* function, size_t index,
                                             phintys_array** value);
/* Replaces the value by a copy of `value`, which must have the variable's dtype and rank; the shape
 * may change where the variable's static shape allows it. */
PHINTYS_API phintys_status phintys_state_set(phintys_function* function, size_t index,
                                             const phintys_view* value);
/* Makes `function` use the state of `source` wherever both have a state variable of the same name:
 * from then on each sees the updates of the other, as for two functions that share variables in the
 * program that built them. The values are those of `source`. Either may be freed first. Calls in
 * progress are not disturbed: they go on with the state that they began with. `n_shared` (may be
 * NULL) receives how many variables they have in common, which may be 0. Fails, and shares nothing,
 * if types differ or a common name is not unique. To copy state only once, use phintys_state_get
 * and phintys_state_set. */
PHINTYS_API phintys_status phintys_share_state(phintys_function* function,
                                               const phintys_function* source, size_t* n_shared);

/* --- devices ------------------------------------------------------------------------------- */

/* A function that was loaded for a device (phintys_load_options.device) runs there; its state moves
 * there. All calls above work as for the host: they take and give arrays of the host. Limits of
 * such a call are looked at before it begins. What a device has no kernel for is computed on the
 * host.
 *
 * Devices are called "cuda" (the first), "cuda:1" and so on. The plug-in libphintys_cuda.so is
 * opened when a device of its kind is asked for, if it lies beside the library; or give its path.
 */
PHINTYS_API phintys_status phintys_add_plugin(const char* path);
/* What the plug-ins that were opened say, a line each ("cuda: no GPU: ..."), cut to `size - 1`
 * bytes and terminated. Returns the text's whole length without the terminator. */
PHINTYS_API size_t phintys_plugin_status(char* buffer, size_t size);
/* Fails, with the reason, if there is no such device. */
PHINTYS_API phintys_status phintys_device_open(const char* device);
/* One line about a device, cut to `size - 1` bytes and terminated. */
PHINTYS_API phintys_status phintys_device_describe(const char* device, char* buffer, size_t size);
/* Bytes of its memory; either pointer may be NULL. */
PHINTYS_API phintys_status phintys_device_memory(const char* device, uint64_t* free_bytes,
                                                 uint64_t* total_bytes);
/* Waits until all that was queued is done. */
PHINTYS_API phintys_status phintys_device_synchronize(const char* device);
/* The stream (a cudaStream_t) on which all work of the device is queued. */
PHINTYS_API phintys_status phintys_device_stream(const char* device, void** stream);
/* Work of later calls waits for what `stream` has queued so far. */
PHINTYS_API phintys_status phintys_device_wait_for(const char* device, void* stream);

/* Where an array is: "cpu" or the name of a device. phintys_array_view of an array on a device
 * gives a pointer of the device, valid for what is queued on its stream. */
PHINTYS_API const char* phintys_array_device(const phintys_array* array);
/* A copy of host memory on a device, or (device NULL or "cpu") on the host. */
PHINTYS_API phintys_status phintys_array_create(const phintys_view* host, const char* device,
                                                phintys_array** array);
/* The array on a device, or on the host, which waits for it. It shares the memory of `array` if
 * that is where it is already. */
PHINTYS_API phintys_status phintys_array_to(const phintys_array* array, const char* device,
                                            phintys_array** copy);
/* Where the function runs: "cpu" or the name of a device. */
PHINTYS_API const char* phintys_function_device(const phintys_function* function);

/* phintys_call with results that stay on the function's device, and inputs that may be there:
 * input_devices[i] says where the memory of inputs[i] is (NULL: on the host); with input_devices
 * NULL all are on the function's device. Returns before the device is done. The memory of inputs on
 * a device must stay as it is until then: until phintys_device_synchronize, or for work queued
 * later on the device's stream. */
PHINTYS_API phintys_status phintys_call_device(phintys_function* function,
                                               const phintys_view* inputs,
                                               const char* const* input_devices, size_t n_inputs,
                                               phintys_array** outputs, size_t n_outputs);

/* --- process-wide settings ------------------------------------------------------------------- */

/* Threads that work at the same time, the calling one included; 0: as many as the process has CPUs.
 * Results do not depend on it. Not to be changed while a function runs. */
PHINTYS_API phintys_status phintys_set_num_threads(int32_t n);
PHINTYS_API int32_t phintys_num_threads(void);

/* Replaces the library's threads by the caller's: `hook` must call chunk(context, i) once for every
 * i in [0, n_chunks), on any threads and in any order, and return when all have returned. `chunk`
 * never throws. A null hook restores the library's own. Not to be changed while a function runs. */
typedef void (*phintys_chunk)(void* context, int64_t i);
typedef void (*phintys_parallel_for)(void* hook_context, int64_t n_chunks, void* context,
                                     phintys_chunk chunk);
PHINTYS_API phintys_status phintys_set_parallel_for(phintys_parallel_for hook, void* hook_context);

/* The most memory that arrays may take, all functions together; 0: no limit. A call that would take
 * more fails with PHINTYS_ERROR_MEMORY. */
PHINTYS_API phintys_status phintys_set_memory_limit(uint64_t bytes);
PHINTYS_API uint64_t phintys_memory_limit(void);
/* Bytes in use by arrays now. */
PHINTYS_API uint64_t phintys_memory_used(void);

/* Whether the messages of errors at run time also show small operands, the expression around the
 * operation that failed, and the arrays that were there. Off at the start. */
PHINTYS_API phintys_status phintys_set_verbose_errors(int32_t on);

/* Limits the instruction set: "baseline", "avx2", "avx512", "neon" or "auto". Must come before the
 * first call of any function; PHINTYS_ERROR_RUNTIME if it is too late. */
PHINTYS_API phintys_status phintys_set_isa(const char* name);
/* The one in use. Deciding it is its first use. */
PHINTYS_API const char* phintys_isa(void);

#ifdef __cplusplus
}
#endif

#endif /* PHINTYS_PHINTYS_H_ */
