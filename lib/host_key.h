/* SPDX-License-Identifier: MIT */
/*
 * What `host_key` says: which keys of a server are accepted. A list of words: "strict",
 * "accept-new", or pins, each a fingerprint ("SHA256:...") or a whole key ("ssh-ed25519 AAAA...").
 */
#pragma once

#include "lib/err.h"
#include "lib/public_key.h"
#include "lib/util.h"

enum host_key_mode {
	HOST_KEY_STRICT, /* what known_hosts knows */
	HOST_KEY_ACCEPT_NEW, /* also the first key of a server nobody knows; it is written down */
	HOST_KEY_PINNED /* the pins, whatever known_hosts says; revoked keys are not accepted */
};

/* An empty list is strict. */
enum host_key_mode host_key_mode(const struct strv *words);

/* A pin as it is kept (without a comment), for the caller to free; NULL with ERR_CONFIG. */
char *host_key_read_pin(const char *text, struct err *err);

/* "SHA256:" and 43 characters of base64. */
bool host_key_is_fingerprint(const char *text);

/* print: its fingerprint. */
bool host_key_is_pinned(const struct strv *words, const struct public_key *key, const char *print);
/* Whether a whole key of this type is pinned. */
bool host_key_pins_type(const struct strv *words, const char *type);
/* Whether all pins are fingerprints, which do not tell of what type their keys are. */
bool host_key_pins_blindly(const struct strv *words);
