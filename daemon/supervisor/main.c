/* SPDX-License-Identifier: MIT */
/*
 * tunneld: from the command line to a running supervisor. Exit status: 0 ended as told, 1 could not
 * start or was broken, 2 usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/common/descriptors.h"
#include "daemon/common/log.h"
#include "daemon/common/offload.h"
#include "daemon/supervisor/check.h"
#include "daemon/supervisor/lock.h"
#include "daemon/supervisor/options.h"
#include "daemon/supervisor/supervisor.h"
#include "lib/paths.h"
#include "lib/schema_doc.h"
#include "lib/secret.h"
#include "lib/util.h"

enum { EXIT_OK = 0, EXIT_BROKEN = 1, EXIT_USAGE = 2 };

static int complain(const struct err *err)
{
	fprintf(stderr, "tunneld: %s\n", err->msg);
	return err->code == ERR_USAGE ? EXIT_USAGE : EXIT_BROKEN;
}

static int print_schema(enum options_mode mode)
{
	json_t *json = mode == MODE_SCHEMA_JSON ? schema_json() : NULL;
	CLEANUP(freep) char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;

	json_decref(json);
	if (mode == MODE_SCHEMA_REFERENCE)
		text = schema_reference();
	if (!text || puts(text) < 0 || fflush(stdout) != 0) {
		fprintf(stderr, "tunneld: cannot print the schema\n");
		return EXIT_BROKEN;
	}
	return EXIT_OK;
}

/* A tunnel needs a descriptor for each of its connections, and then some. 0, or why not. */
static int raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? errno : 0;
}

static int supervise(const struct load_source *source, const struct control_place *place,
		     struct config *config)
{
	struct supervisor supervisor;
	struct err err;
	int status = EXIT_BROKEN;

	if (supervisor_init(&supervisor, source, place, config, &err) < 0)
		log_error("%s", err.msg);
	else
		status = supervisor_run(&supervisor);
	supervisor_fini(&supervisor);
	return status;
}

static void log_loaded(const struct load_source *source, const struct loaded *loaded)
{
	for (size_t i = 0; i < loaded->warnings.count; i++)
		log_warning("%s", loaded->warnings.items[i]);
	load_log_notes(loaded->config, NULL);
	if (loaded->is_missing)
		log_info("no configuration yet; it would be read from %s, and tunctl add works "
			 "without one",
			 source->config);
}

static int run(const struct load_source *source, const struct control_place *place)
{
	struct loaded loaded;
	struct err err;
	int status, unraised;

	load(source, &loaded);
	if (leash_settle(source->leash, &err) < 0) {
		loaded_fini(&loaded);
		return complain(&err);
	}
	if (!loaded.config) {
		check_print_problems(&loaded.problems);
		loaded_fini(&loaded);
		return EXIT_BROKEN;
	}
	signal(SIGPIPE, SIG_IGN);
	unraised = raise_limits();
	descriptors_make_room(); /* before the log has a thread */
	if (log_open("tunneld") < 0) {
		fprintf(stderr, "tunneld: cannot start the log: %s\n", strerror(errno));
		loaded_fini(&loaded);
		return EXIT_BROKEN;
	}
	if (unraised)
		log_warning("cannot raise the limit of open files: %s", strerror(unraised));
	log_loaded(source, &loaded);
	status = supervise(source, place, TAKE(loaded.config));
	loaded_fini(&loaded);
	log_close();
	return status;
}

/* The lock comes first: a second daemon must touch nothing. */
static int lock_and_run(const struct load_source *source, const char *socket_path, bool is_system)
{
	CLEANUP(closep) int lock = -1;
	struct control_place place = { .path = socket_path, .is_shared = is_system };
	struct err err;

	if (control_file_prepare_directory(socket_path, is_system, &err) < 0)
		return complain(&err);
	lock = place.lock = lock_acquire(socket_path, &err);
	if (lock < 0)
		return complain(&err);
	return run(source, &place);
}

static int act(const struct options *o, struct paths *paths)
{
	struct leash leash;
	struct load_source source = {
		.config = o->config ? (char *)o->config : paths->config,
		.optional = !o->config && !o->is_system,
		.state_dir = o->state_dir ? (char *)o->state_dir : paths->state_dir,
		.system = o->is_system,
		.home = paths->home,
		.user = paths->user,
		.leash = &leash,
	};
	struct err err;
	int status;

	if (leash_open(&leash, &err) < 0)
		return complain(&err);
	if (o->mode == MODE_CHECK)
		status = check_config(&source) ? EXIT_OK : EXIT_BROKEN;
	else
		status = lock_and_run(&source, o->socket ? o->socket : paths->socket, o->is_system);
	leash_close(&leash);
	return status;
}

/* The numbers of those that are closed would go to files and sockets of ours, and what is written there
 * (the log, a worker's last words) into one of them. */
static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	closep(&fd);
}

int main(int argc, char **argv)
{
	struct options options;
	struct paths paths;
	struct err err;
	int status;

	open_standard_descriptors();
	secret_protect_process();
	if (options_parse(argc, argv, geteuid() == 0, &options, &err) < 0)
		return complain(&err);
	switch (options.mode) {
	case MODE_HELP:
		options_print_help(stdout);
		return EXIT_OK;
	case MODE_VERSION:
		puts("tunneld " TUNNELD_VERSION);
		return EXIT_OK;
	case MODE_SCHEMA_JSON:
	case MODE_SCHEMA_REFERENCE:
		return print_schema(options.mode);
	case MODE_CHECK:
	case MODE_RUN:
		break;
	}
	if (paths_init(&paths, options.is_system, &err) < 0)
		return complain(&err);
	status = act(&options, &paths);
	paths_fini(&paths);
	offload_exit(status);
}
