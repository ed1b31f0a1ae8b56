/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of bodies that several requests for servers share. */
#ifndef API_COMPUTE_SERVER_BODY_H
#define API_COMPUTE_SERVER_BODY_H

#include "api/compute/compute.h"
#include "domain/flavor.h"
#include "store/flavors.h"
#include "store/server_refs.h"

enum { SERVER_TAGS_MAX = 50, SERVER_USER_DATA_MAX = 65535 };

/* "" or an address of the family. ERR_BAD_REQUEST naming the field. */
int server_check_address(const char *field, const char *text, bool is_v6, struct error *err);
/* An IPv6 address in its one form (RFC 5952); any other text as it is. */
const char *server_address_text(struct arena *a, const char *text);
/* For tables of bodies: what a disk_config can be, an object of texts, a tag. */
extern const char *const server_disk_configs[];
extern const struct bind_table server_metadata_table;
extern const struct bind_field server_tag_item;
/* Base64, or empty. */
int server_check_user_data(const char *text, struct error *err);
/* An active image that the project may use and that fits (disk_gib 0: any disk). ERR_BAD_REQUEST. */
int server_find_image(struct api_call *c, int64_t project_id, const char *uid, int64_t ram_mib,
	int64_t disk_gib, struct server_image_ref *out, struct error *err);
/* A flavor's extra specs as JSON, as a server's row keeps them, in the request's arena; and what they want.
 */
int server_flavor_specs(struct api_call *c, const struct flavor *f, struct flavor_wants *wants,
	const char **out, struct error *err);
/* n characters by chance, each as likely as the other, behind the prefix; in the request's arena. */
char *server_random_text(struct api_call *c, const char *prefix, const char *from, size_t n);
/* A password for a guest. */
const char *server_random_password(struct api_call *c);
/* An object of texts within the limits of keys and values. */
int server_read_metadata(
	struct api_call *c, const json_t *map, struct server_pair **out, size_t *out_n, struct error *err);
/* ERR_OVER_QUOTA when a server of the project may not have n items. */
int server_check_metadata_count(struct api_call *c, int64_t project_id, size_t n, struct error *err);
/* A list of distinct tags. */
int server_read_tags(
	struct api_call *c, const json_t *list, const char ***out, size_t *out_n, struct error *err);

#endif
