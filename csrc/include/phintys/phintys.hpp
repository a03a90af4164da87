// Phintys in C++17: a thin layer of values and exceptions over <phintys/phintys.h>.
//
//   auto f = phintys::Function::load("model.phy");
//   phintys::Tensor x({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
//   std::vector<phintys::Tensor> y = f({x});           // in the order of the inputs
//   y = f.call({{"x", x}, {"rate", 0.1}});             // by name; others take their defaults
//   std::cout << y[0].at<float>(1, 2) << '\n';
//
// Everything is inline and in terms of the C interface, so programs built by other compilers and
// with other standard libraries than the library's work. The rules of phintys.h hold, its section
// on threads included; a Tensor is a value like std::shared_ptr: copies share their elements.
#ifndef PHINTYS_PHINTYS_HPP_
#define PHINTYS_PHINTYS_HPP_

#include <chrono>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "phintys.h"

namespace phintys {
// A namespace of its own keeps these inline symbols apart from any that the library has.
inline namespace v1 {

enum class Kind : int32_t {
  value = PHINTYS_ERROR_VALUE,
  type = PHINTYS_ERROR_TYPE,
  index = PHINTYS_ERROR_INDEX,
  key = PHINTYS_ERROR_KEY,
  runtime = PHINTYS_ERROR_RUNTIME,
  memory = PHINTYS_ERROR_MEMORY,
  assertion = PHINTYS_ERROR_ASSERTION,
  io = PHINTYS_ERROR_IO,
  not_implemented = PHINTYS_ERROR_NOT_IMPLEMENTED,
  internal = PHINTYS_ERROR_INTERNAL,
  missing_input = PHINTYS_ERROR_MISSING_INPUT,
  bad_file = PHINTYS_ERROR_BAD_FILE,
  overflow = PHINTYS_ERROR_OVERFLOW,
  argument = PHINTYS_ERROR_ARGUMENT,
  timeout = PHINTYS_ERROR_TIMEOUT,
  cancelled = PHINTYS_ERROR_CANCELLED,
  step_limit = PHINTYS_ERROR_STEP_LIMIT,
};

class Exception : public std::runtime_error {
 public:
  Exception(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Kind kind() const noexcept { return kind_; }

 private:
  Kind kind_;
};

namespace detail {

inline void check(phintys_status status) {
  if (status != PHINTYS_OK) throw Exception(static_cast<Kind>(status), phintys_error_message());
}

}  // namespace detail

enum class Dtype : int32_t {
  boolean = PHINTYS_BOOL,
  int8 = PHINTYS_INT8,
  int16 = PHINTYS_INT16,
  int32 = PHINTYS_INT32,
  int64 = PHINTYS_INT64,
  uint8 = PHINTYS_UINT8,
  uint16 = PHINTYS_UINT16,
  uint32 = PHINTYS_UINT32,
  uint64 = PHINTYS_UINT64,
  float16 = PHINTYS_FLOAT16,
  float32 = PHINTYS_FLOAT32,
  float64 = PHINTYS_FLOAT64,
  complex64 = PHINTYS_COMPLEX64,
  complex128 = PHINTYS_COMPLEX128,
};

inline const char* dtype_name(Dtype d) { return phintys_dtype_name(static_cast<int32_t>(d)); }

namespace detail {

template <class T>
constexpr Dtype integer_dtype() {
  if (std::is_signed_v<T>) {
    return sizeof(T) == 1   ? Dtype::int8
           : sizeof(T) == 2 ? Dtype::int16
           : sizeof(T) == 4 ? Dtype::int32
                            : Dtype::int64;
  }
  return sizeof(T) == 1   ? Dtype::uint8
         : sizeof(T) == 2 ? Dtype::uint16
         : sizeof(T) == 4 ? Dtype::uint32
                          : Dtype::uint64;
}

// By size and sign, so that long and long long are both int64 where they have 64 bits.
template <class T>
constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, bool>) {
    return Dtype::boolean;
  } else if constexpr (std::is_integral_v<T>) {
    return integer_dtype<T>();
  } else if constexpr (std::is_same_v<T, float>) {
    return Dtype::float32;
  } else if constexpr (std::is_same_v<T, double>) {
    return Dtype::float64;
  } else if constexpr (std::is_same_v<T, std::complex<float>>) {
    return Dtype::complex64;
  } else {
    static_assert(std::is_same_v<T, std::complex<double>>, "no dtype has this C++ type");
    return Dtype::complex128;
  }
}

// Calls f with a null pointer to the C++ type of a real dtype; false for the others.
template <class F>
bool with_real_type(Dtype d, F&& f) {
  switch (d) {
    case Dtype::boolean:
      return f(static_cast<bool*>(nullptr)), true;
    case Dtype::int8:
      return f(static_cast<int8_t*>(nullptr)), true;
    case Dtype::int16:
      return f(static_cast<int16_t*>(nullptr)), true;
    case Dtype::int32:
      return f(static_cast<int32_t*>(nullptr)), true;
    case Dtype::int64:
      return f(static_cast<int64_t*>(nullptr)), true;
    case Dtype::uint8:
      return f(static_cast<uint8_t*>(nullptr)), true;
    case Dtype::uint16:
      return f(static_cast<uint16_t*>(nullptr)), true;
    case Dtype::uint32:
      return f(static_cast<uint32_t*>(nullptr)), true;
    case Dtype::uint64:
      return f(static_cast<uint64_t*>(nullptr)), true;
    case Dtype::float32:
      return f(static_cast<float*>(nullptr)), true;
    case Dtype::float64:
      return f(static_cast<double*>(nullptr)), true;
    default:
      return false;
  }
}

}  // namespace detail

using Shape = std::vector<int64_t>;

inline std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i ? ", " : "") + std::to_string(shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

// An array: elements of one dtype, a shape, byte strides. It owns its memory together with its
// copies, or is a view of the caller's.
class Tensor {
 public:
  // Zeros in C order.
  Tensor(Dtype dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
    const size_t bytes = set_c_order();
    auto block = std::make_unique<std::max_align_t[]>(bytes / sizeof(std::max_align_t) + 1);
    data_ = block.get();
    owner_ = std::shared_ptr<void>(std::shared_ptr<std::max_align_t[]>(std::move(block)), data_);
  }
  // A copy of `values`, which are in C order.
  template <class T>
  Tensor(Shape shape, const std::vector<T>& values)
      : Tensor(detail::dtype_of<T>(), std::move(shape)) {
    if (static_cast<size_t>(size()) != values.size()) {
      throw Exception(Kind::value, std::to_string(values.size()) +
                                       " values do not fill the shape " + to_string(shape_));
    }
    T* out = static_cast<T*>(data_);
    for (size_t i = 0; i < values.size(); ++i) out[i] = values[i];
  }
  // A number. Given to a function it takes the dtype of the input, if that is real.
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
  Tensor(T value) : Tensor(detail::dtype_of<T>(), Shape{}) {
    std::memcpy(data_, &value, sizeof value);
    number_ = true;
  }

  // The caller's memory, which must outlive every use of the tensor; C order, or byte strides.
  template <class T>
  static Tensor view(const T* data, Shape shape, Shape strides = {}) {
    return view_bytes(data, detail::dtype_of<T>(), std::move(shape), std::move(strides));
  }
  static Tensor view_bytes(const void* data, Dtype dtype, Shape shape, Shape strides = {}) {
    Tensor t(dtype);
    t.shape_ = std::move(shape);
    t.set_c_order();
    if (!strides.empty()) {
      if (strides.size() != t.shape_.size()) {
        throw Exception(Kind::value, "a view needs one stride for each dimension");
      }
      t.strides_ = std::move(strides);
    }
    t.data_ = const_cast<void*>(data);
    return t;
  }
  // Takes over an array of the C interface.
  static Tensor adopt(phintys_array* array) {
    std::shared_ptr<void> owner(
        array, [](void* p) { phintys_array_free(static_cast<phintys_array*>(p)); });
    phintys_view v;
    detail::check(phintys_array_view(array, &v));
    Tensor t(static_cast<Dtype>(v.dtype));
    t.data_ = v.data;
    t.shape_.assign(v.shape, v.shape + v.ndim);
    t.strides_.assign(v.strides, v.strides + v.ndim);
    t.owner_ = std::move(owner);
    return t;
  }

  Dtype dtype() const { return dtype_; }
  int ndim() const { return static_cast<int>(shape_.size()); }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  int64_t shape(size_t axis) const { return shape_.at(axis); }
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : shape_) n *= d;
    return n;
  }
  bool is_number() const { return number_; }

  // The first element. Throws unless T is the dtype's C++ type. Elements of a result must not be
  // written through it while another copy is being read.
  template <class T>
  T* data() const {
    need_type(detail::dtype_of<T>());
    return static_cast<T*>(data_);
  }
  void* raw_data() const { return data_; }

  // The element at these indices, one per dimension; bounds are checked.
  template <class T, class... I>
  T& at(I... index) const {
    const int64_t where[] = {static_cast<int64_t>(index)..., 0};
    if (sizeof...(index) != shape_.size()) {
      throw Exception(Kind::index, std::to_string(sizeof...(index)) + " indices for the shape " +
                                       to_string(shape_));
    }
    int64_t offset = 0;
    for (size_t i = 0; i < shape_.size(); ++i) {
      if (where[i] < 0 || where[i] >= shape_[i]) {
        throw Exception(Kind::index, "index " + std::to_string(where[i]) +
                                         " is out of range for axis " + std::to_string(i) +
                                         " of the shape " + to_string(shape_));
      }
      offset += where[i] * strides_[i];
    }
    need_type(detail::dtype_of<T>());
    return *reinterpret_cast<T*>(static_cast<char*>(data_) + offset);
  }
  // The one element, converted to T.
  template <class T>
  T item() const {
    if (size() != 1) {
      throw Exception(Kind::value, "item() of an array of shape " + to_string(shape_));
    }
    return cast<T>().template data<T>()[0];
  }
  // The elements in C order.
  template <class T>
  std::vector<T> to_vector() const {
    const Tensor c = contiguous();
    const T* p = c.data<T>();
    return std::vector<T>(p, p + size());
  }

  bool is_contiguous() const {
    int64_t expect = static_cast<int64_t>(item_size());
    for (size_t i = shape_.size(); i-- > 0;) {
      if (shape_[i] == 0) return true;
      if (shape_[i] != 1 && strides_[i] != expect) return false;
      expect *= shape_[i];
    }
    return true;
  }
  // This tensor if it lies in C order, else a copy that does.
  Tensor contiguous() const { return is_contiguous() ? *this : copy(); }
  // Fresh memory in C order.
  Tensor copy() const {
    Tensor t(dtype_, shape_);
    char* out = static_cast<char*>(t.data_);
    const size_t item = item_size();
    for_each([&](const char* p) {
      std::memcpy(out, p, item);
      out += item;
    });
    return t;
  }
  // The elements converted to another real dtype, as static_cast converts them.
  template <class T>
  Tensor cast() const {
    return cast(detail::dtype_of<T>());
  }
  Tensor cast(Dtype to) const {
    if (to == dtype_) return contiguous();
    Tensor t(to, shape_);
    bool done = false;
    detail::with_real_type(dtype_, [&](auto* from_type) {
      using From = std::remove_pointer_t<decltype(from_type)>;
      done = detail::with_real_type(to, [&](auto* to_type) {
        using To = std::remove_pointer_t<decltype(to_type)>;
        To* out = static_cast<To*>(t.data_);
        for_each([&](const char* p) {
          From value;
          std::memcpy(&value, p, sizeof value);
          *out++ = static_cast<To>(value);
        });
      });
    });
    if (!done) {
      throw Exception(Kind::type, std::string("cannot convert ") + dtype_name(dtype_) + " to " +
                                      dtype_name(to));
    }
    return t;
  }
  // The same elements under another shape; a copy unless they lie in C order.
  Tensor reshape(Shape shape) const {
    Tensor t = contiguous();
    t.shape_ = std::move(shape);
    t.set_c_order();
    if (t.size() != size()) {
      throw Exception(Kind::value,
                      "cannot reshape " + to_string(shape_) + " to " + to_string(t.shape_));
    }
    return t;
  }
  // Rows [begin, end) of the first axis, sharing the elements.
  Tensor rows(int64_t begin, int64_t end) const {
    if (shape_.empty() || begin < 0 || end < begin || end > shape_[0]) {
      throw Exception(Kind::index, "rows " + std::to_string(begin) + " to " + std::to_string(end) +
                                       " of an array of shape " + to_string(shape_));
    }
    Tensor t = *this;
    t.shape_[0] = end - begin;
    t.data_ = static_cast<char*>(data_) + begin * strides_[0];
    return t;
  }

  // For the C interface; valid as long as this tensor is.
  phintys_view c_view() const {
    return {data_, static_cast<phintys_dtype>(dtype_), ndim(), shape_.data(), strides_.data()};
  }

 private:
  explicit Tensor(Dtype dtype) : dtype_(dtype) {}

  size_t item_size() const { return phintys_dtype_size(static_cast<phintys_dtype>(dtype_)); }
  void need_type(Dtype t) const {
    if (t != dtype_) {
      throw Exception(Kind::type, std::string("the elements are ") + dtype_name(dtype_) + ", not " +
                                      dtype_name(t));
    }
  }
  // Sets strides_ and returns the bytes that the elements take.
  size_t set_c_order() {
    strides_.resize(shape_.size());
    bool empty = false;
    for (int64_t d : shape_) {
      if (d < 0) throw Exception(Kind::value, "a dimension of " + to_string(shape_));
      empty = empty || d == 0;
    }
    int64_t step = static_cast<int64_t>(item_size());
    for (size_t i = shape_.size(); i-- > 0;) {
      strides_[i] = step;
      if (shape_[i] > 1 && step > INT64_MAX / shape_[i]) {
        throw Exception(Kind::overflow, "no array has the shape " + to_string(shape_));
      }
      step *= shape_[i] > 1 ? shape_[i] : 1;
    }
    return empty ? 0 : static_cast<size_t>(step);
  }
  // f(address) for every element, in C order.
  template <class F>
  void for_each(F&& f) const {
    const int64_t n = size();
    Shape index(shape_.size(), 0);
    const char* p = static_cast<const char*>(data_);
    for (int64_t done = 0; done < n; ++done) {
      f(p);
      for (size_t i = shape_.size(); i-- > 0;) {
        p += strides_[i];
        if (++index[i] < shape_[i]) break;
        index[i] = 0;
        p -= strides_[i] * shape_[i];
      }
    }
  }

  std::shared_ptr<void> owner_;
  void* data_ = nullptr;
  Dtype dtype_;
  Shape shape_, strides_;
  bool number_ = false;
};

