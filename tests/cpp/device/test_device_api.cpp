// The C interface on a device: loading for one, calls with arrays of the host and of devices,
// state.
#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "../serial/saved.h"
#include "include/phintys/phintys.h"

using namespace saved;

namespace {

constexpr char kPlugin[] = PHINTYS_EMULATED_PLUGIN;

phintys_view view_of(const Array& a) {
  return {a.data(), static_cast<phintys_dtype>(a.dtype()), a.ndim(), a.shape().data(),
          a.strides().data()};
}

const std::string& sample() {
  static const std::string file = serial::save(*train_function(), train_metadata());
  return file;
}

struct Handle {
  phintys_function* f = nullptr;
  explicit Handle(const char* device, const std::string& file = sample()) {
    phintys_load_options options{};
    options.struct_size = sizeof options;
    options.device = device;
    const phintys_status status = phintys_load_memory(file.data(), file.size(), &options, &f);
    REQUIRE_MESSAGE(status == PHINTYS_OK, phintys_error_message());
  }
  ~Handle() { phintys_function_free(f); }
};

struct Held {
  phintys_array* a = nullptr;
  ~Held() { phintys_array_free(a); }
  std::string device() const { return phintys_array_device(a); }
  std::vector<double> values() const {
    Held host;
    REQUIRE(phintys_array_to(a, "cpu", &host.a) == PHINTYS_OK);
    phintys_view v;
    REQUIRE(phintys_array_view(host.a, &v) == PHINTYS_OK);
    REQUIRE(v.dtype == PHINTYS_FLOAT64);
    int64_t n = 1;
    for (int i = 0; i < v.ndim; ++i) n *= v.shape[i];
    const double* p = static_cast<const double*>(v.data);
    return std::vector<double>(p, p + n);
  }
};

void close(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-12));
}

Array some_x() { return matrix({1, 0, -1, 0.5, 2, -3}, 2); }

void open_plugin() { REQUIRE(phintys_add_plugin(kPlugin) == PHINTYS_OK); }

}  // namespace

TEST_CASE("devices that are not there are errors with reasons") {
  CHECK(phintys_device_open("no_such_kind") == PHINTYS_ERROR_VALUE);
  CHECK(std::string(phintys_error_message()).find("no_such_kind") != std::string::npos);
  CHECK(phintys_device_open(nullptr) == PHINTYS_ERROR_ARGUMENT);
  CHECK(phintys_device_open("cpu") == PHINTYS_OK);
  CHECK(phintys_device_synchronize("cpu") == PHINTYS_ERROR_VALUE);
  CHECK(phintys_add_plugin("/nowhere/plugin.so") == PHINTYS_ERROR_IO);
  CHECK(phintys_add_plugin(nullptr) == PHINTYS_ERROR_ARGUMENT);
  open_plugin();
  CHECK(phintys_device_open("emulated:77") != PHINTYS_OK);
  phintys_load_options options{};
  options.struct_size = sizeof options;
  options.device = "no_such_kind";
  phintys_function* f = nullptr;
  CHECK(phintys_load_memory(sample().data(), sample().size(), &options, &f) == PHINTYS_ERROR_VALUE);
  CHECK(f == nullptr);
  // Programs compiled before there were devices.
  options.struct_size = offsetof(phintys_load_options, device);
  REQUIRE(phintys_load_memory(sample().data(), sample().size(), &options, &f) == PHINTYS_OK);
  CHECK(std::string(phintys_function_device(f)) == "cpu");
  phintys_function_free(f);
}

TEST_CASE("devices describe themselves") {
  open_plugin();
  char text[300];
  CHECK(phintys_plugin_status(text, sizeof text) > 0);
  CHECK(std::string(text).find("emulated: ") != std::string::npos);
  CHECK(phintys_plugin_status(nullptr, 0) > 0);
  REQUIRE(phintys_device_describe("emulated", text, sizeof text) == PHINTYS_OK);
  CHECK(std::string(text).find("GPU") != std::string::npos);
  uint64_t free_bytes = 0, total_bytes = 0;
  REQUIRE(phintys_device_memory("emulated", &free_bytes, &total_bytes) == PHINTYS_OK);
  CHECK(free_bytes <= total_bytes);
  CHECK(total_bytes > 0);
  void* stream = nullptr;
  REQUIRE(phintys_device_stream("emulated", &stream) == PHINTYS_OK);
  CHECK(phintys_device_wait_for("emulated", stream) == PHINTYS_OK);
  CHECK(phintys_device_synchronize("emulated") == PHINTYS_OK);
}

