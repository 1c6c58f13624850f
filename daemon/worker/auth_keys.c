/* SPDX-License-Identifier: MIT */
#include "daemon/worker/auth_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX (1024 * 1024)

struct secret {
	char *text;
	size_t size;
};

static void secret_wipe(struct secret *s)
{
	if (s->text)
		explicit_bzero(s->text, s->size);
	free(s->text);
	s->text = NULL;
}

static int check_file(int fd, const char *path, size_t *ret_size, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_IDENTITY_UNREADABLE, errno, "identity %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_IDENTITY_UNREADABLE, "identity %s is not a file", path);
	if (st.st_uid == getuid() && (st.st_mode & 077) != 0)
		return err_set(err, ERR_IDENTITY_PERMISSIONS,
			       "identity %s can be read by others (mode %04o): chmod 600 it", path,
			       (unsigned)st.st_mode & 07777);
	if (st.st_size == 0 || st.st_size > KEY_FILE_MAX)
		return err_set(err, ERR_IDENTITY_UNREADABLE, "identity %s is %s: not a private key",
			       path, st.st_size == 0 ? "empty" : "far too large");
	*ret_size = (size_t)st.st_size;
	return 0;
}

static int read_file(const char *path, struct secret *ret, struct err *err)
{
	/* O_NONBLOCK so that a FIFO in this place cannot hang us. */
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t size = 0, got = 0;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(
			err, ERR_IDENTITY_MISSING,
			"identity %s does not exist; make one with: ssh-keygen -t ed25519 -N '' "
			"-f %s",
			path, path);
	if (fd < 0)
		return err_set_errno(err, ERR_IDENTITY_UNREADABLE, errno, "cannot read identity %s",
				     path);
	if (check_file(fd, path, &size, err) < 0)
		return -1;
	ret->size = size + 1;
	ret->text = calloc(1, ret->size);
	if (!ret->text)
		return err_nomem(err);
	while (got < size) {
		ssize_t n = read(fd, ret->text + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return 0;
}

/* libssh asks for a passphrase only when the key is encrypted: that is all we want to know. */
static int on_passphrase(const char *prompt, char *buf, size_t len, int echo, int verify,
			 void *data)
{
	*(bool *)data = true;
	return -1;
}

static bool is_public_key(const char *text)
{
	static const char *const types[] = { "ssh-", "ecdsa-", "sk-" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strncmp(text, types[i], strlen(types[i])) == 0)
			return true;
	}
	return false;
}

static int load(const char *path, ssh_key *ret_key, struct err *err)
{
	CLEANUP(secret_wipe) struct secret secret = { 0 };
	bool encrypted = false;

	if (read_file(path, &secret, err) < 0)
		return -1;
	if (ssh_pki_import_privkey_base64(secret.text, NULL, on_passphrase, &encrypted, ret_key) ==
	    SSH_OK)
		return 0;
	if (encrypted)
		return err_set(
			err, ERR_IDENTITY_ENCRYPTED,
			"identity %s needs a passphrase, which this version cannot ask for; use a "
			"key without one (ssh-keygen -p -N '' -f %s)",
			path, path);
	return err_set(err, ERR_IDENTITY_UNREADABLE,
		       "identity %s is not a private key this libssh can read%s", path,
		       is_public_key(secret.text) ? " (it is a public key: leave out .pub)" : "");
}

int identities_load(struct identities *ids, const struct strv *paths, bool implied, struct err *err)
{
	*ids = (struct identities){ .items = calloc(paths->count + 1, sizeof(*ids->items)) };
	if (!ids->items)
		return err_nomem(err);
	for (size_t i = 0; i < paths->count; i++) {
		struct identity *id = &ids->items[ids->count];

		err_clear(&id->error);
		if (load(paths->items[i], &id->key, &id->error) < 0 && implied &&
		    id->error.code == ERR_IDENTITY_MISSING)
			continue;
		id->path = strdup(paths->items[i]);
		ids->count++;
		if (!id->path) {
			identities_fini(ids);
			return err_nomem(err);
		}
	}
	return 0;
}

void identities_fini(struct identities *ids)
{
	for (size_t i = 0; i < ids->count; i++) {
		ssh_key_free(ids->items[i].key);
		free(ids->items[i].path);
	}
	free(ids->items);
	*ids = (struct identities){ 0 };
}

size_t identities_usable(const struct identities *ids)
{
	size_t usable = 0;

	for (size_t i = 0; i < ids->count; i++)
		usable += ids->items[i].key != NULL;
	return usable;
}

const struct err *identities_problem(const struct identities *ids)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (!ids->items[i].key)
			return &ids->items[i].error;
	}
	return NULL;
}
