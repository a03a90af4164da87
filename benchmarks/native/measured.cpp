// Turns callgrind's counting on and off; without valgrind these do nothing.
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>

extern "C" void toggle_counting() { CALLGRIND_TOGGLE_COLLECT; }
#endif
