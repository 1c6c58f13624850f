/* SPDX-License-Identifier: MIT */
#include "daemon/worker/hostkey.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/str.h"

#define LINE_MAX_BYTES (64 * 1024)
#define FILE_MAX_BYTES (64 * 1024 * 1024)
#define ENTRIES_MAX 1024 /* for one server; lists of revoked keys may stand for every host */

enum marker { MARKER_NONE, MARKER_REVOKED, MARKER_AUTHORITY, MARKER_UNKNOWN };

/* ---- one line ---- */

/* Cuts the next blank-separated word off *text; NULL at the end. */
static char *next_word(char **text)
{
	char *word = *text + strspn(*text, " \t");
	char *end = word + strcspn(word, " \t");

	if (*word == '\0')
		return NULL;
	*text = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static enum marker take_marker(char **text)
{
	char *word;

	if ((*text)[0] != '@')
		return MARKER_NONE;
	word = next_word(text);
	*text += strspn(*text, " \t");
	if (strcmp(word, "@revoked") == 0)
		return MARKER_REVOKED;
	return strcmp(word, "@cert-authority") == 0 ? MARKER_AUTHORITY : MARKER_UNKNOWN;
}

/* A salted hash ("|1|salt|hash"): libssh does the HMAC, and wants a whole line for it. */
static bool hash_matches(const char *name, const char *pattern, const char *rest)
{
	CLEANUP(freep) char *line = str_printf("%s %s", pattern, rest);
	struct ssh_knownhosts_entry *entry = NULL;
	int rc = line ? ssh_known_hosts_parse_line(name, line, &entry) : SSH_ERROR;

	ssh_knownhosts_entry_free(entry);
	return rc == SSH_OK;
}

/* "*" and "?" only, without regard to case (match_pattern() of OpenSSH). */
static bool glob_matches(const char *pattern, const char *name)
{
	const char *star = NULL, *retry = NULL;

	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = name;
		} else if (*pattern == '?' ||
			   tolower((unsigned char)*pattern) == tolower((unsigned char)*name)) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

enum match { MATCH_NO, MATCH_YES, MATCH_NEGATED };

/* Comma-separated patterns; a negated one that matches wins. */
static enum match patterns_match(const char *patterns, const char *name, const char *rest)
{
	CLEANUP(freep) char *copy = NULL;
	enum match matched = MATCH_NO;
	char *save = NULL;

	if (patterns[0] == '|')
		return hash_matches(name, patterns, rest) ? MATCH_YES : MATCH_NO;
	copy = strdup(patterns);
	for (char *p = copy ? strtok_r(copy, ",", &save) : NULL; p;
	     p = strtok_r(NULL, ",", &save)) {
		bool negated = p[0] == '!';

		if (!glob_matches(p + negated, name))
			continue;
		if (negated)
			return MATCH_NEGATED;
		matched = MATCH_YES;
	}
	return matched;
}

/* Takes the key. Too many are an error: the one left out could be a revoked one. */
static int add_entry(struct hostkey_set *set, struct hostkey_entry entry, struct err *err)
{
	struct hostkey_entry *entries = NULL;

	if (set->count < ENTRIES_MAX)
		entries = realloc(set->entries, (set->count + 1) * sizeof(*entries));
	if (!entries) {
		ssh_key_free(entry.key);
		if (set->count < ENTRIES_MAX)
			return err_nomem(err);
		return err_set(err, ERR_KNOWN_HOSTS,
			       "more than %d lines in known hosts %s are for %s; remove some",
			       ENTRIES_MAX, entry.file, set->label);
	}
	set->entries = entries;
	set->entries[set->count++] = entry;
	return 0;
}

/* "[marker] patterns keytype base64 [comment]" */
static int read_line(struct hostkey_set *set, char *text, const char *file, unsigned line,
		     struct err *err)
{
	struct hostkey_entry entry = { .file = file, .line = line };
	enum marker marker;
	enum match matched;
	char *patterns, *type, *base64;
	CLEANUP(freep) char *rest = NULL;

	text += strspn(text, " \t");
	text[strcspn(text, "\r\n")] = '\0';
	if (*text == '\0' || *text == '#')
		return 0;
	marker = take_marker(&text);
	patterns = next_word(&text);
	type = next_word(&text);
	base64 = next_word(&text);
	if (marker == MARKER_UNKNOWN || !base64)
		return 0;
	rest = str_printf("%s %s", type, base64);
	if (!rest)
		return err_nomem(err);
	matched = patterns_match(patterns, set->label, rest);
	if (matched == MATCH_NO && strcmp(set->label, set->host) != 0) {
		/* OpenSSH also trusts a key that is known for the host without the port. */
		matched = patterns_match(patterns, set->host, rest);
		entry.portless = true;
	}
	if (matched != MATCH_YES)
		return 0;
	if (marker == MARKER_AUTHORITY) {
		set->has_authority = true;
		return 0;
	}
	entry.revoked = marker == MARKER_REVOKED;
	if (ssh_pki_import_pubkey_base64(base64, ssh_key_type_from_name(type), &entry.key) !=
	    SSH_OK)
		return 0;
	return add_entry(set, entry, err);
}

/* ---- files ---- */

static FILE *open_file(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	FILE *f;

	if (fd < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			err_clear(err);
		else
			err_set_errno(err, ERR_KNOWN_HOSTS, errno, "cannot read known hosts %s",
				      path);
		return NULL;
	}
	if (fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES)) {
		/* /dev/null is how people say "no file". */
		if (S_ISCHR(st.st_mode))
			err_clear(err);
		else
			err_set(err, ERR_KNOWN_HOSTS,
				"known hosts %s is not a file of at most %d MiB", path,
				FILE_MAX_BYTES >> 20);
		close(fd);
		return NULL;
	}
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		err_nomem(err);
	}
	return f;
}

