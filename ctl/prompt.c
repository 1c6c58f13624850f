/* SPDX-License-Identifier: MIT */
/*
 * Signals that would end or stop us come as a descriptor while the terminal shows nothing of what
 * is typed: first it is given back, then the signal has its usual effect. After a stop the prompt
 * is shown again.
 */
#include "ctl/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "lib/util.h"

int prompter_open(struct prompter *p, bool program, struct failure *f)
{
	*p = (struct prompter){ .tty = -1 };
	if (!isatty(STDIN_FILENO))
		return 0;
	if (program)
		return failure_set(f, EXIT_USAGE, ERR_USAGE,
				   "--json is for programs: write the answers to standard input, "
				   "one a line");
	p->tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (p->tty < 0)
		p->tty = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (p->tty < 0)
		return failure_set(f, EXIT_FAILED, ERR_IO, "cannot open the terminal: %s",
				   strerror(errno));
	return 0;
}

void prompter_close(struct prompter *p)
{
	explicit_bzero(p->lines, sizeof(p->lines));
	p->size = 0;
	closep(&p->tty);
}

static void show(int fd, const char *text)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno != EINTR)
			return;
		text += MAX(n, 0);
		length -= (size_t)MAX(n, 0);
	}
}

void prompter_say(struct prompter *p, const char *text)
{
	if (p->tty >= 0)
		show(p->tty, text);
}

static int set_answer(struct secret *ret, const char *line, size_t length, struct failure *f)
{
	if (length > SECRET_MAX)
		return failure_set(f, EXIT_FAILED, ERR_LIMIT, "the answer is longer than %d bytes",
				   SECRET_MAX);
	if (memchr(line, '\0', length))
		return failure_set(f, EXIT_FAILED, ERR_USAGE, "the answer is not text");
	return secret_set(ret, line, length) < 0 ? failure_nomem(f) : 1;
}

/* ---- the terminal ---- */

struct silence {
	int tty, signals;
	struct termios before;
	sigset_t mask;
};

static int begin(struct silence *s, int tty, bool echo)
{
	struct termios quiet;
	sigset_t set;

	s->tty = tty;
	if (tcgetattr(tty, &s->before) < 0)
		return -1;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, &s->mask);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	quiet = s->before;
	quiet.c_lflag |= ICANON | ISIG | ECHO;
	if (!echo)
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	if (s->signals >= 0 && tcsetattr(tty, TCSAFLUSH, &quiet) == 0)
		return 0;
	closep(&s->signals);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
	return -1;
}

/* Half an answer must not be left for the shell to find. signo: what came meanwhile, and has its
 * effect now; 0: nothing. */
static void end(struct silence *s, int signo)
{
	tcsetattr(s->tty, TCSAFLUSH, &s->before);
	closep(&s->signals);
	if (signo)
		kill(getpid(), signo);
	sigprocmask(SIG_SETMASK, &s->mask, NULL);
}

static int read_signal(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

/* A line of the terminal; as prompter_ask(). */
static int read_line(int tty, struct secret *ret, struct failure *f)
{
	char line[SECRET_MAX + 3];
	ssize_t n = read(tty, line, sizeof(line));
	int rc;

	if (n <= 0)
		return failure_set(f, EXIT_FAILED, ERR_ANSWER, "no answer was given");
	if (line[n - 1] == '\n')
		n--;
	rc = set_answer(ret, line, (size_t)n, f);
	explicit_bzero(line, sizeof(line));
	return rc;
}

enum heard { HEARD_LINE, HEARD_WATCHED, HEARD_SIGNAL };

static enum heard listen_to(const struct silence *s, int watched)
{
	struct pollfd p[] = {
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = watched, .events = POLLIN },
		{ .fd = s->tty, .events = POLLIN },
	};

	while (poll(p, ARRAY_SIZE(p), -1) < 0)
		;
	if (p[0].revents)
		return HEARD_SIGNAL;
	return p[1].revents ? HEARD_WATCHED : HEARD_LINE;
}

static int ask_terminal(struct prompter *p, const char *text, bool echo, int watched,
			struct secret *ret, struct failure *f)
{
	for (;;) {
		struct silence s = { .signals = -1 };
		enum heard heard;
		int rc = 0;

		if (begin(&s, p->tty, echo) < 0)
			return failure_set(f, EXIT_FAILED, ERR_IO, "cannot use the terminal: %s",
					   strerror(errno));
		show(p->tty, text);
		heard = listen_to(&s, watched);
		if (heard == HEARD_LINE)
			rc = read_line(p->tty, ret, f);
		if (!echo || heard != HEARD_LINE)
			show(p->tty, "\n");
		end(&s, heard == HEARD_SIGNAL ? read_signal(s.signals) : 0);
		if (heard != HEARD_SIGNAL)
			return rc;
	}
}

/* ---- standard input ---- */

static int take_buffered(struct prompter *p, size_t length, size_t used, struct secret *ret,
			 struct failure *f)
{
	int rc = set_answer(ret, p->lines, length, f);

	p->size -= used;
	memmove(p->lines, p->lines + used, p->size);
	explicit_bzero(p->lines + p->size, used);
	return rc;
}

static int fill(struct prompter *p, struct failure *f)
{
	ssize_t n = read(STDIN_FILENO, p->lines + p->size, sizeof(p->lines) - p->size);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return failure_set(f, EXIT_FAILED, ERR_IO, "cannot read standard input: %s",
				   strerror(errno));
	p->size += (size_t)n;
	return n == 0 ? 1 : 0;
}

static int ask_input(struct prompter *p, const char *text, int watched, struct secret *ret,
		     struct failure *f)
{
	struct pollfd fds[] = { { .fd = watched, .events = POLLIN },
				{ .fd = STDIN_FILENO, .events = POLLIN } };
	int ended = 0;

	for (;;) {
		const char *newline = memchr(p->lines, '\n', p->size);
		size_t length = newline ? (size_t)(newline - p->lines) : p->size;

		if (newline || p->size == sizeof(p->lines) || (ended && p->size > 0))
			return take_buffered(p, length, length + (newline != NULL), ret, f);
		if (ended)
			break;
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[0].revents)
			return 0;
		ended = fill(p, f);
		if (ended < 0)
			return -1;
	}
	failure_set(f, EXIT_FAILED, ERR_ANSWER, "'%s' was not answered: standard input has ended",
		    text);
	failure_hint(f, "run it on a terminal, or write one line for each prompt");
	return -1;
}

int prompter_ask(struct prompter *p, const char *text, bool echo, int watched, struct secret *ret,
		 struct failure *f)
{
	if (p->tty >= 0)
		return ask_terminal(p, text, echo, watched, ret, f);
	return ask_input(p, text, watched, ret, f);
}
