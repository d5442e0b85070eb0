/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line client: every subcommand but run, over the API. */
#pragma once

/*
 * argv[1] is the subcommand. default_socket: where to look without
 * --api-socket or --url. Exit status: 0 ok, 1 error, 2 usage, 3 diff, 4 conflict.
 */
int client_main(int argc, char *const argv[], const char *default_socket);
/* Lines of help for the subcommands, for `culvert help`. */
extern const char client_usage[];