// An input, an output or a state variable of a function.
struct VariableInfo {
  std::string name;
  Dtype dtype;
  Shape shape;       // -1: any
  bool has_default;  // inputs
  bool is_updated;   // state
};

// Where functions run and arrays lie: the host, or a device of a plug-in. A name; devices are
// opened when they are used, with Kind::value or Kind::runtime and the reason if that fails.
class Device {
 public:
  explicit Device(std::string name) : name_(std::move(name)) {}
  static Device cpu() { return Device("cpu"); }
  static Device cuda(int index = 0) { return Device("cuda:" + std::to_string(index)); }

  const std::string& name() const { return name_; }
  bool is_host() const { return name_.empty() || name_ == "cpu"; }
  // Throws, with the reason, if there is no such device.
  void open() const { detail::check(phintys_device_open(name_.c_str())); }
  std::string description() const {
    char text[512];
    detail::check(phintys_device_describe(name_.c_str(), text, sizeof text));
    return text;
  }
  struct Memory {
    uint64_t free = 0, total = 0;  // bytes
  };
  Memory memory() const {
    Memory m;
    detail::check(phintys_device_memory(name_.c_str(), &m.free, &m.total));
    return m;
  }
  // Waits until all that was queued is done.
  void synchronize() const { detail::check(phintys_device_synchronize(name_.c_str())); }
  // The stream (a cudaStream_t) on which all its work is queued.
  void* stream() const {
    void* s = nullptr;
    detail::check(phintys_device_stream(name_.c_str(), &s));
    return s;
  }
  // Work of later calls waits for what `stream` has queued so far.
  void wait_for(void* stream) const {
    detail::check(phintys_device_wait_for(name_.c_str(), stream));
  }
  // Opens a plug-in that does not lie beside the library.
  static void add_plugin(const std::string& path) {
    detail::check(phintys_add_plugin(path.c_str()));
  }
  // What the plug-ins that were opened say, a line each.
  static std::string plugin_status() {
    std::string text(phintys_plugin_status(nullptr, 0), '\0');
    phintys_plugin_status(text.data(), text.size() + 1);
    return text;
  }

