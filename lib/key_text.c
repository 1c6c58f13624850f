/* SPDX-License-Identifier: MIT */
#include "lib/key_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/certificate.h"
#include "lib/util.h"

#define OPENSSH_BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define OPENSSH_END "-----END OPENSSH PRIVATE KEY-----"
#define OPENSSH_MAGIC "openssh-key-v1"

/* The first of these marks that stands in the text says what it is. */
static const struct {
	const char *mark;
	enum key_text_kind kind;
	bool encrypted;
} marks[] = {
	{ OPENSSH_BEGIN, KEY_TEXT_PRIVATE, false },
	{ "-----BEGIN ENCRYPTED PRIVATE KEY-----", KEY_TEXT_PRIVATE, true },
	{ "-----BEGIN PRIVATE KEY-----", KEY_TEXT_PRIVATE, false },
	{ "-----BEGIN RSA PRIVATE KEY-----", KEY_TEXT_PRIVATE, false },
	{ "-----BEGIN EC PRIVATE KEY-----", KEY_TEXT_PRIVATE, false },
	{ "-----BEGIN DSA PRIVATE KEY-----", KEY_TEXT_PRIVATE, false },
	{ "PuTTY-User-Key-File-", KEY_TEXT_PUTTY, false },
	{ "---- BEGIN SSH2 ", KEY_TEXT_SSHCOM, false },
};

static void wipe_and_free(void *bytes, size_t size)
{
	if (bytes)
		explicit_bzero(bytes, size);
	free(bytes);
}

static int set_blob(struct key_text *k, struct ssh_span blob)
{
	if (key_blob_type(blob).size == 0)
		return 0;
	k->blob = malloc(blob.size);
	if (!k->blob)
		return -1;
	memcpy(k->blob, blob.data, blob.size);
	k->blob_size = blob.size;
	return 0;
}

/* openssh-portable's PROTOCOL.key, up to the public half. */
static int read_container(struct key_text *k, struct ssh_span bytes)
{
	struct ssh_reader r;
	struct ssh_span cipher, blob;

	if (bytes.size < sizeof(OPENSSH_MAGIC) ||
	    memcmp(bytes.data, OPENSSH_MAGIC, sizeof(OPENSSH_MAGIC)) != 0)
		return 0;
	ssh_reader_init(&r, (struct ssh_span){ bytes.data + sizeof(OPENSSH_MAGIC),
					       bytes.size - sizeof(OPENSSH_MAGIC) });
	cipher = ssh_read_string(&r);
	ssh_read_string(&r); /* key derivation */
	ssh_read_string(&r); /* its options */
	if (ssh_read_u32(&r) != 1)
		return 0;
	blob = ssh_read_string(&r);
	if (r.failed)
		return 0;
	k->encrypted = !ssh_span_is(cipher, "none");
	return set_blob(k, blob);
}

/* The decoded bytes hold the private half too: nothing of them is left behind. */
static int read_openssh(struct key_text *k, const char *text)
{
	const char *end = strstr(text, OPENSSH_END);
	size_t size, used = 0;
	char *packed;
	int length, rc = 0;

	text += strlen(OPENSSH_BEGIN);
	if (!end || end < text)
		return 0;
	size = (size_t)(end - text);
	packed = malloc(size + 1);
	if (!packed)
		return -1;
	for (; text < end; text++) {
		if (!isspace((unsigned char)*text))
			packed[used++] = *text;
	}
	/* In place: what is written never overtakes what is read. */
	length = base64_decode(packed, used, packed, size + 1);
	if (length > 0)
		rc = read_container(k,
				    (struct ssh_span){ (unsigned char *)packed, (size_t)length });
	wipe_and_free(packed, size + 1);
	return rc;
}

static const char *skip_word(const char *p)
{
	return p + strcspn(p, " \t\r\n");
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* "type base64 comment" */
static int read_line(struct key_text *k, const char *line)
{
	const char *type_end = skip_word(line);
	const char *data = skip_blanks(type_end), *data_end = skip_word(data);
	const char *comment = skip_blanks(data_end);
	size_t size = (size_t)(data_end - data);
	struct ssh_span blob, type;
	int length, rc = 0;
	unsigned char *bytes = malloc(size + 1);

	if (!bytes)
		return -1;
	length = base64_decode(data, size, bytes, size + 1);
	blob = (struct ssh_span){ bytes, (size_t)MAX(length, 0) };
	type = key_blob_type(blob);
	if (type.size > 0 && type.size == (size_t)(type_end - line) &&
	    memcmp(type.data, line, type.size) == 0) {
		k->kind = certificate_is(blob) ? KEY_TEXT_CERTIFICATE : KEY_TEXT_PUBLIC;
		str_escape(k->comment, sizeof(k->comment), comment, strcspn(comment, "\r\n"));
		rc = set_blob(k, blob);
	}
	free(bytes);
	return rc;
}

/* Blank lines and comments may come before it. */
static const char *first_line(const char *text)
{
	for (;;) {
		text += strspn(text, " \t\r\n");
		if (*text != '#')
			return text;
		text += strcspn(text, "\n");
	}
}

int key_text_parse(struct key_text *ret, const char *text)
{
	*ret = (struct key_text){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		const char *found = strstr(text, marks[i].mark);

		if (!found)
			continue;
		ret->kind = marks[i].kind;
		ret->encrypted = marks[i].encrypted || strstr(found, "Proc-Type: 4,ENCRYPTED");
		return i == 0 ? read_openssh(ret, found) : 0;
	}
	return read_line(ret, first_line(text));
}

void key_text_fini(struct key_text *k)
{
	free(k->blob);
	*k = (struct key_text){ 0 };
}

struct ssh_span key_blob_type(struct ssh_span blob)
{
	struct ssh_reader r;

	ssh_reader_init(&r, blob);
	return ssh_read_string(&r);
}

bool key_blob_is_hardware(struct ssh_span blob)
{
	struct ssh_span type = key_blob_type(blob);

	return type.size > 3 && memcmp(type.data, "sk-", 3) == 0;
}
