/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one place that knows lwIP's globals: lists, listener, network interface, clock, timers. */
#include "forwarding/netstack/lwip_glue.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/sys.h>

#include "agent/base/macros.h"
#include "forwarding/netstack/lwip_hooks.h"
#include "forwarding/pkt/siphash.h"
#include "forwarding/netstack/tcp_output.h"
#include "forwarding/pkt/bytes.h"

#define WINDOW_CONSTANT 0x400000u /* in TCP_WND */
#define SYN_ACK_RTO_TICKS (1000 / TCP_SLOW_INTERVAL)
#define CALM_RTO_TICKS (3000 / TCP_SLOW_INTERVAL)
#define UNLIMITED 0x7fffffffu

unsigned int netstack_window_adjust;

static struct {
	bool ready;
	struct netif netif;
	struct tcp_pcb_listen listener;
	struct siphash_key isn_key;
	uint32_t clock_offset_ms;

	struct tcp_flow *flow; /* entered */
	mono_t now;
	uint8_t timer_calls; /* what lwIP's static timer counter holds */
} glue;

u32_t sys_now(void)
{
	return (u32_t)(glue.now.ns / NS_PER_MS) + glue.clock_offset_ms;
}

/* RFC 6528: a clock of 4 us plus a keyed hash of the tuple. */
u32_t netstack_isn(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
		   u16_t remote_port)
{
	uint8_t tuple[2 * 16 + 4] = { 0 };
	size_t size = IP_IS_V6(local_ip) ? 16 : 4;

	memcpy(tuple, IP_IS_V6(local_ip) ? (const void *)ip_2_ip6(local_ip) : ip_2_ip4(local_ip),
	       size);
	memcpy(tuple + 16,
	       IP_IS_V6(remote_ip) ? (const void *)ip_2_ip6(remote_ip) : ip_2_ip4(remote_ip), size);
	store16(tuple + 32, local_port);
	store16(tuple + 34, remote_port);
	return (u32_t)(glue.now.ns / (4 * NS_PER_US)) +
	       (u32_t)siphash(&glue.isn_key, tuple, sizeof(tuple));
}

static err_t output4(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
	(void)netif, (void)to;
	tcp_output_packet(glue.flow, p);
	return ERR_OK;
}

static err_t output6(struct netif *netif, struct pbuf *p, const ip6_addr_t *to)
{
	(void)netif, (void)to;
	tcp_output_packet(glue.flow, p);
	return ERR_OK;
}

static err_t init_netif(struct netif *netif)
{
	netif->name[0] = 'p';
	netif->name[1] = 'r';
	netif->output = output4;
	netif->output_ip6 = output6;
	return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct tcp_flow *flow = arg;
	if (err != ERR_OK || !pcb)
		return ERR_MEM;
	/* Measured from our SYN-ACK, unless that was sent twice. */
	int64_t rtt_us = pcb->nrtx ? 0 : mono_sub(glue.now, flow->opened_at) / NS_PER_US;

	flow->mss = pcb->mss;
	if (pcb->flags & TF_TIMESTAMP)
		flow->mss = (uint16_t)(flow->mss - LWIP_TCP_OPT_LEN_TS_OUT);
	recovery_init(&flow->recovery, pcb->snd_nxt, flow->mss, pcb->flags & TF_SACK,
		      (uint32_t)MIN(MAX(rtt_us, INT64_C(0)), INT64_C(60000000)));
	flow->round_at = glue.now;
	tcp_flow_set_phase(flow, TCP_OPEN);
	return ERR_OK;
}

static err_t on_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct tcp_flow *flow = arg;
	(void)pcb, (void)err;

	if (!p) {
		flow->up_end = true;
		return ERR_OK;
	}
	if (flow->arrived)
		flow->arrived_last->next = p;
	else
		flow->arrived = p;
	while (p->next)
		p = p->next;
	flow->arrived_last = p;
	return ERR_OK;
}

static void on_error(void *arg, err_t err)
{
	struct tcp_flow *flow = arg;
	flow->ending = err == ERR_CLSD	? ENDING_CLEAN
		       : err == ERR_RST ? ENDING_RESET
					: ENDING_ABORT;
}

/* The only notice of a pcb that goes without on_error, as from TIME_WAIT. */
static void on_destroy(u8_t id, void *data)
{
	struct tcp_flow *flow = data;
	(void)id;

	flow->pcb = NULL;
	if (flow->ending == ENDING_NONE)
		flow->ending = ENDING_CLEAN;
}

