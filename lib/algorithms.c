/* SPDX-License-Identifier: MIT */
#include "lib/algorithms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/str.h"

/* A version of libssh; meson defines TUNNELD_LIBSSH, the one this is built with. */
#define V(major, minor) ((major) << 8 | (minor))

static const char *const kind_words[ALGORITHM_KIND_COUNT] = {
	[ALGORITHM_CIPHER] = "cipher",
	[ALGORITHM_KEX] = "key exchange",
	[ALGORITHM_MAC] = "MAC",
	[ALGORITHM_HOST_KEY] = "host key algorithm",
};

/* since: the libssh that brought it. */
static const struct {
	enum algorithm_kind kind;
	const char *name;
	unsigned since;
} algorithms[] = {
	{ ALGORITHM_CIPHER, "aes128-gcm@openssh.com", V(0, 10) },
	{ ALGORITHM_CIPHER, "aes256-gcm@openssh.com", V(0, 10) },
	{ ALGORITHM_CIPHER, "chacha20-poly1305@openssh.com", V(0, 10) },
	{ ALGORITHM_CIPHER, "aes256-ctr", V(0, 10) },
	{ ALGORITHM_CIPHER, "aes192-ctr", V(0, 10) },
	{ ALGORITHM_CIPHER, "aes128-ctr", V(0, 10) },

	{ ALGORITHM_KEX, "mlkem768x25519-sha256", V(0, 12) },
	{ ALGORITHM_KEX, "sntrup761x25519-sha512", V(0, 12) },
	{ ALGORITHM_KEX, "sntrup761x25519-sha512@openssh.com", V(0, 12) },
	{ ALGORITHM_KEX, "curve25519-sha256", V(0, 10) },
	{ ALGORITHM_KEX, "curve25519-sha256@libssh.org", V(0, 10) },
	{ ALGORITHM_KEX, "ecdh-sha2-nistp256", V(0, 10) },
	{ ALGORITHM_KEX, "ecdh-sha2-nistp384", V(0, 10) },
	{ ALGORITHM_KEX, "ecdh-sha2-nistp521", V(0, 10) },
	{ ALGORITHM_KEX, "diffie-hellman-group14-sha256", V(0, 10) },
	{ ALGORITHM_KEX, "diffie-hellman-group16-sha512", V(0, 10) },
	{ ALGORITHM_KEX, "diffie-hellman-group18-sha512", V(0, 10) },
	{ ALGORITHM_KEX, "diffie-hellman-group-exchange-sha256", V(0, 10) },

	{ ALGORITHM_MAC, "hmac-sha2-256-etm@openssh.com", V(0, 10) },
	{ ALGORITHM_MAC, "hmac-sha2-512-etm@openssh.com", V(0, 10) },
	{ ALGORITHM_MAC, "hmac-sha2-256", V(0, 10) },
	{ ALGORITHM_MAC, "hmac-sha2-512", V(0, 10) },

	{ ALGORITHM_HOST_KEY, "ssh-ed25519", V(0, 10) },
	{ ALGORITHM_HOST_KEY, "ecdsa-sha2-nistp256", V(0, 10) },
	{ ALGORITHM_HOST_KEY, "ecdsa-sha2-nistp384", V(0, 10) },
	{ ALGORITHM_HOST_KEY, "ecdsa-sha2-nistp521", V(0, 10) },
	{ ALGORITHM_HOST_KEY, "rsa-sha2-512", V(0, 10) },
	{ ALGORITHM_HOST_KEY, "rsa-sha2-256", V(0, 10) },
};

/* What libssh has, or OpenSSH, and nobody should use. Patterns. */
static const struct {
	const char *name, *why;
} weak[] = {
	{ "*-cbc*", "it is in CBC mode" },
	{ "arcfour*", "RC4 is broken" },
	{ "3des*", "3DES is too weak" },
	{ "ssh-rsa*", "it signs with SHA-1; the same keys work with rsa-sha2-512" },
	{ "ssh-dss*", "DSA is too weak" },
	{ "diffie-hellman-group1-*", "a group of 1024 bits is too small" },
	{ "*-sha1*", "SHA-1 is broken" },
	{ "*md5*", "MD5 is broken" },
	{ "none", "it protects nothing" },
};

