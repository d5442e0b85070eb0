/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lists in child tables that routes and rules have alike. */
#pragma once

#include "store/db.h"

/*
 * Each runs one statement with the owner's id as its first parameter. The
 * statements are literals, as for query_open: a SELECT in order of place, or an
 * INSERT of (owner, place, values). 0 or the error of the query.
 */
int list_get_grantees(struct store *store, const char *sql, const char *id,
		      struct grant *ret_grant);
int list_put_grantees(struct store *store, const char *sql, const char *id,
		      const struct grant *grant);

/* Fills at most ROUTE_PROTOCOLS_MAX numbers. */
int list_get_protocols(struct store *store, const char *sql, const char *id, uint8_t *ret_protocols,
		       size_t *ret_count);
int list_put_protocols(struct store *store, const char *sql, const char *id,
		       const uint8_t *protocols, size_t n);

/* Fills at most ROUTE_PORTS_MAX ranges. */
int list_get_ports(struct store *store, const char *sql, const char *id,
		   struct port_range *ret_ports, size_t *ret_count);
int list_put_ports(struct store *store, const char *sql, const char *id,
		   const struct port_range *ports, size_t n);

/* DELETE of all that belongs to the id. */
int list_clear(struct store *store, const char *sql, const char *id);
