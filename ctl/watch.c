/* SPDX-License-Identifier: MIT */
/*
 * `tunctl list -w`: a table on the terminal's second screen, drawn anew every second so that
 * waits count down. A daemon that goes away is shown as such and looked for again: a watch that
 * ends by itself is of no use. Signals come as a descriptor, so the screen is always given back.
 */
#include "ctl/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ctl/text.h"
#include "lib/util.h"

#define REDRAW_MS 1000

#define SCREEN_ENTER "\033[?1049h\033[?25l"
#define SCREEN_LEAVE "\033[?25h\033[?1049l"
#define SCREEN_HOME "\033[H"
#define LINE_END "\033[K\r\n"
#define SCREEN_REST "\033[J"

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Waits for the next drawing. False: the user has seen enough. */
static bool wait_tick(int signals)
{
	struct pollfd p = { .fd = signals, .events = POLLIN };
	struct signalfd_siginfo info;

	if (poll(&p, 1, REDRAW_MS) <= 0)
		return true;
	return read(signals, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGWINCH;
}

/* As many lines as the screen has, each without what was there before. */
static void add_lines(struct strbuf *to, const char *text, unsigned height)
{
	for (unsigned line = 1; *text && line < height; line++) {
		size_t length = strcspn(text, "\n");

		strbuf_add_bytes(to, text, length);
		strbuf_add(to, LINE_END);
		text += length + (text[length] == '\n');
	}
}

static char *screen_text(struct ctl *ctl, const struct view *view, const json_t *items,
			 const struct failure *f)
{
	struct strbuf text = { 0 }, screen = { 0 };
	CLEANUP(freep) char *table = NULL, *whole = NULL;

	if (items) {
		view->summary(&text, items);
		strbuf_add(&text, " (Ctrl-C ends)\n\n");
		table = view->text(items, &ctl->out);
		strbuf_add(&text, table ? table : "");
	} else {
		text_add_wrapped(&text, f->message, 0, ctl->out.width);
	}
	whole = strbuf_take(&text);
	strbuf_add(&screen, SCREEN_HOME);
	add_lines(&screen, whole ? whole : "", ctl->out.height);
	strbuf_add(&screen, SCREEN_REST);
	return strbuf_take(&screen);
}

/* Whether a signal waits to be read: then the answer is not awaited, nor shown. */
static bool is_interrupted(int signals)
{
	struct pollfd p = { .fd = signals, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static int draw(struct ctl *ctl, const struct view *view, int signals)
{
	struct failure f = { 0 };
	json_t *items = NULL;
	CLEANUP(freep) char *screen = NULL;

	if (ctl_client(ctl, &f)) {
		ctl->client.interrupt_fd = signals;
		items = view->fetch(ctl, &f);
	}
	term_init(&ctl->out, STDOUT_FILENO);
	screen = is_interrupted(signals) ? strdup("") : screen_text(ctl, view, items, &f);
	if (!items)
		client_close(&ctl->client);
	json_decref(items);
	failure_fini(&f);
	return screen && fputs(screen, stdout) >= 0 && fflush(stdout) == 0 ? 0 : -1;
}

int watch(struct ctl *ctl, const struct view *view, struct failure *f)
{
	CLEANUP(closep) int signals = -1;
	json_t *items;

	if (!ctl->out.tty || ctl->json)
		return failure_set(f, EXIT_USAGE, ERR_USAGE, "--watch needs a terminal to draw on");
	/* The first time may fail as without --watch: no daemon, a name that is wrong. */
	items = view->fetch(ctl, f);
	if (!items)
		return -1;
	json_decref(items);
	signals = open_signals();
	if (signals < 0)
		return failure_set(f, EXIT_FAILED, ERR_IO, "cannot watch for signals: %s",
				   strerror(errno));
	fputs(SCREEN_ENTER, stdout);
	while (draw(ctl, view, signals) == 0 && wait_tick(signals))
		;
	fputs(SCREEN_LEAVE, stdout);
	return EXIT_OK;
}
