/* SPDX-License-Identifier: MIT */
/*
 * What is said to an SSH agent and what it answers (draft-miller-ssh-agent): which keys it holds, and
 * signatures. Bytes in, bytes out. What an agent says may be anything, so every length is checked and
 * everything has a limit; keys of a kind nobody here knows are kept, because they are only bytes.
 * Errors (ERR_AGENT) go on after "the agent": "does not sign".
 */
#pragma once

#include "lib/err.h"
#include "lib/ssh_bytes.h"

enum {
	AGENT_MESSAGE_MAX = 256 * 1024, /* of one answer, as in OpenSSH */
	AGENT_KEYS_MAX = 2048, /* as in OpenSSH; what an agent lists beyond is not looked at */
	AGENT_BLOB_MAX = 16 * 1024, /* of one public key or certificate, and of one signature */
};

enum agent_message {
	AGENT_FAILURE = 5,
	AGENT_REQUEST_IDENTITIES = 11,
	AGENT_IDENTITIES_ANSWER = 12,
	AGENT_SIGN_REQUEST = 13,
	AGENT_SIGN_RESPONSE = 14,
	AGENT_FAILURE_SSH2 = 30, /* of old agents */
	AGENT_FAILURE_COM = 102,
};

struct agent_key {
	struct ssh_span blob; /* public key or certificate, as RFC 4253 section 6.6 encodes it */
	struct ssh_span comment; /* anything: escape it */
};

struct agent_keys {
	unsigned char *bytes; /* what the spans point into */
	struct agent_key *items;
	size_t count;
};

/* Looks for the first message in bytes that arrived so far: 1 and its body (type and contents, not
 * the length), 0: incomplete, -1: no agent says that. */
int agent_next_message(struct ssh_span bytes, struct ssh_span *ret_body, struct err *err);

/* Of the answer to AGENT_REQUEST_IDENTITIES. -1: ERR_AGENT or out of memory. */
int agent_keys_parse(struct agent_keys *ret, struct ssh_span body, struct err *err);
void agent_keys_fini(struct agent_keys *keys);
/* Checks the answer to a sign request. -1: ERR_AGENT, the agent refused or talked nonsense. */
int agent_check_signature(struct ssh_span body, struct err *err);

/* Whole messages, with their lengths. */
void agent_write_request_identities(struct strbuf *to);
void agent_write_identities(struct strbuf *to, struct ssh_span blob); /* the answer: this one */
void agent_write_message(struct strbuf *to, struct ssh_span body);

/* The body of the first sign request in a row of messages; false: there is none. */
bool agent_find_sign_request(struct ssh_span messages, struct ssh_span *ret_body);
/* The same request, for another key: agents sign for a certificate with the key it is for, but some
 * hold only the key. -1: body is no sign request. */
int agent_write_sign_request_for(struct strbuf *to, struct ssh_span body, struct ssh_span blob);
