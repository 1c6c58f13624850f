/* SPDX-License-Identifier: MIT */
/*
 * Lines go into a ring; a thread takes them out and writes them. The ring is the bound: a stderr
 * that nobody reads costs lines, never time.
 */
#include "daemon/common/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/str.h"
#include "lib/util.h"

#define LINE_MAX_BYTES 2048 /* an err's message and what stands in front of it */
#define RING_BYTES (256 * 1024)
#define CLOSE_WAIT_MS 1000

/* The process has one stderr, so it has one log. */
static struct {
	_Atomic int level;
	bool to_journal; /* stderr is the journal: priorities instead of times */
	char program[32];

	pthread_mutex_t lock; /* everything below */
	pthread_cond_t changed;
	char *ring; /* NULL: no writer, lines go out directly */
	size_t start, used;
	unsigned long lost; /* lines that found no room since the last one that did */
	bool closing, ended;
} log_state = {
	.level = LOG_INFO,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.program = "tunneld",
};

/* syslog(3) priorities, which the journal reads in front of a line. */
static const int priorities[LOG_LEVEL_COUNT] = {
	[LOG_ERROR] = 3,
	[LOG_WARNING] = 4,
	[LOG_INFO] = 6,
	[LOG_DEBUG] = 7,
};

static const char *const tags[LOG_LEVEL_COUNT] = {
	[LOG_ERROR] = "error: ",
	[LOG_WARNING] = "warning: ",
	[LOG_INFO] = "",
	[LOG_DEBUG] = "debug: ",
};

/* JOURNAL_STREAM names the device and inode of the stream systemd gave us (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

/* It is shared with others, who may have made it non-blocking. */
static bool await_stderr(void)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, -1) > 0;
}

static void write_all(const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(STDERR_FILENO, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && await_stderr())
			continue;
		if (n <= 0)
			return; /* nowhere left to complain */
		bytes += n;
		size -= (size_t)n;
	}
}

static bool ring_put(const char *bytes, size_t size)
{
	size_t end, first;

	if (RING_BYTES - log_state.used < size)
		return false;
	end = (log_state.start + log_state.used) % RING_BYTES;
	first = MIN(size, RING_BYTES - end);
	memcpy(log_state.ring + end, bytes, first);
	memcpy(log_state.ring, bytes + first, size - first);
	log_state.used += size;
	return true;
}

/* Says in the ring how many lines are missing there. */
static bool put_lost_note(void)
{
	char note[64];
	int n = snprintf(note, sizeof(note), "%s(%lu log lines lost: stderr was not read)\n",
			 log_state.to_journal ? "<4>" : "", log_state.lost);

	if (!ring_put(note, (size_t)n))
		return false;
	log_state.lost = 0;
	return true;
}

static void *writer_main(void *unused)
{
	char chunk[4096];

	pthread_mutex_lock(&log_state.lock);
	for (;;) {
		size_t size;

		if (log_state.used == 0 && log_state.lost > 0)
			put_lost_note();
		while (log_state.used == 0 && !log_state.closing)
			pthread_cond_wait(&log_state.changed, &log_state.lock);
		if (log_state.used == 0)
			break;
		size = MIN(log_state.used, sizeof(chunk));
		size = MIN(size, RING_BYTES - log_state.start);
		memcpy(chunk, log_state.ring + log_state.start, size);
		log_state.start = (log_state.start + size) % RING_BYTES;
		log_state.used -= size;
		pthread_mutex_unlock(&log_state.lock);
		write_all(chunk, size);
		pthread_mutex_lock(&log_state.lock);
	}
	log_state.ended = true;
	pthread_cond_broadcast(&log_state.changed);
	pthread_mutex_unlock(&log_state.lock);
	return NULL;
}

static int start_writer(void)
{
	sigset_t all, before;
	pthread_t thread;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, NULL, writer_main, NULL);
	if (rc == 0) {
		pthread_setname_np(thread, "log");
		pthread_detach(thread);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc == 0 ? 0 : -1;
}

int log_open(const char *program)
{
	pthread_condattr_t attr;
	char *ring = malloc(RING_BYTES);

	if (!ring)
		return -1;
	snprintf(log_state.program, sizeof(log_state.program), "%s", program);
	log_state.to_journal = stderr_is_journal();
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&log_state.changed, &attr);
	pthread_condattr_destroy(&attr);
	log_state.ring = ring;
	if (start_writer() < 0) {
		log_state.ring = NULL;
		free(ring);
		return -1;
	}
	return 0;
}

void log_close(void)
{
	struct timespec until;
	int rc = 0;

	pthread_mutex_lock(&log_state.lock);
	if (log_state.ring) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += CLOSE_WAIT_MS / 1000;
		log_state.closing = true;
		pthread_cond_broadcast(&log_state.changed);
		while (!log_state.ended && rc == 0)
			rc = pthread_cond_timedwait(&log_state.changed, &log_state.lock, &until);
		if (log_state.ended) { /* else the writer is stuck in it: leave it to exit() */
			free(log_state.ring);
			log_state.ring = NULL;
		}
	}
	pthread_mutex_unlock(&log_state.lock);
}

void log_set_level(enum log_level level)
{
	log_state.level = (int)level;
}

bool log_is_on(enum log_level level)
{
	return (int)level <= log_state.level;
}

static size_t format_line(char *line, size_t size, enum log_level level, const char *text)
{
	int n;

	if (log_state.to_journal) {
		n = snprintf(line, size, "<%d>%s\n", priorities[level], text);
	} else {
		char when[32];
		time_t now = time(NULL);
		struct tm tm;

		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
		n = snprintf(line, size, "%s %s: %s%s\n", when, log_state.program, tags[level],
			     text);
	}
	return n < 0 ? 0 : MIN((size_t)n, size - 1);
}

static void emit(const char *line, size_t size)
{
	if (!log_state.ring) {
		write_all(line, size);
		return;
	}
	if ((log_state.lost > 0 && !put_lost_note()) || !ring_put(line, size))
		log_state.lost++;
	pthread_cond_signal(&log_state.changed);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	char raw[LINE_MAX_BYTES], text[LINE_MAX_BYTES], line[LINE_MAX_BYTES + 128];
	size_t size;
	va_list ap;
	int n;

	if (!log_is_on(level))
		return;
	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(raw))
		strcpy(raw + sizeof(raw) - 4, "...");
	str_escape(text, sizeof(text), raw, strlen(raw));
	size = format_line(line, sizeof(line), level, text);
	pthread_mutex_lock(&log_state.lock);
	emit(line, size);
	pthread_mutex_unlock(&log_state.lock);
}
