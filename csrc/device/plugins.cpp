// Plug-ins and the devices they offer.
#include <dlfcn.h>

#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "base/export.h"
#include "base/fork.h"
#include "device/device.h"

namespace phintys::device {

namespace {

struct Plugin {
  std::string path;
  const Table* table;
  std::vector<std::unique_ptr<Device>> devices;  // null: not opened
};

struct Plugins {
  std::mutex mutex;
  std::vector<std::unique_ptr<Plugin>> all;
  std::string folders;  // of libraries that plug-ins may open
  uint32_t forks = fork_count();
};

// Never destroyed: arrays may outlive main().
Plugins& plugins_of_process() {
  static auto* all = new Plugins;
  return *all;
}

// The lock, and the error that a forked child gets.
std::unique_lock<std::mutex> lock_plugins() {
  Plugins& plugins = plugins_of_process();
  if (plugins.forks != fork_count() && !plugins.all.empty())
    fail(ErrorKind::runtime,
         "devices cannot be used in this process, which was forked from one that looked for them; "
         "start processes with the method 'spawn'");
  return std::unique_lock(plugins.mutex);
}

Plugin* find_plugin(std::string_view kind) {
  for (const auto& plugin : plugins_of_process().all)
    if (plugin->table->kind == kind) return plugin.get();
  return nullptr;
}

std::string last_error() {
  const char* text = dlerror();
  return text ? text : "unknown error";
}

// Opens the file; the lock is held.
Plugin* open_plugin(const std::string& path) {
  for (const auto& plugin : plugins_of_process().all)
    if (plugin->path == path) return plugin.get();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) fail(ErrorKind::io, "cannot open the plug-in '", path, "': ", last_error());
  const auto get = reinterpret_cast<GetTable>(dlsym(library, kGetTable));
  if (!get) {
    dlclose(library);
    fail(ErrorKind::io, "'", path, "' is no plug-in of Phintys: it lacks ", kGetTable);
  }
  const Table* table = get(kTableVersion);
  if (!table || table->version != kTableVersion) {
    dlclose(library);
    fail(ErrorKind::io, "the plug-in '", path, "' was built for another version of Phintys");
  }
  if (const Plugin* other = find_plugin(table->kind)) {
    if (other->table == table) return find_plugin(table->kind);  // the same file by another path
    fail(ErrorKind::io, "the plug-in '", path, "' offers devices of the kind '", table->kind,
         "', as '", other->path, "' does already");
  }
  if (table->set_library_folders) table->set_library_folders(plugins_of_process().folders.c_str());
  auto& all = plugins_of_process().all;
  all.push_back(std::make_unique<Plugin>(Plugin{path, table, {}}));
  return all.back().get();
}

// Where the plug-in of a kind lies if it came with the library: beside it. Empty: nowhere.
std::string default_path(std::string_view kind) {
  Dl_info info;
  if (!dladdr(reinterpret_cast<const void*>(&default_path), &info) || !info.dli_fname) return "";
  const std::string library = info.dli_fname;
  const size_t slash = library.rfind('/');
  const std::string path = (slash == std::string::npos ? "" : library.substr(0, slash + 1)) +
                           "libphintys_" + std::string(kind) + ".so";
  char* real = realpath(path.c_str(), nullptr);
  if (!real) return "";
  const std::string found = real;
  std::free(real);
  return found;
}

bool word(std::string_view text) {
  if (text.empty() || text.size() > 32) return false;
  for (const char c : text)
    if (c < 'a' || c > 'z') return false;
  return true;
}

std::string known_kinds() {
  std::string kinds;
  for (const auto& plugin : plugins_of_process().all)
    kinds += (kinds.empty() ? "" : ", ") + std::string(plugin->table->kind);
  return kinds.empty() ? "no plug-in is loaded" : "known: " + kinds;
}

struct Name {
  std::string_view kind;
  int index = 0;
};

Name parse(std::string_view name) {
  const size_t colon = name.find(':');
  Name parsed{name.substr(0, colon)};
  bool good = word(parsed.kind);
  if (good && colon != std::string_view::npos) {
    const std::string_view number = name.substr(colon + 1);
    const char* end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, parsed.index);
    good = error == std::errc() && stop == end && parsed.index >= 0 && number[0] != '-';
  }
  if (!good)
    fail(ErrorKind::value, "'", name, "' is no name of a device; names are like cuda or cuda:1");
  return parsed;
}

std::string describe_devices(const Table& table, int* devices) {
  char text[512] = "";
  *devices = table.count(text, sizeof text);
  std::string all;
  for (int i = 0; i < *devices; ++i) {
    char line[512] = "";
    if (table.describe(i, line, sizeof line) != kOk) continue;
    all += (all.empty() ? "" : "; ") + std::string(line);
  }
  return all.empty() ? text : all;
}

}  // namespace

std::string add_plugin(const std::string& path) {
  char* real = realpath(path.c_str(), nullptr);
  const std::string found = real ? real : path;
  std::free(real);
  const auto lock = lock_plugins();
  return open_plugin(found)->table->kind;
}

void set_library_folders(const std::string& folders) {
  const auto lock = lock_plugins();
  plugins_of_process().folders = folders;
  for (const auto& plugin : plugins_of_process().all)
    if (plugin->table->set_library_folders) plugin->table->set_library_folders(folders.c_str());
}

Device& find_device(std::string_view name) {
  const Name wanted = parse(name);
  const auto lock = lock_plugins();
  Plugin* plugin = find_plugin(wanted.kind);
  if (!plugin) {
    const std::string path = default_path(wanted.kind);
    if (path.empty())
      fail(ErrorKind::value, "there is no plug-in for the device '", name, "' (", known_kinds(),
           "): this build of Phintys has no libphintys_", wanted.kind, ".so");
    plugin = open_plugin(path);
  }
  const auto index = static_cast<size_t>(wanted.index);
  if (index < plugin->devices.size() && plugin->devices[index]) return *plugin->devices[index];
  char text[512] = "";
  const int devices = plugin->table->count(text, sizeof text);
  if (devices == 0) fail(ErrorKind::runtime, "the device '", name, "' cannot be used: ", text);
  if (wanted.index >= devices)
    fail(ErrorKind::runtime, "there is no device '", name, "': ", plugin->table->kind, " has ",
         devices, devices == 1 ? " device" : " devices");
  if (plugin->devices.size() <= index) plugin->devices.resize(index + 1);
  plugin->devices[index] = std::make_unique<Device>(*plugin->table, wanted.index);
  return *plugin->devices[index];
}

std::vector<PluginStatus> plugins() {
  const auto lock = lock_plugins();
  std::vector<PluginStatus> all;
  for (const auto& plugin : plugins_of_process().all) {
    PluginStatus status{plugin->table->kind, plugin->path, "", 0};
    status.text = describe_devices(*plugin->table, &status.devices);
    all.push_back(std::move(status));
  }
  return all;
}

}  // namespace phintys::device
