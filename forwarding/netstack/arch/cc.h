/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lwIP asks of the compiler and the platform. */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#define LWIP_NO_INTTYPES_H 0
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS
#define LWIP_RAND() ((uint32_t)random())

/* An assertion of lwIP ends the engine; the supervisor starts a new one. */
#define LWIP_PLATFORM_ASSERT(message)                                                          \
	do {                                                                                   \
		fprintf(stderr, "lwIP assertion: %s at %s:%d\n", message, __FILE__, __LINE__); \
		abort();                                                                       \
	} while (0)
#define LWIP_PLATFORM_DIAG(arguments)