 private:
  std::string name_;
};

// An array on a device (or on the host), in C order. Copies share its elements.
class DeviceTensor {
 public:
  DeviceTensor(const Tensor& host, const Device& device) {
    const phintys_view view = host.c_view();
    phintys_array* array = nullptr;
    detail::check(phintys_array_create(&view, device.name().c_str(), &array));
    take(array);
  }
  // Takes over an array of the C interface.
  static DeviceTensor adopt(phintys_array* array) {
    DeviceTensor t;
    t.take(array);
    return t;
  }

  Device device() const { return Device(phintys_array_device(handle_.get())); }
  Dtype dtype() const { return static_cast<Dtype>(view_.dtype); }
  Shape shape() const { return Shape(view_.shape, view_.shape + view_.ndim); }
  // A pointer of the device, for what is queued on its stream.
  void* data() const { return view_.data; }
  DeviceTensor to(const Device& device) const {
    phintys_array* copy = nullptr;
    detail::check(phintys_array_to(handle_.get(), device.name().c_str(), &copy));
    return adopt(copy);
  }
  // Waits until the elements are computed.
  Tensor to_host() const {
    phintys_array* copy = nullptr;
    detail::check(phintys_array_to(handle_.get(), "cpu", &copy));
    return Tensor::adopt(copy);
  }
  phintys_view c_view() const { return view_; }

