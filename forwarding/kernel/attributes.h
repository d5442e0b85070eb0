/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libmnl, with its loops over attributes made const-correct. */
#pragma once

#include <libmnl/libmnl.h>

#undef mnl_attr_for_each
#define mnl_attr_for_each(attr, message, offset)                                           \
	for ((attr) = mnl_nlmsg_get_payload_offset((message), (offset));                   \
	     mnl_attr_ok((attr), (int)((const char *)mnl_nlmsg_get_payload_tail(message) - \
				       (const char *)(attr)));                             \
	     (attr) = mnl_attr_next(attr))

#undef mnl_attr_for_each_nested
#define mnl_attr_for_each_nested(attr, nest)                                                    \
	for ((attr) = mnl_attr_get_payload(nest);                                               \
	     mnl_attr_ok((attr), (int)((const char *)mnl_attr_get_payload(nest) +               \
				       mnl_attr_get_payload_len(nest) - (const char *)(attr))); \
	     (attr) = mnl_attr_next(attr))
