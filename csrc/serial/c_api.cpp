// The C interface (include/phintys/phintys.h): argument checks and the border where exceptions
// become status codes.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <string>
#include <vector>

#include "kernels/memory.h"
#include "kernels/parallel.h"
#include "runtime/device_call.h"
#include "runtime/failure.h"
#include "serial/c_api.h"
#include "serial/format.h"
#include "serial/state.h"
#include "vm/tiles.h"

using phintys::Array;
using phintys::Dims;
using phintys::DType;
using phintys::Error;
using phintys::ErrorKind;
using phintys::fail;
using phintys::Ref;
using phintys::TensorView;
using phintys::Type;
using namespace phintys::capi;
namespace runtime = phintys::runtime;
namespace serial = phintys::serial;

static_assert(PHINTYS_DTYPE_COUNT == phintys::kNumDTypes);
static_assert(PHINTYS_UINT64 == static_cast<int>(DType::u64));
static_assert(PHINTYS_COMPLEX128 == static_cast<int>(DType::c128));
static_assert(PHINTYS_MAX_RANK == phintys::kMaxRank);

namespace {

VariableInfo describe(const std::string& name, const Type& type) {
  return {name, type.dtype(), std::vector<int64_t>(type.shape().begin(), type.shape().end())};
}

}  // namespace

struct phintys_cancel {
  Ref<runtime::CancelToken> token = phintys::make_ref<runtime::CancelToken>();
};

namespace {

// The message is kept in fixed memory, so that running out of memory can be reported too.
constexpr size_t kMessageBytes = 8192;
thread_local char t_message[kMessageBytes];

}  // namespace

namespace phintys::capi {

void set_message(const char* text) noexcept {
  size_t n = std::strlen(text);
  if (n >= kMessageBytes) {
    n = kMessageBytes - 1;
    while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xc0) == 0x80) --n;  // whole UTF-8 only
  }
  std::memmove(t_message, text, n);
  t_message[n] = '\0';
}

phintys_status status_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::value:
    case ErrorKind::unused_input:
    case ErrorKind::disconnected_input:
    case ErrorKind::zero_division:
    case ErrorKind::linalg:
      return PHINTYS_ERROR_VALUE;
    case ErrorKind::type:
    case ErrorKind::null_type_grad:
      return PHINTYS_ERROR_TYPE;
    case ErrorKind::index:
      return PHINTYS_ERROR_INDEX;
    case ErrorKind::key:
      return PHINTYS_ERROR_KEY;
    case ErrorKind::runtime:
      return PHINTYS_ERROR_RUNTIME;
    case ErrorKind::memory:
      return PHINTYS_ERROR_MEMORY;
    case ErrorKind::assertion:
      return PHINTYS_ERROR_ASSERTION;
    case ErrorKind::io:
      return PHINTYS_ERROR_IO;
    case ErrorKind::not_implemented:
      return PHINTYS_ERROR_NOT_IMPLEMENTED;
    case ErrorKind::internal:
      return PHINTYS_ERROR_INTERNAL;
    case ErrorKind::missing_input:
      return PHINTYS_ERROR_MISSING_INPUT;
    case ErrorKind::bad_file:
      return PHINTYS_ERROR_BAD_FILE;
    case ErrorKind::overflow:
      return PHINTYS_ERROR_OVERFLOW;
    case ErrorKind::timeout:
      return PHINTYS_ERROR_TIMEOUT;
    case ErrorKind::cancelled:
      return PHINTYS_ERROR_CANCELLED;
    case ErrorKind::step_limit:
      return PHINTYS_ERROR_STEP_LIMIT;
  }
  return PHINTYS_ERROR_INTERNAL;
}

// --- views -----------------------------------------------------------------------------------

namespace {

size_t alignment_of(DType dtype) {
  const size_t n = item_size(dtype);
  return phintys::is_complex(dtype) ? n / 2 : n;
}

}  // namespace

