#include "run_both.h"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "device/queue.h"

namespace phintys::testing {

namespace {

const device::Table& emulated_table() {
  static const device::Table* const table = [] {
    void* const library = dlopen(PHINTYS_EMULATED_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    REQUIRE_MESSAGE(library != nullptr, dlerror());
    const auto get = reinterpret_cast<device::GetTable>(dlsym(library, device::kGetTable));
    REQUIRE(bool(get));
    return get(device::kTableVersion);
  }();
  REQUIRE(table != nullptr);
  return *table;
}

class HeapContext final : public PerformContext {
 public:
  void* scratch(size_t bytes) override {
    block_.resize(bytes + 64);
    const uintptr_t p = reinterpret_cast<uintptr_t>(block_.data());
    return block_.data() + (64 - p % 64) % 64;
  }

 private:
  std::vector<char> block_;
};

// Memory of the emulated device is the host's.
class TestQueue final : public device::Queue {
 public:
  TestQueue(const device::Table& table, device::Stream* stream, int* failed)
      : Queue(table, stream, 0, failed) {}
  ~TestQueue() override {
    for (void* p : blocks_) table.release(0, p);
  }
  void* scratch(size_t bytes) override {
    void* p = nullptr;
    REQUIRE(table.allocate(0, bytes, &p) == device::kOk);
    std::memset(p, 0xa5, bytes);
    blocks_.push_back(p);
    return p;
  }
  void* upload_constant(const void* bytes, size_t size) override {
    void* const p = scratch(size);
    std::memcpy(p, bytes, size);
    return p;
  }

 private:
  std::vector<void*> blocks_;
};

struct Prepared {
  std::vector<TensorView> inputs;
  std::vector<Dims> shapes, strides;
  std::vector<DType> dtypes;

  Prepared(const Op& op, const std::vector<Array>& arrays) {
    std::vector<Var> vars;
    for (const Array& a : arrays) {
      inputs.push_back(a.view());
      vars.push_back(make_variable(Type::tensor(a.dtype(), a.ndim()), ""));
    }
    const std::vector<Type> types = op.infer(vars);
    std::vector<Layout> layouts(types.size());
    op.layout(inputs, layouts);
    for (size_t i = 0; i < types.size(); ++i) {
      REQUIRE(layouts[i].alias < 0);
      shapes.push_back(layouts[i].shape);
      strides.push_back(contiguous_strides(layouts[i].shape, item_size(types[i].dtype())));
      dtypes.push_back(types[i].dtype());
    }
  }
  TensorView view(size_t i, char* data) const {
    return {data, dtypes[i], static_cast<int>(shapes[i].size()), shapes[i].data(),
            strides[i].data()};
  }
  std::vector<Array> outputs() const {
    std::vector<Array> arrays;
    for (size_t i = 0; i < shapes.size(); ++i) {
      arrays.push_back(Array::empty(dtypes[i], shapes[i]));
      if (arrays[i].size()) {
        std::memset(arrays[i].data(), 0xa5,
                    static_cast<size_t>(arrays[i].size()) * item_size(dtypes[i]));
      }
    }
    return arrays;
  }
};

std::vector<TensorView> views_of(const std::vector<Array>& arrays) {
  std::vector<TensorView> views;
  for (const Array& a : arrays) views.push_back(a.view());
  return views;
}

double error_of(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double error = std::fabs(a - b) / std::max(1.0, std::fabs(b));
  return std::isnan(error) ? INFINITY : error;
}

double error_of(const Array& device, const Array& host) {
  const int64_t n = host.size();
  double worst = 0;
  const auto part = [](const Array& a, int64_t i) {
    if (a.dtype() == DType::c64) return static_cast<double>(reinterpret_cast<float*>(a.data())[i]);
    return reinterpret_cast<double*>(a.data())[i];
  };
  if (is_complex(host.dtype())) {
    for (int64_t i = 0; i < 2 * n; ++i) {
      worst = std::max(worst, error_of(part(device, i), part(host, i)));
    }
    return worst;
  }
  for (int64_t i = 0; i < n; ++i) {
    worst = std::max(
        worst, error_of(element_as_double(device.view(), i), element_as_double(host.view(), i)));
  }
  return worst;
}

}  // namespace

Values noise(int seed, double scale, bool whole) {
  return [=](int64_t i) {
    uint64_t x = (static_cast<uint64_t>(i) + 1) * 0x9e3779b97f4a7c15u +
                 static_cast<uint64_t>(seed) * 0xd1342543de82ef95u;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 32;
    const double v = scale * (static_cast<double>(x >> 11) / 4503599627370496.0 - 1);
    return whole ? std::floor(v) : v;
  };
}

namespace {

Array array_by(DType dtype, const Dims& shape, Lay lay,
               const std::function<void(char*, int64_t)>& put) {
  const int ndim = static_cast<int>(shape.size());
  const int64_t item = static_cast<int64_t>(item_size(dtype));
  Dims room = shape, strides;
  if (lay == Lay::spread) {
    for (int64_t& n : room) n = 2 * n + 1;
  }
  Array block = Array::zeros(dtype, room);
  strides = contiguous_strides(room, item_size(dtype));
  char* data = block.data();
  if (lay == Lay::reversed) {
    for (int d = 0; d < ndim; ++d) {
      const size_t k = static_cast<size_t>(d);
      if (shape[k] > 0) data += (shape[k] - 1) * strides[k];
      strides[k] = -strides[k];
    }
  } else if (lay == Lay::spread) {
    for (int64_t& s : strides) s *= 2;
  } else if (lay == Lay::transposed) {
    int64_t step = item;
    for (size_t d = 0; d < shape.size(); ++d) {
      strides[d] = step;
      step *= shape[d];
    }
  }
  Array a(block.buffer(), data, dtype, shape, strides);
  std::vector<int64_t> at(shape.size(), 0);
  for (int64_t i = 0; i < a.size(); ++i) {
    int64_t rest = i;
    char* p = data;
    for (size_t d = shape.size(); d-- > 0;) {
      p += (rest % shape[d]) * strides[d];
      rest /= shape[d];
    }
    put(p, i);
  }
  return a;
}

}  // namespace

Array array_of(DType dtype, const Dims& shape, const Values& values, Lay lay) {
  return array_by(dtype, shape, lay,
                  [&](char* p, int64_t i) { store_double(p, dtype, values(i)); });
}

Array complex_array(DType dtype, const Dims& shape, const Values& re, const Values& im, Lay lay) {
  return array_by(dtype, shape, lay, [&](char* p, int64_t i) {
    const DType part = dtype == DType::c64 ? DType::f32 : DType::f64;
    store_double(p, part, re(i));
    store_double(p + item_size(part), part, im(i));
  });
}

Array shifted_array(DType dtype, const Dims& shape, const Values& values, int64_t offset) {
  const Array block = Array::zeros(dtype, Dims{product(shape) + offset});
  Array a(block.buffer(), block.data() + static_cast<size_t>(offset) * item_size(dtype), dtype,
          shape, contiguous_strides(shape, item_size(dtype)));
  for (int64_t i = 0; i < a.size(); ++i) {
    store_double(a.data() + static_cast<size_t>(i) * item_size(dtype), dtype, values(i));
  }
  return a;
}

Compared run_both(const Op& op, const std::vector<Array>& inputs, bool in_place) {
  Compared result;
  const Prepared prepared(op, inputs);
  const std::vector<Array> host = prepared.outputs();
  HeapContext context;
  try {
    op.perform(context, prepared.inputs, views_of(host));
  } catch (const Error&) {
    result.host_failed = true;
  }
  const device::Table& table = emulated_table();
  device::Stream* stream = nullptr;
  REQUIRE(table.open_stream(0, &stream) == device::kOk);
  std::vector<Array> first;
  for (int run = 0; run < 2; ++run) {
    int failed = 0;
    TestQueue queue(table, stream, &failed);
    std::vector<Array> outputs = prepared.outputs();
    std::vector<TensorView> views = prepared.inputs;
    if (in_place) {
      const size_t which = static_cast<size_t>(op.inplace_input());
      copy_elements(outputs[0].view(), views[which]);
      views[which] = outputs[0].view();
    }
    result.enqueued = op.enqueue(queue, views, views_of(outputs));
    REQUIRE(table.synchronize(stream) == device::kOk);
    result.refused = failed != 0;
    if (run == 0) first = outputs;
    if (failed || result.host_failed || !result.enqueued) continue;
    for (size_t i = 0; i < outputs.size(); ++i) {
      result.same_twice = result.same_twice && same_bits(outputs[i], first[i]);
      result.same_bits = result.same_bits && same_bits(outputs[i], host[i]);
      result.error = std::max(result.error, error_of(outputs[i], host[i]));
    }
  }
  table.close_stream(stream);
  return result;
}

}  // namespace phintys::testing
