/* SPDX-License-Identifier: MIT */
/*
 * The daemon's log: lines on stderr, with syslog priorities in front when stderr is the journal.
 * Lines are bounded, control characters are escaped (text from remote hosts may stand in them) and
 * a thread writes them, so that a pipe nobody reads never stalls a loop; what does not fit into the
 * buffer is dropped and counted. This is process-wide state, the only one: everybody logs.
 */
#pragma once

#include <stdbool.h>

#include "lib/config.h"

int log_open(const char *program); /* starts the writer; before it, lines go out directly */
void log_close(void); /* writes what is left, waits at most a second */
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) (log_is_on(LOG_DEBUG) ? log_write(LOG_DEBUG, __VA_ARGS__) : (void)0)
