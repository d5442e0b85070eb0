/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parsing `culvert run`: a table of options, then the defaults of the user who runs it. */
#include "agent/options.h"

#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/macros.h"

#define ERROR_SIZE 256
#define SOCKET_SIZE sizeof(((struct options *)0)->api_socket)

const char options_usage[] =
	"usage: culvert run [options]\n"
	"  --state-dir DIR         where the configuration is kept\n"
	"                          (/var/lib/culvert as root, else $XDG_STATE_HOME/culvert)\n"
	"  --api-socket PATH       unix socket of the API (DIR/api.sock with --state-dir, else\n"
	"                          /run/culvert/api.sock as root, "
	"$XDG_RUNTIME_DIR/culvert/api.sock)\n"
	"  --http ADDR:PORT        the API over TCP (127.0.0.1:8080)\n"
	"  --no-http               the API on the unix socket only\n"
	"  --behind-proxy          allow --http on an address that others can reach\n"
	"  --tls-cert FILE         the API over TCP speaks TLS with this certificate chain (PEM);\n"
	"  --tls-key FILE          and this is its key. SIGHUP reads both again\n"
	"  --wg-port PORT          UDP port of WireGuard (51820)\n"
	"  --mode MODE             auto, kernel or netstack (auto)\n"
	"  --workers N             processes that forward, up to 8 (half as many as cores)\n"
	"  --node-address CIDR     address of this router in the tunnel; may be repeated\n"
	"  --endpoint HOST[:PORT]  what client configurations name\n"
	"  --log-format FORMAT     text, json or journal (text)\n"
	"  --log-level LEVEL       error, warn, info or debug (info)\n"
	"  --metrics-open          /metrics needs no token\n";

/* What parsing has gathered besides the result. */
struct parse {
	struct options *options;
	char *error;
	bool has_http;
};

static int refuse(struct parse *p, const char *format, ...) FORMAT(2, 3);
static int refuse(struct parse *p, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(p->error, ERROR_SIZE, format, args);
	va_end(args);
	return -EINVAL;
}

