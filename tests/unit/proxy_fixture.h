/* SPDX-License-Identifier: MIT */
/*
 * A proxy on the real loop, with a client at one end and an owner who does as the test says. Every
 * test ends with the descriptors it began with.
 */
#pragma once

#include "daemon/worker/proxy.h"
#include "daemon/worker/proxy_parts.h"

struct proxy_fixture {
	struct loop *loop;
	struct proxy *proxy; /* NULL: it has ended, or was handed over */
	int client; /* the far end of the proxy's socket; blocks, with a limit */
	struct strv allow;
	struct proxy_settings settings;

	unsigned requests; /* asked for */
	char wanted[ENDPOINT_TEXT_MAX]; /* the last one, "host:port" */
	bool is_stream;
	unsigned ends;
	struct err why; /* of the end; ERR_NONE: nothing was wrong */
	int descriptors; /* before the test */
};

extern struct proxy_fixture fix;

int proxy_set_up(void **state);
int proxy_tear_down(void **state);

void start(void); /* a new client */
void start_small(void); /* one whose socket holds little */
void turns(void);
void say(const char *bytes, size_t size); /* the client does, and the proxy hears it */
void say_slowly(const char *bytes, size_t size); /* byte by byte */
#define SAY(text) say(text, sizeof(text) - 1)

void hear(const char *bytes, size_t size); /* exactly this comes next */
#define HEAR(text) hear(text, sizeof(text) - 1)
void hear_end(void); /* nothing more, and an orderly end */
void hear_page(const char *status, const char *part); /* an answer of the proxy, then its end */
void leave(void); /* the client closes */
void expire(void); /* the proxy's time limit passes */
void expect_ended(enum err_code why);
