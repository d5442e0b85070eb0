/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `culvert run`: the documented defaults, and one sentence for what is wrong. */
#include "agent/options.h"

#include "agent/base/macros.h"
#include "tests/test.h"

#include <errno.h>
#include <unistd.h>

#define WORDS_MAX 32

static struct options options;
static char error[256];

/* Parses the words as an ordinary user would give them, "|" between them. */
static int parse(const char *line)
{
	char copy[8192];
	char *words[WORDS_MAX];
	int n = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *rest = copy, *word; (word = strsep(&rest, "|")) && n < WORDS_MAX;)
		if (word[0] != '\0')
			words[n++] = word;
	memset(&options, 0xee, sizeof(options));
	error[0] = '\0';
	return options_parse(n, words, &options, error);
}

TEST(without_options_the_documented_defaults_hold)
{
	CHECK_EQ(parse(""), 0);
	CHECK(options.http);
	char text[ENDPOINT_TEXT_SIZE];
	CHECK_STR(endpoint_format(&options.http_address, text), "127.0.0.1:8080");
	CHECK(!options.behind_proxy && !options.metrics_open);
	CHECK(!options.has_wg_port && !options.has_mode);
	CHECK_EQ(options.wg_port, 51820);
	CHECK_EQ(options.mode, MODE_AUTO);
	CHECK_EQ(options.n_node_addresses, 0);
	CHECK(options.workers >= 1 && options.workers <= 8);
	CHECK_STR(options.endpoint, "");
	CHECK_EQ(options.log_format, LOG_FORMAT_TEXT);
	CHECK_EQ(options.log_level, LOG_LEVEL_INFO);
}

TEST(root_and_users_keep_state_in_their_own_places)
{
	setenv("XDG_STATE_HOME", "/home/u/.state", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	CHECK_EQ(parse(""), 0);
	char socket[108];
	CHECK_EQ(options_default_socket(socket), 0);
	CHECK_STR(options.api_socket, socket);
	if (geteuid() == 0) {
		CHECK_STR(options.state_dir, "/var/lib/culvert");
		CHECK_STR(options.api_socket, "/run/culvert/api.sock");
		return;
	}
	CHECK_STR(options.state_dir, "/home/u/.state/culvert");
	CHECK_STR(options.api_socket, "/run/user/7/culvert/api.sock");

	unsetenv("XDG_RUNTIME_DIR");
	CHECK_EQ(options_default_socket(socket), 0);
	CHECK_STR(socket, "/home/u/.state/culvert/api.sock");
	unsetenv("XDG_STATE_HOME");
	setenv("HOME", "/home/u", 1);
	CHECK_EQ(parse(""), 0);
	CHECK_STR(options.state_dir, "/home/u/.local/state/culvert");
}

TEST(socket_follows_a_given_state_directory)
{
	CHECK_EQ(parse("--state-dir|/tmp/c/"), 0);
	CHECK_STR(options.state_dir, "/tmp/c");
	CHECK_STR(options.api_socket, "/tmp/c/api.sock");
	CHECK_EQ(parse("--state-dir=/tmp/c|--api-socket|/tmp/s"), 0);
	CHECK_STR(options.api_socket, "/tmp/s");
}

TEST(relative_paths_start_where_the_user_is)
{
	CHECK_EQ(chdir("/usr"), 0);
	CHECK_EQ(parse("--state-dir|lib"), 0);
	CHECK_STR(options.state_dir, "/usr/lib");
}

TEST(every_option_arrives)
{
	CHECK_EQ(parse("--http|[::1]:9090|--behind-proxy|--wg-port|51821|--mode|netstack|"
		       "--node-address|100.64.3.1/24|--node-address=fd00::1/64|"
		       "--endpoint|vpn.example.org:51821|--log-format|json|--log-level|debug|"
		       "--metrics-open"),
		 0);
	char text[ENDPOINT_TEXT_SIZE];
	CHECK_STR(endpoint_format(&options.http_address, text), "[::1]:9090");
	CHECK(options.behind_proxy && options.metrics_open);
	CHECK(options.has_wg_port && options.has_mode);
	CHECK_EQ(options.wg_port, 51821);
	CHECK_EQ(options.mode, MODE_NETSTACK);
	CHECK_EQ(options.n_node_addresses, 2);
	char prefix[PREFIX_TEXT_SIZE];
	CHECK_STR(prefix_format(&options.node_addresses[0], prefix), "100.64.3.1/24");
	CHECK_STR(prefix_format(&options.node_addresses[1], prefix), "fd00::1/64");
	CHECK_STR(options.endpoint, "vpn.example.org:51821");
	CHECK_EQ(options.log_format, LOG_FORMAT_JSON);
	CHECK_EQ(options.log_level, LOG_LEVEL_DEBUG);
	CHECK_EQ(parse("--no-http"), 0);
	CHECK(!options.http);
}

TEST(workers_are_one_to_eight)
{
	static const char *const bad[] = { "--workers=0", "--workers=9", "--workers=12",
					   "--workers=two", "--workers=" };

	static const struct {
		unsigned cores, workers;
	} usual[] = { { 1, 1 }, { 2, 1 }, { 3, 1 }, { 4, 2 }, { 8, 4 }, { 16, 8 }, { 64, 8 } };

	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		CHECK_EQ(options_workers_for(usual[i].cores), usual[i].workers);
	CHECK_EQ(parse("--workers|8"), 0);
	CHECK_EQ(options.workers, 8);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(parse(bad[i]), -EINVAL);
		CHECK(strstr(error, "is not a number between 1 and 8"));
	}
}

