/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between workers: what one of them got and another has the peer of, handed over in batches. */
#include "forwarding/mesh.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/base/macros.h"

#define ALIGN 16
#define BATCH_BYTES ((size_t)72 * 1024)
#define SOCKET_BUFFER (4 << 20) /* or as much of it as the host gives */

static_assert(sizeof(struct mesh_head) + MESH_BODY_MAX + ALIGN <= BATCH_BYTES,
	      "the longest record is a batch");

struct batch {
	int fd;
	size_t length;
	unsigned records;
	uint8_t *bytes; /* BATCH_BYTES */
};

struct mesh {
	int own;
	struct node_counters *counters;
	uint32_t workers;
	struct batch batches[WORKERS_MAX];
	uint8_t received[BATCH_BYTES] __attribute__((aligned(ALIGN)));
};

int mesh_new(int own, const int fds[], uint32_t workers, struct node_counters *counters,
	     struct mesh **ret_mesh)
{
	static const int buffer = SOCKET_BUFFER;
	struct mesh *mesh = calloc(1, sizeof(*mesh));
	if (!mesh)
		return -ENOMEM;

	*mesh = (struct mesh){ .own = own, .counters = counters, .workers = workers };
	for (uint32_t i = 0; i < workers; i++) {
		mesh->batches[i].fd = fds[i];
		mesh->batches[i].bytes = malloc(BATCH_BYTES);
		if (!mesh->batches[i].bytes) {
			mesh_free(mesh);
			return -ENOMEM;
		}
		(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	}
	*ret_mesh = mesh;
	return 0;
}

void mesh_free(struct mesh *mesh)
{
	if (!mesh)
		return;
	for (uint32_t i = 0; i < mesh->workers; i++)
		free(mesh->batches[i].bytes);
	free(mesh);
}

/* A worker that is gone ends all of us: that, too, is seen elsewhere. */
static void flush(struct mesh *mesh, struct batch *batch)
{
	if (batch->length == 0)
		return;

	ssize_t n;
	do
		n = send(batch->fd, batch->bytes, batch->length, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		counter_add(&mesh->counters->drops[DROP_WORKER_BUSY], batch->records);
	else
		counter_add(&mesh->counters->handed_over, batch->records);
	batch->length = batch->records = 0;
}

static size_t place_of(size_t length)
{
	return (length + ALIGN - 1) / ALIGN * ALIGN;
}

void mesh_put(struct mesh *mesh, uint32_t worker, const struct mesh_head *head, const uint8_t *body)
{
	struct batch *batch = &mesh->batches[worker];
	size_t length = place_of(sizeof(*head)) + place_of(head->length);
	assert(worker < mesh->workers && head->length <= MESH_BODY_MAX);

	if (batch->length + length > BATCH_BYTES)
		flush(mesh, batch);
	uint8_t *at = batch->bytes + batch->length;
	memcpy(at, head, sizeof(*head));
	if (head->length > 0)
		memcpy(at + place_of(sizeof(*head)), body, head->length);
	batch->length += length;
	batch->records++;
}

void mesh_flush(struct mesh *mesh)
{
	for (uint32_t i = 0; i < mesh->workers; i++)
		flush(mesh, &mesh->batches[i]);
}

bool mesh_receive(struct mesh *mesh, const struct mesh_sink *sink, mono_t now)
{
	ssize_t n = recv(mesh->own, mesh->received, sizeof(mesh->received), MSG_DONTWAIT);
	if (n <= 0)
		return false;

	size_t at = 0, end = (size_t)n;
	while (at < end) {
		struct mesh_head head;
		memcpy(&head, mesh->received + at, sizeof(head));
		at += place_of(sizeof(head));
		assert(at <= end && head.length <= end - at);
		sink->record(sink->ctx, &head, mesh->received + at, now);
		at += place_of(head.length);
	}
	return true;
}
