/* SPDX-License-Identifier: MIT */
/*
 * The drop-ins that stand beside a unit, as systemd.unit(5) has them: files "*.conf" in directories that are
 * called after the unit ("a-b@c.service.d"), after what its name begins with ("a-@c.service.d"), after its
 * template ("a-b@.service.d") and after its type ("service.d"). Of two files with one name the nearer counts, and
 * all are read in the order of their names.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "ctl/unit.h"
#include "lib/str.h"

#define TYPE "service"
#define SUFFIX "." TYPE
#define DROP_INS_MAX 256 /* nobody has so many; of other directories there is no end */

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length > strlen(end) && streq(text + length - strlen(end), end);
}

/* ---- whose directories ---- */

/* Takes text; NULL: no memory. */
static int take(struct strv *to, char *text)
{
	CLEANUP(freep) char *name = text;

	return name ? strv_add(to, name) : -1;
}

/* "a-b-c" stands in "a-b-" and "a-" as well; rest: "@INSTANCE.service" */
static int add_name(struct strv *to, const char *prefix, size_t length, const char *rest)
{
	int rc = take(to, str_printf("%.*s%s", (int)length, prefix, rest));

	while (rc == 0) {
		while (length > 0 && prefix[length - 1] == '-')
			length--;
		while (length > 0 && prefix[length - 1] != '-')
			length--;
		if (length < 2)
			break; /* a dash alone is no name */
		rc = take(to, str_printf("%.*s%s", (int)length, prefix, rest));
	}
	return rc;
}

/* The nearest first. */
static int list_names(struct strv *to, const char *unit)
{
	size_t prefix = strcspn(unit, "@");
	const char *end = unit + strlen(unit) - strlen(SUFFIX);

	if (unit + prefix >= end) /* no instance */
		return add_name(to, unit, (size_t)(end - unit), SUFFIX) < 0 ? -1
									    : strv_add(to, TYPE);
	if (add_name(to, unit, prefix, unit + prefix) < 0)
		return -1;
	if (unit + prefix + 1 < end && add_name(to, unit, prefix, "@" SUFFIX) < 0)
		return -1;
	return strv_add(to, TYPE);
}

/* ---- what is in them ---- */

static bool has_name(const struct strv *paths, const char *name)
{
	for (size_t i = 0; i < paths->count; i++) {
		if (streq(str_base_name(paths->items[i]), name))
			return true;
	}
	return false;
}

static int is_drop_in(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && ends_with(entry->d_name, ".conf");
}

/* Nothing that a reader would have to wait for; a link to /dev/null hides another file. */
static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 &&
	       (S_ISREG(st.st_mode) || (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)));
}

static int add_entries(struct strv *to, const char *directory, struct dirent **entries, int count)
{
	int rc = 0;

	for (int i = 0; i < count; i++) {
		CLEANUP(freep)
		char *path = str_printf("%s/%s", directory, entries[i]->d_name);

		if (!path)
			rc = -1;
		else if (rc == 0 && to->count < DROP_INS_MAX && is_file(path) &&
			 !has_name(to, entries[i]->d_name))
			rc = strv_add(to, path);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

/* A directory that cannot be read has nothing, as with systemd. */
static int add_directory(struct strv *to, const char *unit, const char *name)
{
	CLEANUP(freep)
	char *path = str_printf("%.*s%s.d", (int)(str_base_name(unit) - unit), unit, name);
	struct dirent **entries;
	int count;

	if (!path)
		return -1;
	count = scandir(path, &entries, is_drop_in, alphasort);
	if (count < 0)
		return errno == ENOMEM ? -1 : 0;
	return add_entries(to, path, entries, count);
}

/* ---- all of them ---- */

static int compare(const void *a, const void *b)
{
	return strcmp(str_base_name(*(char *const *)a), str_base_name(*(char *const *)b));
}

int unit_find_drop_ins(const char *unit, struct strv *to, struct err *err)
{
	struct strv names = { 0 };
	int rc = 0;

	if (!ends_with(unit, SUFFIX))
		return 0;
	rc = list_names(&names, str_base_name(unit));
	for (size_t i = 0; i < names.count && rc == 0; i++)
		rc = add_directory(to, unit, names.items[i]);
	strv_fini(&names);
	if (rc < 0)
		return err_nomem(err);
	if (to->count == DROP_INS_MAX)
		return err_set(err, ERR_LIMIT, "%s has more than %d drop-ins", unit,
			       DROP_INS_MAX - 1);
	if (to->count > 0)
		qsort(to->items, to->count, sizeof(*to->items), compare);
	return 0;
}