TEST(a_public_http_address_needs_a_proxy_in_front)
{
	CHECK_EQ(parse("--http|0.0.0.0:8080"), -EINVAL);
	CHECK(strstr(error, "--behind-proxy"));
	CHECK_EQ(parse("--http|[::]:8080"), -EINVAL);
	CHECK_EQ(parse("--http|192.0.2.1:8080"), -EINVAL);
	CHECK_EQ(parse("--http|0.0.0.0:8080|--behind-proxy"), 0);
	CHECK_EQ(parse("--http|127.0.0.53:8080"), 0);
}

TEST(endpoints_are_names_or_addresses)
{
	static const char *const good[] = {
		"vpn.example.org", "vpn:51820",	  "192.0.2.1",
		"192.0.2.1:51820", "2001:db8::1", "[2001:db8::1]:51820"
	};
	static const char *const bad[] = {
		"vpn:0", "vpn:", ":51820", "a b", "vpn\nx", "vpn:65536"
	};
	char line[64];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(line, sizeof(line), "--endpoint|%s", good[i]);
		if (parse(line) < 0)
			TEST_FAIL("refused \"%s\"", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "--endpoint|%s", bad[i]);
		if (parse(line) == 0)
			TEST_FAIL("took \"%s\"", bad[i]);
	}
}

TEST(wrong_use_is_told_in_one_sentence)
{
	static const char *const bad[] = {
		"--nonsense",
		"stray",
		"--state-dir",
		"--state-dir=",
		"--no-http=1",
		"--http|8080",
		"--http|127.0.0.1:0",
		"--no-http|--http|127.0.0.1:80",
		"--wg-port|0",
		"--wg-port|65536",
		"--wg-port|5182x",
		"--mode|fast",
		"--node-address|10.0.0.0/33",
		"--endpoint=",
		"--log-level|loud",
		"--log-format|xml",
		"--tls-cert|/tmp/c.pem",
		"--tls-key|/tmp/k.pem",
		"--http",
		"--node-address|1.1.1.1|--node-address|1.1.1.2|--node-address|1.1.1.3|"
		"--node-address|1.1.1.4|--node-address|1.1.1.5|--node-address|1.1.1.6|"
		"--node-address|1.1.1.7|--node-address|1.1.1.8|--node-address|1.1.1.9",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i]) != -EINVAL)
			TEST_FAIL("took \"%s\"", bad[i]);
		if (strlen(error) < 10 || strchr(error, '\n'))
			TEST_FAIL("\"%s\" is told as \"%s\"", bad[i], error);
	}
}

TEST(paths_that_do_not_fit_are_refused)
{
	char line[5000] = "--state-dir|/";
	memset(line + 13, 'a', 120);
	CHECK_EQ(parse(line), -EINVAL);
	CHECK(strstr(error, "--api-socket"));
	memset(line + 13, 'a', 4200);
	CHECK_EQ(parse(line), -EINVAL);
}

TEST_MAIN