TEST_CASE("a function on a device computes what it computes on the host") {
  open_plugin();
  Handle host(nullptr), there("emulated");
  CHECK(std::string(phintys_function_device(there.f)) == "emulated:0");
  const Array x = some_x();
  const phintys_view in = view_of(x);
  for (int call = 0; call < 3; ++call) {
    Held a[2], b[2];
    phintys_array *pa[2], *pb[2];
    REQUIRE(phintys_call(host.f, &in, 1, pa, 2) == PHINTYS_OK);
    REQUIRE_MESSAGE(phintys_call(there.f, &in, 1, pb, 2) == PHINTYS_OK, phintys_error_message());
    for (int i = 0; i < 2; ++i) {
      a[i].a = pa[i];
      b[i].a = pb[i];
      CHECK(b[i].device() == "cpu");
      close(b[i].values(), a[i].values());
    }
    Held w, v;
    REQUIRE(phintys_state_get(host.f, 0, &w.a) == PHINTYS_OK);
    REQUIRE(phintys_state_get(there.f, 0, &v.a) == PHINTYS_OK);
    close(v.values(), w.values());
  }
  // State that is set, saved and shared while it lies on the device.
  const Array fresh = matrix({1, 1, 1, 1, 1, 1}, 3);
  const phintys_view value = view_of(fresh);
  REQUIRE(phintys_state_set(there.f, 0, &value) == PHINTYS_OK);
  Held out;
  double scores[4];
  const int64_t shape[] = {2, 2};
  phintys_view room[2] = {{scores, PHINTYS_FLOAT64, 2, shape, nullptr},
                          {scores + 3, PHINTYS_FLOAT64, 0, nullptr, nullptr}};
  double total = 0;
  room[1].data = &total;
  REQUIRE(phintys_call_into(there.f, &in, 1, room, 2) == PHINTYS_OK);
  CHECK(total > 0);
  void* bytes = nullptr;
  size_t size = 0;
  REQUIRE(phintys_save_memory(there.f, &bytes, &size) == PHINTYS_OK);
  Handle again("cpu", std::string(static_cast<const char*>(bytes), size));
  phintys_memory_free(bytes);
  Held w, v;
  REQUIRE(phintys_state_get(again.f, 0, &w.a) == PHINTYS_OK);
  REQUIRE(phintys_state_get(there.f, 0, &v.a) == PHINTYS_OK);
  CHECK(v.values() == w.values());
  size_t shared = 0;
  REQUIRE(phintys_share_state(again.f, there.f, &shared) == PHINTYS_OK);
  CHECK(shared == 2);
  phintys_array* results[2];
  REQUIRE(phintys_call(again.f, &in, 1, results, 2) == PHINTYS_OK);
  for (phintys_array* r : results) phintys_array_free(r);
  Held after, seen;
  REQUIRE(phintys_state_get(again.f, 0, &after.a) == PHINTYS_OK);
  REQUIRE(phintys_state_get(there.f, 0, &seen.a) == PHINTYS_OK);
  CHECK(after.values() == seen.values());
  CHECK(after.values() != v.values());
}

TEST_CASE("arrays on a device go in and come out") {
  open_plugin();
  Handle host(nullptr), there("emulated");
  const Array x = some_x();
  const phintys_view in = view_of(x);
  Held up, second;
  REQUIRE(phintys_array_create(&in, "emulated", &up.a) == PHINTYS_OK);
  REQUIRE(phintys_array_to(up.a, "emulated:1", &second.a) == PHINTYS_OK);
  CHECK(up.device() == "emulated:0");
  CHECK(second.device() == "emulated:1");
  phintys_view a, b;
  REQUIRE(phintys_array_view(up.a, &a) == PHINTYS_OK);
  REQUIRE(phintys_array_view(second.a, &b) == PHINTYS_OK);
  phintys_array* want[2];
  REQUIRE(phintys_call(host.f, &in, 1, want, 2) == PHINTYS_OK);
  Held expected{want[0]}, unused{want[1]};
  const char* devices[] = {"emulated:1"};
  const char* on_host[] = {nullptr};
  struct {
    const phintys_view* view;
    const char* const* where;
  } cases[] = {{&a, nullptr}, {&b, devices}, {&in, on_host}};
  for (const auto& c : cases) {
    Handle f("emulated");
    phintys_array* got[2] = {};
    REQUIRE_MESSAGE(phintys_call_device(f.f, c.view, c.where, 1, got, 2) == PHINTYS_OK,
                    phintys_error_message());
    Held scores{got[0]}, total{got[1]};
    CHECK(scores.device() == "emulated:0");
    close(scores.values(), expected.values());
  }
  // Strides are allowed: such an operand is copied.
  const Array wide = matrix({1, 9, 0, 9, -1, 9, 0.5, 9, 2, 9, -3, 9}, 2);
  const phintys_view whole = view_of(wide);
  Held copied;
  REQUIRE(phintys_array_create(&whole, "emulated", &copied.a) == PHINTYS_OK);
  phintys_view part;
  REQUIRE(phintys_array_view(copied.a, &part) == PHINTYS_OK);
  const int64_t shape[] = {2, 3}, strides[] = {48, 16};
  part.shape = shape;
  part.strides = strides;
  phintys_array* got[2] = {};
  REQUIRE(phintys_call_device(there.f, &part, nullptr, 1, got, 2) == PHINTYS_OK);
  Held scores{got[0]}, total{got[1]};
  close(scores.values(), expected.values());

  CHECK(phintys_call_device(host.f, &in, on_host, 1, got, 2) == PHINTYS_ERROR_VALUE);
  CHECK(phintys_call_device(there.f, &in, on_host, 1, got, 1) == PHINTYS_ERROR_VALUE);
  const Array bad = vector({1, 2});
  const phintys_view wrong = view_of(bad);
  CHECK(phintys_call_device(there.f, &wrong, on_host, 1, got, 2) == PHINTYS_ERROR_TYPE);
  CHECK(phintys_array_to(up.a, "no_such_kind", &second.a) == PHINTYS_ERROR_VALUE);
}
