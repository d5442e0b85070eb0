/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /v1/peers/{id}/config: wg-quick text or a QR code. */
#include <errno.h>

#include "api/accept.h"
#include "api/problem.h"
#include "api/qr.h"
#include "api/resource.h"
#include "api/router.h"

static const char *const types[] = { "text/plain", "image/svg+xml", NULL };

static void answer_config(struct request *req, const char *config, bool svg)
{
	struct buf *body = &req->answer.body;
	int r = svg		     ? qr_svg(config, body)
		: req->query.qr_text ? qr_text(config, body)
				     : buf_add_text(body, config);
	if (r < 0) {
		answer_problem(req, PROBLEM_NOT_ACCEPTABLE,
			       "This configuration is too long for a QR code; ask for text/plain.");
		return;
	}
	req->answer.status = 200;
	req->answer.content_type = svg ? "image/svg+xml" : "text/plain; charset=utf-8";
}

void peer_config_get(struct request *req)
{
	_cleanup_(buf_release_secret) struct buf config;
	struct peer peer;

	buf_init(&config, ANSWER_MAX);
	int r = req->object_fits ? agent_peer_get(req->agent, req->object, &peer) : -ENOENT;
	if (r < 0) {
		answer_missing(req, r);
		return;
	}

	int type = accept_choose(request_header(req, "Accept"), types);
	if (type < 0) {
		answer_problem(req, PROBLEM_NOT_ACCEPTABLE,
			       "This is to be had as text/plain and as image/svg+xml.");
		return;
	}
	r = agent_peer_config(req->agent, &peer, NULL, &config);
	key_wipe(&peer.preshared_key);
	if (r < 0 || config.failed)
		answer_missing(req, r < 0 ? r : -ENOMEM);
	else
		answer_config(req, config.data, type == 1 && !req->query.qr_text);
}
