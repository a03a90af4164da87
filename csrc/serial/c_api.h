// What the files behind the C interface share: handles, argument checks, and the border where
// exceptions become status codes.
#pragma once

#include <memory>
#include <new>
#include <shared_mutex>
#include <string>
#include <vector>

#include "include/phintys/phintys.h"
#include "runtime/function.h"
#include "serial/phy.h"

namespace phintys::capi {

struct VariableInfo {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  bool has_default = false;
  bool is_updated = false;
};

// Misuse of the interface itself, as opposed to bad data.
struct ArgumentError {
  const char* message;
};

// A checked view: TensorView points into `strides` where the caller gave none.
struct Operand {
  TensorView view;
  Dims strides;
};

void set_message(const char* text) noexcept;
phintys_status status_of(ErrorKind kind) noexcept;

// Runs `body`; whatever it throws becomes a status and this thread's message.
template <class F>
phintys_status guarded(F&& body) noexcept {
  try {
    body();
    return PHINTYS_OK;
  } catch (const ArgumentError& e) {
    set_message(e.message);
    return PHINTYS_ERROR_ARGUMENT;
  } catch (const Error& e) {
    set_message(e.what());
    return status_of(e.kind());
  } catch (const std::bad_alloc&) {
    set_message("out of memory");
    return PHINTYS_ERROR_MEMORY;
  } catch (const std::exception& e) {
    set_message(e.what());
    return PHINTYS_ERROR_INTERNAL;
  } catch (...) {
    set_message("an unknown exception");
    return PHINTYS_ERROR_INTERNAL;
  }
}

template <class T>
T& need(T* p, const char* message) {
  if (!p) throw ArgumentError{message};
  return *p;
}

inline constexpr const char* kNullFunction = "the function is NULL";
inline constexpr const char* kNullResult = "the pointer for the result is NULL";

std::string label(const VariableInfo& info, size_t index);
// Checks everything that can be checked of foreign memory and makes it a TensorView.
void check_view(const phintys_view& v, const char* role, const std::string& name, Operand& out,
                bool with_data = true);
// The operands of a call, with defaults filled in.
std::vector<Operand> operands(const phintys_function& f, const phintys_view* inputs,
                              size_t n_inputs, bool with_data = true);
void need_output_count(const phintys_function& f, const void* outputs, size_t n);

// The device of that name ("cuda:1"), or null for NULL, "" and "cpu". Opens the plug-in that lies
// beside the library, if there is one.
device::Device* find_device(const char* name);
// An array of the caller's, who keeps it alive.
Array borrowed(const TensorView& view, device::Device* device);

}  // namespace phintys::capi

struct phintys_array {
  phintys::Array array;
};

struct phintys_function {
  // The function can be exchanged (phintys_share_state) while others call it; what the header
  // calls the handle's texts and shapes is kept here, where it never changes.
  mutable std::shared_mutex mutex;
  phintys::Ref<phintys::runtime::Function> function;
  phintys::serial::Metadata metadata;
  std::string name;
  std::vector<phintys::capi::VariableInfo> inputs, outputs, state;

  phintys::Ref<phintys::runtime::Function> get() const {
    std::shared_lock lock(mutex);
    return function;
  }
};