// Checks everything that can be checked of foreign memory and makes it a TensorView.
void check_view(const phintys_view& v, const char* role, const std::string& name, Operand& out,
                bool with_data) {
  if (v.dtype < 0 || v.dtype >= PHINTYS_DTYPE_COUNT) {
    fail(ErrorKind::type, role, " '", name, "': ", v.dtype, " is not a dtype");
  }
  if (v.ndim < 0 || v.ndim > PHINTYS_MAX_RANK) {
    fail(ErrorKind::type, role, " '", name, "': a rank of ", v.ndim, " is not supported");
  }
  if (v.ndim > 0 && !v.shape) throw ArgumentError{"an array's shape is NULL"};
  const DType dtype = static_cast<DType>(v.dtype);
  const Dims shape(v.shape, v.shape + v.ndim);
  int64_t elements = 0;
  int64_t bytes = 0;
  if (!checked_product(shape, &elements) ||
      __builtin_mul_overflow(elements, static_cast<int64_t>(item_size(dtype)), &bytes)) {
    fail(ErrorKind::value, role, " '", name, "': no array has the shape ", to_string(shape));
  }
  if (!v.strides) out.strides = phintys::contiguous_strides(shape, item_size(dtype));
  static char nothing[64];
  out.view = {static_cast<char*>(v.data), dtype, v.ndim, v.shape,
              v.strides ? v.strides : out.strides.data()};
  if (elements == 0) {
    if (!v.data) out.view.data = nothing;
    return;
  }
  if (!with_data) return;
  if (!v.data) throw ArgumentError{"an array's data is NULL"};
  const size_t align = alignment_of(dtype);
  bool aligned = reinterpret_cast<uintptr_t>(v.data) % align == 0;
  for (int i = 0; i < v.ndim; ++i) {
    aligned =
        aligned && (v.shape[i] == 1 || out.view.strides[i] % static_cast<int64_t>(align) == 0);
  }
  if (!aligned) {
    fail(ErrorKind::value, role, " '", name, "': its elements are not aligned to ", align,
         " bytes, as ", phintys::dtype_name(dtype), " needs");
  }
}

std::string label(const VariableInfo& info, size_t index) {
  return info.name.empty() ? std::to_string(index) : info.name;
}

namespace {

std::string type_text(DType dtype, int ndim) {
  return std::string(phintys::dtype_name(dtype)) + " of rank " + std::to_string(ndim);
}

void check_type(const VariableInfo& info, size_t index, const char* role, const TensorView& v) {
  const int ndim = static_cast<int>(info.shape.size());
  if (v.dtype != info.dtype || v.ndim != ndim) {
    fail(ErrorKind::type, role, " '", label(info, index), "' is ", type_text(info.dtype, ndim),
         "; got ", type_text(v.dtype, v.ndim), ", shape ",
         to_string(Dims(v.shape, v.shape + v.ndim)));
  }
}

}  // namespace

// The operands of a call, with defaults filled in.
std::vector<Operand> operands(const phintys_function& f, const phintys_view* inputs,
                              size_t n_inputs, bool with_data) {
  if (n_inputs > f.inputs.size()) {
    fail(ErrorKind::value, "function '", f.name, "' takes ", f.inputs.size(), " inputs; got ",
         n_inputs);
  }
  if (n_inputs > 0) need(inputs, "the inputs are NULL");
  std::vector<Operand> out(f.inputs.size());
  for (size_t i = 0; i < out.size(); ++i) {
    if (i >= n_inputs || inputs[i].dtype == PHINTYS_DEFAULT) {
      if (!f.inputs[i].has_default) {
        fail(ErrorKind::missing_input, "function '", f.name, "' needs a value for input '",
             label(f.inputs[i], i), "' (",
             type_text(f.inputs[i].dtype, static_cast<int>(f.inputs[i].shape.size())), ")");
      }
      out[i].view = f.metadata.inputs[i].default_value.view();
      continue;
    }
    check_view(inputs[i], "input", label(f.inputs[i], i), out[i], with_data);
    check_type(f.inputs[i], i, "input", out[i].view);
  }
  return out;
}