/* An absolute path of what the user wrote. */
static int take_path(struct parse *p, const char *name, const char *value, char *ret, size_t size)
{
	char cwd[4096] = "";
	if (value[0] == '\0')
		return refuse(p, "%s needs a path", name);
	if (value[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return refuse(p, "%s: cannot tell the current directory: %s", name,
			      strerror(errno));

	size_t length = strlen(cwd) + strlen(value) + 2;
	if (length > size)
		return refuse(p, "%s: the path is longer than %zu bytes", name, size - 1);

	snprintf(ret, size, "%s%s%s", cwd, cwd[0] ? "/" : "", value);
	for (size_t n = strlen(ret); n > 1 && ret[n - 1] == '/'; n--)
		ret[n - 1] = '\0';
	return 0;
}

static int on_state_dir(struct parse *p, const char *name, const char *value)
{
	return take_path(p, name, value, p->options->state_dir, sizeof(p->options->state_dir));
}

static int on_api_socket(struct parse *p, const char *name, const char *value)
{
	return take_path(p, name, value, p->options->api_socket, sizeof(p->options->api_socket));
}

static int on_config(struct parse *p, const char *name, const char *value)
{
	return take_path(p, name, value, p->options->config_file, sizeof(p->options->config_file));
}

static int on_http(struct parse *p, const char *name, const char *value)
{
	p->has_http = true;
	if (endpoint_parse(value, &p->options->http_address) < 0)
		return refuse(p, "%s: \"%s\" is not an address and port, like 127.0.0.1:8080", name,
			      value);
	return 0;
}

static int on_no_http(struct parse *p, const char *name, const char *value)
{
	(void)name, (void)value;
	p->options->http = false;
	return 0;
}

static int on_behind_proxy(struct parse *p, const char *name, const char *value)
{
	(void)name, (void)value;
	p->options->behind_proxy = true;
	return 0;
}

static int on_tls_cert(struct parse *p, const char *name, const char *value)
{
	return take_path(p, name, value, p->options->tls_cert, sizeof(p->options->tls_cert));
}

static int on_tls_key(struct parse *p, const char *name, const char *value)
{
	return take_path(p, name, value, p->options->tls_key, sizeof(p->options->tls_key));
}

static int parse_port(const char *text, uint16_t *ret_port)
{
	size_t n = strlen(text);
	if (n == 0 || n > 5 || strspn(text, "0123456789") != n)
		return -EINVAL;

	long port = strtol(text, NULL, 10);
	if (port < 1 || port > 65535)
		return -EINVAL;

	*ret_port = (uint16_t)port;
	return 0;
}

static int on_wg_port(struct parse *p, const char *name, const char *value)
{
	p->options->has_wg_port = true;
	if (parse_port(value, &p->options->wg_port) < 0)
		return refuse(p, "%s: \"%s\" is not a port between 1 and 65535", name, value);
	return 0;
}

static int on_mode(struct parse *p, const char *name, const char *value)
{
	static const char *const modes[] = {
		[MODE_AUTO] = "auto",
		[MODE_KERNEL] = "kernel",
		[MODE_NETSTACK] = "netstack",
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(modes[i], value) != 0)
			continue;
		p->options->has_mode = true;
		p->options->mode = (enum mode)i;
		return 0;
	}
	return refuse(p, "%s: \"%s\" is not auto, kernel or netstack", name, value);
}

static int on_workers(struct parse *p, const char *name, const char *value)
{
	bool digit = value[0] >= '1' && value[0] <= '0' + WORKERS_MAX && value[1] == '\0';
	if (!digit)
		return refuse(p, "%s: \"%s\" is not a number between 1 and %d", name, value,
			      WORKERS_MAX);
	p->options->workers = (unsigned)(value[0] - '0');
	p->options->has_workers = true;
	return 0;
}

static int on_node_address(struct parse *p, const char *name, const char *value)
{
	struct options *o = p->options;
	if (o->n_node_addresses == NODE_ADDRESSES_MAX)
		return refuse(p, "%s may be given %d times at most", name, NODE_ADDRESSES_MAX);
	if (prefix_parse_address(value, &o->node_addresses[o->n_node_addresses]) < 0)
		return refuse(p, "%s: \"%s\" is not an address with its prefix length", name,
			      value);
	o->n_node_addresses++;
	return 0;
}

/* A host name or address, with a port or without; IPv6 with a port in brackets. */
static bool endpoint_is_plausible(const char *text)
{
	struct addr addr;
	struct endpoint endpoint;
	if (addr_parse(text, &addr) == 0 || endpoint_parse(text, &endpoint) == 0)
		return true;

	static const char name_characters[] = "abcdefghijklmnopqrstuvwxyz"
					      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	size_t host = strspn(text, name_characters);
	uint16_t port;
	return host > 0 && (text[host] == '\0' ||
			    (text[host] == ':' && parse_port(text + host + 1, &port) == 0));
}

static int on_endpoint(struct parse *p, const char *name, const char *value)
{
	size_t size = sizeof(p->options->endpoint);
	if (strlen(value) >= size || !endpoint_is_plausible(value))
		return refuse(p, "%s: \"%s\" is not a host or host:port", name, value);

	snprintf(p->options->endpoint, size, "%s", value);
	return 0;
}

static int on_log_format(struct parse *p, const char *name, const char *value)
{
	if (log_parse_format(value, &p->options->log_format) < 0)
		return refuse(p, "%s: \"%s\" is not text, json or journal", name, value);
	return 0;
}

static int on_log_level(struct parse *p, const char *name, const char *value)
{
	if (log_parse_level(value, &p->options->log_level) < 0)
		return refuse(p, "%s: \"%s\" is not error, warn, info or debug", name, value);
	return 0;
}

static int on_metrics_open(struct parse *p, const char *name, const char *value)
{
	(void)name, (void)value;
	p->options->metrics_open = true;
	return 0;
}

static const struct option_row {
	const char *name;
	bool takes_value;
	int (*fn)(struct parse *p, const char *name, const char *value);
} rows[] = {
	{ "--state-dir", true, on_state_dir },
	{ "--api-socket", true, on_api_socket },
	{ "--http", true, on_http },
	{ "--no-http", false, on_no_http },
	{ "--behind-proxy", false, on_behind_proxy },
	{ "--tls-cert", true, on_tls_cert },
	{ "--tls-key", true, on_tls_key },
	{ "--wg-port", true, on_wg_port },
	{ "--mode", true, on_mode },
	{ "--workers", true, on_workers },
	{ "--node-address", true, on_node_address },
	{ "--endpoint", true, on_endpoint },
	{ "--config", true, on_config },
	{ "--log-format", true, on_log_format },
	{ "--log-level", true, on_log_level },
	{ "--metrics-open", false, on_metrics_open },
};

static const struct option_row *find_row(const char *word, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strlen(rows[i].name) == length && memcmp(rows[i].name, word, length) == 0)
			return &rows[i];
	return NULL;
}

/* One option, "--name value" or "--name=value". Returns how many words it took. */
static int parse_one(struct parse *p, int left, char *const words[])
{
	size_t length = strcspn(words[0], "=");
	const char *value = words[0][length] == '=' ? words[0] + length + 1 : NULL;
	const struct option_row *row = find_row(words[0], length);

	if (!row)
		return refuse(p, "unknown option \"%.100s\"", words[0]);
	if (!row->takes_value && value)
		return refuse(p, "%s takes no value", row->name);

	int taken = 1;
	if (row->takes_value && !value) {
		if (left < 2)
			return refuse(p, "%s needs a value", row->name);
		value = words[1];
		taken = 2;
	}

	int r = row->fn(p, row->name, value);
	return r < 0 ? r : taken;
}

/* The user's home: from the environment, else from the user database. NULL: has none. */
static const char *home(void)
{
	const char *dir = getenv("HOME");
	if (dir && dir[0] == '/')
		return dir;

	const struct passwd *pw = getpwuid(geteuid());
	return pw && pw->pw_dir && pw->pw_dir[0] == '/' ? pw->pw_dir : NULL;
}

