#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "include/phintys/phintys.h"
#include "saved.h"

using namespace saved;

namespace {

struct Handle {
  phintys_function* f = nullptr;
  explicit Handle(const std::string& file) {
    REQUIRE(phintys_load_memory(file.data(), file.size(), nullptr, &f) == PHINTYS_OK);
  }
  ~Handle() { phintys_function_free(f); }
};

phintys_view view_of(const Array& a) {
  return {a.data(), static_cast<phintys_dtype>(a.dtype()), a.ndim(), a.shape().data(),
          a.strides().data()};
}

double first(const phintys_array* a) {
  phintys_view v;
  REQUIRE(phintys_array_view(a, &v) == PHINTYS_OK);
  REQUIRE(v.dtype == PHINTYS_FLOAT64);
  return *static_cast<const double*>(v.data);
}

// Functions, not constants: the allocator is not for use before main().
const Array& some_x() {
  static const Array a = matrix({1, 0, -1, 0.5, 2, -3}, 2);
  return a;
}
const Array& some_rate() {
  static const Array a = Array::scalar(DType::f64, 0.125);
  return a;
}

std::string sample() { return serial::save(*train_function(), train_metadata()); }

}  // namespace

TEST_CASE("the C interface describes a function") {
  Handle h(sample());
  CHECK(std::string(phintys_function_name(h.f)) == "train");
  REQUIRE(phintys_input_count(h.f) == 2);
  REQUIRE(phintys_output_count(h.f) == 2);
  REQUIRE(phintys_state_count(h.f) == 2);
  phintys_variable_info info{};
  info.struct_size = sizeof info;
  REQUIRE(phintys_input_info(h.f, 1, &info) == PHINTYS_OK);
  CHECK(std::string(info.name) == "rate");
  CHECK(info.dtype == PHINTYS_FLOAT64);
  CHECK(info.ndim == 0);
  CHECK(info.has_default == 1);
  size_t at = 99;
  CHECK(phintys_input_index(h.f, "x", &at) == PHINTYS_OK);
  CHECK(at == 0);
  CHECK(phintys_input_index(h.f, "z", &at) == PHINTYS_ERROR_KEY);
  CHECK(std::string(phintys_error_message()).find("'x', 'rate'") != std::string::npos);
  CHECK(std::string(phintys_metadata(h.f, "made_by")) == "a test");
  CHECK(phintys_metadata(h.f, "nobody") == nullptr);
  CHECK(phintys_input_info(h.f, 2, &info) == PHINTYS_ERROR_INDEX);
}

TEST_CASE("an older program's smaller structs are served") {
  Handle h(sample());
  phintys_variable_info info{};
  info.struct_size = offsetof(phintys_variable_info, has_default);
  info.has_default = 77;
  REQUIRE(phintys_input_info(h.f, 1, &info) == PHINTYS_OK);
  CHECK(info.has_default == 77);
}

TEST_CASE("calls, defaults and results in the caller's memory") {
  Handle a(sample()), b(sample()), c(sample());
  const phintys_view with_rate[] = {view_of(some_x()), view_of(some_rate())};
  phintys_array* out[2] = {};
  phintys_array* other[2] = {};
  REQUIRE(phintys_call(a.f, with_rate, 2, out, 2) == PHINTYS_OK);
  REQUIRE(phintys_call(b.f, with_rate, 1, other, 2) == PHINTYS_OK);
  CHECK(first(out[1]) == first(other[1]));
  double scores[4] = {}, total = 0;
  const int64_t shape[] = {2, 2};
  const phintys_view room[] = {{scores, PHINTYS_FLOAT64, 2, shape, nullptr},
                               {&total, PHINTYS_FLOAT64, 0, nullptr, nullptr}};
  REQUIRE(phintys_call_into(c.f, with_rate, 2, room, 2) == PHINTYS_OK);
  CHECK(scores[0] == first(out[0]));
  CHECK(total == first(out[1]));
  uint64_t planned = 0;
  CHECK(phintys_planned_bytes(c.f, with_rate, 2, &planned) == PHINTYS_OK);
  for (int i = 0; i < 2; ++i) {
    phintys_array_free(out[i]);
    phintys_array_free(other[i]);
  }
}

TEST_CASE("calls within limits") {
  Handle h(sample());
  const phintys_view in[] = {view_of(some_x())};
  phintys_array* out[2] = {};
  phintys_call_options options{};
  CHECK(phintys_call_limited(h.f, in, 1, out, 2, &options) == PHINTYS_ERROR_ARGUMENT);
  options.struct_size = sizeof options;
  options.timeout_ns = 1;
  CHECK(phintys_call_limited(h.f, in, 1, out, 2, &options) == PHINTYS_ERROR_TIMEOUT);
  options.struct_size = offsetof(phintys_call_options, timeout_ns);  // then there is none
  REQUIRE(phintys_call_limited(h.f, in, 1, out, 2, &options) == PHINTYS_OK);
  phintys_array_free(out[0]);
  phintys_array_free(out[1]);
  options.struct_size = sizeof options;
  options.timeout_ns = 0;
  options.max_steps = -1;
  CHECK(phintys_call_limited(h.f, in, 1, out, 2, &options) == PHINTYS_ERROR_VALUE);
  options.max_steps = 3;
  REQUIRE(phintys_cancel_create(&options.cancel) == PHINTYS_OK);
  CHECK(phintys_cancel_requested(options.cancel) == 0);
  double scores[4] = {}, total = 0;
  const int64_t shape[] = {2, 2};
  const phintys_view room[] = {{scores, PHINTYS_FLOAT64, 2, shape, nullptr},
                               {&total, PHINTYS_FLOAT64, 0, nullptr, nullptr}};
  REQUIRE(phintys_call_into_limited(h.f, in, 1, room, 2, &options) == PHINTYS_OK);
  CHECK(total > 0);
  phintys_cancel_request(options.cancel);
  CHECK(phintys_call_into_limited(h.f, in, 1, room, 2, &options) == PHINTYS_ERROR_CANCELLED);
  CHECK(phintys_cancel_create(nullptr) == PHINTYS_ERROR_ARGUMENT);
  phintys_cancel_request(nullptr);
  phintys_cancel_free(nullptr);
  phintys_cancel_free(options.cancel);
}

