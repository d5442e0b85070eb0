/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answering with RFC 9457 problem details. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/fault.h"
#include "agent/base/macros.h"

struct request;

enum problem {
#define PROBLEM(symbol, slug, status, title, text) PROBLEM_##symbol,
#include "api/problems.def"
#undef PROBLEM
	PROBLEMS
};

struct problem_type {
	const char *slug;
	unsigned status;
	const char *title;
	const char *text;
};

extern const struct problem_type problem_types[PROBLEMS];

/* NULL: no such slug. */
const struct problem_type *problem_find(const char *slug);

/* One sentence for this occurrence. */
void answer_problem(struct request *req, enum problem problem, const char *format, ...)
	FORMAT(3, 4);
/* What a command of agent.h returned: err < 0, and the fault it filled. */
void answer_fault(struct request *req, int err, const struct fault *fault);
/* The same with reasons[], a NULL-ended list of sentences. */
void answer_fault_reasons(struct request *req, int err, const struct fault *fault,
			  const char *const reasons[]);
/* 412, with current_revision where the resource exists. */
void answer_precondition_failed(struct request *req, bool exists, uint64_t current_revision);
