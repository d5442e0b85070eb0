/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request to the API by libcurl, and what came back. */
#include "api/client/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#define REPLY_MAX (256 * 1024 * 1024)
#define TIMEOUT_S 30L
#define SILENCE_S 30L /* of a stream, which has a heartbeat each 15 seconds */
#define LINE_MAX_BYTES 65536

static size_t take_bytes(char *data, size_t size, size_t n, void *buf)
{
	return buf_add(buf, data, size * n) < 0 ? 0 : size * n;
}

static struct curl_slist *add_header(struct curl_slist *headers, const char *name,
				     const char *value)
{
	_cleanup_(buf_release_secret) struct buf line;

	buf_init(&line, 4096);
	buf_printf(&line, "%s: %s", name, value);
	return line.failed ? headers : curl_slist_append(headers, line.data);
}

static struct curl_slist *make_headers(const struct server *server, const json_t *body,
				       const char *accept)
{
	struct curl_slist *headers =
		add_header(NULL, "Accept", accept ? accept : "application/json");
	struct buf bearer;

	if (body)
		headers = add_header(headers, "Content-Type", "application/json");
	if (server->if_match)
		headers = add_header(headers, "If-Match", server->if_match);
	if (server->url && server->token) {
		buf_init(&bearer, 4096);
		buf_printf(&bearer, "Bearer %s", server->token);
		headers = add_header(headers, "Authorization", bearer.data ? bearer.data : "");
		buf_release_secret(&bearer);
	}
	return headers;
}

/* curl's own words for a missing or forbidden socket are not helpful. */
static void say_unreachable(const struct server *server, CURLcode code, struct reply *reply)
{
	if (!server->url && code == CURLE_COULDNT_CONNECT && access(server->socket, W_OK) < 0)
		snprintf(reply->error, sizeof(reply->error), "%s: %s", server->socket,
			 strerror(errno));
	else
		snprintf(reply->error, sizeof(reply->error), "%s: %s",
			 server->url ? server->url : server->socket, curl_easy_strerror(code));
}

static void perform(CURL *curl, const struct server *server, struct reply *reply)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	if (server->cacert)
		curl_easy_setopt(curl, CURLOPT_CAINFO, server->cacert);
	if (!server->url) {
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, server->socket);
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
	}
	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
	else
		say_unreachable(server, code, reply);
}

/* A handle for the URL of path; NULL: reply says that there is no memory. */
static CURL *prepare(const struct server *server, const char *path, struct reply *ret_reply)
{
	struct buf url;

	*ret_reply = (struct reply){ .status = 0 };
	buf_init(&ret_reply->body, REPLY_MAX);
	buf_init(&url, 8192);
	buf_printf(&url, "%s%s", server->url ? server->url : "http://localhost", path);
	CURL *curl = url.failed ? NULL : curl_easy_init();
	if (curl)
		curl_easy_setopt(curl, CURLOPT_URL, url.data);
	else
		snprintf(ret_reply->error, sizeof(ret_reply->error), "Out of memory.");
	buf_release(&url);
	return curl;
}

static void parse_body(struct reply *reply)
{
	if (reply->body.data)
		reply->json = json_loadb(reply->body.data, reply->body.length, 0, NULL);
}

void http_send(const struct server *server, const char *method, const char *path,
	       const json_t *body, const char *accept, struct reply *ret_reply)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct curl_slist *headers = make_headers(server, body, accept);

	CURL *curl = prepare(server, path, ret_reply);
	if (curl) {
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &ret_reply->body);
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
		if (text)
			curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
		perform(curl, server, ret_reply);
	}

	parse_body(ret_reply);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* A stream that is being read. */
struct reading {
	CURL *curl;
	struct reply *reply;
	struct buf line; /* what has come of the next one */
	bool (*on_line)(void *ctx, const char *line);
	void *ctx;
};

/* All but a stream is kept, for the complaint. */
static size_t take_lines(char *data, size_t size, size_t n, void *arg)
{
	struct reading *reading = arg;
	long status = 0;

	curl_easy_getinfo(reading->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return take_bytes(data, size, n, &reading->reply->body);
	for (size_t i = 0; i < size * n; i++) {
		if (data[i] != '\n') {
			buf_add(&reading->line, data + i, 1);
			continue;
		}
		bool go_on = !reading->line.failed &&
			     reading->on_line(reading->ctx,
					      reading->line.data ? reading->line.data : "");
		buf_release(&reading->line);
		if (!go_on)
			return 0;
	}
	return size * n;
}

void http_follow(const struct server *server, const char *path, const char *last_event_id,
		 bool (*on_line)(void *ctx, const char *line), void *ctx, struct reply *ret_reply)
{
	struct reading reading = { .reply = ret_reply, .on_line = on_line, .ctx = ctx };
	struct curl_slist *headers = make_headers(server, NULL, "text/event-stream");

	if (last_event_id)
		headers = add_header(headers, "Last-Event-ID", last_event_id);
	buf_init(&reading.line, LINE_MAX_BYTES);
	reading.curl = prepare(server, path, ret_reply);
	if (reading.curl) {
		curl_easy_setopt(reading.curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(reading.curl, CURLOPT_WRITEFUNCTION, take_lines);
		curl_easy_setopt(reading.curl, CURLOPT_WRITEDATA, &reading);
		curl_easy_setopt(reading.curl, CURLOPT_CONNECTTIMEOUT, TIMEOUT_S);
		curl_easy_setopt(reading.curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(reading.curl, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
		perform(reading.curl, server, ret_reply);
	}
	parse_body(ret_reply);
	curl_easy_cleanup(reading.curl);
	curl_slist_free_all(headers);
	buf_release(&reading.line);
}

void reply_release(struct reply *reply)
{
	buf_release_secret(&reply->body);
	json_decref(reply->json);
	reply->json = NULL;
}

bool reply_is_good(const struct reply *reply)
{
	return reply->status >= 200 && reply->status < 300;
}

static const char *member(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));
	return text ? text : "";
}

int reply_complain(const struct server *server, const struct reply *reply)
{
	const json_t *problem = reply->json;
	size_t i;
	json_t *item;

	if (reply->status == 0) {
		fprintf(stderr, "culvert: the daemon does not answer: %s\n", reply->error);
		if (!server->url)
			fprintf(stderr,
				"culvert: is it running? Another socket: --api-socket PATH\n");
		return 1;
	}
	if (!json_is_object(problem)) {
		fprintf(stderr, "culvert: the daemon answered with status %ld\n", reply->status);
		return 1;
	}

	fprintf(stderr, "culvert: %s: %s\n", member(problem, "title"), member(problem, "detail"));
	json_array_foreach(json_object_get(problem, "errors"), i, item)
		fprintf(stderr, "  %s: %s\n", member(item, "pointer"), member(item, "detail"));
	json_array_foreach(json_object_get(problem, "reasons"), i, item)
		fprintf(stderr, "  %s\n", json_string_value(item));
	if (*member(problem, "existing_id"))
		fprintf(stderr, "  in the way: %s\n", member(problem, "existing_id"));
	return reply->status == 409 || reply->status == 412 ? 4 : 1;
}

void add_segment(struct buf *path, const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0);

	buf_printf(path, "/%s", escaped ? escaped : "");
	curl_free(escaped);
}

void add_parameter(struct buf *path, const char *name, const char *value)
{
	char *escaped = curl_easy_escape(NULL, value, 0);

	buf_printf(path, "%c%s=%s", strchr(path->data, '?') ? '&' : '?', name,
		   escaped ? escaped : "");
	curl_free(escaped);
}
