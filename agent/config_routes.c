/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The routes of a configuration, against what peers it has, and into the store. */
#include <errno.h>
#include <string.h>

#include "agent/config.h"

/* All arrays by the place in the document, but kept. */
struct work {
	struct config_apply *a;
	const struct route *routes;
	size_t n;
	const struct route **old; /* NULL: a new one */
	bool *faulty;
	bool *kept;	    /* by the place in before */
	struct route *made; /* one, completed: they are large */
};

static int by_id(const void *ctx, size_t a, size_t b)
{
	const struct route *routes = ctx;
	return strcmp(routes[a].id, routes[b].id);
}

static int by_prefix(const void *ctx, size_t a, size_t b)
{
	const struct route *routes = ctx;
	return prefix_compare(&routes[a].prefix, &routes[b].prefix);
}

static int check_unique(struct work *w, int (*compare)(const void *ctx, size_t a, size_t b),
			const char *member)
{
	size_t *order = config_sort(w->n, compare, w->routes);
	if (!order)
		return -ENOMEM;

	for (size_t i = 1; i < w->n; i++) {
		size_t first = order[i - 1], second = order[i];
		char pointer[POINTER_SIZE];
		if (compare(w->routes, first, second) != 0)
			continue;
		snprintf(pointer, sizeof(pointer), "/routes/%zu/%s", second, member);
		fault_add(w->a->reterr, pointer, "duplicate", "Route %zu of the list has it too.",
			  first);
		w->faulty[second] = true;
	}
	free(order);
	return 0;
}

static int compare_old(const void *key, const void *route)
{
	return strcmp(key, ((const struct route *)route)->id);
}

static void find_old(struct work *w)
{
	const struct config *before = w->a->before;

	for (size_t i = 0; before->n_routes > 0 && i < w->n; i++) {
		w->old[i] = bsearch(w->routes[i].id, before->routes, before->n_routes,
				    sizeof(*before->routes), compare_old);
		if (w->old[i])
			w->kept[w->old[i] - before->routes] = true;
	}
}

static int remove_others(struct work *w)
{
	const struct config *before = w->a->before;
	int r = 0;

	for (size_t i = 0; r == 0 && i < before->n_routes; i++)
		if (!w->kept[i]) {
			r = store_route_delete(w->a->agent->store, before->routes[i].id);
			route_stage(w->a->agent, &before->routes[i], NULL);
		}
	return r;
}

static int park_old(struct work *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->n; i++)
		if (w->old[i] && !prefix_equal(&w->old[i]->prefix, &w->routes[i].prefix))
			r = store_route_park(w->a->agent->store, w->routes[i].id);
	return r;
}

/* As agent_route_put leaves it. */
static struct route *complete(struct work *w, size_t i)
{
	struct route *made = w->made;
	const struct route *old = w->old[i];

	config_copy_route(made, &w->routes[i]);
	if (made->via[0] == '\0')
		memcpy(made->via, "router", sizeof("router"));
	if (made->grant.all)
		made->grant.n_peers = 0;
	made->created_at = old ? old->created_at : loop_wall_ns();
	made->approved = route_stays_approved(w->a->write, old, made);
	made->revision = old ? old->revision : 0;
	return made;
}

static int put_one(struct work *w, size_t i)
{
	struct config_apply *a = w->a;
	const struct route_context context = {
		.store = a->agent->store,
		.node = &a->node,
		.host = &a->agent->host,
		.mode = a->mode,
		.overlaps_known = true,
	};
	struct route *made = complete(w, i);
	size_t first = a->reterr->n_items;

	int r = validate_route(&context, made, a->reterr);
	fault_move(a->reterr, first, "/routes/%zu", i);
	if (r < 0 || w->faulty[i] || a->reterr->n_items > first)
		return r;
	if (w->old[i] && route_equal(w->old[i], made))
		return 0;
	made->revision = store_next_revision(a->agent->store);
	route_stage(a->agent, w->old[i], made);
	return store_route_put(a->agent->store, made);
}

static int put_all(struct work *w)
{
	int r = remove_others(w);
	if (r == 0)
		r = park_old(w);
	for (size_t i = 0; r == 0 && i < w->n; i++)
		r = put_one(w, i);
	return r;
}

int config_put_routes(struct config_apply *a)
{
	const struct config *config = a->config;
	struct work w = { .a = a, .routes = config->routes, .n = config->n_routes };
	size_t n = MAX(w.n, (size_t)1);

	w.old = calloc(n, sizeof(*w.old));
	w.faulty = calloc(n, sizeof(*w.faulty));
	w.kept = calloc(MAX(a->before->n_routes, (size_t)1), sizeof(*w.kept));
	w.made = malloc(sizeof(*w.made));
	int r = w.old && w.faulty && w.kept && w.made ? 0 : -ENOMEM;

	if (r == 0 && !config->has_peers)
		r = config_check_overlaps(a, NULL);
	if (r == 0)
		r = check_unique(&w, by_id, "id");
	if (r == 0)
		r = check_unique(&w, by_prefix, "prefix");
	if (r == 0) {
		find_old(&w);
		r = put_all(&w);
	}
	free(w.old);
	free(w.faulty);
	free(w.kept);
	free(w.made);
	return r;
}
