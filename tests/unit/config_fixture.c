/* SPDX-License-Identifier: MIT */
#include "tests/unit/config_fixture.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *base = getenv("TMPDIR");

	if (!f)
		return -1;
	snprintf(f->directory, sizeof(f->directory), "%.40s/tunneld-config-XXXXXX",
		 base ? base : "/tmp");
	f->context = (struct config_context){ .home = "/home/me", .user = "me" };
	*state = f;
	return mkdtemp(f->directory) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	config_problems_fini(&f->problems);
	nftw(f->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

const char *fixture_path(const struct fixture *f, const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", f->directory, name);
	return path;
}

void fixture_write_bytes(const struct fixture *f, const char *name, const char *bytes,
			 size_t length)
{
	FILE *file = fopen(fixture_path(f, name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

void fixture_write(const struct fixture *f, const char *name, const char *text)
{
	fixture_write_bytes(f, name, text, strlen(text));
}

struct config *fixture_load(struct fixture *f, const char *name)
{
	struct config *config;

	config_problems_fini(&f->problems);
	config = config_load(fixture_path(f, name), &f->context, &f->problems);
	assert_int_equal(config == NULL, f->problems.count > 0);
	return config;
}

struct config *fixture_load_text(struct fixture *f, const char *text)
{
	fixture_write(f, "main.yaml", text);
	return fixture_load(f, "main.yaml");
}

/* The first few are enough to see what is wrong. */
static void print_problems(const struct fixture *f)
{
	for (size_t i = 0; i < f->problems.count && i < 10; i++) {
		char *text = config_problem_text(&f->problems.items[i]);

		print_error("  %s\n", text);
		free(text);
	}
}

struct config *fixture_load_good(struct fixture *f, const char *text)
{
	struct config *config = fixture_load_text(f, text);

	if (!config) {
		print_problems(f);
		fail_msg("%s", text);
	}
	return config;
}

void fixture_expect(struct fixture *f, unsigned line, unsigned column, const char *says)
{
	for (size_t i = 0; i < f->problems.count; i++) {
		const struct config_problem *p = &f->problems.items[i];

		if ((line == 0 || (p->line == line && p->column == column)) &&
		    strstr(p->message, says))
			return;
	}
	print_problems(f);
	fail_msg("no problem at %u:%u says '%s'", line, column, says);
}
