// Numbers of the saved-file format (FORMAT.md). They are never changed, only added to.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

// Set by the build.
#ifndef PHINTYS_BUILD_VERSION
#define PHINTYS_BUILD_VERSION "0.0.0"
#endif

namespace phintys::serial {

static_assert(std::endian::native == std::endian::little,
              "saved files are little-endian and read without conversion");

// The first byte is not ASCII and the line ends show a transfer in text mode, as in PNG.
inline constexpr unsigned char kMagic[8] = {0x89, 'P', 'H', 'Y', '\r', '\n', 0x1a, '\n'};
// Files are written as the oldest version that can express them.
inline constexpr uint32_t kFormatVersion = 2;        // the newest
inline constexpr uint32_t kFormatVersionPlain = 1;   // without graphs inside operators
inline constexpr uint32_t kFormatVersionGraphs = 2;  // with

inline constexpr size_t kHeaderBytes = 64;
inline constexpr size_t kSectionEntryBytes = 32;
inline constexpr uint32_t kMaxSections = 64;
inline constexpr size_t kDataAlignment = 64;

inline constexpr uint32_t kSectionMeta = 1;   // the interface: names, types, defaults
inline constexpr uint32_t kSectionGraph = 2;  // operators, variables, nodes, outputs, updates
inline constexpr uint32_t kSectionData = 3;   // the bytes of arrays

// A reader that does not know a section's kind may skip it.
inline constexpr uint32_t kSectionOptional = 1;

// Tags of attribute values.
enum class AttrTag : uint8_t {
  boolean = 1,
  integer = 2,
  real = 3,
  text = 4,
  integers = 5,
  dtype = 6,
  graph = 7  // since version 2
};

// How deep graphs inside operators lie in one another, and how many nodes there are if every use of
// an operator counts the nodes inside it again: what works on them takes that long.
inline constexpr uint32_t kMaxGraphDepth = 32;
inline constexpr uint64_t kMaxInnerNodes = uint64_t{1} << 22;

// Flags of an input.
inline constexpr uint8_t kInputHasDefault = 1;
inline constexpr uint8_t kInputStrict = 2;
inline constexpr uint8_t kInputDowncastSet = 4;  // allow_downcast is not None
inline constexpr uint8_t kInputDowncast = 8;     // its value
inline constexpr uint8_t kInputFlags = 15;

constexpr uint64_t align_data(uint64_t offset) {
  return (offset + (kDataAlignment - 1)) & ~uint64_t{kDataAlignment - 1};
}

}  // namespace phintys::serial
