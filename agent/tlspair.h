/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificate and key from their files, for a process that may not read those itself. */
#pragma once

#include "agent/base/fault.h"

/* ret_fd: both, one behind the other, in memory and for reading from its start. 0 or negative errno. */
int tlspair_read(const char *cert_path, const char *key_path, int *ret_fd, struct fault *reterr);
