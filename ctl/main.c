/* SPDX-License-Identifier: MIT */
/*
 * tunctl: reads the command line, runs the verb, shows what failed. What a verb prints goes to
 * standard output, everything about failure to standard error; an output that cannot be written is
 * a failure too, so that `tunctl --json list > full-disk` does not look like success.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "lib/secret.h"
#include "lib/util.h"

static int run(struct ctl *ctl, struct failure *f)
{
	const struct args *args = &ctl->args;

	if (args_has(args, OPTION_HELP)) {
		if (args->verb)
			verb_usage(stdout, args->verb);
		else
			verbs_usage(stdout);
		return EXIT_OK;
	}
	if (!args->verb && args_has(args, OPTION_VERSION)) {
		puts("tunctl " TUNNELD_VERSION);
		return EXIT_OK;
	}
	if (!args->verb) {
		verbs_usage(stderr);
		return EXIT_USAGE;
	}
	return args->verb->run(ctl, f);
}

/* What was printed must have arrived. */
static int flush_output(struct failure *f)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	f->hint[0] = '\0';
	return failure_set(f, EXIT_FAILED, ERR_IO, "cannot write the output: %s", strerror(errno));
}

/* Whoever closed a standard descriptor shall not find the daemon's socket under its number: then an
 * input is empty, and an output cannot be written. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	closep(&fd);
}

int main(int argc, char **argv)
{
	struct failure f = { 0 };
	struct ctl ctl = { .client = CLIENT_CLOSED };
	int rc;

	secret_protect_process();
	fill_standard_descriptors();
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	rc = args_parse(&ctl.args, argc, argv, &f);
	ctl.json = args_has(&ctl.args, OPTION_JSON);
	ctl.narrate = isatty(STDERR_FILENO) && !ctl.json;
	term_init(&ctl.out, STDOUT_FILENO);
	if (rc == 0) {
		rc = run(&ctl, &f);
		if (rc < 0)
			ctl_name_unknown(&ctl, &f);
	}
	if (flush_output(&f) < 0)
		rc = -1;
	if (rc < 0) {
		failure_print(&f, stderr, ctl.json);
		rc = (int)f.exit;
	}
	client_close(&ctl.client);
	args_fini(&ctl.args);
	failure_fini(&f);
	return rc;
}