/* ---- names ---- */

static bool is_here(size_t i, enum algorithm_kind kind)
{
	return algorithms[i].kind == kind && algorithms[i].since <= TUNNELD_LIBSSH;
}

const char *algorithms_name(enum algorithm_kind kind, size_t i)
{
	for (size_t j = 0; j < ARRAY_SIZE(algorithms); j++) {
		if (is_here(j, kind) && i-- == 0)
			return algorithms[j].name;
	}
	return NULL;
}

char *algorithms_names(enum algorithm_kind kind, char *out, size_t size)
{
	const char *name;
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; (name = algorithms_name(kind, i)) && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", name);
	return out;
}

static bool is_known(enum algorithm_kind kind, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		if (is_here(i, kind) && strcmp(algorithms[i].name, name) == 0)
			return true;
	}
	return false;
}

static int refuse_weak(const char *name, const char *shown, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(weak); i++) {
		if (str_glob(weak[i].name, name))
			return err_set(err, ERR_CONFIG, "'%s' is never offered: %s", shown,
				       weak[i].why);
	}
	return 0;
}

/* Why there is no such name. */
static int refuse(enum algorithm_kind kind, const char *name, struct err *err)
{
	char shown[80], list[512];

	str_escape(shown, sizeof(shown), name, strlen(name));
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		if (algorithms[i].kind == kind && strcmp(algorithms[i].name, name) == 0)
			return err_set(err, ERR_CONFIG,
				       "'%s' needs libssh %u.%u; this one (%u.%u) has %s", shown,
				       algorithms[i].since >> 8, algorithms[i].since & 0xff,
				       TUNNELD_LIBSSH >> 8, TUNNELD_LIBSSH & 0xff,
				       algorithms_names(kind, list, sizeof(list)));
	}
	if (refuse_weak(name, shown, err) < 0)
		return -1;
	return err_set(err, ERR_CONFIG, "'%s' is not a %s that libssh has; there are %s", shown,
		       kind_words[kind], algorithms_names(kind, list, sizeof(list)));
}

/* ---- lists ---- */

/* "+", "-" or "^"; '\0' for a list that stands for itself. */
static char operator_of(const char *list)
{
	return *list && strchr("+-^", *list) ? *list : '\0';
}

bool algorithms_is_ordered(const char *list)
{
	return list && (operator_of(list) == '\0' || operator_of(list) == '^');
}

static bool matches_any(const char *patterns, const char *name)
{
	CLEANUP(freep) char *copy = strdup(patterns);
	char *rest = copy, *pattern;

	while ((pattern = strsep(&rest, ","))) {
		if (str_glob(pattern, name))
			return true;
	}
	return false;
}

static bool has_name(const struct strbuf *list, const char *name)
{
	size_t size = strlen(name);

	for (const char *p = list->data; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, name, size) == 0 && (p[size] == ',' || p[size] == '\0'))
			return true;
	}
	return false;
}

/* Appends the names of list that are not there yet, and that no pattern of without matches. */
static void add_names(struct strbuf *to, const char *list, const char *without)
{
	CLEANUP(freep) char *copy = strdup(list);
	char *rest = copy, *name;

	to->failed |= !copy;
	while ((name = strsep(&rest, ","))) {
		if (*name && !has_name(to, name) && !(without && matches_any(without, name)))
			strbuf_addf(to, "%s%s", to->length ? "," : "", name);
	}
}