static int read_file(struct hostkey_set *set, const char *path, struct err *err)
{
	FILE *f = open_file(path, err);
	CLEANUP(freep) char *text = NULL;
	size_t capacity = 0;
	unsigned line = 0;
	ssize_t n;
	int rc = 0;

	if (!f)
		return err->code == ERR_NONE ? 0 : -1;
	while (rc == 0 && (n = getline(&text, &capacity, f)) >= 0) {
		line++;
		if (n < LINE_MAX_BYTES)
			rc = read_line(set, text, path, line, err);
	}
	if (rc == 0 && ferror(f))
		rc = err_set_errno(err, ERR_KNOWN_HOSTS, errno, "cannot read known hosts %s", path);
	fclose(f);
	return rc;
}

/* Names are written in lower case there, and hashed so. */
static char *lower_case(const char *text)
{
	char *copy = strdup(text);

	for (char *c = copy; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return copy;
}

int hostkey_set_load(struct hostkey_set *set, const char *host, unsigned port,
		     const struct strv *files, struct err *err)
{
	struct err local;

	*set = (struct hostkey_set){ .host = lower_case(host), .port = port };
	if (set->host)
		set->label =
			port == 22 ? strdup(set->host) : str_printf("[%s]:%u", set->host, port);
	if (!set->label || strv_copy(&set->files, files) < 0) {
		hostkey_set_fini(set);
		return err_nomem(err);
	}
	for (size_t i = 0; i < set->files.count; i++) {
		if (read_file(set, set->files.items[i], err ? err : &local) < 0) {
			hostkey_set_fini(set);
			return -1;
		}
	}
	return 0;
}

void hostkey_set_fini(struct hostkey_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		ssh_key_free(set->entries[i].key);
	free(set->entries);
	free(set->host);
	free(set->label);
	strv_fini(&set->files);
	*set = (struct hostkey_set){ 0 };
}

/* ---- the verdict ---- */

/* The algorithms that can prove a key of a type, best first; and the order for a server nobody
 * knows. No ssh-rsa (SHA-1), no DSA. */
static const struct {
	enum ssh_keytypes_e type;
	const char *algorithms;
} key_types[] = {
	{ SSH_KEYTYPE_ED25519, "ssh-ed25519" },
	{ SSH_KEYTYPE_ECDSA_P256, "ecdsa-sha2-nistp256" },
	{ SSH_KEYTYPE_ECDSA_P384, "ecdsa-sha2-nistp384" },
	{ SSH_KEYTYPE_ECDSA_P521, "ecdsa-sha2-nistp521" },
	{ SSH_KEYTYPE_RSA, "rsa-sha2-512,rsa-sha2-256" },
};

static bool knows_type(const struct hostkey_set *set, enum ssh_keytypes_e type)
{
	for (size_t i = 0; i < set->count; i++) {
		if (!set->entries[i].revoked && ssh_key_type(set->entries[i].key) == type)
			return true;
	}
	return false;
}

void hostkey_algorithms(const struct hostkey_set *set, char *out, size_t size)
{
	size_t used = 0;

	for (int known = 1; known >= 0; known--) {
		for (size_t i = 0; i < ARRAY_SIZE(key_types); i++) {
			if (knows_type(set, key_types[i].type) != (known == 1))
				continue;
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "," : "",
						 key_types[i].algorithms);
		}
	}
}