 private:
  DeviceTensor() = default;
  void take(phintys_array* array) {
    handle_ = std::shared_ptr<phintys_array>(array, phintys_array_free);
    detail::check(phintys_array_view(array, &view_));
  }
  std::shared_ptr<phintys_array> handle_;
  phintys_view view_{};
};

struct LoadOptions {
  uint64_t memory_limit = 0;  // bytes; 0: bounded by the file's size alone
  Device device = Device::cpu();
};

// Stops the calls that were given it; cancel() from any thread or from a signal handler. Copies are
// the same token.
class CancelToken {
 public:
  CancelToken() {
    phintys_cancel* token = nullptr;
    detail::check(phintys_cancel_create(&token));
    handle_.reset(token, phintys_cancel_free);
  }
  void cancel() const noexcept { phintys_cancel_request(handle_.get()); }
  bool cancelled() const noexcept { return phintys_cancel_requested(handle_.get()) != 0; }
  phintys_cancel* handle() const noexcept { return handle_.get(); }

 private:
  std::shared_ptr<phintys_cancel> handle_;
};

// Limits of one call; see phintys_call_limited().
struct CallOptions {
  using Clock = std::chrono::steady_clock;
  std::chrono::nanoseconds timeout{0};                    // 0: any time
  Clock::time_point deadline = Clock::time_point::max();  // max: none
  std::optional<CancelToken> cancel = std::nullopt;
  int64_t max_steps = 0;  // of all loops of the call; 0: any number
};