static err_t on_passive_open(u8_t id, struct tcp_pcb_listen *listener, struct tcp_pcb *pcb);

static const struct tcp_ext_arg_callbacks pcb_callbacks = {
	.destroy = on_destroy,
	.passive_open = on_passive_open,
};

static err_t on_passive_open(u8_t id, struct tcp_pcb_listen *listener, struct tcp_pcb *pcb)
{
	struct tcp_flow *flow = listener->callback_arg;
	(void)id;

	flow->pcb = pcb;
	tcp_ext_arg_set(pcb, 0, flow);
	tcp_ext_arg_set_callbacks(pcb, 0, &pcb_callbacks);
	tcp_recv(pcb, on_receive);
	tcp_err(pcb, on_error);
	tcp_nagle_disable(pcb);
	pcb->rto = pcb->sv = SYN_ACK_RTO_TICKS;
	return ERR_OK;
}

int glue_init(void)
{
	if (glue.ready)
		return 0;
	if (getrandom(&glue.isn_key, sizeof(glue.isn_key), 0) < 0 ||
	    getrandom(&glue.clock_offset_ms, sizeof(glue.clock_offset_ms), 0) < 0)
		return -errno;

	/* Routing wants an address that is not zero; no packet ever carries this one (RFC 7600). */
	ip4_addr_t own, mask, none;
	IP4_ADDR(&own, 192, 0, 0, 8);
	IP4_ADDR(&mask, 255, 255, 255, 255);
	ip4_addr_set_zero(&none);

	lwip_init();
	netif_add(&glue.netif, &own, &mask, &none, NULL, init_netif, ip_input);
	netif_set_default(&glue.netif);
	netif_set_up(&glue.netif);
	netif_set_link_up(&glue.netif);
	glue.listener = (struct tcp_pcb_listen){
		.state = LISTEN,
		.prio = TCP_PRIO_NORMAL,
		.ttl = TCP_TTL,
		.accept = on_accept,
	};
	IP_SET_TYPE_VAL(glue.listener.local_ip, IPADDR_TYPE_ANY);
	glue.listener.ext_args[tcp_ext_arg_alloc_id()].callbacks = &pcb_callbacks;
	glue.ready = true;
	return 0;
}

static void set_ip(ip_addr_t *to, const struct addr *from)
{
	if (from->family == 4) {
		u32_t word;
		memcpy(&word, from->b, sizeof(word));
		ip_addr_set_ip4_u32_val(*to, word);
		return;
	}
	ip6_addr_t six = { 0 };
	memcpy(six.addr, from->b, sizeof(six.addr));
	ip_addr_copy_from_ip6(*to, six);
}

void glue_enter(struct tcp_flow *flow, mono_t now)
{
	assert(!glue.flow);
	glue.flow = flow;
	glue.now = now;
	glue.netif.mtu = flow->relay->ns->mtu;
	tcp_active_pcbs = flow->active_head;
	tcp_tw_pcbs = flow->waiting_head;
	netstack_window_adjust = flow->window - WINDOW_CONSTANT;
}

/* Takes from lwIP what tcp_recovery.c decides, and repairs what it would trip over. */
static void calm(struct tcp_pcb *pcb)
{
	if (pcb->state < ESTABLISHED || pcb->state == TIME_WAIT)
		return;
	pcb->rtime = -1;
	pcb->rto = CALM_RTO_TICKS;
	pcb->nrtx = 0;
	pcb->dupacks = 0;
	pcb->cwnd = UNLIMITED;
	/* The probed byte may have been all there was; lwIP 2.1.3 asserts that it was not. */
	if (!pcb->unsent)
		pcb->persist_backoff = 0;
}

/* Recovery follows what was sent, but for probes of a closed window, which lwIP times itself. */
static void note_sent(struct tcp_flow *flow)
{
	const struct tcp_pcb *pcb = flow->pcb;
	if (flow->phase == TCP_OPEN && pcb->state != TIME_WAIT && (pcb->unacked || !pcb->unsent))
		recovery_on_sent(&flow->recovery, pcb->snd_nxt, glue.now);
}

void glue_leave(struct tcp_flow *flow)
{
	assert(glue.flow == flow);
	if (flow->pcb) {
		calm(flow->pcb);
		note_sent(flow);
	}
	flow->active_head = tcp_active_pcbs;
	flow->waiting_head = tcp_tw_pcbs;
	tcp_active_pcbs = tcp_tw_pcbs = NULL;
	glue.flow = NULL;
}

