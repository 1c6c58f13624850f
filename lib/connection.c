/* SPDX-License-Identifier: MIT */
#include "lib/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(member, ...)                                                                          \
	{                                                                                          \
#member, CONNECTION_TEXT, offsetof(struct connection_settings, member),            \
			__VA_ARGS__                                                                \
	}
#define TEXTS(member)                                                                              \
	{                                                                                          \
#member, CONNECTION_TEXTS, offsetof(struct connection_settings, member), false     \
	}
#define NUMBER(member)                                                                             \
	{                                                                                          \
#member, CONNECTION_NUMBER, offsetof(struct connection_settings, member), false    \
	}

/* clang-format off */
const struct connection_field connection_fields[] = {
	TEXT(host, true),
	TEXT(original, true),
	TEXT(user, true),
	NUMBER(port),
	TEXT(proxy, false),
	TEXTS(proxy_command),
	TEXT(bind_address, false),
	NUMBER(address_family),
	NUMBER(tcp_keepalive),
	NUMBER(ip_qos),
	NUMBER(share),
	TEXTS(identities),
	NUMBER(identities_implied),
	NUMBER(identities_only),
	TEXTS(certificate_files),
	TEXT(identity_agent, false),
	TEXT(passphrase, false),
	TEXT(password, false),
	TEXTS(known_hosts),
	TEXTS(host_key),
	TEXT(host_key_alias, false),
	TEXT(ciphers, false),
	TEXT(kex, false),
	TEXT(macs, false),
	TEXT(host_key_algorithms, false),
	NUMBER(compression),
	NUMBER(rekey_kib),
	NUMBER(rekey_ms),
};
/* clang-format on */

const size_t connection_field_count = ARRAY_SIZE(connection_fields);

static void *member(struct connection_settings *c, const struct connection_field *f)
{
	return (char *)c + f->offset;
}

static const void *const_member(const struct connection_settings *c,
				const struct connection_field *f)
{
	return (const char *)c + f->offset;
}

static int copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from ? 0 : -1;
}

int connection_settings_copy(struct connection_settings *to, const struct connection_settings *from)
{
	int rc = 0;

	for (size_t i = 0; i < connection_field_count; i++) {
		const struct connection_field *f = &connection_fields[i];
		const void *source = const_member(from, f);
		void *target = member(to, f);

		if (f->kind == CONNECTION_TEXT)
			rc |= copy_text(target, *(char *const *)source);
		else if (f->kind == CONNECTION_TEXTS)
			rc |= strv_copy(target, source);
		else
			*(unsigned *)target = *(const unsigned *)source;
	}
	if (rc < 0)
		connection_settings_fini(to);
	return rc;
}

bool connection_settings_equal(const struct connection_settings *a,
			       const struct connection_settings *b)
{
	bool equal = true;

	for (size_t i = 0; equal && i < connection_field_count; i++) {
		const struct connection_field *f = &connection_fields[i];
		const void *x = const_member(a, f), *y = const_member(b, f);

		if (f->kind == CONNECTION_TEXT)
			equal = streq(*(char *const *)x, *(char *const *)y);
		else if (f->kind == CONNECTION_TEXTS)
			equal = strv_equal(x, y);
		else
			equal = *(const unsigned *)x == *(const unsigned *)y;
	}
	return equal;
}

static size_t text_bytes(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static size_t texts_bytes(const struct strv *v)
{
	size_t bytes = v->count * sizeof(*v->items);

	for (size_t i = 0; i < v->count; i++)
		bytes += text_bytes(v->items[i]);
	return bytes;
}

size_t connection_settings_bytes(const struct connection_settings *c)
{
	size_t bytes = 0;

	for (size_t i = 0; i < connection_field_count; i++) {
		const struct connection_field *f = &connection_fields[i];

		if (f->kind == CONNECTION_TEXT)
			bytes += text_bytes(*(char *const *)const_member(c, f));
		else if (f->kind == CONNECTION_TEXTS)
			bytes += texts_bytes(const_member(c, f));
	}
	return bytes;
}

void connection_settings_fini(struct connection_settings *c)
{
	for (size_t i = 0; i < connection_field_count; i++) {
		const struct connection_field *f = &connection_fields[i];

		if (f->kind == CONNECTION_TEXT)
			free(*(char **)member(c, f));
		else if (f->kind == CONNECTION_TEXTS)
			strv_fini(member(c, f));
	}
	*c = (struct connection_settings){ 0 };
}

char *connection_name(char out[CONNECTION_NAME_MAX], const struct connection_settings *c)
{
	char place[ENDPOINT_TEXT_MAX];

	snprintf(out, CONNECTION_NAME_MAX, "%s@%s", c->user,
		 endpoint_format(place, c->host, (uint16_t)c->port));
	return out;
}

const char *connection_agent(const struct connection_settings *c)
{
	const char *path = c->identity_agent;

	if (!path || streq(path, "SSH_AUTH_SOCK"))
		path = getenv("SSH_AUTH_SOCK");
	return path && path[0] && !streq(path, "none") ? path : NULL;
}

const char *connection_known_name(const struct connection_settings *c)
{
	return c->host_key_alias ? c->host_key_alias : c->host;
}

const char *address_family_name(enum address_family family)
{
	static const char *const names[FAMILY_COUNT] = {
		[FAMILY_ANY] = "any",
		[FAMILY_INET] = "inet",
		[FAMILY_INET6] = "inet6",
	};

	return (unsigned)family < FAMILY_COUNT ? names[family] : "unknown";
}
