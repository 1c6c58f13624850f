/* SPDX-License-Identifier: MIT */
#include "lib/certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/util.h"

/* What a certificate of a key is called, and how many strings its public key has. */
static const struct {
	const char *name, *key_name;
	unsigned parts;
} kinds[] = {
	{ "ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", 1 },
	{ "ssh-rsa-cert-v01@openssh.com", "ssh-rsa", 2 },
	{ "ecdsa-sha2-nistp256-cert-v01@openssh.com", "ecdsa-sha2-nistp256", 2 },
	{ "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp384", 2 },
	{ "ecdsa-sha2-nistp521-cert-v01@openssh.com", "ecdsa-sha2-nistp521", 2 },
	{ "sk-ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com", 2 },
	{ "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com", 3 },
};

#define SUFFIX "-cert-v01@openssh.com"

bool certificate_is(struct ssh_span blob)
{
	struct ssh_reader r;
	struct ssh_span name;

	ssh_reader_init(&r, blob);
	name = ssh_read_string(&r);
	return name.size > strlen(SUFFIX) &&
	       memcmp(name.data + name.size - strlen(SUFFIX), SUFFIX, strlen(SUFFIX)) == 0;
}

static int find_kind(struct ssh_span name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (ssh_span_is(name, kinds[i].name))
			return (int)i;
	}
	return -1;
}

/* The public key stands in the certificate without its name. */
static int take_key(struct certificate *c, size_t kind, struct ssh_reader *r, struct err *err)
{
	const unsigned char *start = r->at;
	const char *name = kinds[kind].key_name;
	struct strbuf key = { 0 };

	for (unsigned i = 0; i < kinds[kind].parts; i++)
		ssh_read_string(r);
	if (r->failed)
		return err_set(err, ERR_CERTIFICATE, "its public key is cut short");
	ssh_write_string(&key, (struct ssh_span){ (const unsigned char *)name, strlen(name) });
	strbuf_add_bytes(&key, (const char *)start, (size_t)(r->at - start));
	c->key_size = key.length;
	c->key = (unsigned char *)strbuf_take(&key);
	return c->key ? 0 : err_nomem(err);
}

int certificate_parse(struct certificate *ret, struct ssh_span blob, struct err *err)
{
	struct ssh_reader r;
	int kind;

	*ret = (struct certificate){ 0 };
	ssh_reader_init(&r, blob);
	kind = find_kind(ssh_read_string(&r));
	if (kind < 0)
		return err_set(err, ERR_CERTIFICATE, "it is no certificate of a known kind");
	ssh_read_string(&r); /* nonce */
	if (take_key(ret, (size_t)kind, &r, err) < 0)
		return -1;
	ssh_read_u64(&r); /* serial */
	ret->type = ssh_read_u32(&r);
	ret->id = ssh_read_string(&r);
	ret->principals = ssh_read_string(&r);
	ret->valid_after = ssh_read_u64(&r);
	ret->valid_before = ssh_read_u64(&r);
	for (int i = 0; i < 5;
	     i++) /* critical options, extensions, reserved, authority, signature */
		ssh_read_string(&r);
	if (!r.failed && r.left == 0)
		return 0;
	certificate_fini(ret);
	return err_set(err, ERR_CERTIFICATE, "it is not well-formed");
}

void certificate_fini(struct certificate *c)
{
	free(c->key);
	*c = (struct certificate){ 0 };
}

static char *format_time(char *out, size_t size, uint64_t seconds)
{
	time_t when = (time_t)MIN(seconds, (uint64_t)253402300799); /* the end of the year 9999 */
	struct tm tm;

	if (!gmtime_r(&when, &tm) || strftime(out, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(out, size, "a time unknown");
	return out;
}

int certificate_check(const struct certificate *c, uint64_t now, struct err *err)
{
	char when[40];

	if (c->type == CERTIFICATE_HOST)
		return err_set(err, ERR_CERTIFICATE, "it is for a host, not for a user");
	if (c->type != CERTIFICATE_USER)
		return err_set(err, ERR_CERTIFICATE, "it is not for a user");
	if (now >= c->valid_before)
		return err_set(err, ERR_CERTIFICATE, "it has expired at %s; get a new one",
			       format_time(when, sizeof(when), c->valid_before));
	if (now < c->valid_after)
		return err_set(err, ERR_CERTIFICATE,
			       "it is not valid before %s; is the clock of this machine right?",
			       format_time(when, sizeof(when), c->valid_after));
	return 0;
}

char *certificate_principals(char *out, size_t size, const struct certificate *c)
{
	struct ssh_reader r;
	size_t used = 0;

	snprintf(out, size, "anybody");
	ssh_reader_init(&r, c->principals);
	while (r.left > 0 && used + 8 < size) {
		struct ssh_span name = ssh_read_string(&r);
		char shown[64];

		if (r.failed)
			break;
		str_escape(shown, sizeof(shown), (const char *)name.data, name.size);
		used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", shown);
	}
	return out;
}
