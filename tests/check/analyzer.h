/* SPDX-License-Identifier: Apache-2.0 */
/* What clang's static analyzer cannot see from a caller's file, told to it by tests/check/tidy.sh: failing
 * returns -1, so that no path goes on after an error with outputs that were never set. */
#include "base/error.h"

#ifdef __clang_analyzer__
#define error_set(...) (error_set(__VA_ARGS__), -1)
#define error_internal(...) (error_internal(__VA_ARGS__), -1)
#define error_detail(...) (error_detail(__VA_ARGS__), -1)
#define error_wrap(...) (error_wrap(__VA_ARGS__), -1)
#endif
