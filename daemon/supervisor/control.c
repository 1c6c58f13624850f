/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/control.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/directory.h"
#include "lib/str.h"
#include "lib/util.h"

#define GROUP "tunctl"
#define BACKLOG 1024
#define ACCEPT_BATCH 64 /* a turn */
#define PAUSE_MS 100 /* when descriptors or memory ran out */
#define COMPLAIN_MS 10000 /* how often that is logged */
#define IDLE_MAX_MS 10000 /* a client that is idle for longer leaves when others want in */

/* ---- the directory ---- */

static char *directory_of(const char *path)
{
	CLEANUP(freep) char *copy = strdup(path);

	return copy ? strdup(dirname(copy)) : NULL;
}

/* Lets the group in, where there is one and we may. */
static void give_to_group(const char *path, mode_t mode)
{
	const struct group *group = getgrnam(GROUP);

	if (group && chown(path, (uid_t)-1, group->gr_gid) == 0 && chmod(path, mode) < 0)
		log_warning("cannot change the mode of %s: %s", path, strerror(errno));
}

int control_prepare_directory(const char *path, bool shared, struct err *err)
{
	CLEANUP(freep) char *directory = directory_of(path);
	struct stat st;

	if (!directory)
		return err_nomem(err);
	if (directory_make_parents(directory, err) < 0)
		return -1;
	if (mkdir(directory, shared ? 0750 : 0700) == 0) {
		if (shared)
			give_to_group(directory, 0750);
		return 0;
	}
	if (errno != EEXIST)
		return err_set_errno(err, ERR_IO, errno, "cannot create the directory %s",
				     directory);
	if (stat(directory, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_set(err, ERR_IO, "%s is not a directory", directory);
	return 0;
}

/* ---- accepting ---- */

/* Sleepers must not lock everybody out: one that has left and was not noticed yet goes, or the one
 * that has been idle for longest, if that is long enough. Those whose call is under way stay. */
static bool make_room(struct control *c)
{
	struct client *client, *idlest = NULL;

	list_for_each (client, &c->clients, link) {
		if (client_has_left(client)) {
			client_close(client);
			return true;
		}
		if (!client_is_busy(client) && (!idlest || client->active_ms < idlest->active_ms))
			idlest = client;
	}
	if (!idlest || monotonic_ms() - idlest->active_ms < IDLE_MAX_MS)
		return false;
	client_close(idlest);
	return true;
}

static void refuse(int fd)
{
	static const char reply[] = "{\"error\":\"io.tunneld.Manager.Failed\",\"parameters\":{"
				    "\"code\":\"limit\",\"message\":\"too many clients\"}}";

	if (send(fd, reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("control: a client was refused: too many");
	close(fd);
}

static void on_client_closed(void *data, struct client *client)
{
	struct control *c = data;

	c->client_count--;
}

/* Whoever waits keeps the socket readable: without a pause it would be asked for ever. */
static void pause_accepting(struct control *c, int sys)
{
	uint64_t now = monotonic_ms();

	if (c->complained_ms == 0 || now - c->complained_ms >= COMPLAIN_MS) {
		c->complained_ms = now;
		log_warning("control: cannot accept: %s; trying again", strerror(sys));
	}
	loop_io_want(&c->io, 0);
	loop_timer_set(&c->pause, PAUSE_MS);
}

static void on_pause_over(void *data)
{
	struct control *c = data;

	loop_io_want(&c->io, LOOP_READ);
}

/* False: nobody is there any more, or there is no room for anybody. */
static bool accept_one(struct control *c)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);
	int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *client;

	if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		pause_accepting(c, errno);
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ||
	    (c->client_count >= CONTROL_CLIENTS_MAX && !make_room(c))) {
		refuse(fd);
		return true;
	}
	client = client_new(c->loop, fd, peer.uid, c->dispatch, c->data, on_client_closed, c);
	if (!client) {
		refuse(fd);
		return true;
	}
	list_append(&c->clients, &client->link);
	c->client_count++;
	return true;
}

static void on_ready(void *data, unsigned ready)
{
	struct control *c = data;

	for (int i = 0; i < ACCEPT_BATCH && accept_one(c); i++)
		;
}

/* ---- the socket ---- */

/* A short name beside path: the limit of sun_path is tight. */
static char *hidden_name(const char *path)
{
	CLEANUP(freep) char *directory = directory_of(path);

	return directory ? str_printf("%s/.ctl.%d", directory, (int)getpid()) : NULL;
}

static int check_length(const char *path, struct err *err)
{
	size_t limit = sizeof(((struct sockaddr_un *)0)->sun_path);

	if (strlen(path) < limit)
		return 0;
	return err_set(err, ERR_USAGE,
		       "%s is too long for a socket (%zu bytes at most); choose another with -s",
		       path, limit - 1);
}

static void set_path(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(address->sun_path, path); /* check_length() */
}

/* Only what a daemon of ours has left behind may be replaced: a socket on which nobody listens. */
static int check_stale(const char *path, struct err *err)
{
	CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set_errno(err, ERR_IO, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_IO, "%s is there and is no socket; choose another with -s",
			       path);
	set_path(&address, path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
	    errno == ECONNREFUSED)
		return 0;
	return err_set(err, ERR_ALREADY_RUNNING,
		       "another program listens on %s; stop it, or choose another socket with -s",
		       path);
}

static int bind_socket(int fd, const char *path, mode_t mode, struct err *err)
{
	struct sockaddr_un address;
	mode_t umask_before;
	int rc;

	set_path(&address, path);
	unlink(path);
	umask_before = umask(0777 & ~mode);
	rc = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(umask_before);
	if (rc < 0 || listen(fd, BACKLOG) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot listen on %s", path);
	return 0;
}

int control_open(struct control *c, struct loop *loop, const char *path, bool shared,
		 client_dispatch_fn dispatch, void *data, struct err *err)
{
	mode_t mode = shared ? 0660 : 0600;

	*c = (struct control){ .loop = loop, .fd = -1, .dispatch = dispatch, .data = data };
	list_init(&c->clients);
	c->path = strdup(path);
	c->hidden_path = hidden_name(path);
	if (!c->path || !c->hidden_path)
		return err_nomem(err);
	if (check_length(path, err) < 0 || check_length(c->hidden_path, err) < 0 ||
	    check_stale(path, err) < 0)
		return -1;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot open a control socket");
	if (bind_socket(c->fd, c->hidden_path, mode, err) < 0)
		return -1;
	if (shared)
		give_to_group(c->hidden_path, mode);
	return 0;
}

int control_publish(struct control *c, struct err *err)
{
	if (loop_timer_open(&c->pause, c->loop, on_pause_over, c) < 0 ||
	    loop_io_open(&c->io, c->loop, c->fd, LOOP_READ, on_ready, c) < 0)
		return err_nomem(err);
	if (rename(c->hidden_path, c->path) < 0)
		return err_set_errno(err, ERR_IO, errno, "cannot create %s", c->path);
	free(TAKE(c->hidden_path));
	return 0;
}

void control_close(struct control *c)
{
	struct client *client;

	if (!c->loop)
		return;
	list_for_each (client, &c->clients, link)
		client_close(client);
	loop_io_close(&c->io);
	loop_timer_close(&c->pause);
	if (c->fd >= 0)
		unlink(c->hidden_path ? c->hidden_path : c->path);
	closep(&c->fd);
	free(c->hidden_path);
	free(c->path);
	*c = (struct control){ .fd = -1 };
}
