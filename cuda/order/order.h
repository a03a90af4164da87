// The kernels of order, by source file.
#pragma once

#include "device/order.h"
#include "gpu.h"

namespace phintys::cuda::order {

// sort.cu
Status sort(Stream* stream, const device::SortWork& work);
Status lex_sort(Stream* stream, const device::LexSortWork& work);
size_t sort_scratch(Stream* stream, const device::SortWork& work);
size_t lex_sort_scratch(Stream* stream, const device::LexSortWork& work);
// The n elements of a vector of integers in [0, size), sorted stably; others count as `size`. They
// lie in `memory` of places_scratch() bytes.
struct SortedPlaces {
  const uint32_t *keys, *places;
};
size_t places_scratch(Stream* stream, int64_t n);
Status sort_numbers(Stream* stream, const device::Tensor& x, int64_t size, void* memory,
                    SortedPlaces* sorted);

// short_rows.cu: rows of at most this many elements.
inline constexpr int64_t kShortRow = 2048;
Status sort_short_rows(Stream* stream, const device::SortWork& work);

// select.cu: the first of long rows, at most this many. Rows of less than 2^31 elements.
inline constexpr int64_t kMostSelected = 2048;
Status select(Stream* stream, const device::SortWork& work);

// cumulate.cu
Status cumulate(Stream* stream, const device::CumulateWork& work);
size_t cumulate_scratch(const device::CumulateWork& work);

// count.cu
Status search(Stream* stream, const device::SearchWork& work);
Status count_size(Stream* stream, const device::CountSizeWork& work);
Status count(Stream* stream, const device::CountWork& work);
Status group(Stream* stream, const device::GroupWork& work);
Status firsts(Stream* stream, const device::FirstsWork& work);
size_t count_scratch(Stream* stream, const device::CountWork& work);
size_t group_scratch(const device::GroupWork& work);

}  // namespace phintys::cuda::order