void hostkey_describe(ssh_key key, char *out, size_t size)
{
	unsigned char *hash = NULL;
	char *print = NULL;
	size_t length;

	if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &length) == 0)
		print = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, length);
	snprintf(out, size, "%s %s", ssh_key_type_to_char(ssh_key_type(key)), print ? print : "?");
	ssh_string_free_char(print);
	ssh_clean_pubkey_hash(&hash);
}

/* The file a person would add a line to. */
static const char *first_file(const struct hostkey_set *set)
{
	return set->files.count > 0 ? set->files.items[0] : "a known_hosts file";
}

/* What the files have instead of this key. */
static const char *instead(const struct hostkey_set *set)
{
	if (set->has_authority)
		return " (a @cert-authority line matches, but host certificates are not supported)";
	for (size_t i = 0; i < set->count; i++) {
		if (!set->entries[i].revoked && !set->entries[i].portless)
			return " (only keys of other types are)";
	}
	return "";
}

static int refuse_unknown(const struct hostkey_set *set, ssh_key key, struct err *err)
{
	const char *type = ssh_key_type_to_char(ssh_key_type(key));
	char shown[128];
	char *base64 = NULL;

	hostkey_describe(key, shown, sizeof(shown));
	if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
		base64 = NULL;
	err_set(err, ERR_HOST_KEY_UNKNOWN,
		"host key of %s is not known%s: %s; compare the fingerprint with the server's, then "
		"add this line to %s: %s %s %s",
		set->label, instead(set), shown, first_file(set), set->label, type,
		base64 ? base64 : "?");
	ssh_string_free_char(base64);
	return -1;
}

static int refuse_changed(const struct hostkey_set *set, const struct hostkey_entry *old,
			  ssh_key key, struct err *err)
{
	char shown[128], before[128];

	hostkey_describe(key, shown, sizeof(shown));
	hostkey_describe(old->key, before, sizeof(before));
	return err_set(
		err, ERR_HOST_KEY_CHANGED,
		"host key of %s changed: it was %s (%s:%u), now it is %s; either somebody "
		"answers in its place, or the server was set up anew: ask its administrator, "
		"and only then remove line %u",
		set->label, before, old->file, old->line, shown, old->line);
}

/* A line without the port vouches only for a server whose port no line names (check_host_key() of
 * OpenSSH does the same). */
int hostkey_verify(const struct hostkey_set *set, ssh_key key, struct err *err)
{
	const struct hostkey_entry *other = NULL;
	bool known = false, vouched = false, named = false;
	char shown[128];

	for (size_t i = 0; i < set->count; i++) {
		const struct hostkey_entry *entry = &set->entries[i];
		bool same = ssh_key_cmp(entry->key, key, SSH_KEY_CMP_PUBLIC) == 0;

		if (same && entry->revoked) {
			hostkey_describe(key, shown, sizeof(shown));
			return err_set(
				err, ERR_HOST_KEY_REVOKED,
				"host key of %s is revoked (%s:%u): %s; do not trust this server",
				set->label, entry->file, entry->line, shown);
		}
		if (entry->revoked)
			continue;
		known |= same && !entry->portless;
		vouched |= same && entry->portless;
		named |= !entry->portless;
		if (!same && !entry->portless && ssh_key_type(entry->key) == ssh_key_type(key))
			other = entry;
	}
	if (known || (vouched && !named))
		return 0;
	return other ? refuse_changed(set, other, key, err) : refuse_unknown(set, key, err);
}