char *algorithms_offer(const char *list, const char *defaults)
{
	struct strbuf offer = { 0 };
	char op = list ? operator_of(list) : '+';

	if (!list || op == '+' || op == '-')
		add_names(&offer, defaults, op == '-' ? list + 1 : NULL);
	if (list && op != '-')
		add_names(&offer, list + (op != '\0'), NULL);
	if (op == '^')
		add_names(&offer, defaults, NULL);
	return strbuf_take(&offer);
}

/* CBC modes, SHA-1, and groups that are too small are not even in the table. Left out of the
 * defaults: NIST's curves, which auditors refuse (a host key known to be one is asked for all the
 * same, see known_hosts); and key exchanges that cost 40 to 130 ms of a worker's loop, because the
 * server chooses a large group (group18, group-exchange) or because they are slow (sntrup761). */
const char *algorithms_default(enum algorithm_kind kind, bool aes)
{
	switch (kind) {
	case ALGORITHM_CIPHER:
		return aes ? "aes128-gcm@openssh.com,aes256-gcm@openssh.com,"
			     "chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr"
			   : "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,"
			     "aes256-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr";
	case ALGORITHM_KEX:
		return "mlkem768x25519-sha256,curve25519-sha256,curve25519-sha256@libssh.org,"
		       "diffie-hellman-group14-sha256,diffie-hellman-group16-sha512";
	case ALGORITHM_MAC:
		return "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
		       "hmac-sha2-256,hmac-sha2-512";
	case ALGORITHM_HOST_KEY:
		return "ssh-ed25519,rsa-sha2-512,rsa-sha2-256";
	case ALGORITHM_KIND_COUNT:
		break;
	}
	return "";
}

char *algorithms_everything(enum algorithm_kind kind, bool aes)
{
	struct strbuf list = { 0 };
	const char *name;

	add_names(&list, algorithms_default(kind, aes), NULL);
	for (size_t i = 0; (name = algorithms_name(kind, i)); i++)
		add_names(&list, name, NULL);
	return strbuf_take(&list);
}

static int check_names(enum algorithm_kind kind, const char *list, struct err *err)
{
	CLEANUP(freep) char *copy = strdup(list);
	char *rest = copy, *name;

	if (!copy)
		return err_nomem(err);
	while ((name = strsep(&rest, ","))) {
		if (*name == '\0')
			return err_set(err, ERR_CONFIG, "a name is missing between two commas");
		if (!is_known(kind, name))
			return refuse(kind, name, err);
	}
	return 0;
}

int algorithms_check(enum algorithm_kind kind, const char *list, struct err *err)
{
	char op = operator_of(list);
	CLEANUP(freep) char *offer = NULL;

	if (strlen(list) > ALGORITHM_LIST_MAX)
		return err_set(err, ERR_CONFIG, "the list is too long; %d bytes are allowed",
			       ALGORITHM_LIST_MAX);
	if (op != '-')
		return check_names(kind, list + (op != '\0'), err);
	if (list[1] == '\0')
		return err_set(err, ERR_CONFIG, "nothing stands after '-'");
	offer = algorithms_offer(list, algorithms_default(kind, true));
	if (!offer)
		return err_nomem(err);
	if (*offer == '\0')
		return err_set(err, ERR_CONFIG, "no %s would be left to offer", kind_words[kind]);
	return 0;
}

char *algorithms_known(enum algorithm_kind kind, const char *list, struct strv *dropped)
{
	char op = operator_of(list);
	CLEANUP(freep) char *copy = strdup(list + (op != '\0'));
	char *rest = copy, *name;
	struct strbuf kept = { 0 };

	if (op == '-')
		return strdup(list);
	while ((name = strsep(&rest, ","))) {
		if (is_known(kind, name))
			strbuf_addf(&kept, "%.*s%s", kept.length ? 1 : op != '\0',
				    kept.length ? "," : list, name);
		else if (*name && strv_add(dropped, name) < 0)
			kept.failed = true;
	}
	if (kept.length > 0)
		return strbuf_take(&kept);
	strbuf_fini(&kept);
	return NULL;
}
