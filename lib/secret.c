/* SPDX-License-Identifier: MIT */
#include "lib/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/paths.h"
#include "lib/util.h"

int secret_set(struct secret *s, const char *text, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return -1;
	memcpy(copy, text, length);
	copy[length] = '\0';
	secret_fini(s);
	*s = (struct secret){ .text = copy, .length = length };
	return 0;
}

void secret_fini(struct secret *s)
{
	if (s->text)
		explicit_bzero(s->text, s->length);
	free(s->text);
	*s = (struct secret){ 0 };
}

void secret_move(struct secret *to, struct secret *from)
{
	secret_fini(to);
	*to = *from;
	*from = (struct secret){ 0 };
}

void secret_freep(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

/* ---- files ---- */

static int check_file(int fd, const char *path, const char *what, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_SECRET_FILE, errno, "%s %s", what, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_SECRET_FILE, "%s %s is not a file", what, path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, ERR_SECRET_FILE,
			       "%s %s belongs to another user (uid %u); chown it", what, path,
			       (unsigned)st.st_uid);
	/* What root has given to us (a credential of systemd has an ACL) shows bits of the group. */
	if (st.st_mode & (st.st_uid == geteuid() ? 077 : 007))
		return err_set(err, ERR_SECRET_FILE,
			       "%s %s can be read by others (mode %04o): chmod 600 it", what, path,
			       (unsigned)st.st_mode & 07777);
	return 0;
}

/* Up to the end of the file or of buffer. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, buffer + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static int take_line(struct secret *ret, const char *buffer, size_t size, const char *path,
		     const char *what, struct err *err)
{
	const char *end = memchr(buffer, '\n', size);
	size_t length = end ? (size_t)(end - buffer) : size;

	if (length > 0 && buffer[length - 1] == '\r')
		length--;
	if (length == 0)
		return err_set(err, ERR_SECRET_FILE, "%s %s: its first line is empty", what, path);
	if (length > SECRET_MAX)
		return err_set(err, ERR_SECRET_FILE,
			       "%s %s: its first line is longer than %d bytes", what, path,
			       SECRET_MAX);
	if (memchr(buffer, '\0', length))
		return err_set(err, ERR_SECRET_FILE, "%s %s is not text", what, path);
	return secret_set(ret, buffer, length) < 0 ? err_nomem(err) : 0;
}

static int read_path(struct secret *ret, const char *path, const char *what, struct err *err)
{
	char buffer[SECRET_MAX + 3]; /* with "\r\n", and one more byte to see that it is too long */
	/* O_NONBLOCK so that a FIFO in this place cannot hang us. */
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t size;
	int rc;

	if (fd < 0)
		return err_set_errno(err, ERR_SECRET_FILE, errno, "cannot read %s %s", what, path);
	if (check_file(fd, path, what, err) < 0)
		return -1;
	size = read_all(fd, buffer, sizeof(buffer));
	if (size < 0)
		return err_set_errno(err, ERR_SECRET_FILE, errno, "cannot read %s %s", what, path);
	rc = take_line(ret, buffer, (size_t)size, path, what, err);
	explicit_bzero(buffer, sizeof(buffer));
	return rc;
}

int secret_read_file(struct secret *ret, const char *name, const char *what, struct err *err)
{
	CLEANUP(freep) char *path = paths_credential(name, err);

	return path ? read_path(ret, path, what, err) : -1;
}

/* ---- the process ---- */

static void wiping_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void secret_protect_process(void)
{
	struct rlimit limit;

	json_set_alloc_funcs(malloc, wiping_free);
	if (getrlimit(RLIMIT_CORE, &limit) < 0)
		return;
	limit.rlim_cur = 0; /* the hard one is left to programs that we start */
	setrlimit(RLIMIT_CORE, &limit);
}
