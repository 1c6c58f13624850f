/* SPDX-License-Identifier: MIT */
/*
 * Numbers as people read them. Every function writes into out and returns it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HUMAN_MAX 32 /* enough for any of them */

char *human_bytes(char out[HUMAN_MAX], uint64_t bytes); /* "0 B", "1.2 MiB", "340 KiB" */
char *human_duration(char out[HUMAN_MAX],
		     uint64_t duration_ms); /* "4s", "3m12s", "2h05m", "3d4h" */
char *human_rtt(char out[HUMAN_MAX], double rtt_ms); /* "0.3 ms", "12 ms", "1.2 s" */
char *human_count(char out[HUMAN_MAX], uint64_t count); /* "1234" */
char *human_time(char out[HUMAN_MAX], int64_t realtime_ms); /* local: "2025-11-20 14:03:22" */
char *human_setting_ms(char out[HUMAN_MAX], uint64_t ms); /* exact: "500ms", "15s", "1m30s" */

/* Milliseconds of the wall clock for an RFC 3339 time, -1 when text is none. */
int64_t human_parse_time(const char *text);
