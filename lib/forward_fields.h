/* SPDX-License-Identifier: MIT */
/*
 * The parts of a text as after `ssh -L`, before anybody knows what they mean: separated by ':', with
 * brackets around one that holds ':' itself and a backslash before a literal one; or, in the older
 * form, by '/'. The source is OpenSSH's parse_fwd_field() (readconf.c). Private to forward_spec.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/config.h"
#include "lib/endpoint.h"

enum {
	FORWARD_FIELDS_MAX = 4,
	FORWARD_TEXT_MAX =
		2 * ENDPOINT_HOST_MAX + 64, /* two hosts, four ports, brackets, escapes */
};

struct forward_fields {
	char buffer[FORWARD_TEXT_MAX + 1]; /* what the texts point into */
	char *text[FORWARD_FIELDS_MAX];
	bool is_path[FORWARD_FIELDS_MAX];
	size_t count; /* FORWARD_FIELDS_MAX + 1: there were more */
};

int forward_fields_split(const char *text, struct forward_fields *ret, struct err *err);
/* The older form; false when text is something else, a path for example. */
bool forward_fields_split_slashes(const char *text, enum forward_type type,
				  struct forward_fields *ret);

/* "'TEXT' WHY", with the text of a stranger made printable; -1. */
int forward_fields_refuse(const char *text, const char *why, struct err *err);
/* A port, a range, or 0. */
bool forward_field_is_port(const char *text);
