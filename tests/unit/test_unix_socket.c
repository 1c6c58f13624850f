/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets in the file system: what they may replace, who may connect, what stays when
 * they go; alone and as what a forward listens on.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/supervisor/listening.h"
#include "daemon/supervisor/unix_socket.h"
#include "lib/str.h"
#include "lib/util.h"

#define PATIENCE_MS 10000

static const struct unix_rights ours = { .mode = 0600 };

struct fixture {
	char directory[64], path[128];
	struct loop *loop;
	struct offload *names, *disk;
	struct listen_service service;
	struct loop_timer patience;
	struct listening *awaited;
};

static void on_change(void *data, void *owner)
{
	struct fixture *f = data;

	if (f->awaited && listening_state(f->awaited) != LISTENING_PENDING)
		loop_quit(f->loop, 0);
}

static void on_impatience(void *data)
{
	loop_quit(((struct fixture *)data)->loop, 1);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->directory, "/tmp/tunneld-unix-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/x.sock", f->directory);
	f->loop = loop_new(NULL);
	f->names = offload_new(f->loop, "names", 1, NULL);
	f->disk = offload_new(f->loop, "disk", 1, NULL);
	*state = f;
	return listen_service_init(&f->service, f->loop, f->names, f->disk, on_change, f, NULL) |
	       loop_timer_open(&f->patience, f->loop, on_impatience, f);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	CLEANUP(freep) char *command = str_printf("rm -rf %s", f->directory);

	listen_service_fini(&f->service);
	loop_timer_close(&f->patience);
	offload_free(f->names);
	offload_free(f->disk);
	loop_free(f->loop);
	free(f);
	return command ? system(command) : -1;
}

/* ---- helpers ---- */

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, path);
	return address;
}

static int dial(const char *path)
{
	struct sockaddr_un to = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		closep(&fd);
	return fd;
}

/* A socket that another program made; backlog -1: it does not listen any more. */
static int occupy(const char *path, int type, int backlog)
{
	struct sockaddr_un at = address_of(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	if (backlog < 0)
		closep(&fd);
	else if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode;
}

static size_t count_files(const struct fixture *f)
{
	CLEANUP(freep) char *command = str_printf("ls -A %s | wc -l", f->directory);
	FILE *pipe = popen(command, "r");
	size_t count = 0;

	assert_int_equal(fscanf(pipe, "%zu", &count), 1);
	pclose(pipe);
	return count;
}

/* Opens at f->path, which must fail with these words. */
static void expect_refusal(const struct fixture *f, const char *path, enum err_code code,
			   const char *says)
{
	struct unix_file file;
	struct err err = { 0 };

	assert_int_equal(unix_socket_open(path, &ours, 8, &file, &err), -1);
	assert_int_equal(err.code, code);
	if (!strstr(err.msg, says))
		fail_msg("'%s' does not say '%s'", err.msg, says);
}

/* ---- alone ---- */

static void test_it_is_there_with_its_rights_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct unix_rights rights = { .mode = 0660 };
	struct unix_file file;
	mode_t before = umask(0);
	int fd = unix_socket_open(f->path, &rights, 8, &file, NULL);

	umask(before);
	assert_true(fd >= 0);
	assert_int_equal(mode_of(f->path), S_IFSOCK | 0660);
	assert_int_equal(count_files(f), 1);
	close(dial(f->path));
	rights.mode = 0640;
	assert_true(unix_socket_set_rights(f->path, &file, &rights));
	assert_int_equal(mode_of(f->path), S_IFSOCK | 0640);
	unix_socket_remove(f->path, &file);
	assert_int_equal(count_files(f), 0);
	close(fd);
}

static void test_a_socket_nobody_listens_on_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct unix_file file;
	int fd;

	occupy(f->path, SOCK_STREAM, -1);
	fd = unix_socket_open(f->path, &ours, 8, &file, NULL);
	assert_true(fd >= 0);
	close(dial(f->path));
	close(fd);
}

static void test_a_living_socket_stays_and_names_its_process(void **state)
{
	struct fixture *f = *state;
	char pid[32];
	int other = occupy(f->path, SOCK_STREAM, 0), clients[2];

	snprintf(pid, sizeof(pid), "(pid %d)", (int)getpid());
	expect_refusal(f, f->path, ERR_PORT_IN_USE, pid);
	for (int i = 0; i < 2; i++) { /* until its backlog is full */
		struct sockaddr_un to = address_of(f->path);

		clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(clients[i], (struct sockaddr *)&to, sizeof(to));
	}
	expect_refusal(f, f->path, ERR_PORT_IN_USE, "is in use by");
	assert_int_equal(count_files(f), 1);
	for (int i = 0; i < 2; i++)
		close(clients[i]);
	close(other);
}

static void test_what_is_no_stream_socket_stays(void **state)
{
	struct fixture *f = *state;
	CLEANUP(freep) char *target = str_printf("%s/target", f->directory);
	int other;

	close(open(f->path, O_CREAT | O_WRONLY, 0600));
	expect_refusal(f, f->path, ERR_BIND, "a file of that name is there");
	unlink(f->path);
	mkdir(f->path, 0700);
	expect_refusal(f, f->path, ERR_BIND, "a directory of that name is there");
	rmdir(f->path);
	occupy(target, SOCK_STREAM, -1);
	assert_int_equal(symlink(target, f->path), 0);
	expect_refusal(f, f->path, ERR_BIND, "a symbolic link of that name is there");
	unlink(f->path);
	other = occupy(f->path, SOCK_DGRAM, 0);
	expect_refusal(f, f->path, ERR_PORT_IN_USE, "cannot be told to be unused");
	close(other);
	assert_int_equal(count_files(f), 2);
}

