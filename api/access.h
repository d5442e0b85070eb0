/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may: the peer of a unix socket, and the rules that keep browsers out. */
#pragma once

#include <stdbool.h>

#include "agent/base/ip.h"
#include "api/request.h"

/* The group whose members hold all scopes on the unix socket. */
#define ACCESS_GROUP "culvert"

/* Who holds all scopes on the unix socket, besides root. */
struct trust {
	uid_t owner;
	bool has_group;
	gid_t group;
};

/* Looks the group up; one that is made later is not seen. */
struct trust trust_find(uid_t owner);
/* The caller at the other end of a unix socket. */
struct caller caller_of_socket(int fd, const struct trust *trust);
struct caller caller_of_tcp(const struct addr *from);

/*
 * The rules for requests over TCP: Host, Origin, Sec-Fetch-Mode, content
 * type. local: the address that was connected to. false: answered.
 */
bool access_check_browser(struct request *req, const char *target, const struct addr *local);
/*
 * A credential for /v1, whether or not the path exists, and what a browser
 * must send with a session to write. false: answered.
 */
bool access_check_credential(struct request *req, const char *method, const char *target);
/* The scope of the operation. false: answered. */
bool access_check_scope(struct request *req);
