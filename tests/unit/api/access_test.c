/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who holds what on the unix socket: by user, by group, by further group. */
#include "api/access.h"

#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/test.h"
#include "tests/unit/api/fake_agent.h"

#define FURTHER_GROUP 424242
#define STRANGER 65534

/* The caller that this process is, with the further group where it can have it. */
static struct caller self(const struct trust *trust)
{
	bool root = geteuid() == 0;
	gid_t group = FURTHER_GROUP;
	int fds[2];

	if (root && (setgroups(1, &group) < 0 || seteuid(STRANGER) < 0))
		abort();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	struct caller caller = caller_of_socket(fds[0], trust);
	close(fds[0]);
	close(fds[1]);
	if (root && (seteuid(0) < 0 || setgroups(0, NULL) < 0))
		abort();
	return caller;
}

TEST(a_stranger_reads)
{
	struct trust trust = { .owner = 1 };
	struct caller caller = self(&trust);

	char who[32];

	CHECK(!caller.tcp);
	CHECK_EQ(caller.scopes, scopes_read());
	snprintf(who, sizeof(who), "uid:%u", geteuid() == 0 ? STRANGER : geteuid());
	CHECK_STR(caller.actor.who, who);
	CHECK_STR(caller.actor.from, "socket");
	trust.has_group = true;
	trust.group = FURTHER_GROUP + 1;
	CHECK_EQ(self(&trust).scopes, scopes_read());
}

TEST(the_owner_and_the_group_hold_all)
{
	struct trust owner = { .owner = geteuid() == 0 ? STRANGER : geteuid() };
	struct trust group = { .owner = 1, .has_group = true, .group = getegid() };

	CHECK_EQ(self(&owner).scopes, scopes_all());
	CHECK_EQ(self(&group).scopes, scopes_all());
}

/* Only root can give itself the group; for others the own group is all there is to see. */
TEST(a_further_group_counts)
{
	struct trust trust = { .owner = 1, .has_group = true, .group = FURTHER_GROUP };

	if (geteuid() == 0)
		CHECK_EQ(self(&trust).scopes, scopes_all());
}

TEST(tcp_holds_nothing)
{
	struct addr from;

	CHECK_EQ(addr_parse("2001:db8::7", &from), 0);
	struct caller caller = caller_of_tcp(&from);
	CHECK(caller.tcp);
	CHECK_EQ(caller.scopes, 0);
	CHECK_STR(caller.actor.from, "2001:db8::7");
}

TEST_MAIN
