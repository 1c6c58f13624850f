/* SPDX-License-Identifier: MIT */
/*
 * The Varlink wire format (varlink.org): JSON objects ended by NUL on a stream socket. Bytes in,
 * messages out; no sockets here. Both ends use it: the supervisor's control socket and tunctl.
 */
#pragma once

#include <jansson.h>

#include "lib/err.h"

#define VARLINK_MESSAGE_MAX (1024 * 1024) /* bytes, the NUL included */
#define VARLINK_DEPTH_MAX 32

#define VARLINK_INTERFACE_NOT_FOUND "org.varlink.service.InterfaceNotFound"
#define VARLINK_METHOD_NOT_FOUND "org.varlink.service.MethodNotFound"
#define VARLINK_INVALID_PARAMETER "org.varlink.service.InvalidParameter"
#define VARLINK_EXPECTED_MORE "org.varlink.service.ExpectedMore"

/* Collects bytes until a whole message is there. {0} is empty. */
struct varlink_reader {
	char *data;
	size_t size, capacity;
	size_t scanned; /* bytes known to hold no NUL */
	size_t start; /* of the message not yet returned */
};

/* Room for at least min more bytes; the caller writes there and commits. NULL: out of memory or the
 * message outgrew VARLINK_MESSAGE_MAX (err says which). */
char *varlink_reader_room(struct varlink_reader *r, size_t min, size_t *ret_size, struct err *err);
void varlink_reader_commit(struct varlink_reader *r, size_t size);
/* 1: *ret is the next object (a new reference); 0: more bytes needed; -1: not a message. */
int varlink_reader_next(struct varlink_reader *r, json_t **ret, struct err *err);
/* What was read beyond the messages returned so far: after an upgrade it is no message any more.
 * Borrowed until the next call; *ret_size is 0 when there is nothing. */
const char *varlink_reader_rest(const struct varlink_reader *r, size_t *ret_size);
void varlink_reader_fini(struct varlink_reader *r);

/* A call as a server sees it. The pointers are borrowed from the message. */
struct varlink_call {
	const char *method; /* whole: "io.tunneld.Manager.List" */
	json_t *parameters; /* an object; NULL when there were none */
	bool more, oneway, upgrade;
};
int varlink_call_parse(json_t *message, struct varlink_call *ret, struct err *err);

/* A reply as a client sees it. The pointers are borrowed from the message. */
struct varlink_reply {
	const char *error; /* NULL: success */
	json_t *parameters; /* an object; NULL when there were none */
	bool continues;
};
int varlink_reply_parse(json_t *message, struct varlink_reply *ret, struct err *err);

/* Builders take the reference to parameters (which may be NULL) and return a new object. */
json_t *varlink_call(const char *method, json_t *parameters, bool more);
json_t *varlink_reply(json_t *parameters, bool continues);
json_t *varlink_error(const char *error, json_t *parameters);

/* The bytes to send, the NUL included; the caller frees. Takes the reference to message. NULL: out
 * of memory, or longer than VARLINK_MESSAGE_MAX. */
char *varlink_encode(json_t *message, size_t *ret_size);