// A compiled function. Copies refer to the same function and state; any number of threads may use
// them at once.
class Function {
 public:
  static Function load(const std::string& path, const LoadOptions& options = {}) {
    const phintys_load_options c = to_c(options);
    phintys_function* f = nullptr;
    detail::check(phintys_load_file(path.c_str(), &c, &f));
    return Function(f);
  }
  static Function load(const void* bytes, size_t size, const LoadOptions& options = {}) {
    const phintys_load_options c = to_c(options);
    phintys_function* f = nullptr;
    detail::check(phintys_load_memory(bytes, size, &c, &f));
    return Function(f);
  }
  // For a device: Function::load("model.phy", phintys::Device::cuda(0)).
  static Function load(const std::string& path, const Device& device) {
    return load(path, LoadOptions{0, device});
  }
  // Takes over a handle of the C interface.
  explicit Function(phintys_function* handle) : handle_(handle, phintys_function_free) {}

  void save(const std::string& path) const {
    detail::check(phintys_save_file(handle_.get(), path.c_str()));
  }
  std::string save_bytes() const {
    void* bytes = nullptr;
    size_t size = 0;
    detail::check(phintys_save_memory(handle_.get(), &bytes, &size));
    std::unique_ptr<void, void (*)(void*)> owner(bytes, phintys_memory_free);
    return std::string(static_cast<const char*>(bytes), size);
  }

