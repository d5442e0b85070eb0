/* SPDX-License-Identifier: GPL-2.0-or-later */
/* If-Match and If-None-Match (RFC 9110, 13.1) on revisions. */
#include "api/condition.h"

#include <inttypes.h>
#include <string.h>

#include "api/problem.h"
#include "api/request.h"

bool condition_matches(const char *header, uint64_t revision, bool weak)
{
	char tag[32];
	snprintf(tag, sizeof(tag), "\"r%" PRIu64 "\"", revision);

	for (const char *at = header; *at;) {
		at += strspn(at, " \t,");
		size_t length = strcspn(at, " \t,");
		const char *text = at;
		at += length;

		if (length == 1 && *text == '*')
			return true;
		if (length > 2 && text[0] == 'W' && text[1] == '/') {
			if (!weak)
				continue;
			text += 2;
			length -= 2;
		}
		if (length == strlen(tag) && memcmp(text, tag, length) == 0)
			return true;
	}
	return false;
}

bool condition_read(struct request *req, uint64_t revision)
{
	const char *header = request_header(req, "If-None-Match");
	if (!header || !condition_matches(header, revision, true))
		return true;

	req->answer.status = 304;
	req->answer.has_revision = true;
	req->answer.revision = revision;
	return false;
}

bool condition_write(struct request *req, bool exists, uint64_t revision, struct agent_write *write)
{
	const char *match = request_header(req, "If-Match");
	const char *none_match = request_header(req, "If-None-Match");

	if ((match && (!exists || !condition_matches(match, revision, false))) ||
	    (none_match && exists && condition_matches(none_match, revision, true))) {
		answer_precondition_failed(req, exists, revision);
		return false;
	}
	if (match) {
		write->has_if_match = true;
		write->if_match = revision;
	}
	return true;
}
