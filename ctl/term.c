/* SPDX-License-Identifier: MIT */
#include "ctl/term.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80
#define HEIGHT_DEFAULT 24

static const char *const sequences[STYLE_COUNT] = {
	[STYLE_NONE] = "",          [STYLE_BOLD] = "\033[1m",    [STYLE_DIM] = "\033[2m",
	[STYLE_GREEN] = "\033[32m", [STYLE_YELLOW] = "\033[33m", [STYLE_RED] = "\033[31m",
	[STYLE_CYAN] = "\033[36m",
};

/* https://no-color.org, and terminals that would show the sequences. */
static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *name = getenv("TERM");

	return (!no || !*no) && name && *name && strcmp(name, "dumb") != 0;
}

/* What the environment says where the terminal does not know (serial lines). */
static unsigned number_of(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);
	unsigned long number = text ? strtoul(text, NULL, 10) : 0;

	return number > 0 && number < 10000 ? (unsigned)number : otherwise;
}

void term_init(struct term *term, int fd)
{
	struct winsize size = { 0 };

	*term = (struct term){ .tty = isatty(fd) };
	term->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	if (!term->tty)
		return;
	term->colour = wants_colour();
	ioctl(fd, TIOCGWINSZ, &size);
	term->width = size.ws_col ? size.ws_col : number_of("COLUMNS", WIDTH_DEFAULT);
	term->height = size.ws_row ? size.ws_row : number_of("LINES", HEIGHT_DEFAULT);
}

const char *term_begin(const struct term *term, enum style style)
{
	return term->colour ? sequences[style] : "";
}

const char *term_end(const struct term *term, enum style style)
{
	return term->colour && style != STYLE_NONE ? "\033[0m" : "";
}

const char *term_arrow(const struct term *term)
{
	return term->utf8 ? "→" : "->";
}

const char *term_ellipsis(const struct term *term)
{
	return term->utf8 ? "…" : "...";
}

const char *term_bullet(const struct term *term)
{
	return term->utf8 ? "●" : "*";
}
