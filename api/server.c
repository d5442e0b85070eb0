/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libmicrohttpd on our loop: one daemon for each listener. */
#include "api/server.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <malloc.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/random.h>

#include "api/connection.h"
#include "api/exchange.h"

static char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

/* Targets are decoded by the router, segment by segment: here nothing is changed. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text);
}

void listener_run(struct listener *listener)
{
	struct loop *loop = listener->api->conf.loop;
	unsigned MHD_LONG_LONG wait_ms;

	MHD_run(listener->daemon);
	if (MHD_get_timeout(listener->daemon, &wait_ms) == MHD_YES)
		(void)loop_set_timer(loop, &listener->timer,
				     mono_add(loop_now(loop), (int64_t)wait_ms * NS_PER_MS));
	else
		loop_cancel_timer(loop, &listener->timer);
}

static void on_ready(void *arg, uint32_t events, mono_t now)
{
	(void)events;
	(void)now;
	listener_run(arg);
}

static void on_timer(void *arg, mono_t now)
{
	(void)now;
	listener_run(arg);
}

/* gnutls_certificate_retrieve_function2; the session's pointer is libmicrohttpd's own. */
static struct api *tls_api;
static int show_certificate(gnutls_session_t session, const gnutls_datum_t *issuers, int n_issuers,
			    const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
			    gnutls_pcert_st **ret_certs, unsigned *ret_n_certs,
			    gnutls_privkey_t *ret_key)
{
	(void)session, (void)issuers, (void)n_issuers, (void)algorithms, (void)n_algorithms;
	if (!tls_api || !tls_api->tls)
		return -1;
	tls_pair_get(tls_api->tls, ret_certs, ret_n_certs, ret_key);
	return 0;
}

int api_set_tls(struct api *api, int fd, struct fault *reterr)
{
	struct tls_pair *pair;

	int r = tls_pair_load(fd, &pair, reterr);
	if (r < 0)
		return r;
	tls_pair_follow(pair, api->tls);
	api->tls = pair;
	tls_api = api;
	return 0;
}

static int listener_open(struct listener *listener, struct api *api, int fd, bool tcp)
{
	const struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)show_certificate },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, priorities },
		{ MHD_OPTION_END, 0, NULL },
	};
	const struct MHD_OptionItem *more = tcp && api->conf.tls ? tls : &tls[2];

	listener->api = api;
	listener->tcp = tcp;
	listener->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
			(tcp && api->conf.tls ? MHD_USE_TLS : 0u),
		0, NULL, NULL, exchange_on_request, listener, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, tcp ? (unsigned)TCP_PER_ADDRESS_MAX : 0u,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEADER_MAX,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
		MHD_OPTION_URI_LOG_CALLBACK, exchange_on_target, listener,
		MHD_OPTION_NOTIFY_CONNECTION, connection_notify, listener,
		MHD_OPTION_NOTIFY_COMPLETED, exchange_on_completed, NULL, MHD_OPTION_ARRAY, more,
		MHD_OPTION_END);
	if (!listener->daemon) {
		close(fd);
		return -EIO;
	}

	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	listener->watch.fn = on_ready;
	listener->watch.arg = listener;
	listener->timer.fn = on_timer;
	listener->timer.arg = listener;
	return loop_watch(api->conf.loop, &listener->watch, info->epoll_fd, EPOLLIN);
}

static void listener_close(struct listener *listener)
{
	if (!listener->daemon)
		return;
	loop_unwatch(listener->api->conf.loop, &listener->watch);
	loop_cancel_timer(listener->api->conf.loop, &listener->timer);
	MHD_stop_daemon(listener->daemon);
	listener->daemon = NULL;
}

static int note_slot(void *n_rows, const struct peer *peer)
{
	size_t *n = n_rows;

	*n = MAX(*n, (size_t)peer->slot + 1);
	return 0;
}

static void on_rates_timer(void *arg, mono_t now)
{
	struct api *api = arg;
	struct agent *agent = api->conf.agent;
	struct agent_status status;

	if (!api->counters && agent_status_get(agent, &status) == 0)
		api->counters = status.counters;
	if (api->rates_revision != agent_revision(agent)) {
		api->rates_revision = agent_revision(agent);
		api->rates.n_rows = 0;
		(void)agent_peer_each(agent, "", PEERS_MAX, note_slot, &api->rates.n_rows);
	}
	if (api->counters)
		rates_sample(&api->rates, api->counters, now);
	(void)loop_set_timer(api->conf.loop, &api->rates_timer,
			     mono_add(now, RATES_EVERY_S * NS_PER_S));
}

/* JSON passes keys: what jansson frees is wiped. */
static void wipe_free(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

int api_open(const struct api_conf *conf, struct api **ret_api)
{
	struct api *api = calloc(1, sizeof(*api));
	int http_fd = conf->http_fd;

	if (!api) {
		close(conf->socket_fd);
		closep(&http_fd);
		return -ENOMEM;
	}
	json_set_alloc_funcs(malloc, wipe_free);
	api->conf = *conf;
	api->trust = trust_find(conf->owner);
	if (getrandom(&api->id_prefix, sizeof(api->id_prefix), 0) < 0)
		api->id_prefix = (uint32_t)loop_wall_ns();

	int r = listener_open(&api->listeners[0], api, conf->socket_fd, false);
	if (http_fd >= 0 && r == 0)
		r = listener_open(&api->listeners[1], api, TAKE_FD(http_fd), true);
	streams_init(api);
	api->rates_timer.fn = on_rates_timer;
	api->rates_timer.arg = api;
	if (r == 0)
		r = loop_set_timer(conf->loop, &api->rates_timer, loop_now(conf->loop));
	if (r < 0) {
		closep(&http_fd);
		api_close(api);
		return r;
	}
	*ret_api = api;
	return 0;
}

void api_close(struct api *api)
{
	if (!api)
		return;
	loop_cancel_timer(api->conf.loop, &api->rates_timer);
	streams_end(api);
	for (size_t i = 0; i < ARRAY_SIZE(api->listeners); i++)
		listener_close(&api->listeners[i]);
	if (tls_api == api)
		tls_api = NULL;
	tls_pair_free(api->tls);
	free(api);
}
