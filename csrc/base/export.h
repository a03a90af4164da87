// The one visibility macro: everything in libphintys is hidden unless it carries it.
#pragma once

#if defined(__GNUC__) || defined(__clang__)
#define PHINTYS_PUBLIC __attribute__((visibility("default")))
#define PHINTYS_LIKELY(x) __builtin_expect(static_cast<bool>(x), 1)
#define PHINTYS_UNLIKELY(x) __builtin_expect(static_cast<bool>(x), 0)
#define PHINTYS_NOINLINE __attribute__((noinline))
#else
#define PHINTYS_PUBLIC
#define PHINTYS_LIKELY(x) (x)
#define PHINTYS_UNLIKELY(x) (x)
#define PHINTYS_NOINLINE
#endif
