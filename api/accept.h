/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Choosing among media types by an Accept header (RFC 9110, 12.5.1). */
#pragma once

/*
 * Place of the best of types (ends with NULL; the earlier wins a draw), or -1.
 * No header: the first.
 */
int accept_choose(const char *header, const char *const types[]);