  std::string name() const { return phintys_function_name(handle_.get()); }
  Device device() const { return Device(phintys_function_device(handle_.get())); }
  std::vector<VariableInfo> inputs() const {
    return infos(phintys_input_count(handle_.get()), phintys_input_info);
  }
  std::vector<VariableInfo> outputs() const {
    return infos(phintys_output_count(handle_.get()), phintys_output_info);
  }
  std::vector<VariableInfo> state() const {
    return infos(phintys_state_count(handle_.get()), phintys_state_info);
  }
  // Text saved with the function; "" if there is none of that key.
  std::string metadata(const std::string& key) const {
    const char* text = phintys_metadata(handle_.get(), key.c_str());
    return text ? text : "";
  }

  // Calls it on values in the order of its inputs; trailing ones with defaults may be left out.
  // Throws Exception, Kind::timeout, cancelled or step_limit, where `options` stop the call.
  std::vector<Tensor> operator()(const std::vector<Tensor>& inputs = {}) const {
    return (*this)(inputs, CallOptions());
  }
  std::vector<Tensor> operator()(const std::vector<Tensor>& inputs,
                                 const CallOptions& options) const {
    std::vector<Tensor> held;
    held.reserve(inputs.size());
    std::vector<phintys_view> views;
    for (size_t i = 0; i < inputs.size(); ++i) {
      held.push_back(fit(inputs[i], i));
      views.push_back(held.back().c_view());
    }
    return run(views, options);
  }
  // Calls it on values by name; inputs with defaults may be left out.
  std::vector<Tensor> call(const std::vector<std::pair<std::string, Tensor>>& inputs,
                           const CallOptions& options = CallOptions()) const {
    const phintys_view absent{nullptr, PHINTYS_DEFAULT, 0, nullptr, nullptr};
    std::vector<phintys_view> views(phintys_input_count(handle_.get()), absent);
    std::vector<Tensor> held;
    held.reserve(inputs.size());
    for (const auto& [name, value] : inputs) {
      size_t i = 0;
      detail::check(phintys_input_index(handle_.get(), name.c_str(), &i));
      if (views[i].dtype != PHINTYS_DEFAULT) {
        throw Exception(Kind::value, "input '" + name + "' is given twice");
      }
      held.push_back(fit(value, i));
      views[i] = held.back().c_view();
    }
    return run(views, options);
  }

  // Calls a function on a device with arrays that may be on devices; the results stay on its own.
  // Returns before the device is done; the inputs are kept until then only if the caller keeps them
  // (see phintys_call_device).
  std::vector<DeviceTensor> call_device(const std::vector<DeviceTensor>& inputs) const {
    std::vector<phintys_view> views;
    std::vector<std::string> names;
    std::vector<const char*> devices;
    for (const DeviceTensor& t : inputs) {
      views.push_back(t.c_view());
      names.push_back(t.device().name());
    }
    for (const std::string& name : names) devices.push_back(name.c_str());
    std::vector<phintys_array*> arrays(phintys_output_count(handle_.get()), nullptr);
    detail::check(phintys_call_device(handle_.get(), views.data(), devices.data(), views.size(),
                                      arrays.data(), arrays.size()));
    std::vector<DeviceTensor> results;
    results.reserve(arrays.size());
    for (phintys_array* a : arrays) results.push_back(DeviceTensor::adopt(a));
    return results;
  }