namespace {

std::vector<TensorView> views_of(const std::vector<Operand>& operands) {
  std::vector<TensorView> views;
  views.reserve(operands.size());
  for (const Operand& o : operands) views.push_back(o.view);
  return views;
}

}  // namespace

void need_output_count(const phintys_function& f, const void* outputs, size_t n) {
  if (n != f.outputs.size()) {
    fail(ErrorKind::value, "function '", f.name, "' has ", f.outputs.size(),
         " outputs; there is room for ", n);
  }
  if (n > 0 && !outputs) throw ArgumentError{"the outputs are NULL"};
}

}  // namespace phintys::capi

namespace {

// --- handles ---------------------------------------------------------------------------------

serial::LoadOptions load_options(const phintys_load_options* given) {
  serial::LoadOptions options;
  if (!given) return options;
  phintys_load_options known{};
  if (given->struct_size < sizeof(size_t)) {
    throw ArgumentError{"phintys_load_options.struct_size is not set"};
  }
  std::memcpy(&known, given, std::min(given->struct_size, sizeof known));
  options.memory_limit = known.memory_limit;
  options.spec.device = find_device(known.device);
  return options;
}

runtime::CallOptions call_options(const phintys_call_options* given) {
  runtime::CallOptions options;
  if (!given) return options;
  phintys_call_options known{};
  if (given->struct_size < sizeof(size_t)) {
    throw ArgumentError{"phintys_call_options.struct_size is not set"};
  }
  std::memcpy(&known, given, std::min(given->struct_size, sizeof known));
  if (known.timeout_ns < 0 || known.max_steps < 0) {
    fail(ErrorKind::value, "a call's timeout and its number of steps cannot be negative");
  }
  const auto now = runtime::CallOptions::Clock::now();
  const std::chrono::nanoseconds timeout(known.timeout_ns);
  if (known.timeout_ns > 0 && timeout < runtime::CallOptions::kNever - now) {
    options.deadline = now + timeout;
  }
  if (known.cancel) options.cancel.push_back(known.cancel->token);
  options.max_steps = known.max_steps;
  return options;
}

phintys_function* make_handle(Ref<runtime::Function> function, serial::Metadata metadata) {
  auto handle = std::make_unique<phintys_function>();
  const runtime::Function& f = *function;
  handle->name = f.name();
  for (size_t i = 0; i < f.inputs().size(); ++i) {
    VariableInfo info = describe(f.inputs()[i].name, f.inputs()[i].type);
    info.has_default = i < metadata.inputs.size() && metadata.inputs[i].default_value;
    handle->inputs.push_back(std::move(info));
  }
  for (const auto& o : f.outputs()) handle->outputs.push_back(describe(o.name, o.type));
  for (size_t i = 0; i < f.shared().size(); ++i) {
    handle->state.push_back(describe(f.shared_names()[i], f.graph().shared()[i]->type()));
  }
  for (int i : f.updated()) handle->state[static_cast<size_t>(i)].is_updated = true;
  handle->function = std::move(function);
  handle->metadata = std::move(metadata);
  return handle.release();
}

phintys_status give_info(const std::vector<VariableInfo>* list, size_t index,
                         phintys_variable_info* info) {
  return guarded([&] {
    need(list, kNullFunction);
    need(info, kNullResult);
    if (info->struct_size < sizeof(size_t)) {
      throw ArgumentError{"phintys_variable_info.struct_size is not set"};
    }
    if (index >= list->size()) {
      fail(ErrorKind::index, "there is no variable number ", index, "; there are ", list->size());
    }
    const VariableInfo& v = (*list)[index];
    phintys_variable_info full{};
    full.struct_size = info->struct_size;
    full.name = v.name.c_str();
    full.dtype = static_cast<phintys_dtype>(v.dtype);
    full.ndim = static_cast<int32_t>(v.shape.size());
    full.shape = v.shape.data();
    full.has_default = v.has_default;
    full.is_updated = v.is_updated;
    std::memcpy(info, &full, std::min(info->struct_size, sizeof full));
  });
}

void need_state(const phintys_function& f, size_t index) {
  if (index >= f.state.size()) {
    fail(ErrorKind::index, "function '", f.name, "' has no state variable number ", index,
         "; it has ", f.state.size());
  }
}

// A call of a function on a device with arrays of the host; `take` gets its outputs.
template <class F>
void call_on_device(runtime::Function& function, const std::vector<Operand>& in,
                    const runtime::CallOptions& limits, F&& take) {
  std::vector<Array> arrays;
  for (const Operand& o : in) arrays.push_back(borrowed(o.view, nullptr));
  runtime::Limits(limits, function.name()).look();
  runtime::DeviceCall call(function);
  call.run(arrays);
  for (size_t i = 0; i < function.outputs().size(); ++i) take(call, i);
}

void check_room(const phintys_function& f, size_t i, const TensorView& result,
                const TensorView& memory) {
  const Dims got(result.shape, result.shape + result.ndim);
  const Dims room(memory.shape, memory.shape + memory.ndim);
  if (got == room) return;
  fail(ErrorKind::value, "output '", label(f.outputs[i], i), "' has the shape ", to_string(got),
       "; the memory for it has the shape ", to_string(room));
}

std::string known_names(const std::vector<VariableInfo>& list) {
  std::string text;
  for (const VariableInfo& v : list) {
    if (v.name.empty()) continue;
    if (text.size() > 500) return text + ", ...";
    text += (text.empty() ? "'" : ", '") + v.name + "'";
  }
  return text.empty() ? "none has a name" : "there are " + text;
}

}  // namespace

