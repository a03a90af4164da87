#include "libraries.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <mutex>

namespace phintys::cuda {

namespace {

std::mutex guard;
char folders[4096];

}  // namespace

void* open_library(const char* const* names) {
#ifdef PHINTYS_EMULATED
  (void)names;
  return nullptr;
#else
  const std::lock_guard lock(guard);
  char path[4096 + 256];
  for (const char* at = folders; *at != 0;) {
    const size_t length = std::strcspn(at, ":");
    for (const char* const* name = names; length > 0 && *name; ++name) {
      std::snprintf(path, sizeof path, "%.*s/%s", static_cast<int>(length), at, *name);
      if (void* library = dlopen(path, RTLD_LAZY | RTLD_LOCAL)) return library;
    }
    at += length;
    if (*at == ':') ++at;
  }
  for (; *names; ++names) {
    if (void* library = dlopen(*names, RTLD_LAZY | RTLD_LOCAL)) return library;
  }
  return nullptr;
#endif
}

void* library_function(void* library, const char* name) {
  return library ? dlsym(library, name) : nullptr;
}

void set_library_folders(const char* list) {
  const std::lock_guard lock(guard);
  std::snprintf(folders, sizeof folders, "%s", list);
}

}  // namespace phintys::cuda
