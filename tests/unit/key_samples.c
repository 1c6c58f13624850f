/* SPDX-License-Identifier: MIT */
#include "tests/unit/key_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base64.h"
#include "lib/util.h"

struct ssh_span sample_text(const char *text)
{
	return (struct ssh_span){ (const unsigned char *)text, strlen(text) };
}

struct ssh_span sample_span(const struct strbuf *b)
{
	assert_false(b->failed);
	return (struct ssh_span){ (const unsigned char *)b->data, b->length };
}

static void write_fill(struct strbuf *to, char fill)
{
	char bytes[33];

	memset(bytes, fill, sizeof(bytes) - 1);
	bytes[sizeof(bytes) - 1] = '\0';
	ssh_write_string(to, sample_text(bytes));
}

static unsigned parts_of(const char *type)
{
	if (strstr(type, "sk-ecdsa"))
		return 3;
	return strncmp(type, "ssh-ed25519", strlen("ssh-ed25519")) == 0 ? 1 : 2;
}

void sample_key(struct strbuf *to, const char *type, char fill)
{
	ssh_write_string(to, sample_text(type));
	for (unsigned i = 0; i < parts_of(type); i++)
		write_fill(to, fill);
}

static void write_u64(struct strbuf *to, uint64_t value)
{
	ssh_write_u32(to, (uint32_t)(value >> 32));
	ssh_write_u32(to, (uint32_t)value);
}

void sample_certificate(struct strbuf *to, const struct sample_certificate *c)
{
	const char *type = c->type ? c->type : "ssh-ed25519-cert-v01@openssh.com";
	struct strbuf principals = { 0 };

	ssh_write_string(to, sample_text(type));
	write_fill(to, 'n');
	for (unsigned i = 0; i < parts_of(type); i++)
		write_fill(to, c->fill);
	write_u64(to, 7);
	ssh_write_u32(to, c->role);
	ssh_write_string(to, sample_text(c->id ? c->id : ""));
	for (size_t i = 0; i < ARRAY_SIZE(c->principals) && c->principals[i]; i++)
		ssh_write_string(&principals, sample_text(c->principals[i]));
	ssh_write_string(to, sample_span(&principals));
	write_u64(to, c->valid_after);
	write_u64(to, c->valid_before);
	for (int i = 0; i < 5; i++)
		ssh_write_string(to, sample_text(""));
	strbuf_fini(&principals);
}

void sample_container(struct strbuf *to, const char *cipher, struct ssh_span blob)
{
	struct strbuf bytes = { 0 };
	char *text;

	strbuf_add_bytes(&bytes, "openssh-key-v1", sizeof("openssh-key-v1"));
	ssh_write_string(&bytes, sample_text(cipher));
	ssh_write_string(&bytes, sample_text("bcrypt"));
	ssh_write_string(&bytes, sample_text("salt and rounds"));
	ssh_write_u32(&bytes, 1);
	ssh_write_string(&bytes, blob);
	ssh_write_string(&bytes, sample_text("the private half"));
	text = base64_encode(bytes.data, bytes.length);
	assert_non_null(text);
	strbuf_add(to, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	for (size_t i = 0; i < strlen(text); i += 70) {
		strbuf_add_bytes(to, text + i, MIN(strlen(text) - i, 70));
		strbuf_add(to, "\r\n");
	}
	strbuf_add(to, "-----END OPENSSH PRIVATE KEY-----\n");
	free(text);
	strbuf_fini(&bytes);
}
