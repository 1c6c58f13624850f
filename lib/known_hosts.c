/* SPDX-License-Identifier: MIT */
#include "lib/known_hosts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/known_hosts_line.h"
#include "lib/str.h"

#define ENTRIES_MAX 1024 /* for one server; lists of revoked keys may stand for every host */

/* ---- lines ---- */

/* Takes the key. Too many are an error: the one left out could be a revoked one. */
static int add_entry(struct known_hosts *kh, struct known_hosts_entry entry, struct err *err)
{
	struct known_hosts_entry *entries = NULL;

	if (kh->count < ENTRIES_MAX)
		entries = realloc(kh->entries, (kh->count + 1) * sizeof(*entries));
	if (!entries) {
		public_key_fini(&entry.key);
		if (kh->count < ENTRIES_MAX)
			return err_nomem(err);
		return err_set(err, ERR_KNOWN_HOSTS,
			       "more than %d lines in known hosts %s are for %s; remove some",
			       ENTRIES_MAX, entry.file, kh->label);
	}
	kh->entries = entries;
	kh->entries[kh->count++] = entry;
	return 0;
}

static void note_authority(struct known_hosts *kh, const char *file, unsigned line)
{
	if (kh->has_authority)
		return;
	kh->has_authority = true;
	kh->authority_file = file;
	kh->authority_line = line;
}

static int read_line(struct known_hosts *kh, char *text, const char *file, unsigned number,
		     struct err *err)
{
	struct known_hosts_entry entry = { .file = file, .line = number };
	struct known_hosts_line line;
	enum known_hosts_match matched;
	struct err why;

	if (!known_hosts_line_read(&line, text))
		return 0;
	matched = known_hosts_patterns_match(line.patterns, kh->label);
	if (matched == MATCH_NO && strcmp(kh->label, kh->host) != 0) {
		/* OpenSSH also trusts a key that is known for the host without the port. */
		matched = known_hosts_patterns_match(line.patterns, kh->host);
		entry.portless = true;
	}
	if (matched == MATCH_UNSURE)
		return err_set(err, ERR_KNOWN_HOSTS,
			       "%s:%u: whether the hashed name there is the server's cannot be "
			       "computed; is there memory left?",
			       file, number);
	if (matched != MATCH_YES)
		return 0;
	if (line.marker == MARKER_AUTHORITY) {
		note_authority(kh, file, number);
		return 0;
	}
	entry.revoked = line.marker == MARKER_REVOKED;
	if (public_key_set(&entry.key, line.type, line.base64, &why) < 0)
		return why.code == ERR_NOMEM ? err_nomem(err) : 0;
	return add_entry(kh, entry, err);
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
	if (fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size > KNOWN_HOSTS_FILE_MAX)) {
		/* /dev/null is how people say "no file". */
		if (S_ISCHR(st.st_mode))
			err_clear(err);
		else
			err_set(err, ERR_KNOWN_HOSTS,
				"known hosts %s is not a file of at most %d MiB", path,
				KNOWN_HOSTS_FILE_MAX >> 20);
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

static int read_file(struct known_hosts *kh, const char *path, struct err *err)
{
	FILE *f = open_file(path, err);
	CLEANUP(freep) char *text = NULL;
	size_t capacity = 0;
	unsigned line = 0;
	int rc = 0;

	if (!f)
		return err->code == ERR_NONE ? 0 : -1;
	/* Of any length, as OpenSSH does: one that is passed over may be a @revoked one. */
	while (rc == 0 && getline(&text, &capacity, f) >= 0) {
		line++;
		rc = read_line(kh, text, path, line, err);
	}
	/* Nor may a lack of memory look like the end of a file: the rest could revoke the key. */
	if (rc == 0 && !feof(f))
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

char *known_hosts_label(const char *host, unsigned port, const char *alias)
{
	CLEANUP(freep) char *name = lower_case(alias ? alias : host);

	if (!name || alias || port == 22)
		return TAKE(name);
	return str_printf("[%s]:%u", name, port);
}

int known_hosts_load(struct known_hosts *kh, const char *host, unsigned port, const char *alias,
		     const struct strv *files, struct err *err)
{
	struct err local;

	*kh = (struct known_hosts){ .host = lower_case(alias ? alias : host),
				    .label = known_hosts_label(host, port, alias) };
	if (!kh->host || !kh->label || strv_copy(&kh->files, files) < 0) {
		known_hosts_fini(kh);
		return err_nomem(err);
	}
	for (size_t i = 0; i < kh->files.count; i++) {
		if (read_file(kh, kh->files.items[i], err ? err : &local) < 0) {
			known_hosts_fini(kh);
			return -1;
		}
	}
	return 0;
}

void known_hosts_fini(struct known_hosts *kh)
{
	for (size_t i = 0; i < kh->count; i++)
		public_key_fini(&kh->entries[i].key);
	free(kh->entries);
	free(kh->host);
	free(kh->label);
	strv_fini(&kh->files);
	*kh = (struct known_hosts){ 0 };
}

/* ---- the verdict ---- */

/* What was found while looking through the entries; each NULL at first. */
struct findings {
	const struct known_hosts_entry *known, *vouched; /* the key, with and without the port */
	const struct known_hosts_entry *changed, *named; /* another key: of this type, of any */
};

static void look_at(const struct known_hosts_entry *entry, const struct public_key *key,
		    struct findings *f)
{
	bool same = public_key_equal(&entry->key, key);

	if (entry->portless) {
		if (same && !f->vouched)
			f->vouched = entry;
		return;
	}
	if (same && !f->known)
		f->known = entry;
	if (!f->named)
		f->named = entry;
	if (!same && !f->changed && strcmp(entry->key.type, key->type) == 0)
		f->changed = entry;
}

/* A line without the port vouches only for a server whose port no line names (check_host_key() of
 * OpenSSH does the same). */
enum known_hosts_standing known_hosts_judge(const struct known_hosts *kh,
					    const struct public_key *key,
					    const struct known_hosts_entry **ret_entry)
{
	struct findings f = { 0 };

	for (size_t i = 0; i < kh->count; i++) {
		const struct known_hosts_entry *entry = &kh->entries[i];

		*ret_entry = entry;
		if (entry->revoked && public_key_equal(&entry->key, key))
			return HOST_REVOKED;
		if (!entry->revoked)
			look_at(entry, key, &f);
	}
	*ret_entry = f.known ? f.known : f.changed ? f.changed : f.named ? f.named : f.vouched;
	if (f.known)
		return HOST_KNOWN;
	if (f.changed)
		return HOST_CHANGED;
	if (f.named)
		return HOST_OTHER_TYPES;
	return f.vouched ? HOST_KNOWN : HOST_UNKNOWN;
}

static const char *const standing_names[HOST_STANDING_COUNT] = {
	[HOST_KNOWN] = "known",     [HOST_UNKNOWN] = "unknown", [HOST_OTHER_TYPES] = "other-types",
	[HOST_CHANGED] = "changed", [HOST_REVOKED] = "revoked",
};

const char *known_hosts_standing_name(enum known_hosts_standing standing)
{
	return standing_names[standing];
}
