/* SPDX-License-Identifier: MIT */
/*
 * A directory for the files of one test of the configuration, and short ways to load them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/config.h"

struct fixture {
	char directory[64];
	struct config_context context; /* the user instance of me in /home/me */
	struct config_problems problems;
};

int fixture_setup(void **state); /* cmocka: *state is a struct fixture */
int fixture_teardown(void **state);

/* "DIRECTORY/name" in one of a few static buffers. */
const char *fixture_path(const struct fixture *f, const char *name);
void fixture_write_bytes(const struct fixture *f, const char *name, const char *bytes,
			 size_t length);
void fixture_write(const struct fixture *f, const char *name, const char *text);
/* Forgets the problems of the last reading. */
struct config *fixture_load(struct fixture *f, const char *name);
/* Writes text to main.yaml and loads it. */
struct config *fixture_load_text(struct fixture *f, const char *text);
/* The same, failing the test with the problems when there are any. */
struct config *fixture_load_good(struct fixture *f, const char *text);
/* Fails unless there is a problem at this place whose message contains says; line 0: anywhere. */
void fixture_expect(struct fixture *f, unsigned line, unsigned column, const char *says);