static void set_current_packet(const struct tcp_flow *flow)
{
	/* tcp_input asks for nothing else of the IP header. */
	ip_data.current_netif = ip_data.current_input_netif = &glue.netif;
	set_ip(&ip_data.current_iphdr_src, &flow->flow.key.source);
	set_ip(&ip_data.current_iphdr_dest, &flow->flow.key.destination);
}

void glue_open(struct tcp_flow *flow, struct pbuf *syn)
{
	set_current_packet(flow);
	flow->opened_at = glue.now;
	flow->ending = ENDING_NONE;
	glue.listener.local_port = flow->flow.key.destination_port;
	glue.listener.callback_arg = flow;
	tcp_listen_pcbs.listen_pcbs = &glue.listener;
	tcp_input(syn, &glue.netif);
	tcp_listen_pcbs.listen_pcbs = NULL;
}

void glue_input(struct tcp_flow *flow, struct pbuf *segment, struct recovery_ack *said)
{
	bool empty = said->duplicate;
	tcpwnd_size_t window = flow->pcb->snd_wnd;

	set_current_packet(flow);
	tcp_input(segment, &glue.netif);
	if (!flow->pcb || flow->phase != TCP_OPEN || flow->pcb->state == TIME_WAIT)
		return;

	calm(flow->pcb);
	said->duplicate = empty && window == flow->pcb->snd_wnd;
	recovery_on_sent(&flow->recovery, flow->pcb->snd_nxt, glue.now);
	recovery_on_ack(&flow->recovery, said, glue.now);
}

void glue_received(struct tcp_flow *flow, uint32_t bytes)
{
	/* tcp_recved takes 16 bits and may send a window update for each call: one is enough. */
	uint32_t last = MIN(bytes, UINT32_C(0xffff));
	flow->pcb->rcv_wnd += bytes - last;
	tcp_recved(flow->pcb, (u16_t)last);
}

void glue_widen(struct tcp_flow *flow, uint32_t window)
{
	uint32_t more = window - flow->window;
	flow->window = window;
	netstack_window_adjust = window - WINDOW_CONSTANT;
	glue_received(flow, more);
}

void glue_acknowledge(struct tcp_flow *flow)
{
	tcp_ack_now(flow->pcb);
	tcp_output(flow->pcb);
}

int glue_send(struct tcp_flow *flow, const void *data, uint32_t length, bool copy)
{
	struct tcp_pcb *pcb = flow->pcb;
	u16_t mss = pcb->mss;
	assert(!pcb->unsent && length <= TCP_SEGMENT_MAX);

	/* One segment for lwIP, however long; the output cuts it. */
	pcb->mss = (u16_t)MAX(length + LWIP_TCP_OPT_LEN_TS_OUT, (uint32_t)mss);
	err_t err = tcp_write(pcb, data, (u16_t)length, copy ? TCP_WRITE_FLAG_COPY : 0);
	pcb->mss = mss;
	if (err != ERR_OK)
		return -ENOMEM;
	tcp_output(pcb);
	return 0;
}

void glue_finish(struct tcp_flow *flow)
{
	tcp_shutdown(flow->pcb, 0, 1);
}

void glue_abort(struct tcp_flow *flow)
{
	tcp_abort(flow->pcb);
}

void glue_keepalive(struct tcp_flow *flow)
{
	tcp_keepalive(flow->pcb);
}

/* Each flow alone, so that output and callbacks know which it is; lwIP's clock stands meanwhile. */
void glue_tick(struct tcp_flow *flow, bool slow)
{
	flow->pcb->last_timer = glue.timer_calls++;
	tcp_fasttmr();
	if (!slow || !flow->pcb || flow->pcb->state == TIME_WAIT)
		return;

	u32_t tick = tcp_ticks;
	flow->pcb->last_timer = glue.timer_calls++;
	tcp_slowtmr();
	tcp_ticks = tick;
}

void glue_ticked(bool slow)
{
	tcp_ticks += slow;
}

bool glue_needs_tick(const struct tcp_flow *flow)
{
	const struct tcp_pcb *pcb = flow->pcb;

	return pcb && pcb->state != TIME_WAIT &&
	       (pcb->state == SYN_RCVD || pcb->unsent || pcb->ooseq || pcb->persist_backoff ||
		pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND));
}

bool glue_may_send(const struct tcp_flow *flow)
{
	return flow->pcb && !flow->pcb->unsent &&
	       (flow->pcb->state == ESTABLISHED || flow->pcb->state == CLOSE_WAIT);
}

bool glue_is_drained(const struct tcp_flow *flow)
{
	return !flow->pcb || (!flow->pcb->unsent && !flow->pcb->unacked);
}