/* An absolute directory from the environment, else NULL: the XDG rules ignore relative ones. */
static const char *env_dir(const char *name)
{
	const char *dir = getenv(name);
	return dir && dir[0] == '/' ? dir : NULL;
}

static int default_state_dir(char *ret, size_t size)
{
	int n;
	if (geteuid() == 0)
		n = snprintf(ret, size, "/var/lib/culvert");
	else if (env_dir("XDG_STATE_HOME"))
		n = snprintf(ret, size, "%s/culvert", env_dir("XDG_STATE_HOME"));
	else if (home())
		n = snprintf(ret, size, "%s/.local/state/culvert", home());
	else
		return -ENOENT;
	return (size_t)n < size ? 0 : -ENAMETOOLONG;
}

int options_default_socket(char ret_path[108])
{
	if (geteuid() == 0 || env_dir("XDG_RUNTIME_DIR")) {
		const char *dir = geteuid() == 0 ? "/run" : env_dir("XDG_RUNTIME_DIR");
		int n = snprintf(ret_path, SOCKET_SIZE, "%s/culvert/api.sock", dir);
		return (size_t)n < SOCKET_SIZE ? 0 : -ENAMETOOLONG;
	}

	/* No session of the user, no runtime directory: both sides still know the state directory. */
	char state_dir[4096];
	int r = default_state_dir(state_dir, sizeof(state_dir));
	if (r < 0)
		return r;
	int n = snprintf(ret_path, SOCKET_SIZE, "%s/api.sock", state_dir);
	return (size_t)n < SOCKET_SIZE ? 0 : -ENAMETOOLONG;
}

static int fill_paths(struct parse *p)
{
	struct options *o = p->options;
	bool own_dir = o->state_dir[0] != '\0';

	if (!own_dir && default_state_dir(o->state_dir, sizeof(o->state_dir)) < 0)
		return refuse(p, "there is no home directory to keep the state in: "
				 "give --state-dir");
	if (o->api_socket[0] != '\0')
		return 0;

	int r = 0;
	if (own_dir) {
		int n = snprintf(o->api_socket, SOCKET_SIZE, "%s/api.sock", o->state_dir);
		if ((size_t)n >= SOCKET_SIZE)
			r = -ENAMETOOLONG;
	} else {
		r = options_default_socket(o->api_socket);
	}
	if (r < 0)
		return refuse(p,
			      "the path of the API socket would be longer than %zu bytes: "
			      "give --api-socket",
			      SOCKET_SIZE - 1);
	return 0;
}

static bool is_loopback(const struct addr *addr)
{
	static const struct addr v6 = { .b = { [15] = 1 }, .family = 6 };
	return addr->family == 4 ? addr->b[0] == 127 : addr_equal(addr, &v6);
}

/* What only makes sense together. */
static int check(struct parse *p)
{
	struct options *o = p->options;
	if (p->has_http && !o->http)
		return refuse(p, "--http and --no-http exclude each other");
	bool tls = o->tls_cert[0] != '\0';
	if (tls != (o->tls_key[0] != '\0'))
		return refuse(p, "--tls-cert and --tls-key go together");
	if (tls && !o->http)
		return refuse(p, "--tls-cert and --no-http exclude each other");
	if (o->http && !is_loopback(&o->http_address.addr) && !tls && !o->behind_proxy) {
		char text[ENDPOINT_TEXT_SIZE];
		return refuse(p,
			      "--http %s would send tokens unprotected over the network: give "
			      "--tls-cert and --tls-key, or put a TLS proxy in front and say "
			      "--behind-proxy",
			      endpoint_format(&o->http_address, text));
	}
	return 0;
}

/* The other half of the cores is the kernel's: what goes in and out costs it as much as us. */
unsigned options_workers_for(unsigned cores)
{
	return MAX(1u, MIN(cores / 2, (unsigned)WORKERS_MAX));
}

/* That we may run on. */
static unsigned count_cores(void)
{
	cpu_set_t cores;
	return sched_getaffinity(0, sizeof(cores), &cores) == 0 ? (unsigned)CPU_COUNT(&cores) : 1;
}

int options_parse(int argc, char *const argv[], struct options *ret_options, char *ret_error)
{
	struct options options = {
		.http = true,
		.http_address = { .addr = { .b = { 127, 0, 0, 1 }, .family = 4 }, .port = 8080 },
		.log_format = LOG_FORMAT_TEXT,
		.log_level = LOG_LEVEL_INFO,
		.mode = MODE_AUTO,
		.wg_port = 51820,
		.workers = options_workers_for(count_cores()),
	};
	struct parse p = { .options = &options, .error = ret_error };

	for (int i = 0; i < argc;) {
		int taken = parse_one(&p, argc - i, argv + i);
		if (taken < 0)
			return taken;
		i += taken;
	}

	int r = fill_paths(&p);
	if (r == 0)
		r = check(&p);
	if (r == 0)
		*ret_options = options;
	return r;
}
