/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The minutes on disk: a header, the node's ring, the log of the peers. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "agent/base/macros.h"
#include "agent/base/mono.h"
#include "agent/stats.h"

#define FILE_MAGIC 0x31736c7674756373u

/* Written last: what it does not count is not there. */
struct file_header {
	uint64_t magic;
	uint32_t samples, rows; /* capacities */
	uint64_t next_sample, next_row;
};

static off_t sample_at(const struct stats_track *track, uint64_t n)
{
	return (off_t)(sizeof(struct file_header) +
		       n % track->node.capacity * sizeof(struct stats_sample));
}

static off_t row_at(const struct stats_track *track, uint64_t n)
{
	return (off_t)(sizeof(struct file_header) +
		       track->node.capacity * sizeof(struct stats_sample) +
		       n % track->peers.capacity * sizeof(struct stats_row));
}

static bool put(int fd, const void *bytes, size_t length, off_t at)
{
	return pwrite(fd, bytes, length, at) == (ssize_t)length;
}

static bool write_minute(struct stats *stats, uint64_t first_row)
{
	const struct stats_track *track = &stats->minutes;
	const struct file_header header = {
		.magic = FILE_MAGIC,
		.samples = track->node.capacity,
		.rows = track->peers.capacity,
		.next_sample = track->node.next,
		.next_row = track->peers.next,
	};
	uint64_t last = track->node.next - 1;
	bool good = put(stats->file, &track->node.samples[last % track->node.capacity],
			sizeof(struct stats_sample), sample_at(track, last));

	/* In pieces up to the end of the ring. */
	for (uint64_t n = first_row; good && n < track->peers.next;) {
		uint64_t place = n % track->peers.capacity;
		uint64_t count = MIN(track->peers.next - n, track->peers.capacity - place);
		good = put(stats->file, &track->peers.rows[place], count * sizeof(struct stats_row),
			   row_at(track, n));
		n += count;
	}
	return good && put(stats->file, &header, sizeof(header), 0);
}

void stats_file_add(struct stats *stats, uint64_t first_row)
{
	if (stats->file < 0)
		return;
	bool good = write_minute(stats, first_row);
	if (!good && !stats->file_failed)
		log_warn("the statistics of the day cannot be stored: %s", strerror(errno));
	stats->file_failed = !good;
}

static bool get(int fd, void *bytes, size_t length, off_t at)
{
	memset(bytes, 0, length);
	return pread(fd, bytes, length, at) >= 0;
}

/* Whatever does not look like ours is written over. */
static void load(struct stats *stats, int64_t wall_ns)
{
	struct stats_track *track = &stats->minutes;
	int64_t now_s = wall_ns / NS_PER_S;
	struct file_header header;

	if (!get(stats->file, &header, sizeof(header), 0) || header.magic != FILE_MAGIC ||
	    header.samples != track->node.capacity || header.rows != track->peers.capacity ||
	    !get(stats->file, track->node.samples,
		 track->node.capacity * sizeof(struct stats_sample), sample_at(track, 0)) ||
	    !get(stats->file, track->peers.rows, track->peers.capacity * sizeof(struct stats_row),
		 row_at(track, 0)))
		return;
	track->node.next = header.next_sample;
	track->peers.next = header.next_row;
	/* A clock that was set back would make the order wrong. */
	if (track->node.next > 0 &&
	    track->node.samples[(track->node.next - 1) % track->node.capacity].at_s > now_s)
		track->node.next = track->peers.next = 0;
}

int stats_open_file(struct stats *stats, const char *state_dir, int64_t wall_ns)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/stats", state_dir);
	stats->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (stats->file < 0)
		return -errno;
	load(stats, wall_ns);
	return 0;
}
