/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The composition root: reads the command line, opens what needs privileges, runs the supervisor. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/macros.h"
#include "agent/control.h"
#include "agent/isolate.h"
#include "agent/listen.h"
#include "agent/options.h"
#include "agent/pinger.h"
#include "agent/statedir.h"
#include "agent/supervisor.h"
#include "agent/tlspair.h"
#include "api/api.h"
#include "api/client/client.h"
#include "forwarding/forwarding.h"
#include "forwarding/plumbing.h"

enum { EXIT_USAGE = 2, EXIT_STATE = 3 };

/* What the daemon holds for all its life; the children inherit their part. */
struct host {
	struct identity who;
	int lock_fd;
	int socket_fd;
	int http_fd;
	int tls_fd;
	int counters_fd; /* for reading only */
	struct counters *counters;
	struct engine_raw raw[WORKERS_MAX]; /* by worker */
	const char *ping_program;
};

/* Descriptors 0 to 2 exist from here on, so that no socket becomes standard error. */
static void open_stdio(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* A signal to stop that arrives before the supervisor listens waits for it. */
static void hold_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Each relayed flow is a descriptor: take all that we may have. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("cannot raise the limit of open files: %s", strerror(errno));
}

/* The counters page: mapped writable here and in the engine, and a descriptor that can only read. */
static int open_counters(struct host *host, uint32_t workers)
{
	size_t size = workers * sizeof(struct counters);
	_cleanup_(closep) int fd =
		memfd_create("culvert-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;

	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	host->counters = page;
	host->counters->version = COUNTERS_VERSION;
	host->counters->siblings = workers - 1;
	if (getrandom(&host->counters->page, sizeof(host->counters->page), 0) < 0)
		return -errno;
	host->counters->page >>= 1; /* fits SQLite's integers */

	/* Mode first: control must not find a way to open it for writing again. */
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fchmod(fd, 0400) < 0)
		return -errno;
	host->counters_fd = open(path, O_RDONLY | O_CLOEXEC);
	return host->counters_fd < 0 ? -errno : 0;
}

static void open_ping(struct host *host, uint32_t workers)
{
	int type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
	for (uint32_t i = 0; i < workers; i++)
		host->raw[i] = (struct engine_raw){ socket(AF_INET, type, IPPROTO_ICMP),
						    socket(AF_INET6, type, IPPROTO_ICMPV6) };
	if (host->raw[0].icmp_fd < 0)
		host->ping_program = pinger_find(&host->who);
}

static int open_api_sockets(struct host *host, const struct options *options)
{
	struct fault fault = { 0 };
	int r = listen_unix(options->api_socket, &host->socket_fd, &fault);
	if (r == 0 && options->http)
		r = listen_tcp(&options->http_address, &host->http_fd, &fault);
	if (r < 0)
		log_error("%s", fault.text);
	return r;
}

/* Before anything is touched: a wrong file is wrong usage. */
static int open_tls(struct host *host, const struct options *options)
{
	struct fault fault = { 0 };
	if (options->tls_cert[0] == '\0')
		return 0;
	int r = tlspair_read(options->tls_cert, options->tls_key, &host->tls_fd, &fault);
	if (r == 0)
		r = api_tls_check(host->tls_fd, &fault);
	if (r < 0)
		log_error("TLS: %s", fault.text);
	return r;
}

static int open_state(struct host *host, const struct options *options)
{
	struct fault fault = { 0 };
	int r = statedir_open(options->state_dir, &host->who, &host->lock_fd, &fault);
	if (r < 0)
		log_error("%s", fault.text);
	return r;
}

