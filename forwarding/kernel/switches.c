/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turning forwarding on without breaking what the host does besides. */
#include "forwarding/kernel/switches.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define IPV4_FORWARD "net/ipv4/ip_forward"
#define IPV6_FORWARD "net/ipv6/conf/all/forwarding"

static int explain(int err, const char *name, const char *value, char text[FAULT_TEXT_MAX])
{
	if (err < 0)
		snprintf(text, FAULT_TEXT_MAX, "cannot set /proc/sys/%s to %s: %s", name, value,
			 strerror(-err));
	return err;
}

static const char *name_of(char name[SYSCTL_NAME_MAX], int version, const char *interface,
			   const char *item)
{
	snprintf(name, SYSCTL_NAME_MAX, "net/ipv%d/conf/%s/%s", version, interface, item);
	return name;
}

bool switches_have_ipv6(void)
{
	return sysctl_is("net/ipv6/conf/all/disable_ipv6", "0");
}

/* The stricter of an interface's own and everybody's is in force, and 2 beats 1. */
static bool is_strict(const char *tun)
{
	char name[SYSCTL_NAME_MAX];
	bool loose = sysctl_is("net/ipv4/conf/all/rp_filter", "2") ||
		     sysctl_is(name_of(name, 4, tun, "rp_filter"), "2");
	return !loose && (sysctl_is("net/ipv4/conf/all/rp_filter", "1") ||
			  sysctl_is(name_of(name, 4, tun, "rp_filter"), "1"));
}

int switches_prepare(const struct switches *s, char ret_text[FAULT_TEXT_MAX])
{
	char name[SYSCTL_NAME_MAX];
	int r = 0;

	/* Where it cannot be made loose it stays strict, which the doctor tells. */
	if (s->ipv4 && is_strict(s->tun))
		(void)sysctl_set(name_of(name, 4, s->tun, "rp_filter"), "2");
	if (s->ipv4)
		r = explain(sysctl_set(name_of(name, 4, s->tun, "forwarding"), "1"), name, "1",
			    ret_text);
	if (r == 0 && s->ipv6)
		r = explain(sysctl_set(name_of(name, 6, s->tun, "disable_ipv6"), "0"), name, "0",
			    ret_text);
	if (r == 0 && s->ipv6)
		r = explain(sysctl_set(name_of(name, 6, s->tun, "forwarding"), "1"), name, "1",
			    ret_text);
	return r;
}

/* For each interface but ours, and for those to come ("default"). Ends at the first error. */
static int each_interface(int version, const char *tun, struct sysctl_journal *journal,
			  int (*fn)(struct sysctl_journal *journal, int version,
				    const char *interface))
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf", version);
	DIR *folder = opendir(path);
	if (!folder)
		return -errno;

	int r = 0;
	for (const struct dirent *entry; r == 0 && (entry = readdir(folder));) {
		const char *interface = entry->d_name;
		if (interface[0] != '.' && strcmp(interface, "all") != 0 &&
		    strcmp(interface, tun) != 0)
			r = fn(journal, version, interface);
	}
	closedir(folder);
	return r;
}

static int record_forwarding(struct sysctl_journal *journal, int version, const char *interface)
{
	char name[SYSCTL_NAME_MAX];
	return sysctl_record(journal, name_of(name, version, interface, "forwarding"));
}

/* 1 means: unless this host forwards. 2: nevertheless. */
static int keep_advertisements(struct sysctl_journal *journal, int version, const char *interface)
{
	char name[SYSCTL_NAME_MAX];
	if (strcmp(interface, "lo") == 0 ||
	    !sysctl_is(name_of(name, version, interface, "forwarding"), "0") ||
	    !sysctl_is(name_of(name, version, interface, "accept_ra"), "1"))
		return 0;
	return sysctl_change(journal, name, "2");
}

static int forward_ipv4(const struct switches *s, struct sysctl_journal *journal)
{
	if (sysctl_is(IPV4_FORWARD, "1"))
		return 0;
	int r = each_interface(4, s->tun, journal, record_forwarding);
	if (r == 0)
		r = sysctl_record(journal, "net/ipv4/conf/all/accept_redirects");
	return r == 0 ? sysctl_change(journal, IPV4_FORWARD, "1") : r;
}

static int forward_ipv6(const struct switches *s, struct sysctl_journal *journal)
{
	if (sysctl_is(IPV6_FORWARD, "1"))
		return 0;
	int r = each_interface(6, s->tun, journal, keep_advertisements);
	if (r == 0)
		r = each_interface(6, s->tun, journal, record_forwarding);
	return r == 0 ? sysctl_change(journal, IPV6_FORWARD, "1") : r;
}

int switches_forward(const struct switches *s, struct sysctl_journal *journal,
		     char ret_text[FAULT_TEXT_MAX])
{
	int r = 0;
	if (s->ipv4)
		r = explain(forward_ipv4(s, journal), IPV4_FORWARD, "1", ret_text);
	if (r == 0 && s->ipv6)
		r = explain(forward_ipv6(s, journal), IPV6_FORWARD, "1", ret_text);

	/* So that flows have byte counts and ages; without, these are told as unknown. */
	if (r == 0)
		(void)sysctl_change(journal, "net/netfilter/nf_conntrack_acct", "1");
	if (r == 0)
		(void)sysctl_change(journal, "net/netfilter/nf_conntrack_timestamp", "1");
	return r;
}

static bool is_on(const char *name, char text[FAULT_TEXT_MAX])
{
	if (sysctl_is(name, "1"))
		return true;
	snprintf(text, FAULT_TEXT_MAX, "/proc/sys/%s was changed", name);
	return false;
}

bool switches_are_set(const struct switches *s, char ret_text[FAULT_TEXT_MAX])
{
	char name[SYSCTL_NAME_MAX];
	if (s->ipv4 && !(is_on(IPV4_FORWARD, ret_text) &&
			 is_on(name_of(name, 4, s->tun, "forwarding"), ret_text)))
		return false;
	return !s->ipv6 || (is_on(IPV6_FORWARD, ret_text) &&
			    is_on(name_of(name, 6, s->tun, "forwarding"), ret_text));
}
