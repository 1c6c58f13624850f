/* SPDX-License-Identifier: MIT */
/*
 * What supervisor and worker say about host keys; see wire.h.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "lib/connection.h"
#include "lib/err.h"
#include "lib/public_key.h"

/* A key that the server of a hop has shown. */
struct wire_host_key {
	uint64_t tunnel;
	unsigned route, hop; /* indices in the tunnel's settings */
	char server[CONNECTION_NAME_MAX]; /* which the worker found there */
	char key[PUBLIC_KEY_BASE64_MAX + 1]; /* the blob in base64, as the server sent it */
};

json_t *wire_host_key(const struct wire_host_key *shown);
json_t *wire_host_key_new(uint64_t call, const struct wire_host_key *shown);
json_t *wire_host_key_written(uint64_t call, const struct err *error);

int wire_read_host_key(json_t *m, struct wire_host_key *ret, struct err *err);
int wire_read_host_key_new(json_t *m, uint64_t *ret_call, struct wire_host_key *ret,
			   struct err *err);
int wire_read_host_key_written(json_t *m, uint64_t *ret_call, struct err *ret_error,
			       struct err *err);
