/* SPDX-License-Identifier: MIT */
/*
 * Messages about proxy_command, which the supervisor runs for a worker; see wire.h. The worker only
 * says which server it is about: the command is what the supervisor's own configuration says there.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "lib/connection.h"
#include "lib/err.h"

struct wire_command {
	uint64_t call; /* the worker's number, never given twice by one process */
	uint64_t tunnel;
	unsigned route, hop; /* indices in the tunnel's settings */
	char server[CONNECTION_NAME_MAX]; /* which the worker found there */
};

json_t *wire_command(const struct wire_command *command);
json_t *wire_command_started(uint64_t call, const struct err *error); /* NULL: with its socket */
json_t *wire_command_ended(uint64_t call, const struct err *error);

int wire_read_command(json_t *m, struct wire_command *ret, struct err *err);
int wire_read_command_started(json_t *m, uint64_t *ret_call, struct err *ret_error,
			      struct err *err);
int wire_read_command_ended(json_t *m, uint64_t *ret_call, struct err *ret_error, struct err *err);
