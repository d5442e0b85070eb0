/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Receiving outer datagrams: one recvmmsg fills buffers that may each hold a UDP_GRO aggregate. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "agent/base/macros.h"
#include "forwarding/udp.h"

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int))];
};

struct udp_receiver {
	struct counters *counters;
	struct mmsghdr messages[RECEIVE_BATCH];
	struct iovec iov[RECEIVE_BATCH];
	struct sockaddr_storage names[RECEIVE_BATCH];
	union control control[RECEIVE_BATCH];
	uint8_t buffers[RECEIVE_BATCH][DATAGRAM_MAX];
};

int udp_receiver_new(struct counters *counters, struct udp_receiver **ret_receiver)
{
	struct udp_receiver *receiver = calloc(1, sizeof(*receiver));
	if (!receiver)
		return -ENOMEM;

	receiver->counters = counters;
	for (int i = 0; i < RECEIVE_BATCH; i++)
		receiver->iov[i] = (struct iovec){ receiver->buffers[i], DATAGRAM_MAX };
	*ret_receiver = receiver;
	return 0;
}

void udp_receiver_free(struct udp_receiver *receiver)
{
	free(receiver);
}

static void prepare(struct udp_receiver *receiver)
{
	for (int i = 0; i < RECEIVE_BATCH; i++)
		receiver->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &receiver->names[i],
			.msg_namelen = sizeof(receiver->names[i]),
			.msg_iov = &receiver->iov[i],
			.msg_iovlen = 1,
			.msg_control = &receiver->control[i],
			.msg_controllen = sizeof(receiver->control[i]),
		};
}

static void read_cmsg(const struct cmsghdr *cmsg, struct udp_datagram *datagram, int *segment)
{
	const void *data = CMSG_DATA(cmsg);

	if (cmsg->cmsg_level == SOL_UDP && cmsg->cmsg_type == UDP_GRO) {
		memcpy(segment, data, sizeof(*segment));
	} else if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_TOS) {
		datagram->tos = *(const uint8_t *)data;
	} else if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_TCLASS) {
		int tclass;
		memcpy(&tclass, data, sizeof(tclass));
		datagram->tos = (uint8_t)tclass;
	} else if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo info;
		memcpy(&info, data, sizeof(info));
		datagram->path.local = addr_v4((const uint8_t *)&info.ipi_spec_dst);
		datagram->path.interface = (uint32_t)info.ipi_ifindex;
	} else if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo info;
		memcpy(&info, data, sizeof(info));
		datagram->path.local = addr_v6(info.ipi6_addr.s6_addr);
		datagram->path.interface = info.ipi6_ifindex;
	}
}

/* Gives the datagrams of one buffer to sink; returns how many there were. */
static unsigned deliver(struct mmsghdr *message, const struct udp_sink *sink, mono_t now)
{
	struct msghdr *hdr = &message->msg_hdr;
	struct udp_datagram datagram = { 0 };
	int segment = 0;

	if (endpoint_from_sockaddr(hdr->msg_name, &datagram.path.remote) < 0)
		return 0;
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(hdr); cmsg; cmsg = CMSG_NXTHDR(hdr, cmsg))
		read_cmsg(cmsg, &datagram, &segment);

	uint8_t *data = hdr->msg_iov->iov_base;
	size_t left = message->msg_len;
	size_t step = segment > 0 ? (size_t)segment : left;
	unsigned n = 0;

	/* An empty datagram is one, too: wg counts it as malformed. */
	do {
		datagram.data = data;
		datagram.length = MIN(step, left);
		data += datagram.length;
		left -= datagram.length;
		sink->datagram(sink->ctx, &datagram, now);
		n++;
	} while (left > 0);
	return n;
}

int udp_receive(struct udp_receiver *receiver, int fd, const struct udp_sink *sink, mono_t now)
{
	prepare(receiver);

	/* Any error is that of an earlier send, or means that nothing is there. */
	int n = recvmmsg(fd, receiver->messages, RECEIVE_BATCH, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0;

	struct node_counters *node = &receiver->counters->node;
	unsigned datagrams = 0;
	for (int i = 0; i < n; i++)
		datagrams += deliver(&receiver->messages[i], sink, now);
	counter_add(&node->receive_calls, 1);
	counter_add(&node->receive_datagrams, datagrams);
	return n;
}