static void test_a_directory_that_is_not_there(void **state)
{
	struct fixture *f = *state;
	CLEANUP(freep) char *path = str_printf("%s/none/x.sock", f->directory);

	expect_refusal(f, path, ERR_BIND, "/none; create it, or choose another 'listen'");
}

static void test_the_longest_path(void **state)
{
	struct fixture *f = *state;
	char path[108];
	struct unix_file file;
	int fd;

	snprintf(path, sizeof(path), "%s/", f->directory);
	memset(path + strlen(path), 'a', sizeof(path) - strlen(path) - 3);
	strcpy(path + sizeof(path) - 3, "/x");
	path[105] = '\0';
	mkdir(path, 0700);
	path[105] = '/';
	fd = unix_socket_open(path, &ours, 8, &file, NULL);
	assert_true(fd >= 0);
	close(dial(path));
	close(fd);
}

static void test_what_took_its_name_is_not_removed(void **state)
{
	struct fixture *f = *state;
	struct unix_file file;
	int fd = unix_socket_open(f->path, &ours, 8, &file, NULL), other;

	unlink(f->path);
	other = occupy(f->path, SOCK_STREAM, 8);
	assert_false(unix_socket_set_rights(f->path, &file, &ours));
	unix_socket_remove(f->path, &file);
	close(dial(f->path));
	assert_int_equal(count_files(f), 1);
	close(other);
	close(fd);
}

/* ---- as a forward ---- */

static struct listening *open_unix(struct fixture *f, const char *group, unsigned mode)
{
	struct config_forward spec = { .listen = { END_UNIX, f->path, 0 },
				       .port_count = 1,
				       .socket_mode = mode,
				       .socket_group = (char *)group };
	struct listening *l = listening_open(&f->service, "t", &spec, f);

	assert_non_null(l);
	return l;
}

static void decide(struct fixture *f, struct listening *l)
{
	f->awaited = l;
	loop_timer_set(&f->patience, PATIENCE_MS);
	assert_int_equal(loop_run(f->loop), 0);
	loop_timer_stop(&f->patience);
	f->awaited = NULL;
}

static int fd_of(const struct listening *l)
{
	size_t count;
	struct listener *const *sockets = listening_sockets(l, &count);

	assert_int_equal(listening_state(l), LISTENING_BOUND);
	assert_int_equal(count, 1);
	return sockets[0]->fd;
}

static void test_a_reload_passes_it_on_with_its_clients_and_new_rights(void **state)
{
	struct fixture *f = *state;
	struct listening *before = open_unix(f, NULL, 0600), *after;
	int fd = fd_of(before), client = dial(f->path);
	size_t count;
	CLEANUP(freep) struct listener **leaving = listening_detach(before, &count);

	after = open_unix(f, NULL, 0666);
	assert_int_equal(listening_state(after), LISTENING_PENDING);
	listen_service_release(&f->service, leaving, count);
	listen_service_sweep(&f->service);
	assert_int_equal(fd_of(after), fd);
	assert_true(listening_has_waiting(after));
	assert_int_equal(mode_of(f->path), S_IFSOCK | 0666);
	close(client);
	listening_close(after);
	assert_int_equal(count_files(f), 1); /* parked */
	listen_service_sweep(&f->service);
	assert_int_equal(count_files(f), 0);
}

/* Its file was deleted meanwhile: passing the socket on would be of use to nobody. */
static void test_one_without_its_file_is_made_anew(void **state)
{
	struct fixture *f = *state;
	struct listening *l = open_unix(f, NULL, 0600);

	listening_close(l);
	unlink(f->path);
	l = open_unix(f, NULL, 0600);
	fd_of(l);
	close(dial(f->path));
	assert_int_equal(count_files(f), 1);
	listening_close(l);
}

static void test_it_heals_when_the_other_program_ends(void **state)
{
	struct fixture *f = *state;
	int other = occupy(f->path, SOCK_STREAM, 8);
	struct listening *l = open_unix(f, NULL, 0600);

	assert_int_equal(listening_state(l), LISTENING_FAILED);
	close(other); /* without removing its file */
	decide(f, l);
	fd_of(l);
	listening_close(l);
}

static void test_groups(void **state)
{
	struct fixture *f = *state;
	struct listening *l = open_unix(f, "no-such-group", 0660);

	assert_int_equal(listening_state(l), LISTENING_PENDING);
	decide(f, l);
	assert_int_equal(listening_state(l), LISTENING_FAILED);
	assert_non_null(strstr(listening_error(l)->msg, "no group 'no-such-group'"));
	assert_int_equal(count_files(f), 0);
	listening_close(l);
	if (geteuid() != 0)
		return; /* only root is sure to be allowed to */
	l = open_unix(f, "daemon", 0660);
	decide(f, l);
	fd_of(l);
	assert_int_equal(mode_of(f->path), S_IFSOCK | 0660);
	listening_close(l);
}

#define with_directory(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_directory(test_it_is_there_with_its_rights_and_nothing_else),
		with_directory(test_a_socket_nobody_listens_on_is_replaced),
		with_directory(test_a_living_socket_stays_and_names_its_process),
		with_directory(test_what_is_no_stream_socket_stays),
		with_directory(test_a_directory_that_is_not_there),
		with_directory(test_the_longest_path),
		with_directory(test_what_took_its_name_is_not_removed),
		with_directory(test_a_reload_passes_it_on_with_its_clients_and_new_rights),
		with_directory(test_one_without_its_file_is_made_anew),
		with_directory(test_it_heals_when_the_other_program_ends),
		with_directory(test_groups),
	};

	return cmocka_run_group_tests_name("unix_socket", tests, NULL, NULL);
}
