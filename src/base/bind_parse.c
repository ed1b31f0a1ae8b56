/* SPDX-License-Identifier: Apache-2.0 */
/* From text to JSON within bounds. */
#include "base/bind.h"

enum { DEPTH_MAX = 32 };

/* jansson's own depth limit is 2048; ours keeps every later recursion small. */
static bool depth_ok(const json_t *v, int left)
{
	const char *key;
	json_t *child;
	size_t i;

	if (left == 0)
		return false;
	if (json_is_object(v)) {
		json_object_foreach((json_t *)v, key, child) if (!depth_ok(child, left - 1)) return false;
	} else if (json_is_array(v)) {
		json_array_foreach(v, i, child) if (!depth_ok(child, left - 1)) return false;
	}
	return true;
}

json_t *bind_parse(const char *text, size_t n, struct error *err)
{
	json_error_t je;
	json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);

	if (!v && json_error_code(&je) == json_error_out_of_memory) {
		error_set(err, ERR_UNAVAILABLE,
			"There is no memory for this body now: try again a little later.");
		return NULL;
	}
	if (!v) {
		error_set(err, ERR_BAD_REQUEST, "the body is not JSON: line %d, column %d: %s", je.line,
			je.column, je.text);
		return NULL;
	}
	if (!depth_ok(v, DEPTH_MAX)) {
		json_decref(v);
		error_set(err, ERR_BAD_REQUEST, "the body is nested more than %d deep", DEPTH_MAX);
		return NULL;
	}
	return v;
}