  // State by name: a copy of the value, and its replacement.
  Tensor get(const std::string& name) const {
    phintys_array* array = nullptr;
    detail::check(phintys_state_get(handle_.get(), state_index(name), &array));
    return Tensor::adopt(array);
  }
  void set(const std::string& name, const Tensor& value) {
    const phintys_view view = value.c_view();
    detail::check(phintys_state_set(handle_.get(), state_index(name), &view));
  }
  // From now on this function and `source` have the state variables in common that have the same
  // name in both; the values are those of `source`. Returns how many they are.
  size_t share_state_with(const Function& source) {
    size_t n = 0;
    detail::check(phintys_share_state(handle_.get(), source.handle_.get(), &n));
    return n;
  }

  // Bytes of working memory that a call on these inputs plans.
  uint64_t planned_bytes(const std::vector<Tensor>& inputs) const {
    std::vector<phintys_view> views;
    for (const Tensor& t : inputs) views.push_back(t.c_view());
    uint64_t bytes = 0;
    detail::check(phintys_planned_bytes(handle_.get(), views.data(), views.size(), &bytes));
    return bytes;
  }

  phintys_function* handle() const { return handle_.get(); }

 private:
  static phintys_load_options to_c(const LoadOptions& options) {
    phintys_load_options c{};
    c.struct_size = sizeof c;
    c.memory_limit = options.memory_limit;
    c.device = options.device.name().c_str();
    return c;
  }
  static phintys_call_options to_c(const CallOptions& options) {
    using std::chrono::nanoseconds;
    phintys_call_options c{};
    c.struct_size = sizeof c;
    c.timeout_ns = options.timeout.count();
    if (options.deadline != CallOptions::Clock::time_point::max()) {
      const auto now = CallOptions::Clock::now();
      nanoseconds rest{1};  // 0 would be no limit
      if (options.deadline > now + rest) rest = options.deadline - now;
      if (c.timeout_ns == 0 || rest.count() < c.timeout_ns) c.timeout_ns = rest.count();
    }
    c.cancel = options.cancel ? options.cancel->handle() : nullptr;
    c.max_steps = options.max_steps;
    return c;
  }
  using InfoFunction = phintys_status (*)(const phintys_function*, size_t, phintys_variable_info*);
  std::vector<VariableInfo> infos(size_t n, InfoFunction get_info) const {
    std::vector<VariableInfo> all;
    for (size_t i = 0; i < n; ++i) {
      phintys_variable_info c{};
      c.struct_size = sizeof c;
      detail::check(get_info(handle_.get(), i, &c));
      all.push_back({c.name, static_cast<Dtype>(c.dtype), Shape(c.shape, c.shape + c.ndim),
                     c.has_default != 0, c.is_updated != 0});
    }
    return all;
  }
  size_t state_index(const std::string& name) const {
    size_t i = 0;
    detail::check(phintys_state_index(handle_.get(), name.c_str(), &i));
    return i;
  }
  // Numbers take the dtype of the input they are for; arrays are passed as they are.
  Tensor fit(const Tensor& value, size_t input) const {
    if (!value.is_number() || input >= phintys_input_count(handle_.get())) return value;
    phintys_variable_info info{};
    info.struct_size = sizeof info;
    detail::check(phintys_input_info(handle_.get(), input, &info));
    return value.cast(static_cast<Dtype>(info.dtype));
  }
  std::vector<Tensor> run(const std::vector<phintys_view>& views,
                          const CallOptions& options) const {
    const phintys_call_options limits = to_c(options);
    std::vector<phintys_array*> arrays(phintys_output_count(handle_.get()), nullptr);
    std::vector<Tensor> results;
    results.reserve(arrays.size());
    detail::check(phintys_call_limited(handle_.get(), views.data(), views.size(), arrays.data(),
                                       arrays.size(), &limits));
    size_t i = 0;
    try {
      for (; i < arrays.size(); ++i) results.push_back(Tensor::adopt(arrays[i]));
    } catch (...) {
      // adopt() owns its argument even when it fails.
      for (++i; i < arrays.size(); ++i) phintys_array_free(arrays[i]);
      throw;
    }
    return results;
  }

  std::shared_ptr<phintys_function> handle_;
};

}  // namespace v1
}  // namespace phintys

#endif  // PHINTYS_PHINTYS_HPP_
