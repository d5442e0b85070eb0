/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/peers */
#include <errno.h>
#include <string.h>

#include "api/condition.h"
#include "api/problem.h"
#include "api/qr.h"
#include "api/resource.h"
#include "api/router.h"

static int collect_id(void *page, const struct peer *peer)
{
	return page_add_id(page, peer->id);
}

static json_t *item_json(struct agent *agent, const char *id)
{
	struct peer peer;
	return agent_peer_get(agent, id, &peer) == 0 ? peer_json(agent, &peer) : NULL;
}

void peers_list(struct request *req)
{
	struct page page = { .req = req };

	if (!condition_read(req, agent_revision(req->agent)))
		return;
	int r = agent_peer_each(req->agent, req->query.after, req->query.limit + 1, collect_id,
				&page);
	if (r < 0)
		answer_missing(req, r);
	else
		page_answer(&page, item_json);
}

/* The peer of the path. false: 404 has been answered. */
static bool find_peer(struct request *req, struct peer *ret_peer)
{
	int r = req->object_fits ? agent_peer_get(req->agent, req->object, ret_peer) : -ENOENT;
	if (r < 0)
		answer_missing(req, r);
	return r == 0;
}

void peers_get(struct request *req)
{
	struct peer peer;

	if (!find_peer(req, &peer) || !condition_read(req, peer.revision))
		return;
	answer_resource(req, 200, peer.revision, peer_json(req->agent, &peer));
}

/* The configuration and its QR code, which only this answer shows. */
static void add_secrets(struct request *req, json_t *json, const struct peer *peer,
			const struct wg_key *private_key)
{
	_cleanup_(buf_release_secret) struct buf config, svg;
	char text[KEY_TEXT_SIZE];

	buf_init(&config, ANSWER_MAX);
	buf_init(&svg, ANSWER_MAX);
	if (agent_peer_config(req->agent, peer, private_key, &config) < 0 || config.failed)
		buf_release_secret(&config);

	key_format(private_key, text);
	json_object_set_new(json, "private_key", json_string(text));
	explicit_bzero(text, sizeof(text));
	json_object_set_new(json, "client_config",
			    config.data ? json_string(config.data) : json_null());
	bool drawn = config.data && qr_svg(config.data, &svg) == 0;
	json_object_set_new(json, "client_config_qr_svg",
			    drawn ? json_string(svg.data) : json_null());
}

static void answer_invalid(struct request *req, const char *id, const struct peer *peer,
			   struct fault *fault)
{
	struct agent_write rehearsal = { .dry_run = true };
	struct fault more = { 0 };
	struct wg_key private_key;
	struct peer stored;

	int r = id ? agent_peer_put(req->agent, id, peer, &rehearsal, &stored, &more)
		   : agent_peer_add(req->agent, peer, &rehearsal, &stored, &private_key, &more);
	if (r == 0 && !id)
		key_wipe(&private_key);
	if (r == -EINVAL)
		fault_join(fault, &more);
	answer_fault(req, -EINVAL, fault);
}

static void locate(struct request *req, const struct peer *peer)
{
	if (!req->query.dry_run)
		snprintf(req->answer.location, sizeof(req->answer.location), "/v1/peers/%s",
			 peer->id);
}

static void add_peer(struct request *req, const struct peer *peer)
{
	struct agent_write write = request_write(req);
	struct fault fault = { 0 };
	struct wg_key private_key;
	struct peer stored;

	int r = agent_peer_add(req->agent, peer, &write, &stored, &private_key, &fault);
	if (r < 0) {
		answer_fault(req, r, &fault);
		return;
	}

	json_t *json = peer_json(req->agent, &stored);
	if (!key_is_zero(&private_key) && !write.dry_run)
		add_secrets(req, json, &stored, &private_key);
	key_wipe(&private_key);
	answer_resource(req, 201, stored.revision, json);
	locate(req, &stored);
}

void peers_post(struct request *req)
{
	struct agent_write unused;
	struct fault fault = { 0 };
	struct peer peer;

	json_t *json = request_json(req);
	if (!json)
		return;
	peer_defaults(&peer);
	int r = fields_decode(peer_fields, json, &peer, &fault);
	json_decref(json);

	if (!condition_write(req, true, agent_revision(req->agent), &unused))
		return;
	if (r < 0)
		answer_invalid(req, NULL, &peer, &fault);
	else
		add_peer(req, &peer);
	key_wipe(&peer.preshared_key);
}

static void put_peer(struct request *req, const struct peer *peer, struct agent_write *write)
{
	struct fault fault = { 0 };
	struct peer stored;

	int r = agent_peer_put(req->agent, req->object, peer, write, &stored, &fault);
	if (r < 0) {
		answer_fault(req, r, &fault);
		return;
	}
	answer_resource(req, write->ret_created ? 201 : 200, stored.revision,
			peer_json(req->agent, &stored));
	if (write->ret_created)
		locate(req, &stored);
}

/* Decodes the whole wanted peer and puts it; keep: the one whose preshared key stays, or NULL. */
static void put_json(struct request *req, const json_t *json, const struct peer *keep,
		     struct agent_write *write)
{
	struct fault fault = { 0 };
	struct peer peer;

	peer_defaults(&peer);
	int r = fields_decode(peer_fields, json, &peer, &fault);
	if (keep) {
		peer.has_preshared_key = keep->has_preshared_key;
		peer.preshared_key = keep->preshared_key;
	}
	if (r < 0)
		answer_invalid(req, req->object, &peer, &fault);
	else
		put_peer(req, &peer, write);
	key_wipe(&peer.preshared_key);
}

void peers_put(struct request *req)
{
	struct agent_write write = request_write(req);
	struct peer old;

	if (!object_is_creatable(req))
		return;
	int r = agent_peer_get(req->agent, req->object, &old);
	if (r < 0 && r != -ENOENT) {
		answer_missing(req, r);
		return;
	}
	if (!condition_write(req, r == 0, old.revision, &write))
		return;
	json_t *json = request_json(req);
	if (!json)
		return;

	/* What GET gave can be PUT: saying that there is a key, without the key, keeps it. */
	bool keep = r == 0 && json_is_true(json_object_get(json, "has_preshared_key")) &&
		    !json_object_get(json, "preshared_key");
	put_json(req, json, keep ? &old : NULL, &write);
	json_decref(json);
}

void peers_patch(struct request *req)
{
	struct agent_write write = request_write(req);
	struct peer old;

	if (!find_peer(req, &old) || !condition_write(req, true, old.revision, &write))
		return;
	json_t *patch = request_json(req);
	if (!patch)
		return;

	json_t *json = fields_encode(peer_fields, &old);
	bool keep = !json_object_get(patch, "preshared_key");
	if (patch_into(req, json, patch) == 0)
		put_json(req, json, keep ? &old : NULL, &write);
	json_decref(json);
	json_decref(patch);
}

void peers_delete(struct request *req)
{
	struct agent_write write = request_write(req);
	struct fault fault = { 0 };
	struct peer peer;

	if (!find_peer(req, &peer) || !condition_write(req, true, peer.revision, &write))
		return;
	int r = agent_peer_remove(req->agent, req->object, req->query.cascade, &write, &fault);
	if (r < 0)
		answer_fault(req, r, &fault);
	else
		answer_no_content(req);
}
