// The C++17 wrapper: calls, state, sharing, saving, errors.
#include <phintys/phintys.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace {

int failures = 0;

void check(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

template <class F>
void check_throws(phintys::Kind kind, const char* what, F&& f) {
  try {
    f();
  } catch (const phintys::Exception& e) {
    check(e.kind() == kind && std::string(e.what()) != "", what);
    return;
  }
  check(false, what);
}

void tensors() {
  using phintys::Tensor;
  const Tensor a({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  check(a.at<float>(1, 2) == 6, "at");
  check_throws(phintys::Kind::index, "at checks bounds", [&] { a.at<float>(2, 0); });
  check_throws(phintys::Kind::type, "data checks the type", [&] { a.data<double>(); });
  const Tensor t = Tensor::view_bytes(a.raw_data(), a.dtype(), {3, 2}, {4, 12});
  check(t.to_vector<float>() == std::vector<float>{1, 4, 2, 5, 3, 6}, "transposed view");
  check(a.cast<int64_t>().to_vector<int64_t>() == std::vector<int64_t>{1, 2, 3, 4, 5, 6}, "cast");
  check(a.rows(1, 2).to_vector<float>() == std::vector<float>{4, 5, 6}, "rows");
  check(a.reshape({3, 2}).at<float>(2, 1) == 6, "reshape");
  check_throws(phintys::Kind::value, "reshape checks", [&] { a.reshape({4, 2}); });
  check(Tensor(phintys::Dtype::float64, {0, 3}).size() == 0, "empty");
  check(Tensor(2.5).item<float>() == 2.5f, "number");
}

void functions(const std::string& path) {
  using phintys::Function;
  using phintys::Tensor;
  const Function f = Function::load(path);
  check(f.name() == "train" && f.inputs()[1].has_default, "description");
  const Tensor x({2, 3}, std::vector<double>{1, 0, -1, 0.5, 2, -3});
  const auto before = f.get("w").to_vector<double>();
  const std::string saved = f.save_bytes();
  const auto by_position = f({x});
  check(std::abs(by_position[0].at<double>(0, 0) - std::tanh(-3.5)) < 1e-14, "value");
  check(f.get("w").to_vector<double>() != before, "updated");

  Function g = Function::load(saved.data(), saved.size());
  check(g.get("w").to_vector<double>() == before, "state of the time of saving");
  const auto by_name = g.call({{"rate", 0.125}, {"x", x}});
  check(by_name[1].item<double>() == by_position[1].item<double>(), "by name, default");
  check(g.share_state_with(f) == 2, "shared");
  f({x, 1});
  check(g.get("w").to_vector<double>() == f.get("w").to_vector<double>(), "sharing");
  g.set("b", Tensor({2}, std::vector<double>{7, 8}));
  check(f.get("b").at<double>(1) == 8, "set through sharing");

  check_throws(phintys::Kind::key, "unknown input", [&] { g.call({{"z", x}}); });
  check_throws(phintys::Kind::missing_input, "missing input", [&] { g.call({{"rate", 1.0}}); });
  check_throws(phintys::Kind::type, "dtype", [&] { g({x.cast<float>()}); });
  check_throws(phintys::Kind::key, "unknown state", [&] { g.get("z"); });
  check_throws(phintys::Kind::bad_file, "cut off", [&] { Function::load(saved.data(), 1000); });
  check_throws(phintys::Kind::io, "no file", [&] { Function::load("/nowhere/f.phy"); });
  phintys::LoadOptions small;
  small.memory_limit = 100;
  check_throws(phintys::Kind::memory, "limit",
               [&] { Function::load(saved.data(), saved.size(), small); });
}

void limits(const std::string& path) {
  using phintys::Tensor;
  const phintys::Function f = phintys::Function::load(path);
  const Tensor x({2, 3}, std::vector<double>{1, 0, -1, 0.5, 2, -3});
  const auto before = f.get("w").to_vector<double>();
  phintys::CallOptions late;
  late.deadline = phintys::CallOptions::Clock::now() - std::chrono::hours(1);
  check_throws(phintys::Kind::timeout, "deadline", [&] { f({x}, late); });
  late.deadline = phintys::CallOptions::Clock::time_point::min();
  late.timeout = std::chrono::hours(1);
  check_throws(phintys::Kind::timeout, "deadline and timeout", [&] { f({x}, late); });
  phintys::CallOptions options;
  options.timeout = std::chrono::hours(1);
  options.cancel = phintys::CancelToken();
  options.max_steps = 1;
  const phintys::CancelToken token = *options.cancel;
  check(f({x}, options).size() == 2, "within limits");
  const auto after = f.get("w").to_vector<double>();
  token.cancel();
  check(token.cancelled() && options.cancel->cancelled(), "cancelled");
  check_throws(phintys::Kind::cancelled, "cancel", [&] { f.call({{"x", x}}, options); });
  check(after != before && after == f.get("w").to_vector<double>(), "state of a stopped call");
}

// On the emulated device where its plug-in lies beside the library.
void devices(const std::string& path) {
  using phintys::Device;
  using phintys::DeviceTensor;
  using phintys::Function;
  using phintys::Tensor;
  check_throws(phintys::Kind::value, "unknown device", [] { Device("no_such_kind").open(); });
  check_throws(phintys::Kind::io, "no plug-in", [] { Device::add_plugin("/nowhere.so"); });
  const Function host = Function::load(path);
  check(host.device().is_host(), "host");
  const Device device("emulated");
  try {
    device.open();
  } catch (const phintys::Exception& e) {
    std::printf("devices: skipped, %s\n", e.what());
    return;
  }
  check(!device.description().empty() && device.memory().total > 0, "device");
  check(Device::plugin_status().find("emulated") == 0, "plug-ins");
  Function f = Function::load(path, device);
  check(f.device().name() == "emulated:0", "device of a function");
  const Tensor x({2, 3}, std::vector<double>{1, 0, -1, 0.5, 2, -3});
  const auto want = host({x})[0].to_vector<double>();
  const auto close = [&](const Tensor& got) {
    const auto values = got.to_vector<double>();
    check(values.size() == want.size(), "shape on a device");
    for (size_t i = 0; i < values.size(); ++i)
      check(std::abs(values[i] - want[i]) < 1e-12, "value on a device");
  };
  const Tensor start = f.get("w");
  close(f({x})[0]);
  check(f.get("w").to_vector<double>() != start.to_vector<double>(), "state on a device");
  const Function g = Function::load(path, device);
  const DeviceTensor there(x, device);
  const DeviceTensor rate(Tensor(0.125), Device::cpu());
  const std::vector<DeviceTensor> results = g.call_device({there, rate});
  check(results[0].device().name() == "emulated:0", "device of a result");
  close(results[0].to_host());
  device.synchronize();
  device.wait_for(device.stream());
  check(there.to(Device::cpu()).to_host().to_vector<double>() == x.to_vector<double>(), "copies");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    tensors();
    functions(argv[1]);
    limits(argv[1]);
    devices(argv[1]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return failures == 0 ? 0 : 1;
}