TEST_CASE("misuse is reported, never executed") {
  Handle h(sample());
  phintys_array* out[2] = {};
  phintys_view in[] = {view_of(some_x()), view_of(some_rate())};
  CHECK(phintys_call(nullptr, in, 2, out, 2) == PHINTYS_ERROR_ARGUMENT);
  CHECK(phintys_call(h.f, in, 3, out, 2) == PHINTYS_ERROR_VALUE);
  CHECK(phintys_call(h.f, in, 2, out, 1) == PHINTYS_ERROR_VALUE);
  CHECK(phintys_call(h.f, in, 0, out, 2) == PHINTYS_ERROR_MISSING_INPUT);
  CHECK(std::string(phintys_error_message()).find("'x'") != std::string::npos);
  in[0].dtype = PHINTYS_FLOAT32;
  CHECK(phintys_call(h.f, in, 2, out, 2) == PHINTYS_ERROR_TYPE);
  in[0].dtype = 1000;
  CHECK(phintys_call(h.f, in, 2, out, 2) == PHINTYS_ERROR_TYPE);
  in[0] = view_of(some_x());
  in[0].data = nullptr;
  CHECK(phintys_call(h.f, in, 2, out, 2) == PHINTYS_ERROR_ARGUMENT);
  in[0].data = static_cast<char*>(some_x().view().data) + 1;
  CHECK(phintys_call(h.f, in, 2, out, 2) == PHINTYS_ERROR_VALUE);
  in[0] = view_of(some_x());
  const int64_t huge[] = {int64_t{1} << 40, int64_t{1} << 40};
  in[0].shape = huge;
  CHECK(phintys_call(h.f, in, 2, out, 2) == PHINTYS_ERROR_VALUE);
  const int64_t negative[] = {-1, 3};
  in[0].shape = negative;
  CHECK(phintys_call(h.f, in, 2, out, 2) == PHINTYS_ERROR_VALUE);
  CHECK(out[0] == nullptr);
  CHECK(phintys_load_memory("no", 2, nullptr, &h.f) == PHINTYS_ERROR_BAD_FILE);
  CHECK(phintys_load_file("/nowhere/f.phy", nullptr, &h.f) == PHINTYS_ERROR_IO);
  char short_text[8];
  CHECK(phintys_copy_error_message(short_text, sizeof short_text) > 8);
  CHECK(std::string(short_text).size() == 7);
}

TEST_CASE("state is read, written, shared and saved") {
  Handle train(sample()), other(sample());
  size_t w = 0;
  REQUIRE(phintys_state_index(train.f, "w", &w) == PHINTYS_OK);
  const Array fresh = matrix({6, 5, 4, 3, 2, 1}, 3);
  const phintys_view v = view_of(fresh);
  REQUIRE(phintys_state_set(train.f, w, &v) == PHINTYS_OK);
  size_t n = 0;
  REQUIRE(phintys_share_state(other.f, train.f, &n) == PHINTYS_OK);
  CHECK(n == 2);
  phintys_array* value = nullptr;
  REQUIRE(phintys_state_get(other.f, w, &value) == PHINTYS_OK);
  CHECK(first(value) == 6);
  phintys_array_free(value);
  void* bytes = nullptr;
  size_t size = 0;
  REQUIRE(phintys_save_memory(other.f, &bytes, &size) == PHINTYS_OK);
  Handle again(std::string(static_cast<char*>(bytes), size));
  phintys_memory_free(bytes);
  REQUIRE(phintys_state_get(again.f, w, &value) == PHINTYS_OK);
  CHECK(first(value) == 6);
  phintys_array_free(value);
  const phintys_view wrong = view_of(some_rate());
  CHECK(phintys_state_set(train.f, w, &wrong) == PHINTYS_ERROR_TYPE);
  CHECK(phintys_state_set(train.f, 9, &v) == PHINTYS_ERROR_INDEX);
}

TEST_CASE("calls, saves and sharing at the same time") {
  Handle train(sample()), predict(sample());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const phintys_view in[] = {view_of(some_x()), view_of(some_rate())};
      for (int i = 0; i < 50; ++i) {
        if (t == 3) {
          phintys_share_state(predict.f, train.f, nullptr);
          void* bytes = nullptr;
          size_t size = 0;
          if (phintys_save_memory(train.f, &bytes, &size) == PHINTYS_OK) phintys_memory_free(bytes);
          continue;
        }
        phintys_array* out[2] = {};
        if (phintys_call(t ? train.f : predict.f, in, 2, out, 2) != PHINTYS_OK) continue;
        phintys_array_free(out[0]);
        phintys_array_free(out[1]);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  size_t b = 0;
  REQUIRE(phintys_state_index(train.f, "b", &b) == PHINTYS_OK);
  phintys_array* value = nullptr;
  REQUIRE(phintys_state_get(train.f, b, &value) == PHINTYS_OK);
  // One was added by each call on the shared state, and none was lost: 100 by `train` itself.
  CHECK(first(value) >= 100.5);
  phintys_array_free(value);
}
