/* SPDX-License-Identifier: MIT */
#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *slug;
	enum err_actor actor;
} codes[ERR_CODE_COUNT] = {
#define X(code, slug, actor) [code] = { slug, ERR_ACTOR_##actor },
	ERR_TABLE(X)
#undef X
};

/* What does not fit says so. */
static void mark_cut(struct err *err, int needed)
{
	size_t at = sizeof(err->msg) - 4;

	if (needed < (int)sizeof(err->msg))
		return;
	while (at > 0 && ((unsigned char)err->msg[at] & 0xc0) == 0x80)
		at--; /* not inside a UTF-8 character */
	memcpy(err->msg + at, "...", 4);
}

__attribute__((format(printf, 4, 0))) static void set_message(struct err *err, enum err_code code,
							      int sys, const char *fmt, va_list ap)
{
	*err = (struct err){ .code = code, .sys = sys };
	mark_cut(err, vsnprintf(err->msg, sizeof(err->msg), fmt, ap));
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	set_message(err, code, 0, fmt, ap);
	va_end(ap);
	return -1;
}

int err_set_errno(struct err *err, enum err_code code, int sys, const char *fmt, ...)
{
	size_t used;
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	set_message(err, code, sys, fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(sys));
	return -1;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char tail[sizeof(err->msg)];
	size_t used;
	va_list ap;

	if (!err)
		return -1;
	memcpy(tail, err->msg, sizeof(tail));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", tail);
	return -1;
}

int err_append(struct err *err, const char *fmt, ...)
{
	size_t used;
	va_list ap;

	if (!err)
		return -1;
	used = strlen(err->msg);
	va_start(ap, fmt);
	vsnprintf(err->msg + used, sizeof(err->msg) - used, fmt, ap);
	va_end(ap);
	return -1;
}

void err_replace(struct err *err, const char *what, const char *with)
{
	char *at = err ? strstr(err->msg, what) : NULL;
	char tail[sizeof(err->msg)];

	if (!at)
		return;
	memcpy(tail, at + strlen(what), strlen(at + strlen(what)) + 1);
	snprintf(at, sizeof(err->msg) - (size_t)(at - err->msg), "%s%s", with, tail);
}

int err_nomem(struct err *err)
{
	return err_set(err, ERR_NOMEM, "out of memory");
}

void err_clear(struct err *err)
{
	if (err)
		*err = (struct err){ 0 };
}

const char *err_slug(enum err_code code)
{
	if ((unsigned)code >= ERR_CODE_COUNT)
		code = ERR_INTERNAL;
	return codes[code].slug;
}

enum err_code err_from_slug(const char *slug)
{
	for (int code = 0; code < ERR_CODE_COUNT; code++) {
		if (strcmp(codes[code].slug, slug) == 0)
			return code;
	}
	return ERR_INTERNAL;
}

bool err_needs_person(enum err_code code)
{
	return (unsigned)code < ERR_CODE_COUNT && codes[code].actor == ERR_ACTOR_PERSON;
}

bool err_wants_answer(enum err_code code)
{
	return code == ERR_PASSPHRASE || code == ERR_PASSWORD || code == ERR_ANSWER;
}

enum err_code err_from_errno(int sys)
{
	switch (sys) {
	case ECONNREFUSED:
		return ERR_REFUSED;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
		return ERR_UNREACHABLE;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case ECONNRESET:
	case EPIPE:
		return ERR_LOST;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_NETWORK;
	}
}