static int supervise(const struct host *host, const struct options *options,
		     const char *const *kernel_reasons)
{
	struct supervisor_conf conf = {
		.engine_main = engine_run,
		.control_main = control_run,
		.engine = { .counters = host->counters,
			    .raw_icmp_fd = host->raw[0].icmp_fd,
			    .raw_icmp6_fd = host->raw[0].icmp6_fd,
			    .workers = options->workers,
			    .ping_exec = host->ping_program != NULL,
			    .no_gso = getenv("CULVERT_NO_GSO") != NULL,
			    .no_gro = getenv("CULVERT_NO_GRO") != NULL,
			    .no_tun_offload = getenv("CULVERT_NO_TUN_OFFLOAD") != NULL },
		.control = { .counters_fd = host->counters_fd,
			     .socket_fd = host->socket_fd,
			     .http_fd = host->http_fd,
			     .owner = host->who.uid,
			     .options = options,
			     .kernel_reasons = kernel_reasons },
		.tls_fd = host->tls_fd,
		.tls_check = api_tls_check,
		.who = host->who,
		.state_dir = options->state_dir,
		.lock_fd = host->lock_fd,
		.ping_program = host->ping_program,
		.log_format = options->log_format,
		.log_level = options->log_level,
	};
	memcpy(conf.engine.raw, host->raw, sizeof(conf.engine.raw));
	/* ping(8) has file capabilities, which no_new_privs would take from it. */
	if (isolate_supervisor(host->ping_program == NULL && !host->who.change) < 0)
		return EXIT_FAILURE;
	return supervisor_run(&conf);
}

/* --mode kernel is a demand, not a wish. */
static bool mode_is_possible(const struct options *options, const char *const *kernel_reasons)
{
	if (!options->has_mode || options->mode != MODE_KERNEL || !kernel_reasons[0])
		return true;
	log_error("kernel mode is not possible here:");
	for (; *kernel_reasons; kernel_reasons++)
		log_error("  %s", *kernel_reasons);
	return false;
}

static int run(const struct options *options)
{
	static struct host host = {
		.lock_fd = -1, .socket_fd = -1, .http_fd = -1, .tls_fd = -1, .counters_fd = -1
	};
	const char *const *kernel_reasons = plumbing_reasons();
	if (!mode_is_possible(options, kernel_reasons))
		return EXIT_FAILURE;

	if (open_tls(&host, options) < 0)
		return EXIT_USAGE;
	identity_find(&host.who);
	if (open_state(&host, options) < 0)
		return EXIT_STATE;
	raise_descriptor_limit();
	int r = open_counters(&host, options->workers);
	if (r < 0) {
		log_error("cannot make the counters page: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	open_ping(&host, options->workers);

	int status = EXIT_FAILURE;
	if (open_api_sockets(&host, options) == 0)
		status = supervise(&host, options, kernel_reasons);
	if (host.socket_fd >= 0)
		unlink(options->api_socket);
	return status;
}

/* What is only usual is not insisted on. */
static void settle_workers(struct options *options)
{
	if (options->has_workers || options->workers == 1 || forwarding_can_share())
		return;
	log_info("this kernel does not steer datagrams to several workers: one forwards");
	options->workers = 1;
}

static int run_command(int argc, char *argv[])
{
	static struct options options;
	char error[256];

	hold_signals();
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(options_usage, stdout);
			return EXIT_SUCCESS;
		}
	}
	if (options_parse(argc, argv, &options, error) < 0) {
		fprintf(stderr, "culvert: %s\nTry \"culvert run --help\".\n", error);
		return EXIT_USAGE;
	}

	open_stdio();
	umask(077);
	log_setup(options.log_format, options.log_level, "supervisor");
	settle_workers(&options);
	return run(&options);
}

static int help(FILE *out)
{
	fputs(options_usage, out);
	fputs(client_usage, out);
	return out == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

int main(int argc, char *argv[])
{
	title_init(argc, argv);
	if (argc < 2)
		return help(stderr);
	if (strcmp(argv[1], "run") == 0)
		return run_command(argc - 2, argv + 2);
	if (is_one_of(argv[1], "help", "--help"))
		return help(stdout);
	if (is_one_of(argv[1], "version", "--version")) {
		puts("culvert " CULVERT_VERSION);
		return EXIT_SUCCESS;
	}

	char socket_path[108] = "";
	(void)options_default_socket(socket_path); /* "": the client asks to be told */
	return client_main(argc, argv, socket_path);
}
