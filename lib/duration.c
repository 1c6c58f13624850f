/* SPDX-License-Identifier: MIT */
/*
 * Units stand from large to small, each at most once: `30m1h` is more likely a slip than a wish.
 */
#include "lib/duration.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/str.h"
#include "lib/util.h"

static const struct {
	const char *name;
	unsigned ms;
} units[] = {
	{ "h", 60 * 60 * 1000 },
	{ "m", 60 * 1000 },
	{ "s", 1000 },
	{ "ms", 1 },
};

enum { UNIT_SECONDS = 2 };

static int refuse(const char *text, const char *why, struct err *err)
{
	char shown[80];

	str_escape(shown, sizeof(shown), text, strlen(text));
	return err_set(err, ERR_CONFIG, "'%s' %s", shown, why);
}

/* The index of the unit at *text, which moves past it; -1: none. */
static int take_unit(const char **text)
{
	size_t length = strspn(*text, "abcdefghijklmnopqrstuvwxyz");

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strlen(units[i].name) == length && memcmp(units[i].name, *text, length) == 0) {
			*text += length;
			return (int)i;
		}
	}
	return -1;
}

/* Digits at *text, which moves past them; false: none. Too large a number saturates. */
static bool take_number(const char **text, uint64_t *ret)
{
	const char *start = *text;

	*ret = 0;
	for (; **text >= '0' && **text <= '9'; (*text)++) {
		if (*ret <= UINT_MAX)
			*ret = *ret * 10 + (uint64_t)(**text - '0');
	}
	return *text != start;
}

int duration_parse(const char *text, unsigned *ret_ms, struct err *err)
{
	static const char form[] = "is not a duration; write 500ms, 15s, 5m or 1h30m";
	const char *rest = text;
	uint64_t total = 0, number;
	int last = -1;

	if (!take_number(&rest, &number))
		return refuse(text, form, err);
	do {
		int unit = *rest == '\0' && last < 0 ? UNIT_SECONDS : take_unit(&rest);

		if (unit < 0)
			return refuse(text, form, err);
		if (unit <= last)
			return refuse(text, "is not a duration; write large units first, each once",
				      err);
		last = unit;
		if (number > UINT_MAX / units[unit].ms)
			return refuse(text, "is too long; at most 49 days can be counted", err);
		total += number * units[unit].ms;
	} while (take_number(&rest, &number));
	if (*rest != '\0')
		return refuse(text, form, err);
	if (total > UINT_MAX)
		return refuse(text, "is too long; at most 49 days can be counted", err);
	*ret_ms = (unsigned)total;
	return 0;
}

char *duration_format(char out[DURATION_TEXT_MAX], unsigned ms)
{
	size_t used = 0;

	if (ms == 0)
		return strcpy(out, "0s");
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		unsigned n = ms / units[i].ms;

		ms %= units[i].ms;
		if (n > 0)
			used += (size_t)snprintf(out + used, DURATION_TEXT_MAX - used, "%u%s", n,
						 units[i].name);
	}
	return out;
}
