/* SPDX-License-Identifier: MIT */
/*
 * tunneld-worker: started by tunneld, with its end of their line as descriptor 3. It reads no
 * configuration, executes nothing, writes no file and listens on nothing, and it ends with tunneld.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/common/descriptors.h"
#include "daemon/common/log.h"
#include "daemon/common/offload.h"
#include "daemon/worker/session.h"
#include "daemon/worker/worker.h"
#include "lib/secret.h"

#define LINE_FD 3

static bool is_line(int fd)
{
	int type = 0;
	socklen_t size = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

/* Nothing is executed: no new privileges. */
static void confine(void)
{
	secret_protect_process(); /* keys are in this memory */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* The terminal's ^C is for the supervisor, which ends us in order. */
static void ignore_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
}

static int run(void)
{
	struct loop *loop;
	struct worker *worker;
	struct err err;
	int status = 1;

	loop = loop_new(&err);
	worker = loop ? worker_new(loop, LINE_FD, &err) : NULL;
	if (worker)
		status = loop_run(loop);
	else
		log_error("%s", err.msg);
	worker_free(worker);
	loop_free(loop);
	return status;
}

int main(int argc, char **argv)
{
	int status;

	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		printf("tunneld-worker %s (libssh %s)\n", TUNNELD_VERSION,
		       session_libssh_version());
		return 0;
	}
	if (!is_line(LINE_FD)) {
		fputs("tunneld-worker is started by tunneld, not by hand\n", stderr);
		return 2;
	}
	confine();
	ignore_signals();
	mallopt(M_ARENA_MAX, 2); /* threads are few and short-lived; an arena each is waste */
	session_silence_libssh();
	descriptors_make_room();
	if (log_open("tunneld-worker") < 0)
		return 1;
	status = run();
	log_close();
	offload_exit(status);
}
