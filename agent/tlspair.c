/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificate and key from their files, for a process that may not read those itself. */
#include "agent/tlspair.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

/* A certificate with all that sign it takes some KiB. */
#define FILE_MAX (128 * 1024)

static int append(int to, const char *path, struct fault *reterr)
{
	char buffer[4096];
	size_t total = 0;
	ssize_t n = 0;

	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		while (total <= FILE_MAX && (n = read(fd, buffer, sizeof(buffer))) > 0 &&
		       write(to, buffer, (size_t)n) == n)
			total += (size_t)n;
	if (fd < 0 || n < 0) {
		int err = -errno;
		return fault_set(reterr, err, "internal", "cannot read %.150s: %s", path,
				 strerror(-err));
	}
	if (total > FILE_MAX)
		return fault_set(reterr, -EFBIG, "internal", "%.150s is too long", path);
	explicit_bzero(buffer, sizeof(buffer));
	return write(to, "\n", 1) == 1 ? 0 : -EIO;
}

int tlspair_read(const char *cert_path, const char *key_path, int *ret_fd, struct fault *reterr)
{
	_cleanup_(closep) int fd = memfd_create("culvert-tls", MFD_CLOEXEC);
	if (fd < 0)
		return fault_set(reterr, -errno, "internal", "cannot keep a key in memory");

	int r = append(fd, cert_path, reterr);
	if (r == 0)
		r = append(fd, key_path, reterr);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}
