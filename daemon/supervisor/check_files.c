/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/check_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/str.h"

static const char private_key[] = "-----BEGIN";

/* A place of its own: what stands in credentials only the unit has. */
static bool is_path(const char *name)
{
	return name[0] == '/';
}

static void add(struct strv *notes, const char *what, const char *path, const char *why)
{
	CLEANUP(freep) char *note = str_printf("%s %s %s", what, path, why);

	if (note && !strv_contains(notes, note))
		strv_add(notes, note);
}

static void add_errno(struct strv *notes, const char *what, const char *path, int sys)
{
	CLEANUP(freep) char *why = str_printf("cannot be read: %s", strerror(sys));

	add(notes, what, path, sys == ENOENT ? "does not exist" : why ? why : "");
}

/* A public key may stand in the place of a private one, for the agent to sign with. */
static bool is_private_key(int fd)
{
	char begin[sizeof(private_key) - 1];

	return read(fd, begin, sizeof(begin)) == (ssize_t)sizeof(begin) &&
	       memcmp(begin, private_key, sizeof(begin)) == 0;
}

/* As ssh and we see it: what others can read is refused where it is ours. */
static void check_file(struct strv *notes, const char *what, const char *path, bool is_key)
{
	/* O_NONBLOCK so that a FIFO in this place cannot hang us. */
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		add_errno(notes, what, path, errno);
	} else if (!S_ISREG(st.st_mode)) {
		add(notes, what, path, "is not a file");
	} else if (st.st_uid == geteuid() && st.st_mode & 077 && (!is_key || is_private_key(fd))) {
		add(notes, what, path, "can be read by others: chmod 600 it");
	}
}

static bool exists(const char *path)
{
	CLEANUP(freep) char *public = str_printf("%s.pub", path);

	return access(path, F_OK) == 0 || (public && access(public, F_OK) == 0);
}

/* Of several keys some may be missing, as long as there is one: people name those of all their
 * machines. */
static bool is_any_there(const struct strv *identities)
{
	for (size_t i = 0; i < identities->count; i++) {
		if (!is_path(identities->items[i]) || exists(identities->items[i]))
			return true;
	}
	return false;
}

static void check_identities(const struct connection_settings *c, struct strv *notes)
{
	bool any = is_any_there(&c->identities);

	for (size_t i = 0; i < c->identities.count; i++) {
		const char *path = c->identities.items[i];

		if (!is_path(path))
			continue;
		if (access(path, F_OK) == 0)
			check_file(notes, "identity", path, true);
		else if (!any)
			add_errno(notes, "identity", path, errno);
	}
}

void check_files(const struct connection_settings *c, struct strv *notes)
{
	if (!c->identities_implied)
		check_identities(c, notes);
	for (size_t i = 0; i < c->certificate_files.count; i++) {
		const char *path = c->certificate_files.items[i];

		if (is_path(path) && access(path, R_OK) < 0)
			add_errno(notes, "certificate", path, errno);
	}
	if (c->passphrase && is_path(c->passphrase))
		check_file(notes, "passphrase file", c->passphrase, false);
	if (c->password && is_path(c->password))
		check_file(notes, "password file", c->password, false);
}