extern "C" {

const char* phintys_error_message(void) { return t_message; }

size_t phintys_copy_error_message(char* buffer, size_t size) {
  const size_t n = std::strlen(t_message);
  if (buffer && size > 0) {
    const size_t copied = std::min(n, size - 1);
    std::memcpy(buffer, t_message, copied);
    buffer[copied] = '\0';
  }
  return n;
}

const char* phintys_status_name(phintys_status status) {
  static const char* const names[] = {
      "ok",       "value",     "type",     "index",           "key",       "runtime",
      "memory",   "assertion", "io",       "not_implemented", "internal",  "missing_input",
      "bad_file", "overflow",  "argument", "timeout",         "cancelled", "step_limit"};
  if (status < 0 || static_cast<size_t>(status) >= std::size(names)) return "unknown";
  return names[status];
}

const char* phintys_version(void) { return PHINTYS_BUILD_VERSION; }
int32_t phintys_abi_version(void) { return PHINTYS_ABI_VERSION; }

// --- arrays ----------------------------------------------------------------------------------

size_t phintys_dtype_size(phintys_dtype dtype) {
  if (dtype < 0 || dtype >= PHINTYS_DTYPE_COUNT) return 0;
  return phintys::item_size(static_cast<DType>(dtype));
}

const char* phintys_dtype_name(phintys_dtype dtype) {
  if (dtype < 0 || dtype >= PHINTYS_DTYPE_COUNT) return nullptr;
  return phintys::dtype_name(static_cast<DType>(dtype)).data();
}

phintys_status phintys_array_view(const phintys_array* array, phintys_view* view) {
  return guarded([&] {
    const Array& a = need(array, "the array is NULL").array;
    need(view, kNullResult);
    *view = {a.data(), static_cast<phintys_dtype>(a.dtype()), a.ndim(), a.shape().data(),
             a.strides().data()};
  });
}

void phintys_array_free(phintys_array* array) { delete array; }

// --- functions -------------------------------------------------------------------------------

phintys_status phintys_load_file(const char* path, const phintys_load_options* options,
                                 phintys_function** function) {
  return guarded([&] {
    need(path, "the path is NULL");
    need(function, kNullResult);
    serial::Metadata metadata;
    auto f = serial::load_file(path, load_options(options), &metadata);
    *function = make_handle(std::move(f), std::move(metadata));
  });
}

phintys_status phintys_load_memory(const void* bytes, size_t size,
                                   const phintys_load_options* options,
                                   phintys_function** function) {
  return guarded([&] {
    if (size > 0) need(static_cast<const char*>(bytes), "the bytes are NULL");
    need(function, kNullResult);
    serial::Metadata metadata;
    auto f = serial::load({static_cast<const std::byte*>(bytes), size}, load_options(options),
                          &metadata);
    *function = make_handle(std::move(f), std::move(metadata));
  });
}

void phintys_function_free(phintys_function* function) { delete function; }

phintys_status phintys_save_file(const phintys_function* function, const char* path) {
  return guarded([&] {
    const phintys_function& f = need(function, kNullFunction);
    serial::save_file(*f.get(), &need(path, "the path is NULL"), f.metadata);
  });
}

phintys_status phintys_save_memory(const phintys_function* function, void** bytes, size_t* size) {
  return guarded([&] {
    const phintys_function& f = need(function, kNullFunction);
    need(bytes, kNullResult);
    need(size, kNullResult);
    const std::string saved = serial::save(*f.get(), f.metadata);
    void* copy = std::malloc(saved.size());
    if (!copy) throw std::bad_alloc();
    std::memcpy(copy, saved.data(), saved.size());
    *bytes = copy;
    *size = saved.size();
  });
}

void phintys_memory_free(void* bytes) { std::free(bytes); }

const char* phintys_function_name(const phintys_function* function) {
  return function ? function->name.c_str() : "";
}

size_t phintys_input_count(const phintys_function* function) {
  return function ? function->inputs.size() : 0;
}

size_t phintys_output_count(const phintys_function* function) {
  return function ? function->outputs.size() : 0;
}

phintys_status phintys_input_info(const phintys_function* function, size_t index,
                                  phintys_variable_info* info) {
  return give_info(function ? &function->inputs : nullptr, index, info);
}

phintys_status phintys_output_info(const phintys_function* function, size_t index,
                                   phintys_variable_info* info) {
  return give_info(function ? &function->outputs : nullptr, index, info);
}

phintys_status phintys_input_index(const phintys_function* function, const char* name,
                                   size_t* index) {
  return guarded([&] {
    const phintys_function& f = need(function, kNullFunction);
    need(name, "the name is NULL");
    need(index, kNullResult);
    for (size_t i = 0; i < f.inputs.size(); ++i) {
      if (f.inputs[i].name != name) continue;
      *index = i;
      return;
    }
    fail(ErrorKind::key, "function '", f.name, "' has no input '", name,
         "': ", known_names(f.inputs));
  });
}

const char* phintys_metadata(const phintys_function* function, const char* key) {
  if (!function || !key) return nullptr;
  for (const auto& [k, value] : function->metadata.entries) {
    if (k == key) return value.c_str();
  }
  return nullptr;
}

// --- calls -----------------------------------------------------------------------------------

phintys_status phintys_call(phintys_function* function, const phintys_view* inputs, size_t n_inputs,
                            phintys_array** outputs, size_t n_outputs) {
  return phintys_call_limited(function, inputs, n_inputs, outputs, n_outputs, nullptr);
}

phintys_status phintys_call_limited(phintys_function* function, const phintys_view* inputs,
                                    size_t n_inputs, phintys_array** outputs, size_t n_outputs,
                                    const phintys_call_options* options) {
  return guarded([&] {
    const runtime::CallOptions limits = call_options(options);
    const phintys_function& f = need(function, kNullFunction);
    need_output_count(f, outputs, n_outputs);
    const std::vector<Operand> in = operands(f, inputs, n_inputs);
    const Ref<runtime::Function> compiled = f.get();
    // Made before the call, so that nothing can fail between its updates and its results.
    std::vector<std::unique_ptr<phintys_array>> results(n_outputs);
    for (auto& r : results) r = std::make_unique<phintys_array>();
    if (compiled->options().device) {
      call_on_device(*compiled, in, limits, [&](runtime::DeviceCall& call, size_t i) {
        results[i]->array = call.take_output(static_cast<int>(i), true);
      });
    } else {
      const std::vector<TensorView> views = views_of(in);
      runtime::Call call(*compiled);
      call.run(views.data(), limits);
      for (size_t i = 0; i < n_outputs; ++i) {
        results[i]->array = call.take_output(static_cast<int>(i));
        const Array& a = results[i]->array;
        if (!a.view().contiguous()) results[i]->array = Array::copy_of(a.view());
      }
    }
    for (size_t i = 0; i < n_outputs; ++i) outputs[i] = results[i].release();
  });
}

phintys_status phintys_call_into(phintys_function* function, const phintys_view* inputs,
                                 size_t n_inputs, const phintys_view* outputs, size_t n_outputs) {
  return phintys_call_into_limited(function, inputs, n_inputs, outputs, n_outputs, nullptr);
}

phintys_status phintys_call_into_limited(phintys_function* function, const phintys_view* inputs,
                                         size_t n_inputs, const phintys_view* outputs,
                                         size_t n_outputs, const phintys_call_options* options) {
  return guarded([&] {
    const runtime::CallOptions limits = call_options(options);
    const phintys_function& f = need(function, kNullFunction);
    need_output_count(f, outputs, n_outputs);
    const std::vector<Operand> in = operands(f, inputs, n_inputs);
    std::vector<Operand> out(n_outputs);
    for (size_t i = 0; i < n_outputs; ++i) {
      check_view(outputs[i], "output", label(f.outputs[i], i), out[i]);
      check_type(f.outputs[i], i, "output", out[i].view);
    }
    const Ref<runtime::Function> compiled = f.get();
    if (compiled->options().device) {
      std::vector<Array> results;
      call_on_device(*compiled, in, limits, [&](runtime::DeviceCall& call, size_t i) {
        results.push_back(call.take_output(static_cast<int>(i), true));
      });
      for (size_t i = 0; i < n_outputs; ++i) check_room(f, i, results[i].view(), out[i].view);
      for (size_t i = 0; i < n_outputs; ++i) copy_elements(out[i].view, results[i].view());
      return;
    }
    const std::vector<TensorView> views = views_of(in);
    runtime::Call call(*compiled);
    call.run(views.data(), limits);
    const auto result = [&](size_t i) { return call.output(static_cast<int>(i)); };
    for (size_t i = 0; i < n_outputs; ++i) check_room(f, i, result(i), out[i].view);
    for (size_t i = 0; i < n_outputs; ++i) copy_elements(out[i].view, result(i));
  });
}

phintys_status phintys_cancel_create(phintys_cancel** token) {
  return guarded([&] {
    need(token, kNullResult);
    *token = new phintys_cancel;
  });
}

void phintys_cancel_request(phintys_cancel* token) {
  if (token) token->token->cancel();
}

int32_t phintys_cancel_requested(const phintys_cancel* token) {
  return token && token->token->cancelled();
}

void phintys_cancel_free(phintys_cancel* token) { delete token; }

phintys_status phintys_planned_bytes(phintys_function* function, const phintys_view* inputs,
                                     size_t n_inputs, uint64_t* bytes) {
  return guarded([&] {
    const phintys_function& f = need(function, kNullFunction);
    need(bytes, kNullResult);
    std::vector<Dims> shapes;
    for (const Operand& o : operands(f, inputs, n_inputs, false)) {
      shapes.emplace_back(o.view.shape, o.view.shape + o.view.ndim);
    }
    *bytes = f.get()->planned_bytes(shapes);
  });
}

phintys_status phintys_release_memory(phintys_function* function) {
  return guarded([&] { need(function, kNullFunction).get()->release_contexts(); });
}

// --- state -----------------------------------------------------------------------------------

size_t phintys_state_count(const phintys_function* function) {
  return function ? function->state.size() : 0;
}

phintys_status phintys_state_info(const phintys_function* function, size_t index,
                                  phintys_variable_info* info) {
  return give_info(function ? &function->state : nullptr, index, info);
}

phintys_status phintys_state_index(const phintys_function* function, const char* name,
                                   size_t* index) {
  return guarded([&] {
    const phintys_function& f = need(function, kNullFunction);
    need(name, "the name is NULL");
    need(index, kNullResult);
    const int at = serial::find_state(*f.get(), name);
    if (at < 0) {
      fail(ErrorKind::key, "function '", f.name, "' has no state variable '", name,
           "': ", known_names(f.state));
    }
    *index = static_cast<size_t>(at);
  });
}

phintys_status phintys_state_get(const phintys_function* function, size_t index,
                                 phintys_array** value) {
  return guarded([&] {
    const phintys_function& f = need(function, kNullFunction);
    need(value, kNullResult);
    need_state(f, index);
    auto result = std::make_unique<phintys_array>();
    result->array = serial::get_state(*f.get(), index);
    *value = result.release();
  });
}

phintys_status phintys_state_set(phintys_function* function, size_t index,
                                 const phintys_view* value) {
  return guarded([&] {
    const phintys_function& f = need(function, kNullFunction);
    need_state(f, index);
    Operand v;
    check_view(need(value, "the value is NULL"), "state variable", label(f.state[index], index), v);
    serial::set_state(*f.get(), index, v.view);
  });
}

phintys_status phintys_share_state(phintys_function* function, const phintys_function* source,
                                   size_t* n_shared) {
  return guarded([&] {
    phintys_function& f = need(function, kNullFunction);
    const Ref<runtime::Function> from = need(source, "the source is NULL").get();
    // One at a time: a second sharing must build on the result of the first. The readers' lock is
    // free meanwhile, so calls go on.
    static std::mutex one_at_a_time;
    std::lock_guard order(one_at_a_time);
    size_t shared = 0;
    Ref<runtime::Function> fresh = serial::with_state_of(*f.get(), *from, &shared);
    if (n_shared) *n_shared = shared;
    std::unique_lock lock(f.mutex);
    f.function.swap(fresh);
  });
}

// --- settings --------------------------------------------------------------------------------

phintys_status phintys_set_num_threads(int32_t n) {
  return guarded([&] {
    if (n < 0) fail(ErrorKind::value, "the number of threads cannot be ", n);
    phintys::set_num_threads(n);
  });
}

int32_t phintys_num_threads(void) { return phintys::num_threads(); }

phintys_status phintys_set_parallel_for(phintys_parallel_for hook, void* hook_context) {
  return guarded([&] { phintys::set_parallel_for(hook, hook_context); });
}

phintys_status phintys_set_memory_limit(uint64_t bytes) {
  return guarded([&] { phintys::set_memory_limit(bytes); });
}

uint64_t phintys_memory_limit(void) { return phintys::memory_limit(); }
uint64_t phintys_memory_used(void) { return phintys::memory_stats().live_bytes; }

phintys_status phintys_set_verbose_errors(int32_t on) {
  return guarded([&] { phintys::runtime::set_verbose_errors(on != 0); });
}

phintys_status phintys_set_isa(const char* name) {
  return guarded([&] { phintys::cap_isa(&need(name, "the name is NULL")); });
}

const char* phintys_isa(void) { return phintys::isa_name(phintys::current_isa()); }

}  // extern "C"
