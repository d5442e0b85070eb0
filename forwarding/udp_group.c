/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which worker's socket the kernel puts a datagram into: by the receiver index in it. */
#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/forwarding.h"
#include "forwarding/udp.h"

/* Types of messages, and where the first byte of the receiver index lies (WireGuard paper, 5.4). */
enum { RESPONSE = 2, COOKIE = 3, DATA = 4 };
enum { RECEIVER_OF_RESPONSE = 8, RECEIVER_OF_OTHERS = 4 };

static int steer(int fd, uint32_t workers)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RESPONSE, 0, 2),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, RECEIVER_OF_RESPONSE),
		BPF_STMT(BPF_JMP | BPF_JA, 3),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, COOKIE, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DATA, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, RECEIVER_OF_OTHERS),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
		BPF_STMT(BPF_RET | BPF_A, 0),
		/* An initiation, or nonsense. What is too short for a load ends here as well: 0. */
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0
		       ? -errno
		       : 0;
}

int udp_group_steer(const struct udp_sockets *sockets, uint32_t workers)
{
	int r = sockets->fd4 >= 0 ? steer(sockets->fd4, workers) : 0;
	return r == 0 && sockets->fd6 >= 0 ? steer(sockets->fd6, workers) : r;
}

bool forwarding_can_share(void)
{
	const struct udp_options options = { .no_gso = true, .no_gro = true };
	struct udp_sockets group[2];
	char text[FAULT_TEXT_MAX];

	if (udp_group_open(0, 2, &options, group, text) < 0)
		return false;
	udp_sockets_close(&group[0]);
	udp_sockets_close(&group[1]);
	return true;
}
