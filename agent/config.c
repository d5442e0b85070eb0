/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole configuration in memory: loaded, compared, released. */
#include "agent/config.h"

#include <errno.h>
#include <string.h>

/* Rows under construction. */
struct rows {
	struct config *config;
	size_t capacity;
};

static int grow(void *rows, size_t n, size_t size, size_t *capacity)
{
	void **array = rows;
	if (n < *capacity)
		return 0;

	size_t more = MAX(*capacity * 2, (size_t)16);
	void *grown = reallocarray(*array, more, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*capacity = more;
	return 0;
}

static int add_peer(void *ctx, const struct peer *peer)
{
	struct rows *rows = ctx;
	struct config *config = rows->config;

	int r = grow(&config->peers, config->n_peers, sizeof(*peer), &rows->capacity);
	if (r == 0)
		config->peers[config->n_peers++] = *peer;
	return r;
}

void config_copy_route(struct route *to, const struct route *from)
{
	const size_t head = offsetof(struct route, grant.peers);
	const size_t tail = offsetof(struct route, grant.n_peers);

	memcpy(to, from, head);
	memcpy(to->grant.peers, from->grant.peers,
	       from->grant.n_peers * sizeof(to->grant.peers[0]));
	memcpy((char *)to + tail, (const char *)from + tail, sizeof(*to) - tail);
}

static int add_route(void *ctx, const struct route *route)
{
	struct rows *rows = ctx;
	struct config *config = rows->config;

	int r = grow(&config->routes, config->n_routes, sizeof(*route), &rows->capacity);
	if (r == 0)
		config_copy_route(&config->routes[config->n_routes++], route);
	return r;
}

int config_load(struct store *store, struct config *ret_config)
{
	struct config *config = ret_config;
	struct rows peers = { .config = config }, routes = { .config = config };

	*config = (struct config){
		.has_node = true,
		.has_peers = true,
		.has_routes = true,
		.has_exit_node = true,
		.has_dataplane = true,
		.has_policy = true,
	};
	int r = store_node_get(store, &config->node);
	if (r == 0)
		r = store_peer_each(store, "", PEERS_MAX, add_peer, &peers);
	if (r == 0)
		r = store_route_each(store, "", ROUTES_MAX, add_route, &routes);
	if (r == 0)
		r = store_exit_node_get(store, &config->exit_node);
	if (r == 0)
		r = store_dataplane_get(store, &config->dataplane);
	if (r == 0)
		r = store_policy_get(store, &config->policy);
	return r;
}

void config_release(struct config *config)
{
	if (config->peers)
		explicit_bzero(config->peers, config->n_peers * sizeof(config->peers[0]));
	key_wipe(&config->node.private_key);
	free(config->peers);
	free(config->routes);
	policy_release(&config->policy);
	config->peers = NULL;
	config->routes = NULL;
	config->n_peers = config->n_routes = 0;
}

void config_change_release(struct config_change *change)
{
	free(change->created.ids);
	free(change->changed.ids);
	free(change->deleted.ids);
	*change = (struct config_change){ .created.n = 0 };
}

void config_result_release(struct config_result *result)
{
	config_release(&result->config);
	config_change_release(&result->change);
}

int config_list_id(struct id_list *list, const char *id)
{
	/* Doubled at powers of two. */
	if ((list->n & (list->n - 1)) == 0) {
		void *grown =
			reallocarray(list->ids, MAX(list->n * 2, (size_t)1), sizeof(list->ids[0]));
		if (!grown)
			return -ENOMEM;
		list->ids = grown;
	}
	snprintf(list->ids[list->n++], sizeof(list->ids[0]), "%s", id);
	return 0;
}

/* Two lists in the order of ids, walked side by side. */
struct walk {
	const char *before, *now; /* NULL: at the end */
	uint64_t before_revision, now_revision;
};

/* Which of the two moves on: bit 0 before, bit 1 now. Negative errno. */
static int walk_step(const struct walk *walk, struct config_change *change)
{
	int order = !walk->before ? 1 : !walk->now ? -1 : strcmp(walk->before, walk->now);
	int r = 0;

	if (order < 0)
		r = config_list_id(&change->deleted, walk->before);
	else if (order > 0)
		r = config_list_id(&change->created, walk->now);
	else if (walk->before_revision != walk->now_revision)
		r = config_list_id(&change->changed, walk->now);
	return r < 0 ? r : (order <= 0) | (order >= 0) << 1;
}

static int compare_peers(const struct config *before, const struct config *now,
			 struct config_change *change)
{
	int r = 0;

	for (size_t i = 0, j = 0; r >= 0 && (i < before->n_peers || j < now->n_peers);) {
		const struct walk walk = {
			.before = i < before->n_peers ? before->peers[i].id : NULL,
			.now = j < now->n_peers ? now->peers[j].id : NULL,
			.before_revision = i < before->n_peers ? before->peers[i].revision : 0,
			.now_revision = j < now->n_peers ? now->peers[j].revision : 0,
		};
		r = walk_step(&walk, change);
		i += r > 0 && r & 1;
		j += r > 0 && r & 2;
	}
	return MIN(r, 0);
}

static int compare_routes(const struct config *before, const struct config *now,
			  struct config_change *change)
{
	int r = 0;

	for (size_t i = 0, j = 0; r >= 0 && (i < before->n_routes || j < now->n_routes);) {
		const struct walk walk = {
			.before = i < before->n_routes ? before->routes[i].id : NULL,
			.now = j < now->n_routes ? now->routes[j].id : NULL,
			.before_revision = i < before->n_routes ? before->routes[i].revision : 0,
			.now_revision = j < now->n_routes ? now->routes[j].revision : 0,
		};
		r = walk_step(&walk, change);
		i += r > 0 && r & 1;
		j += r > 0 && r & 2;
	}
	return MIN(r, 0);
}

int config_compare(const struct config *before, const struct config *now,
		   struct config_change *ret_change)
{
	struct config_change *change = ret_change;

	*change = (struct config_change){ .created.n = 0 };
	int r = compare_peers(before, now, change);
	if (r == 0)
		r = compare_routes(before, now, change);
	if (r == 0 && now->node.revision != before->node.revision)
		r = config_list_id(&change->changed, "node");
	if (r == 0 && now->exit_node.revision != before->exit_node.revision)
		r = config_list_id(&change->changed, "exit_node");
	if (r == 0 && now->dataplane.revision != before->dataplane.revision)
		r = config_list_id(&change->changed, "dataplane");
	if (r == 0 && now->policy.revision != before->policy.revision)
		r = config_list_id(&change->changed, "policy");
	return r;
}

/* What qsort_r carries. */
struct sorting {
	int (*compare)(const void *ctx, size_t a, size_t b);
	const void *ctx;
};

static int compare_places(const void *a, const void *b, void *arg)
{
	const struct sorting *sorting = arg;
	size_t left = *(const size_t *)a, right = *(const size_t *)b;

	int order = sorting->compare(sorting->ctx, left, right);
	return order != 0 ? order : left < right ? -1 : 1;
}

size_t *config_sort(size_t n, int (*compare)(const void *ctx, size_t a, size_t b), const void *ctx)
{
	struct sorting sorting = { .compare = compare, .ctx = ctx };
	size_t *order = calloc(MAX(n, (size_t)1), sizeof(*order));
	if (!order)
		return NULL;

	for (size_t i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order, n, sizeof(*order), compare_places, &sorting);
	return order;
}
