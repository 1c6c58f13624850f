/* SPDX-License-Identifier: MIT */
/*
 * What is said about a tunnel, in the same words by `list`, `inspect` and `up`. The objects are the
 * daemon's (io.tunneld.Manager, type Tunnel and Forward); what is missing in them reads as empty or
 * 0.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "ctl/term.h"

const char *get_text(const json_t *object, const char *key); /* never NULL */
uint64_t get_count(const json_t *object, const char *key);
double get_number(const json_t *object, const char *key);

enum style state_style(const char *state);
enum style forward_style(const json_t *forward);

/* "db.internal refused the connection", or empty: the message of the object's `error`. */
const char *error_message(const json_t *object);

/* "127.0.0.1:5432 → db:5432"; types other than local are named: "remote localhost:2222 → home:22"
 * listens on the server. */
void describe_forward(struct strbuf *to, const json_t *forward, const struct term *term);

/* Why the tunnel is not simply up: "retry in 4s (attempt 3): …". Adds nothing when there is nothing
 * to say. late_ms: how old the daemon's answer is. */
void describe_reason(struct strbuf *to, const json_t *tunnel, uint64_t late_ms);

/* True for a forward that does not work; adds "LISTEN: why". */
bool describe_failed_forward(struct strbuf *to, const json_t *forward);

/* How long the tunnel has been in its state; "-" when that is not known. */
void describe_age(struct strbuf *to, const json_t *tunnel);
