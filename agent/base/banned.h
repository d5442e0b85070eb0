/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that must not compile: unbounded, static-buffered, or a way to a shell. Forced in by -include. */
#pragma once

#include <alloca.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BANNED(call) sorry_##call##_is_banned_see_banned_h
/* Some are macros already, by compiler and _FORTIFY_SOURCE. */
#undef strcpy
#undef strcat
#undef strncpy
#undef sprintf
#undef vsprintf
#undef alloca
#define strcpy(...) BANNED(strcpy)
#define strcat(...) BANNED(strcat)
#define strncpy(...) BANNED(strncpy)
#define sprintf(...) BANNED(sprintf)
#define vsprintf(...) BANNED(vsprintf)
#define strtok(...) BANNED(strtok)
#define atoi(...) BANNED(atoi)
#define atol(...) BANNED(atol)
#define atoll(...) BANNED(atoll)
#define gmtime(...) BANNED(gmtime)
#define localtime(...) BANNED(localtime)
#define ctime(...) BANNED(ctime)
#define asctime(...) BANNED(asctime)
#define inet_ntoa(...) BANNED(inet_ntoa)
#define inet_addr(...) BANNED(inet_addr)
#define system(...) BANNED(system)
#define popen(...) BANNED(popen)
#define alloca(...) BANNED(alloca)
