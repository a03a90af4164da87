// Libraries that may or may not be installed (cuBLAS, cuSOLVER): opened at run time, never linked.
#pragma once

namespace phintys::cuda {

// Opens the first that can be opened of `names` (such as "libcublas.so.13"; null ends the list): in
// the folders set below, then where the system looks. It stays open. Null if there is none, and
// always in the emulated plug-in.
void* open_library(const char* const* names);
// The function `name` of an open library, or null.
void* library_function(void* library, const char* name);
// Folders to look in first, separated by ':'. For what is opened from now on.
void set_library_folders(const char* folders);

}  // namespace phintys::cuda
