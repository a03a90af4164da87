// Saved functions: one compiled function as data, in one file.
//
// A saved function holds its optimised graph before lowering, its constants and the values of its
// shared variables: a closed set of operators, no code, no pointers, no paths. FORMAT.md describes
// the bytes.
//
// The reader trusts nothing. Every count, offset and shape is checked before it is used, memory is
// bounded by the file's size and by LoadOptions::memory_limit, operators are made by the registry,
// which validates their attributes, and types are inferred again. Whatever the bytes are, load()
// returns a function that is safe to call or throws Error: bad_file, memory (limit), io.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/function.h"

namespace phintys::serial {

// What the caller of a function gets: how the front end presents the list of outputs.
enum class OutputMode : uint8_t { list, single, none, dict };

// What a front end knows of an input beyond its name and type.
struct InputMeta {
  Array default_value;         // empty: the caller must give a value
  bool strict = false;         // no conversion of values
  int8_t allow_downcast = -1;  // -1: unspecified, else 0 or 1
};

struct Metadata {
  // Free text of the caller's, for example who made the file. Order is kept.
  std::vector<std::pair<std::string, std::string>> entries;
  std::vector<InputMeta> inputs;  // one per input; empty stands for all defaults
  OutputMode output_mode = OutputMode::list;
  // Filled in by load(): the version of the library that wrote the file.
  std::string writer_version;
};

// The function and a consistent snapshot of its shared variables. Safe while other threads call
// it. Throws Error(type) for an operator that is not one of the library's own.
std::string save(const runtime::Function& function, const Metadata& metadata = {});
// The same to a file, atomically: a reader of `path` sees the old file or the whole new one.
void save_file(const runtime::Function& function, const std::string& path,
               const Metadata& metadata = {});

struct LoadOptions {
  // The most memory, in bytes, that the loaded function's graph, constants and state may take
  // (estimated for the graph); 0: no limit beyond the size of the file.
  uint64_t memory_limit = 0;
  // Only tests and fuzzers turn it off, to reach the code behind it.
  bool verify_checksums = true;
  // How to lower and run the function: fuse, profile, monitor. Its variables are ignored.
  runtime::FunctionSpec spec;
};

Ref<runtime::Function> load(std::span<const std::byte> bytes, const LoadOptions& options = {},
                            Metadata* metadata = nullptr);
Ref<runtime::Function> load_file(const std::string& path, const LoadOptions& options = {},
                                 Metadata* metadata = nullptr);

}  // namespace phintys::serial
